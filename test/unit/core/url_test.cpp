#include "core/url.h"

#include <gtest/gtest.h>

namespace trainer::core {
namespace {

TEST(ApiBase, TakesHttps) {
  for (const char* url : {"https://api.openai.com/v1", "https://api.example.org", "https://10.0.0.1:8443/v1/",
                          "https://[2001:db8::1]:443/v1"}) {
    EXPECT_FALSE(check_api_base(url)) << url;
  }
}

TEST(ApiBase, TakesPlainHttpOnLoopbackOnly) {
  for (const char* url : {"http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:9/v1", "http://127.8.9.1"}) {
    EXPECT_FALSE(check_api_base(url)) << url;
  }
  for (const char* url : {"http://api.openai.com/v1", "http://127.evil.example/v1", "http://127.0.0.1.evil/v1",
                          "http://localhost.evil/", "http://0x7f000001/", "http://127.1.2./", "http://10.0.0.1/"}) {
    EXPECT_TRUE(check_api_base(url)) << url;
  }
}

TEST(ApiBase, RefusesWhatCouldSendTheKeyElsewhere) {
  for (const char* url :
       {"ftp://api.openai.com", "https://", "https://user@evil/", "https://api.openai.com#@evil", "https://a?b",
        "https://a b/", "https://a\nb", "//a", "", "https://[::1", "https://a:port/", "https://a:/",
        "https://a:1234567/", "https://[::1]x/", "https://\xc3\xa4/", "https://a\\b"}) {
    EXPECT_TRUE(check_api_base(url)) << url;
  }
  EXPECT_TRUE(check_api_base("https://" + std::string(1100, 'a')));
}

TEST(EnvironmentName, IsANameAndNotAKey) {
  EXPECT_FALSE(check_environment_name("OPENAI_API_KEY"));
  EXPECT_FALSE(check_environment_name("_x1"));
  for (const char* name : {"sk-abcdef", "1A", "", "A B", "A=B"}) EXPECT_TRUE(check_environment_name(name)) << name;
  EXPECT_TRUE(check_environment_name(std::string(300, 'A')));
}

}  // namespace
}  // namespace trainer::core

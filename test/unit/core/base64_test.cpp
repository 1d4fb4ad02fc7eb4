#include "core/base64.h"

#include <gtest/gtest.h>

#include <utility>

namespace trainer::core {
namespace {

// RFC 4648, section 10.
TEST(Base64, IsThatOfTheRfc) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xfb\xff", "+/8="}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  EXPECT_EQ(decode_base64("Zm9v\r\nYmFy\n"), "foobar");
}

TEST(Base64, AnythingElseIsNone) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm9v=", "Z===", "Zg==Zg==", "Zm9*", "Zm 9v", "Zm9-"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

}  // namespace
}  // namespace trainer::core

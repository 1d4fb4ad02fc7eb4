#include "provider/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace trainer::provider {
namespace {

bool reachable(Reach reach, const char* address) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    std::memset(&storage, 0, sizeof storage);
    EXPECT_EQ(inet_pton(AF_INET6, address, &v6->sin6_addr), 1) << address;
    storage.ss_family = AF_INET6;
  }
  return is_reachable(reach, reinterpret_cast<const sockaddr*>(&storage));
}

TEST(Address, ThePublicNameOfAProviderLeadsToNoPrivateAddress) {
  for (const char* address : {"127.0.0.1",       "127.9.9.9",       "10.0.0.1",   "172.16.0.1", "172.31.255.255",
                              "192.168.1.1",     "169.254.169.254", "0.0.0.0",    "100.64.0.1", "224.0.0.1",
                              "255.255.255.255", "192.0.0.1",       "198.18.0.1", "::1",        "::",
                              "fe80::1",         "fc00::1",         "fd12::1",    "ff02::1",    "::ffff:10.0.0.1",
                              "fec0::1"}) {
    EXPECT_FALSE(reachable(Reach::the_world, address)) << address;
    EXPECT_TRUE(reachable(Reach::anywhere, address)) << address;
  }
  for (const char* address :
       {"104.18.7.192", "172.32.0.1", "172.15.0.1", "11.0.0.1", "128.0.0.1", "192.169.0.1", "2606:4700::1",
        "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"}) {
    EXPECT_TRUE(reachable(Reach::the_world, address)) << address;
  }
}

// Of each what wraps 10.0.0.1, 127.0.0.1 or 169.254.169.254.
TEST(Address, NoTransitionPrefixLeadsToAPrivateAddress) {
  for (const char* address : {
           "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",                             // NAT64
           "64:ff9b:1::10.0.0.1", "64:ff9b:1:a00:0:100::", "64:ff9b:1::808:808", "64:ff9b:0:1::1",      // of one's own
           "2001::a00:1", "2001:0:808:808:0:0:f5ff:fffe", "2001:0:a00:1:0:0:f7f7:f7f7", "2001:1ff::1",  // Teredo
           "2002:a00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::1",                                       // 6to4
       }) {
    EXPECT_FALSE(reachable(Reach::the_world, address)) << address;
    EXPECT_FALSE(reachable(Reach::loopback, address)) << address;
  }
  for (const char* address : {"64:ff9b::808:808", "2002:808:808::", "2001:200::1", "2001:4860:4860::8888"}) {
    EXPECT_TRUE(reachable(Reach::the_world, address)) << address;
  }
}

TEST(Address, PlainHttpStaysOnLoopbackWhateverTheNameResolvesTo) {
  for (const char* address : {"127.0.0.1", "127.255.0.1", "::1"}) EXPECT_TRUE(reachable(Reach::loopback, address));
  for (const char* address : {"10.0.0.1", "8.8.8.8", "::2", "1::1", "fe80::1", "2606:4700::1"}) {
    EXPECT_FALSE(reachable(Reach::loopback, address)) << address;
  }
}

TEST(Address, OtherFamiliesAreNotReached) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_FALSE(is_reachable(Reach::the_world, reinterpret_cast<const sockaddr*>(&local)));
  EXPECT_FALSE(is_reachable(Reach::loopback, reinterpret_cast<const sockaddr*>(&local)));
}

TEST(Address, TheBaseUrlSaysHowFar) {
  for (const char* base : {"http://127.0.0.1:8080/v1", "http://localhost", "http://[::1]:1/v1"}) {
    EXPECT_EQ(reach_of(base), Reach::loopback) << base;
  }
  for (const char* base :
       {"https://localhost/v1", "https://10.1.2.3/v1", "https://[fd00::1]:8443/v1", "https://llm:8443/v1",
        "https://Gateway.INTERNAL/v1", "https://a.local", "https://a.lan:1/", "https://x.home.arpa/"}) {
    EXPECT_EQ(reach_of(base), Reach::anywhere) << base;
  }
  for (const char* base : {"https://api.openai.com/v1", "https://10.1.2.3.example.com/",
                           "https://local.example/internal.local", "https://a.locale:443/"}) {
    EXPECT_EQ(reach_of(base), Reach::the_world) << base;
  }
}

}  // namespace
}  // namespace trainer::provider

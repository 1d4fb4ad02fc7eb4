#include "provider/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace trainer::provider {
namespace {

std::string lower_host(std::string_view api_base) {
  const std::size_t begin = api_base.find("://") + 3;
  std::string_view authority = api_base.substr(begin);
  authority = authority.substr(0, authority.find('/'));
  std::string_view host = authority.substr(0, authority.find(':'));
  if (authority.starts_with('[')) host = authority.substr(1, authority.find(']') - 1);
  std::string result(host);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

bool is_local_name(const std::string& host) {
  std::array<unsigned char, 16> address{};
  if (inet_pton(AF_INET, host.c_str(), address.data()) == 1 || inet_pton(AF_INET6, host.c_str(), address.data()) == 1) {
    return true;
  }
  if (host.find('.') == std::string::npos) return true;
  for (const std::string_view suffix : {".internal", ".local", ".lan", ".localhost", ".home.arpa"}) {
    if (host.ends_with(suffix)) return true;
  }
  return false;
}

struct Block {
  std::uint32_t network;
  int prefix;
};

// Of RFC 6890 what leads somewhere, and not to a host of the world.
constexpr std::array<Block, 12> kPrivateV4{{
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // shared, behind carriers
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local; the metadata services of clouds
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarking
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
    {0xC0586300, 24},  // relays to IPv6
}};

bool is_private_v4(std::uint32_t address) {
  return std::any_of(kPrivateV4.begin(), kPrivateV4.end(),
                     [&](const Block& block) { return (address ^ block.network) >> (32 - block.prefix) == 0; });
}

std::uint32_t v4_of(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// Global unicast is 2000::/3. What carries an IPv4 address counts as that one; where a gateway of somebody's own may
// find one anywhere in it (64:ff9b:1::/48), and Teredo, whose 2001::/32 lies in the protocol assignments, lead nowhere.
bool is_private_v6(const unsigned char* b) {
  const auto starts = [&](std::initializer_list<unsigned char> prefix) {
    return std::equal(prefix.begin(), prefix.end(), b);
  };
  if (starts({0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return is_private_v4(v4_of(b + 12));  // NAT64
  if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return is_private_v4(v4_of(b + 12));     // mapped
  if (starts({0x20, 0x02})) return is_private_v4(v4_of(b + 2));                                    // 6to4
  if (starts({0x20, 0x01}) && b[2] < 2) return true;  // 2001::/23, protocol assignments
  return (b[0] & 0xE0) != 0x20;
}

bool is_loopback_v6(const unsigned char* b) {
  return b[15] == 1 && std::all_of(b, b + 15, [](unsigned char byte) { return byte == 0; });
}

}  // namespace

Reach reach_of(std::string_view api_base) {
  if (api_base.starts_with("http://")) return Reach::loopback;
  return is_local_name(lower_host(api_base)) ? Reach::anywhere : Reach::the_world;
}

bool is_reachable(Reach reach, const sockaddr* address) {
  if (reach == Reach::anywhere) return true;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    const std::uint32_t host = ntohl(v4.sin_addr.s_addr);
    return reach == Reach::loopback ? host >> 24 == 127 : !is_private_v4(host);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    const unsigned char* bytes = v6.sin6_addr.s6_addr;
    return reach == Reach::loopback ? is_loopback_v6(bytes) : !is_private_v6(bytes);
  }
  return false;
}

}  // namespace trainer::provider

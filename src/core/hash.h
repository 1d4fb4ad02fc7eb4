// A fast hash of 128 bits, the same on every platform and in every version: splits of datasets depend on it. Not for
// secrets: whoever knows the seed can make texts collide.
#pragma once

#include <cstdint>
#include <string_view>

namespace trainer::core {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

// Mixes 64 bits one to one: the finaliser of splitmix64 (Sebastiano Vigna, public domain).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Two lanes that take each word of eight bytes (the last one padded with zeros) one to one, then the length, then both
// finished by mix64 and crossed.
Hash128 hash128(std::string_view bytes, Hash128 seed);
Hash128 hash128(std::string_view bytes, std::uint64_t seed);

}  // namespace trainer::core

// Numbers that a seed decides: ids, order of examples, samples. splitmix64 (Steele, Lea and Flood, 2014).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trainer::sandbox {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Below `bound`, which is not 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  std::string letters(std::size_t count) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::string text;
    while (text.size() < count) text += kAlphabet[below(kAlphabet.size())];
    return text;
  }

 private:
  std::uint64_t state_;
};

// FNV-1a: stable between runs and machines, which std::hash does not promise.
inline std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0xCBF29CE484222325u) {
  for (const char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return seed;
}

}  // namespace trainer::sandbox

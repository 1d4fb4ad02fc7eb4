// Text eight bytes a step: finds the first byte that is not plain ASCII, for the loops that most text passes through
// untouched. Words are read little-endian on every platform, so that the lowest set bit is the first byte.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trainer::core {

constexpr std::uint64_t kOnes = 0x0101010101010101u;
constexpr std::uint64_t kHighBits = 0x8080808080808080u;

inline std::uint64_t load_word(const char* p) {
  const auto byte = [p](int i) { return std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i); };
  return byte(0) | byte(1) | byte(2) | byte(3) | byte(4) | byte(5) | byte(6) | byte(7);
}

// The high bit of each byte that is not printable ASCII (below 0x20, 0x7F or above). Only the lowest one is exact: a
// borrow may mark bytes behind it.
inline std::uint64_t unprintable_bytes(std::uint64_t word) {
  return (word | (word - kOnes * 0x20) | ((word ^ (kOnes * 0x7F)) - kOnes)) & kHighBits;
}

// The same for the bytes that equal `c`, an ASCII character; bytes of 0x80 and above may be marked, too.
inline std::uint64_t bytes_equal(std::uint64_t word, char c) {
  return ((word ^ (kOnes * static_cast<unsigned char>(c))) - kOnes) & kHighBits;
}

constexpr bool is_printable_ascii(char c) {
  return c >= 0x20 && c < 0x7F;
}

// The index of the first byte at or behind `from` for which `marks(word)` or its twin for one byte, `stops(c)`, says
// so; text.size() when there is none.
template <class Marks, class Stops>
std::size_t find_byte(std::string_view text, std::size_t from, Marks marks, Stops stops) {
  std::size_t at = from;
  if (at < text.size() && stops(text[at])) return at;  // in a row of such bytes, the common case
  for (; at + 8 <= text.size(); at += 8) {
    const std::uint64_t found = marks(load_word(text.data() + at));
    if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (at < text.size() && !stops(text[at])) ++at;
  return at;
}

// The first byte at or behind `from` that is not printable ASCII.
inline std::size_t find_unprintable(std::string_view text, std::size_t from) {
  return find_byte(text, from, unprintable_bytes, [](char c) { return !is_printable_ascii(c); });
}

}  // namespace trainer::core

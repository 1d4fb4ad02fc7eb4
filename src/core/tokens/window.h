// Splits 63 bytes at once, as far as they are ASCII: a mask of 64 bits for each class of characters, a bit a byte, and
// from them by shifts a mask of the places where a piece ends and the next begins. What shifts cannot tell is left to
// Splitter (split.h), which also says what the patterns are.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/tokens/split.h"

namespace trainer::core::tokens {

constexpr std::size_t kWindow = 64;  // bytes that are read
constexpr std::size_t kWindowText = kWindow - 1;

struct Cuts {
  std::uint64_t ends = 0;  // bit n: a piece ends before byte n
  bool stopped = false;    // the piece behind the last end is one for Splitter
};

// Which bytes are of which class. The last one is kept as unknown: what follows it is not seen.
struct WindowMasks {
  std::uint64_t upper = 0;
  std::uint64_t lower = 0;
  std::uint64_t number = 0;
  std::uint64_t blank = 0;  // ' '
  std::uint64_t space = 0;  // and the other white space of a line
  std::uint64_t newline = 0;
  std::uint64_t symbol = 0;
  std::uint64_t quote = 0;  // of the symbols '\''
  std::uint64_t slash = 0;  // and '/'
  std::uint64_t unknown = 0;
};

inline WindowMasks window_masks(const char* window) {
  WindowMasks masks;
#if defined(__SSE2__)
  std::uint64_t white = 0;
  for (int i = 3; i >= 0; --i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(window) + i);
    const auto append = [](std::uint64_t& mask, __m128i found) {
      mask = mask << 16 | static_cast<std::uint32_t>(_mm_movemask_epi8(found));
    };
    const auto is = [bytes](char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
    const auto between = [bytes](char first, char last) {
      const __m128i nth = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
      return _mm_cmpeq_epi8(_mm_min_epu8(nth, _mm_set1_epi8(static_cast<char>(last - first))), nth);
    };
    append(masks.upper, between('A', 'Z'));
    append(masks.lower, between('a', 'z'));
    append(masks.number, between('0', '9'));
    append(masks.blank, is(' '));
    append(white, between('\t', '\r'));
    append(masks.newline, _mm_or_si128(is('\r'), is('\n')));
    append(masks.quote, is('\''));
    append(masks.slash, is('/'));
    append(masks.unknown, bytes);
  }
  masks.space = masks.blank | (white & ~masks.newline);
#else
  for (std::size_t i = 0; i < kWindow; ++i) {
    const auto byte = static_cast<unsigned char>(window[i]);
    const std::uint64_t mark = std::uint64_t{1} << i;
    const CharClass of = byte < 0x80 ? kAsciiClasses.data()[byte] : kOther;
    if (byte >= 0x80) masks.unknown |= mark;
    if (of == kUpper) masks.upper |= mark;
    if (of == kLower) masks.lower |= mark;
    if (of == kNumber) masks.number |= mark;
    if (of == kSpace) masks.space |= mark;
    if (of == kNewline) masks.newline |= mark;
    if (byte == ' ') masks.blank |= mark;
    if (byte == '\'') masks.quote |= mark;
    if (byte == '/') masks.slash |= mark;
  }
#endif
  masks.unknown |= std::uint64_t{1} << kWindowText;
  for (std::uint64_t* mask : {&masks.upper, &masks.lower, &masks.number, &masks.blank, &masks.space, &masks.newline}) {
    *mask &= ~masks.unknown;
  }
  masks.symbol = ~(masks.upper | masks.lower | masks.number | masks.space | masks.newline | masks.unknown);
  return masks;
}

// Where the pieces of a window end. Precondition: a piece begins at its first byte; `size` of its bytes are the text's,
// either all, or all that is left of the text, and line feeds follow them.
template <EncodingName pattern>
inline Cuts cuts(const char* window, std::size_t size) {
  const WindowMasks is = window_masks(window);
  // For each byte: is the one before it, or behind it, of the mask?
  const auto behind = [](std::uint64_t mask) { return mask << 1; };
  const auto before = [](std::uint64_t mask) { return mask >> 1; };
  constexpr bool cased = pattern == EncodingName::o200k_base;
  const std::uint64_t letter = is.upper | is.lower;
  const std::uint64_t white = is.space | is.newline;

  // A symbol that stands alone goes to the word behind it, as white space does.
  const std::uint64_t symbols = is.symbol & ~behind(is.symbol | is.blank);
  const std::uint64_t fourth = is.number & is.number << 1 & is.number << 2 & is.number << 3;
  std::uint64_t begins = symbols | (letter & ~behind(letter | is.space | symbols)) | (is.number & ~behind(is.number)) |
                         fourth | (is.newline & ~behind(white | is.symbol)) |
                         (is.space & ~(behind(is.space) & before(white)));
  if constexpr (cased) begins |= is.upper & behind(is.lower);

  // The first byte of which it is not known whether a piece begins there.
  std::uint64_t open = is.unknown | (is.space & behind(is.space) & before(is.unknown)) | behind(fourth);
  const std::uint64_t contraction = is.quote & before(letter | is.unknown);
  if constexpr (cased) {
    open |= (contraction & behind(letter)) | (is.slash & behind(is.newline));
  } else {
    open |= behind(contraction);
  }
  // Spaces behind a line break belong to it when another one follows: adding their first bit carries to their end.
  const std::uint64_t indents = is.space & behind(is.newline);
  const std::uint64_t indents_end = (is.space + indents) & ~is.space & (is.newline | is.unknown);
  if (indents_end != 0) {
    const std::uint64_t up_to = (indents_end & -indents_end) - 1;
    open |= std::uint64_t{1} << (63 - std::countl_zero(indents & up_to));
  }

  const int known = std::countr_zero(open);
  begins &= ((std::uint64_t{1} << known) - 1) & ~std::uint64_t{1};
  const bool ends_within = size < kWindowText;
  if (ends_within) {
    const std::uint64_t end = std::uint64_t{1} << size;
    begins = (begins & (end - 1)) | (static_cast<std::size_t>(known) > size ? end : 0);
  }
  return {begins, static_cast<std::size_t>(known) < (ends_within ? size + 1 : kWindowText)};
}

}  // namespace trainer::core::tokens

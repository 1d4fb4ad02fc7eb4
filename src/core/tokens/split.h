// Splits a text into the pieces whose bytes are merged, exactly as the patterns of tiktoken do:
//
//   cl100k_base  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
//                \s*[\r\n]+|\s+(?!\S)|\s+
//   o200k_base   [^\r\n\p{L}\p{N}]?U*L+C?|[^\r\n\p{L}\p{N}]?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|
//                \s*[\r\n]+|\s+(?!\S)|\s+
//                where U is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], L is [\p{Ll}\p{Lm}\p{Lo}\p{M}] and C is the first of
//                cl100k_base
//
// Every character belongs to a piece, so the pieces joined are the text. As an engine with backtracking reads a
// pattern: the first alternative that fits, each part as long as the rest allows. One pass, no memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/tokens/tables.h"

namespace trainer::core::tokens {

constexpr unsigned bit(CharClass c) {
  return 1u << c;
}
constexpr unsigned kLetters = bit(kUpper) | bit(kLower) | bit(kCaseless);
constexpr unsigned kUpperish = bit(kUpper) | bit(kCaseless) | bit(kMark);  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
constexpr unsigned kLowerish = bit(kLower) | bit(kCaseless) | bit(kMark);  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
constexpr unsigned kWhite = bit(kSpace) | bit(kNewline);                   // \s
constexpr unsigned kSymbols = bit(kOther) | bit(kMark);                    // [^\s\p{L}\p{N}]

constexpr auto kAsciiClasses = [] {
  std::array<CharClass, 128> classes{};
  for (std::size_t c = '0'; c <= '9'; ++c) classes[c] = kNumber;
  for (std::size_t c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper;
  for (std::size_t c = 'a'; c <= 'z'; ++c) classes[c] = kLower;
  for (std::size_t c : {'\t', '\v', '\f', ' '}) classes[c] = kSpace;
  for (std::size_t c : {'\r', '\n'}) classes[c] = kNewline;
  return classes;
}();

template <EncodingName pattern>
class Splitter {
 public:
  Splitter(CharClasses classes, const char* end) : classes_(classes), end_(end) {}

  // Where the piece that begins at `from` ends. Precondition: from < end; valid UTF-8, without which the pieces are
  // some others, but never beyond the end, nor empty.
  const char* piece_end(const char* from) const;

 private:
  struct Char {
    CharClass of;
    unsigned bytes;
    bool in(unsigned classes) const { return (bit(of) & classes) != 0; }
  };

  const char* word(const char* from) const;
  const char* upper_word(const char* from) const;
  const char* white_space(const char* from) const;
  const char* contraction(const char* from) const;

  // Precondition: at < end.
  Char decode(const char* at) const;
  bool is(const char* at, unsigned classes) const { return at < end_ && decode(at).in(classes); }
  const char* skip(const char* at, unsigned classes) const;

  CharClasses classes_;
  const char* end_;
};

template <EncodingName pattern>
inline typename Splitter<pattern>::Char Splitter<pattern>::decode(const char* at) const {
  const auto byte = [at](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {kAsciiClasses.data()[lead], 1};
  const unsigned bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (static_cast<std::size_t>(end_ - at) < bytes) return {kOther, 1};
  std::uint32_t value = 0;
  if (bytes == 2) {
    value = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
  } else if (bytes == 3) {
    value = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  } else {
    value = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
  return {classes_.of(value), bytes};
}

template <EncodingName pattern>
inline const char* Splitter<pattern>::skip(const char* at, unsigned classes) const {
  while (at < end_) {
    const Char next = decode(at);
    if (!next.in(classes)) break;
    at += next.bytes;
  }
  return at;
}

// Behind `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` in either case, or `from`. Of the characters beyond ASCII only
// U+017F, the long s, is a letter of these in another case.
template <EncodingName pattern>
inline const char* Splitter<pattern>::contraction(const char* from) const {
  const auto left = end_ - from;
  if (left < 2 || *from != '\'') return from;
  const auto first = static_cast<char>(from[1] | 0x20);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return from + 2;
  if (left < 3) return from;
  const auto second = static_cast<char>(from[2] | 0x20);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
    return from + 3;
  }
  return from[1] == '\xC5' && from[2] == '\xBF' ? from + 3 : from;
}

// o200k's first alternative without the character before it, or null: upper case, then at least one that is not. What
// is of both kinds (\p{Lm}, \p{Lo}, \p{M}) may have to be given back by the first part.
template <EncodingName pattern>
const char* Splitter<pattern>::word(const char* from) const {
  const char* behind_both = nullptr;
  const char* at = from;
  Char next{};
  for (; at < end_ && (next = decode(at)).in(kUpperish); at += next.bytes) {
    if (next.of != kUpper) behind_both = at + next.bytes;
  }
  if (at < end_ && next.of == kLower) return contraction(skip(at, kLowerish));
  return behind_both == nullptr ? nullptr : contraction(behind_both);
}

// o200k's second alternative, or null, where the first did not fit: then all of it is upper case.
template <EncodingName pattern>
const char* Splitter<pattern>::upper_word(const char* from) const {
  const char* end = skip(from, kUpperish);
  return end == from ? nullptr : contraction(end);
}

// \s*[\r\n]+|\s+(?!\S)|\s+
template <EncodingName pattern>
const char* Splitter<pattern>::white_space(const char* from) const {
  const char* behind_newline = nullptr;
  const char* last = from;
  const char* at = from;
  for (Char next{}; at < end_ && (next = decode(at)).in(kWhite); at += next.bytes) {
    last = at;
    if (next.of == kNewline) behind_newline = at + next.bytes;
  }
  if (behind_newline != nullptr) return behind_newline;
  // Before a word the last one is left to it, unless it is the only one.
  return at == end_ || last == from ? at : last;
}

template <EncodingName pattern>
const char* Splitter<pattern>::piece_end(const char* from) const {
  const Char first = decode(from);
  const char* second = from + first.bytes;
  const bool leads = !first.in(kLetters | bit(kNumber) | bit(kNewline));  // [^\r\n\p{L}\p{N}]
  if constexpr (pattern == EncodingName::cl100k_base) {
    const char* end = contraction(from);
    if (end != from) return end;
    if (first.in(kLetters) || (leads && is(second, kLetters))) return skip(second, kLetters);
  } else {
    const char* end = leads ? word(second) : nullptr;
    if (end == nullptr && first.in(kLetters | bit(kMark))) end = word(from);
    if (end == nullptr && leads) end = upper_word(second);
    if (end == nullptr && first.in(kLetters)) end = upper_word(from);
    if (end != nullptr) return end;
  }
  if (first.of == kNumber) {
    const char* at = second;
    for (int digits = 1; digits < 3 && is(at, bit(kNumber)); ++digits) at += decode(at).bytes;
    return at;
  }
  const char* symbols = *from == ' ' ? second : from;
  const char* at = skip(symbols, kSymbols);
  if (at == symbols) return white_space(from);
  while (at < end_ && (*at == '\r' || *at == '\n' || (pattern == EncodingName::o200k_base && *at == '/'))) ++at;
  return at;
}

}  // namespace trainer::core::tokens

// The file that holds the tables of every encoding, as it lies on disk and in memory: it is mapped, read only and never
// parsed, so that all processes share its pages. Written by src/tools/token_tables.cpp from data/tokens at build time,
// for the byte order of this machine. Every section begins at a multiple of 64 bytes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace trainer::core::tokens {

using TokenId = std::uint32_t;  // the token's rank, too: of two possible merges the one with the lower id goes first
constexpr TokenId kNoToken = 0xFFFFFFFFu;
constexpr int kIdBits = 18;  // both vocabularies have fewer than 262,144 tokens
constexpr std::uint64_t kIdMask = (1u << kIdBits) - 1;

// Changes with any change of what follows: a file that another build has left is not read.
constexpr char kMagic[8] = {'t', 'r', 't', 'o', 'k', '0', '0', '2'};
constexpr std::uint32_t kByteOrderMark = 0x01020304;
constexpr std::uint32_t kMaxEncodings = 2;

// What the patterns tell apart, by Unicode's properties.
enum CharClass : std::uint8_t {
  kOther = 0,
  kUpper,     // Lu, Lt
  kLower,     // Ll
  kCaseless,  // Lm, Lo
  kMark,      // M
  kNumber,    // N
  kSpace,     // White_Space but for
  kNewline,   // carriage return and line feed
};
constexpr std::size_t kCodePoints = 0x110000;
constexpr std::size_t kClassBlock = 128;  // code points
constexpr std::size_t kClassBlocks = kCodePoints / kClassBlock;

struct Section {
  std::uint64_t offset;
  std::uint64_t count;  // elements
};

struct EncodingHeader {
  char name[16];  // padded with zeros
  std::uint64_t tokens;
  Section words;       // WordEntry; a power of two
  Section pairs;       // std::uint64_t: see pair_entry; a power of two
  Section pair_bits;   // std::uint64_t: a bit for each hash of a pair; a power of two
  Section byte_pairs;  // TokenId: what the bytes a, b merge into, at a << 8 | b
  Section bytes;       // TokenId: of each single byte
  Section longer;      // TokenId or kNoToken: tokens of more than kWordBytes, by hash_bytes; a power of two
  Section starts;      // std::uint32_t: where in `text` each token begins, and the end
  Section text;        // char: the tokens' bytes
};

struct FileHeader {
  char magic[8];
  std::uint32_t byte_order;
  std::uint32_t encodings;
  std::uint64_t bytes;   // of the whole file
  Section class_blocks;  // std::uint16_t: of each 128 code points, the number of a block
  Section classes;       // CharClass: blocks
  EncodingHeader encoding[kMaxEncodings];
};

// Little-endian on every machine, as the masks below want it.
inline std::uint64_t load_64(const void* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// A text of 1 to kWordBytes bytes in two words: the bytes, 18 bits for a value, the length.
constexpr std::size_t kWordBytes = 13;
constexpr int kValueShift = 40;
constexpr int kLengthShift = 58;
constexpr std::uint64_t kValueMask = kIdMask << kValueShift;

struct WordKey {
  std::uint64_t low;
  std::uint64_t high;
};

struct WordEntry {
  std::uint64_t low;
  std::uint64_t high;  // 0: free

  bool is(WordKey key) const { return ((low ^ key.low) | ((high & ~kValueMask) ^ key.high)) == 0; }
  std::uint32_t value() const { return static_cast<std::uint32_t>((high & kValueMask) >> kValueShift); }
};

inline WordEntry word_entry(WordKey key, std::uint32_t value) {
  return {key.low, key.high | std::uint64_t{value} << kValueShift};
}

struct WordMask {
  std::uint64_t low;
  std::uint64_t high;
};
constexpr std::size_t kMaxKeyBytes = 63;
constexpr auto kWordMasks = [] {
  std::array<WordMask, kMaxKeyBytes + 1> masks{};
  for (std::size_t n = 0; n <= kWordBytes; ++n) {
    masks[n].low = n >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * n)) - 1;
    masks[n].high = n <= 8 ? 0 : (std::uint64_t{1} << (8 * (n - 8))) - 1;
  }
  return masks;
}();

// Of more than kWordBytes it is a key that no word has. Preconditions: 16 bytes can be read; size <= kMaxKeyBytes.
inline WordKey word_key_of_16(const char* from, std::size_t size) {
  const WordMask& mask = kWordMasks.data()[size];
  return {load_64(from) & mask.low, (load_64(from + 8) & mask.high) | std::uint64_t{size} << kLengthShift};
}
constexpr WordKey kNoWord{0, std::uint64_t{kMaxKeyBytes} << kLengthShift};

inline WordKey word_key(std::string_view text) {
  char padded[16] = {};
  std::memcpy(padded, text.data(), text.size());
  return word_key_of_16(padded, text.size());
}

// Multipliers are odd numbers with no pattern: the golden ratio's and two of splitmix64's.
inline std::uint64_t hash_word(WordKey key) {
  const std::uint64_t mixed = (key.low ^ (key.high * 0xbf58476d1ce4e5b9u)) * 0x9e3779b97f4a7c15u;
  return (mixed ^ (mixed >> 32)) * 0x94d049bb133111ebu;
}

inline std::uint64_t hash_bytes(std::string_view text) {
  std::uint64_t hash = text.size() * 0x9e3779b97f4a7c15u;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) mix(load_64(text.data() + at));
  if (at < text.size()) {
    char rest[8] = {};
    std::memcpy(rest, text.data() + at, text.size() - at);
    mix(load_64(rest));
  }
  return hash * 0x94d049bb133111ebu;
}

// The pair of neighbours that a token comes from, and the token. Never 0, which is a free slot.
constexpr std::uint64_t pair_key(TokenId left, TokenId right) {
  return std::uint64_t{1} << (2 * kIdBits) | std::uint64_t{left} << kIdBits | right;
}
constexpr std::uint64_t pair_entry(TokenId left, TokenId right, TokenId merged) {
  return pair_key(left, right) << kIdBits | merged;
}
constexpr std::uint64_t hash_pair(std::uint64_t key) {
  return key * 0x9e3779b97f4a7c15u;
}
constexpr std::uint64_t kBitsPerPair = 4;  // of the slots for pairs

// Places of a hash table with open addressing: the upper bits of a hash. Precondition: a power of two above 1.
struct Slots {
  std::uint64_t count = 0;
  int shift = 0;

  constexpr Slots() = default;
  constexpr explicit Slots(std::uint64_t slots) : count(slots), shift(64 - std::countr_zero(slots)) {}
  constexpr std::uint64_t first(std::uint64_t hash) const { return hash >> shift; }
  constexpr std::uint64_t next(std::uint64_t slot) const { return (slot + 1) & (count - 1); }
};

}  // namespace trainer::core::tokens

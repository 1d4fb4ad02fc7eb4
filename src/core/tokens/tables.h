// The tables of the encodings, in a file that is mapped into memory: nothing is loaded, and all processes share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/tokens/format.h"

namespace trainer::core::tokens {

// A vocabulary and the way to split a text for it (OpenAI's tiktoken gives them these names).
enum class EncodingName { o200k_base, cl100k_base };
std::string_view name(EncodingName encoding);

// Classes of code points.
struct CharClasses {
  const std::uint16_t* blocks = nullptr;
  const CharClass* classes = nullptr;

  CharClass of(std::uint32_t code_point) const {
    if (code_point >= kCodePoints) return kOther;
    return classes[blocks[code_point / kClassBlock] * kClassBlock + code_point % kClassBlock];
  }
};

// One encoding's tables. Views the mapped file.
struct Encoding {
  EncodingName id{};
  CharClasses characters;
  std::size_t tokens = 0;
  const WordEntry* words = nullptr;
  const std::uint64_t* pairs = nullptr;
  const std::uint64_t* pair_bits = nullptr;
  const TokenId* byte_pairs = nullptr;
  const TokenId* bytes = nullptr;
  const TokenId* longer = nullptr;
  const std::uint32_t* starts = nullptr;
  const char* text = nullptr;
  Slots word_slots;
  Slots pair_slots;
  Slots pair_bit_slots;
  Slots longer_slots;

  // The bytes of a token. Precondition: token_id < tokens.
  std::string_view token(TokenId token_id) const {
    return {text + starts[token_id], starts[token_id + 1] - starts[token_id]};
  }

  // The token that is this whole text, or kNoToken.
  TokenId find(std::string_view whole) const;
  TokenId find_word(WordKey key) const;  // of at most kWordBytes
  void prefetch(std::uint64_t word_hash) const { __builtin_prefetch(words + word_slots.first(word_hash)); }
  // What two neighbours merge into, or kNoToken. A token comes from one pair only: see merge.h.
  TokenId merged(TokenId left, TokenId right) const { return merged(pair_key(left, right)); }
  TokenId merged(std::uint64_t pair) const;
  // Of ten pairs that make nothing, nine are known by this, which is a sixteenth of the table.
  bool may_merge(std::uint64_t hash) const {
    const std::uint64_t slot = pair_bit_slots.first(hash);
    return (pair_bits[slot / 64] >> slot % 64 & 1) != 0;
  }
};

inline TokenId Encoding::find_word(WordKey key) const {
  for (std::uint64_t slot = word_slots.first(hash_word(key));; slot = word_slots.next(slot)) {
    const WordEntry& entry = words[slot];
    if (entry.is(key)) return entry.value();
    if (entry.high == 0) return kNoToken;
  }
}

inline TokenId Encoding::merged(std::uint64_t pair) const {
  for (std::uint64_t slot = pair_slots.first(hash_pair(pair));; slot = pair_slots.next(slot)) {
    const std::uint64_t entry = pairs[slot];
    if (entry >> kIdBits == pair) return static_cast<TokenId>(entry & kIdMask);
    if (entry == 0) return kNoToken;
  }
}

class Tables {
 public:
  // Maps the file. Error (wrong_state) when it is not there or not what this build writes; whether its inside is whole
  // is not looked at, since that would read all of it.
  static Result<Tables> open(const std::string& path);

  Tables(Tables&& other) noexcept;
  Tables& operator=(Tables&& other) noexcept;
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;
  ~Tables();

  // Valid as long as this object, and while it is not moved.
  const Encoding& encoding(EncodingName of) const { return encodings_[static_cast<std::size_t>(of)]; }

 private:
  Tables(const void* file, std::size_t bytes) : file_(file), bytes_(bytes) {}

  const void* file_;
  std::size_t bytes_;
  Encoding encodings_[kMaxEncodings];
};

}  // namespace trainer::core::tokens

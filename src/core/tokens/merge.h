// Byte pair encoding of one piece: its bytes, then again and again the pair of neighbours that makes the token of the
// lowest id, the leftmost of equals, until no two make one.
//
// tiktoken looks for the merged token by its bytes, whatever it is merged from. That comes to the same as a table with
// one pair a token. Take the moment when neighbours l and r become t: nothing has crossed the ends of l and r before,
// so between them just that has happened which happens to the bytes of t alone, and there t can come from one pair
// only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/tokens/tables.h"

namespace trainer::core::tokens {

// Called now and then while something takes long; may throw. Null: never.
using Interrupt = void (*)();

// The longest piece that is merged, in bytes: up to 35 bytes of memory are needed for each. Nothing that somebody wrote
// has 64 MiB without a space, a digit or a change from letters to symbols.
constexpr std::size_t kMaxPiece = std::size_t{1} << 26;

// Up to here all pairs are looked through for the lowest, which is quadratic and faster; beyond, a heap keeps them.
constexpr std::size_t kShortPiece = 16;

// What pairs make, as far as it was looked up lately, in 128 KiB: the table has thousands of pages, all over which its
// entries are scattered. Of one encoding; full of zeros it knows none.
class PairMemo {
 public:
  // The token, or kIdMask.
  TokenId merged(const Encoding& encoding, TokenId left, TokenId right) {
    const std::uint64_t pair = pair_key(left, right);
    const std::uint64_t hash = hash_pair(pair);
    std::uint64_t& entry = entries_.data()[Slots(kEntries).first(hash)];
    const bool known = entry >> kIdBits == pair;
    const auto remembered = static_cast<TokenId>(known ? entry & kIdMask : kIdMask);
    // Most pairs are known, or known to make nothing.
    if (known || !encoding.may_merge(hash)) [[likely]]
      return remembered;
    const TokenId found = encoding.merged(pair) & kIdMask;
    entry = pair << kIdBits | found;
    return found;
  }

 private:
  static constexpr std::uint64_t kEntries = 1 << 14;
  std::array<std::uint64_t, kEntries> entries_;
};

// Appends the ids. Precondition: 1 to kMaxPiece bytes. Time: n log n.
void append_merged(const Encoding& encoding, PairMemo& memo, std::string_view piece, std::vector<TokenId>& ids,
                   Interrupt interrupt);
// How many they are.
std::size_t count_merged(const Encoding& encoding, PairMemo& memo, std::string_view piece, Interrupt interrupt);

}  // namespace trainer::core::tokens

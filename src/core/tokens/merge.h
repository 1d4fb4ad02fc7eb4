// Byte pair encoding of one piece: its bytes, then again and again the pair of neighbours that makes the token of the
// lowest id, the leftmost of equals, until no two make one.
//
// tiktoken looks for the merged token by its bytes, whatever it is merged from. That comes to the same as a table with
// one pair a token. Take the moment when neighbours l and r become t: nothing has crossed the ends of l and r before,
// so between them just that has happened which happens to the bytes of t alone, and there t can come from one pair
// only.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/tokens/tables.h"

namespace trainer::core::tokens {

// Called now and then while something takes long; may throw. Null: never.
using Interrupt = void (*)();

// The longest piece that is merged, in bytes: 16 to 24 bytes of memory are needed for each. Nothing that somebody wrote
// has 64 MiB without a space, a digit or a change from letters to symbols.
constexpr std::size_t kMaxPiece = std::size_t{1} << 26;

// Up to here all pairs are looked through for the lowest, which is quadratic and faster; beyond, a heap keeps them.
constexpr std::size_t kShortPiece = 192;

// Appends the ids. Precondition: 1 to kMaxPiece bytes. Time: n log n.
void append_merged(const Encoding& encoding, std::string_view piece, std::vector<TokenId>& ids, Interrupt interrupt);
// How many they are.
std::size_t count_merged(const Encoding& encoding, std::string_view piece, Interrupt interrupt);

}  // namespace trainer::core::tokens

#include "core/tokens/merge.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

namespace trainer::core::tokens {
namespace {

std::size_t byte_at(std::string_view piece, std::size_t at) {
  return static_cast<unsigned char>(piece[at]);
}

// Parts and, of each, what it merges into with the next one. Returns how many are left in `parts`.
std::size_t merge_short(const Encoding& encoding, std::string_view piece, TokenId* parts) {
  TokenId next[kShortPiece];
  std::size_t size = piece.size();
  for (std::size_t i = 0; i < size; ++i) parts[i] = encoding.bytes[byte_at(piece, i)];
  for (std::size_t i = 0; i + 1 < size; ++i) {
    next[i] = encoding.byte_pairs[byte_at(piece, i) << 8 | byte_at(piece, i + 1)];
  }
  while (size > 1) {
    std::size_t lowest = 0;
    TokenId token = next[0];
    for (std::size_t i = 1; i + 1 < size; ++i) {
      const bool lower = next[i] < token;
      token = lower ? next[i] : token;
      lowest = lower ? i : lowest;
    }
    if (token == kNoToken) break;
    parts[lowest] = token;
    --size;
    std::memmove(parts + lowest + 1, parts + lowest + 2, (size - lowest - 1) * sizeof *parts);
    std::memmove(next + lowest, next + lowest + 1, (size - lowest - 1) * sizeof *next);
    if (lowest + 1 < size) next[lowest] = encoding.merged(token, parts[lowest + 1]);
    if (lowest > 0) next[lowest - 1] = encoding.merged(parts[lowest - 1], token);
  }
  return size;
}

// A long piece. A part's id stands where it begins, and with a mark at its last byte: from either side its length, and
// so its neighbour, follows. The heap holds pairs as they were when they were found; what has changed since is seen
// when one comes to the top.
class LongMerge {
 public:
  LongMerge(const Encoding& encoding, std::string_view piece, Interrupt interrupt)
      : encoding_(encoding), interrupt_(interrupt), ids_(piece.size()), pairs_(piece.size(), kNoToken) {
    heap_.reserve(piece.size());
    for (std::size_t i = 0; i < piece.size(); ++i) ids_[i] = encoding.bytes[byte_at(piece, i)];
    for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
      push(encoding.byte_pairs[byte_at(piece, i) << 8 | byte_at(piece, i + 1)], i);
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    while (!heap_.empty()) merge_lowest();
  }

  template <class Take>
  void for_each(Take take) const {
    for (std::size_t at = 0; at < ids_.size(); at += size_at(at)) take(ids_[at]);
  }

 private:
  static constexpr std::size_t kStepsToInterrupt = 1 << 14;
  static constexpr TokenId kLastByte = 0x80000000u;  // of a part of several

  std::size_t size_at(std::size_t at) const { return encoding_.token(ids_[at]).size(); }

  void push(TokenId merged, std::size_t at) {
    pairs_[at] = merged;
    if (merged != kNoToken) heap_.push_back(std::uint64_t{merged} << 32 | at);
  }

  void push_pair(std::size_t left, std::size_t right) {
    const std::size_t before = heap_.size();
    push(encoding_.merged(ids_[left], ids_[right]), left);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void merge_lowest() {
    if (interrupt_ != nullptr && ++steps_ % kStepsToInterrupt == 0) interrupt_();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto merged = static_cast<TokenId>(heap_.back() >> 32);
    const auto left = static_cast<std::size_t>(heap_.back() & 0xFFFFFFFF);
    heap_.pop_back();
    if (pairs_[left] != merged) return;
    const std::size_t right = left + size_at(left);
    const std::size_t end = right + size_at(right);
    join(left, right, end, merged);
    if (left > 0) push_pair(left - encoding_.token(part_that_ends(left)).size(), left);
    if (end < ids_.size()) push_pair(left, end);
  }

  TokenId part_that_ends(std::size_t behind) const { return ids_[behind - 1] & ~kLastByte; }

  void join(std::size_t left, std::size_t right, std::size_t end, TokenId id) {
    ids_[end - 1] = id | kLastByte;
    ids_[left] = id;
    pairs_[left] = pairs_[right] = kNoToken;
  }

  const Encoding& encoding_;
  Interrupt interrupt_;
  std::vector<TokenId> ids_;
  std::vector<TokenId> pairs_;  // at the first byte of each part: what it merges into with the next one
  std::vector<std::uint64_t> heap_;
  std::size_t steps_ = 0;
};

}  // namespace

void append_merged(const Encoding& encoding, std::string_view piece, std::vector<TokenId>& ids, Interrupt interrupt) {
  if (piece.size() <= kShortPiece) {
    TokenId parts[kShortPiece];
    const std::size_t size = merge_short(encoding, piece, parts);
    ids.insert(ids.end(), parts, parts + size);
    return;
  }
  LongMerge(encoding, piece, interrupt).for_each([&](TokenId id) { ids.push_back(id); });
}

std::size_t count_merged(const Encoding& encoding, std::string_view piece, Interrupt interrupt) {
  if (piece.size() <= kShortPiece) {
    TokenId parts[kShortPiece];
    return merge_short(encoding, piece, parts);
  }
  std::size_t count = 0;
  LongMerge(encoding, piece, interrupt).for_each([&](TokenId) { ++count; });
  return count;
}

}  // namespace trainer::core::tokens

#include "core/tokens/merge.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace trainer::core::tokens {
namespace {

std::size_t byte_at(std::string_view piece, std::size_t at) {
  return static_cast<unsigned char>(piece[at]);
}

// What the bytes at `at` and behind it make, or kIdMask.
TokenId byte_pair(const Encoding& encoding, std::string_view piece, std::size_t at) {
  return encoding.byte_pairs[byte_at(piece, at) << 8 | byte_at(piece, at + 1)] & kIdMask;
}

// A part has the place of its first byte, and a pair that of its left part.
class ShortMerge {
 public:
  ShortMerge(const Encoding& encoding, PairMemo& memo, std::string_view piece)
      : encoding_(encoding), memo_(memo), pairs_end_(piece.size() - 1), present_((1u << piece.size()) - 1) {
    for (std::size_t i = 0; i < piece.size(); ++i) ids_.data()[i] = encoding.bytes[byte_at(piece, i)];
    for (std::uint32_t i = 0; i < pairs_end_; ++i) set_pair(i, byte_pair(encoding, piece, i));
    for (std::uint32_t lowest = lowest_pair(); lowest < kNoPair; lowest = lowest_pair()) {
      join(lowest % kPlaces, lowest / kPlaces);
    }
  }

  std::size_t size() const { return static_cast<std::size_t>(std::popcount(present_)); }

  template <class Take>
  void for_each(Take take) const {
    for (std::uint32_t left = present_; left != 0; left &= left - 1) take(ids_.data()[std::countr_zero(left)]);
  }

 private:
  static constexpr std::uint32_t kPlaces = kShortPiece;
  static constexpr std::uint32_t kNoPair = kIdMask * kPlaces;

  // The place decides between equals.
  void set_pair(std::uint32_t place, TokenId merged) { pairs_.data()[place] = merged * kPlaces + place; }

  std::uint32_t lowest_pair() const {
    std::uint32_t lowest = kNoPair;
    for (std::size_t i = 0; i < pairs_end_; ++i) lowest = std::min(lowest, pairs_.data()[i]);
    return lowest;
  }

  void join(std::uint32_t place, TokenId id) {
    std::uint32_t behind = present_ & (~1u << place);
    const auto joined = static_cast<std::uint32_t>(std::countr_zero(behind));
    present_ &= ~(1u << joined);
    behind &= behind - 1;
    ids_.data()[place] = id;
    pairs_.data()[joined] = kNoPair;
    set_pair(place, behind == 0 ? kIdMask : memo_.merged(encoding_, id, ids_.data()[std::countr_zero(behind)]));
    const std::uint32_t before = present_ & ((1u << place) - 1);
    if (before == 0) return;
    const auto left = static_cast<std::uint32_t>(31 - std::countl_zero(before));
    set_pair(left, memo_.merged(encoding_, ids_.data()[left], id));
  }

  const Encoding& encoding_;
  PairMemo& memo_;
  std::size_t pairs_end_;
  std::uint32_t present_;  // a bit a place
  std::array<TokenId, kPlaces> ids_;
  std::array<std::uint32_t, kPlaces> pairs_;  // id and place
};

// The lowest of many numbers, none of which is kNone. Four children each, of which the lowest is found without a
// branch: half as deep as the library's, and what is in it cannot be foreseen.
class Heap {
 public:
  static constexpr std::size_t kChildren = 4;

  Heap() = default;
  // Calls step() for each of them.
  template <class Step>
  Heap(std::vector<std::uint64_t> numbers, Step step) : numbers_(std::move(numbers)), size_(numbers_.size()) {
    numbers_.resize(size_ + kChildren, kNone);
    for (std::size_t at = size_; at-- > 0; step()) sift_down(at, numbers_[at]);
  }

  bool empty() const { return size_ == 0; }

  void push(std::uint64_t number) {
    if (size_ + kChildren == numbers_.size()) numbers_.push_back(kNone);
    std::size_t at = size_++;
    for (; at > 0 && numbers_[(at - 1) / kChildren] > number; at = (at - 1) / kChildren) {
      numbers_[at] = numbers_[(at - 1) / kChildren];
    }
    numbers_[at] = number;
  }

  std::uint64_t pop() {
    const std::uint64_t lowest = numbers_[0];
    const std::uint64_t last = numbers_[--size_];
    numbers_[size_] = kNone;
    if (size_ > 0) sift_down(0, last);
    return lowest;
  }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};  // at least kChildren of them are behind the last number

  void sift_down(std::size_t at, std::uint64_t number) {
    std::uint64_t* const numbers = numbers_.data();
    for (std::size_t child = kChildren * at + 1; child < size_; child = kChildren * at + 1) {
      const std::size_t left = child + static_cast<std::size_t>(numbers[child + 1] < numbers[child]);
      const std::size_t right = child + 2 + static_cast<std::size_t>(numbers[child + 3] < numbers[child + 2]);
      const std::size_t lowest = left + (right - left) * static_cast<std::size_t>(numbers[right] < numbers[left]);
      if (number <= numbers[lowest]) break;
      numbers[at] = numbers[lowest];
      at = lowest;
    }
    numbers[at] = number;
  }

  std::vector<std::uint64_t> numbers_;
  std::size_t size_ = 0;
};

// A part stands where it begins, and with a mark at its last byte: from either side its length, and so its neighbour,
// is known. The heap holds pairs as they were when they were found; what has changed since is seen when one comes to
// the top.
class LongMerge {
 public:
  LongMerge(const Encoding& encoding, PairMemo& memo, std::string_view piece, Interrupt interrupt)
      : encoding_(encoding), memo_(memo), interrupt_(interrupt), parts_(piece.size()), pairs_(piece.size(), kIdMask) {
    std::vector<std::uint64_t> numbers;
    numbers.reserve(piece.size() + piece.size() / 8 + Heap::kChildren);
    for (std::size_t i = 0; i < piece.size(); ++i, step()) {
      parts_[i] = part(encoding.bytes[byte_at(piece, i)], 1);
      if (i + 1 < piece.size()) pairs_[i] = byte_pair(encoding, piece, i);
      if (pairs_[i] != kIdMask) numbers.push_back(number(pairs_[i], i));
    }
    heap_ = Heap(std::move(numbers), [this] { step(); });
    for (; !heap_.empty(); step()) merge_lowest();
  }

  template <class Take>
  void for_each(Take take) const {
    for (std::size_t at = 0; at < parts_.size(); at += size_of(parts_[at])) take(id_of(parts_[at]));
  }

 private:
  static constexpr std::size_t kStepsToInterrupt = 1 << 14;
  static constexpr std::uint32_t kLastByte = 0x80000000u;  // of a part of several

  // No token has 256 bytes (data/tokens).
  static std::uint32_t part(TokenId id, std::size_t size) { return static_cast<std::uint32_t>(size) << kIdBits | id; }
  static TokenId id_of(std::uint32_t part) { return part & kIdMask; }
  static std::size_t size_of(std::uint32_t part) { return (part & ~kLastByte) >> kIdBits; }

  static std::uint64_t number(TokenId merged, std::size_t at) { return std::uint64_t{merged} << 32 | at; }

  void step() {
    if (interrupt_ != nullptr && ++steps_ % kStepsToInterrupt == 0) interrupt_();
  }

  void push_pair(std::size_t left, std::size_t right) {
    pairs_[left] = memo_.merged(encoding_, id_of(parts_[left]), id_of(parts_[right]));
    if (pairs_[left] != kIdMask) heap_.push(number(pairs_[left], left));
  }

  void merge_lowest() {
    const std::uint64_t lowest = heap_.pop();
    const auto merged = static_cast<TokenId>(lowest >> 32);
    const auto left = static_cast<std::size_t>(lowest & 0xFFFFFFFF);
    if (pairs_[left] != merged) return;
    const std::size_t right = left + size_of(parts_[left]);
    const std::size_t end = right + size_of(parts_[right]);
    parts_[left] = part(merged, end - left);
    parts_[end - 1] = parts_[left] | kLastByte;
    pairs_[left] = pairs_[right] = kIdMask;
    if (left > 0) push_pair(left - size_of(parts_[left - 1]), left);
    if (end < parts_.size()) push_pair(left, end);
  }

  const Encoding& encoding_;
  PairMemo& memo_;
  Interrupt interrupt_;
  std::vector<std::uint32_t> parts_;  // id and size
  std::vector<TokenId> pairs_;        // at the first byte of each part: what it merges into with the next one
  Heap heap_;
  std::size_t steps_ = 0;
};

}  // namespace

void append_merged(const Encoding& encoding, PairMemo& memo, std::string_view piece, std::vector<TokenId>& ids,
                   Interrupt interrupt) {
  const auto take = [&ids](TokenId id) { ids.push_back(id); };
  if (piece.size() <= kShortPiece) {
    ShortMerge(encoding, memo, piece).for_each(take);
  } else {
    LongMerge(encoding, memo, piece, interrupt).for_each(take);
  }
}

std::size_t count_merged(const Encoding& encoding, PairMemo& memo, std::string_view piece, Interrupt interrupt) {
  if (piece.size() <= kShortPiece) return ShortMerge(encoding, memo, piece).size();
  std::size_t count = 0;
  LongMerge(encoding, memo, piece, interrupt).for_each([&](TokenId) { ++count; });
  return count;
}

}  // namespace trainer::core::tokens

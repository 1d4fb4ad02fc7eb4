#include "core/tokens/counter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>

#include "core/text.h"
#include "core/tokens/window.h"

namespace trainer::core::tokens {
namespace {

constexpr std::size_t kBytesToInterrupt = 1 << 16;

// At least so many are split before the first is looked up, where there are as many: the memory answers to all of them
// meanwhile.
constexpr std::size_t kBlock = 64;

struct Piece {
  const char* begin;
  std::size_t size;
  WordKey key;  // and its hash; of more than kWordBytes no word's
  std::uint64_t hash;

  std::string_view text() const { return {begin, size}; }
};

Error too_long() {
  return {Condition::limit_exceeded, "text has too long a piece without a break",
          "Tokens can be counted of at most " + std::to_string(kMaxPiece) +
              " bytes without white space, a digit, or a change between letters and symbols.",
          ""};
}

// The pieces of a text in order, some at a time.
template <EncodingName pattern>
class Pieces {
 public:
  Pieces(const Encoding& encoding, std::string_view text)
      : encoding_(encoding), at_(text.data()), end_(text.data() + text.size()), splitter_(encoding.characters, end_) {}

  const char* at() const { return at_; }
  bool too_long() const { return too_long_; }

  // None at the end.
  std::span<const Piece> next() {
    size_ = 0;
    while (size_ < kBlock && at_ < end_ && !too_long_) {
      if (is_foreign() || !add_window()) add_one();
    }
    return {pieces_.data(), size_};
  }

 private:
  // A window would not go beyond it.
  bool is_foreign() const { return ((at_[0] | at_[end_ - at_ > 1 ? 1 : 0]) & 0x80) != 0; }

  // False: the next piece is one for the splitter.
  bool add_window() {
    const auto left = static_cast<std::size_t>(end_ - at_);
    std::array<char, kWindow + 16> copy;
    const char* window = at_;
    if (left < copy.size()) {
      copy.fill('\n');
      std::memcpy(copy.data(), at_, left);
      window = copy.data();
    }
    const Cuts found = cuts<pattern>(window, std::min(left, kWindowText));
    std::size_t begin = 0;
    for (std::uint64_t ends = found.ends; ends != 0; ends &= ends - 1) {
      const auto end = static_cast<std::size_t>(std::countr_zero(ends));
      add(at_ + begin, end - begin, word_key_of_16(window + begin, end - begin));
      begin = end;
    }
    at_ += begin;
    return found.ends != 0 && (!found.stopped || at_ == end_);
  }

  void add_one() {
    const char* const begin = at_;
    at_ = splitter_.piece_end(begin);
    const auto size = static_cast<std::size_t>(at_ - begin);
    too_long_ = size > kMaxPiece;
    const bool is_word = size <= kWordBytes;
    add(begin, size, !is_word ? kNoWord : end_ - begin >= 16 ? word_key_of_16(begin, size) : word_key({begin, size}));
  }

  void add(const char* begin, std::size_t size, WordKey key) {
    pieces_.data()[size_++] = {begin, size, key, hash_word(key)};
  }

  const Encoding& encoding_;
  const char* at_;
  const char* end_;
  Splitter<pattern> splitter_;
  bool too_long_ = false;
  std::size_t size_ = 0;
  std::array<Piece, kBlock + kWindow> pieces_;
};

// Calls each(pieces) for all pieces in order, some at a time; false when one is too long.
template <EncodingName pattern, class Each>
bool for_each_block(const Encoding& encoding, std::string_view text, Interrupt interrupt, Each each) {
  Pieces<pattern> pieces(encoding, text);
  const char* checked = pieces.at();
  for (auto block = pieces.next(); !block.empty(); block = pieces.next()) {
    if (pieces.too_long()) return false;
    each(block);
    if (interrupt != nullptr && static_cast<std::size_t>(pieces.at() - checked) >= kBytesToInterrupt) {
      interrupt();
      checked = pieces.at();
    }
  }
  return true;
}

template <class Each>
bool for_each_block(const Encoding& encoding, std::string_view text, Interrupt interrupt, Each each) {
  return encoding.id == EncodingName::o200k_base
             ? for_each_block<EncodingName::o200k_base>(encoding, text, interrupt, each)
             : for_each_block<EncodingName::cl100k_base>(encoding, text, interrupt, each);
}

}  // namespace

// The counts of pieces, each of which has one place: most texts come back to the same ones. Zeros know none.
struct TokenCounter::Known {
  static constexpr std::uint64_t kWords = 1 << 14;
  static constexpr std::uint64_t kLonger = 1 << 11;
  static constexpr std::size_t kLongerBytes = 58;

  struct Longer {
    std::array<char, kLongerBytes> text;
    std::uint16_t size;  // 0: free
    std::uint32_t count;
  };

  std::array<WordEntry, kWords> words;
  std::array<Longer, kLonger> longer;
  PairMemo pairs;

  // The place of a piece's count, which may be another's.
  WordEntry& place(const Piece& piece) { return words.data()[Slots(kWords).first(piece.hash)]; }

  // Of a piece that is not in its place.
  std::size_t count_word(const Encoding& encoding, const Piece& piece) {
    const std::size_t count =
        encoding.find_word(piece.key) != kNoToken ? 1 : count_merged(encoding, pairs, piece.text(), nullptr);
    place(piece) = word_entry(piece.key, static_cast<std::uint32_t>(count));
    return count;
  }

  std::size_t count_longer(const Encoding& encoding, std::string_view piece, Interrupt interrupt) {
    const auto merge = [&] {
      return encoding.find(piece) != kNoToken ? std::size_t{1} : count_merged(encoding, pairs, piece, interrupt);
    };
    if (piece.size() > kLongerBytes) return merge();
    Longer& entry = longer.data()[Slots(kLonger).first(hash_bytes(piece))];
    if (entry.size == piece.size() && std::memcmp(entry.text.data(), piece.data(), piece.size()) == 0) {
      return entry.count;
    }
    const std::size_t count = merge();
    std::copy(piece.begin(), piece.end(), entry.text.begin());
    entry.size = static_cast<std::uint16_t>(piece.size());
    entry.count = static_cast<std::uint32_t>(count);
    return count;
  }
};

// Of its pages only those are there that something was written to.
TokenCounter::TokenCounter(const Encoding& encoding)
    : encoding_(&encoding), known_(static_cast<Known*>(std::calloc(1, sizeof(Known)))) {
  if (known_ == nullptr) throw std::bad_alloc();
}

void TokenCounter::Free::operator()(Known* known) const {
  std::free(known);
}

Result<std::int64_t> TokenCounter::count(std::string_view text, Interrupt interrupt) {
  return is_valid_utf8(text) ? count_valid(text, interrupt) : count_valid(to_valid_utf8(text), interrupt);
}

Result<std::int64_t> TokenCounter::count_valid(std::string_view utf8, Interrupt interrupt) {
  const Encoding& encoding = *encoding_;
  Known& known = *known_;
  std::size_t count = 0;
  const bool done = for_each_block(encoding, utf8, interrupt, [&](std::span<const Piece> pieces) {
    // Which are known cannot be foreseen, so that no branch is taken for it.
    std::array<std::uint8_t, kBlock + kWindow> others;
    std::size_t size = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces.data()[i];
      const WordEntry& entry = known.place(piece);
      const bool is_known = entry.is(piece.key);
      count += is_known ? entry.value() : 0;
      others.data()[size] = static_cast<std::uint8_t>(i);
      size += is_known ? 0 : 1;
    }
    for (std::size_t i = 0; i < size; ++i) encoding.prefetch(pieces.data()[others.data()[i]].hash);
    for (std::size_t i = 0; i < size; ++i) {
      const Piece& piece = pieces.data()[others.data()[i]];
      count += piece.size > kWordBytes ? known.count_longer(encoding, piece.text(), interrupt)
                                       : known.count_word(encoding, piece);
    }
  });
  if (!done) return too_long();
  return static_cast<std::int64_t>(count);
}

Result<std::int64_t> TokenCounter::encode(std::string_view text, std::vector<TokenId>& ids, Interrupt interrupt) {
  const bool valid = is_valid_utf8(text);
  const std::string repaired = valid ? std::string() : to_valid_utf8(text);
  const std::size_t before = ids.size();
  const bool done = for_each_block(*encoding_, valid ? text : repaired, interrupt, [&](std::span<const Piece> pieces) {
    for (const Piece& piece : pieces) {
      const TokenId whole = encoding_->find(piece.text());
      if (whole != kNoToken) {
        ids.push_back(whole);
      } else {
        append_merged(*encoding_, known_->pairs, piece.text(), ids, interrupt);
      }
    }
  });
  if (!done) return too_long();
  return static_cast<std::int64_t>(ids.size() - before);
}

}  // namespace trainer::core::tokens

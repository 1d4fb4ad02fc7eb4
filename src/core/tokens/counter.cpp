#include "core/tokens/counter.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "core/text.h"
#include "core/tokens/split.h"

namespace trainer::core::tokens {
namespace {

constexpr std::size_t kBytesToInterrupt = 1 << 16;

// So many are split before the first is looked up: the memory answers to all of them meanwhile.
constexpr std::size_t kBlock = 48;

struct Piece {
  const char* begin;
  std::size_t size;
  WordKey key;  // of up to kWordBytes, and its hash
  std::uint64_t hash;
};

Error too_long() {
  return {Condition::limit_exceeded, "text has too long a piece without a break",
          "Tokens can be counted of at most " + std::to_string(kMaxPiece) +
              " bytes without white space, a digit, or a change between letters and symbols.",
          ""};
}

// Calls each(const Piece&) for every piece in order; false when one is too long.
template <EncodingName pattern, class Each>
bool for_each_piece(const Encoding& encoding, std::string_view text, Interrupt interrupt, Each each) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const Splitter<pattern> splitter(encoding.characters, end);
  std::array<Piece, kBlock> block;
  Piece* const pieces = block.data();
  const char* checked = at;
  while (at < end) {
    std::size_t size = 0;
    for (; size < kBlock && at < end; ++size) {
      const char* const begin = at;
      at = splitter.piece_end(begin);
      Piece& piece = pieces[size];
      piece.begin = begin;
      piece.size = static_cast<std::size_t>(at - begin);
      if (piece.size <= kWordBytes) {
        piece.key = end - begin >= 16 ? word_key_of_16(begin, piece.size) : word_key({begin, piece.size});
        piece.hash = hash_word(piece.key);
        __builtin_prefetch(encoding.words + encoding.word_slots.first(piece.hash));
      } else if (piece.size > kMaxPiece) {
        return false;
      }
    }
    for (std::size_t i = 0; i < size; ++i) each(pieces[i]);
    if (interrupt != nullptr && static_cast<std::size_t>(at - checked) >= kBytesToInterrupt) {
      interrupt();
      checked = at;
    }
  }
  return true;
}

template <class Each>
bool for_each_piece(const Encoding& encoding, std::string_view text, Interrupt interrupt, Each each) {
  return encoding.id == EncodingName::o200k_base
             ? for_each_piece<EncodingName::o200k_base>(encoding, text, interrupt, each)
             : for_each_piece<EncodingName::cl100k_base>(encoding, text, interrupt, each);
}

}  // namespace

// The counts of pieces that are no token: most texts come back to the same ones. Each has one place.
struct TokenCounter::Known {
  static constexpr std::uint64_t kWords = 1 << 13;
  static constexpr std::uint64_t kLonger = 1 << 11;
  static constexpr std::size_t kLongerBytes = 58;

  struct alignas(64) Longer {
    std::array<char, kLongerBytes> text;
    std::uint16_t size;  // 0: free
    std::uint32_t count;
  };

  std::array<WordEntry, kWords> words{};
  std::array<Longer, kLonger> longer{};

  std::uint32_t count_word(const Encoding& encoding, const Piece& piece) {
    WordEntry& entry = words.data()[Slots(kWords).first(piece.hash)];
    if (entry.is(piece.key)) return entry.value();
    const auto count = static_cast<std::uint32_t>(count_merged(encoding, {piece.begin, piece.size}, nullptr));
    entry = word_entry(piece.key, count);
    return count;
  }

  std::size_t count_longer(const Encoding& encoding, std::string_view piece, Interrupt interrupt) {
    const auto merge = [&] {
      return encoding.find(piece) != kNoToken ? std::size_t{1} : count_merged(encoding, piece, interrupt);
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

TokenCounter::TokenCounter(const Encoding& encoding) : encoding_(&encoding), known_(std::make_unique<Known>()) {}
TokenCounter::TokenCounter(TokenCounter&&) noexcept = default;
TokenCounter& TokenCounter::operator=(TokenCounter&&) noexcept = default;
TokenCounter::~TokenCounter() = default;

Result<std::int64_t> TokenCounter::count(std::string_view text, Interrupt interrupt) {
  return is_valid_utf8(text) ? count_valid(text, interrupt) : count_valid(to_valid_utf8(text), interrupt);
}

Result<std::int64_t> TokenCounter::count_valid(std::string_view utf8, Interrupt interrupt) {
  const Encoding& encoding = *encoding_;
  Known& known = *known_;
  std::size_t count = 0;
  const bool done = for_each_piece(encoding, utf8, interrupt, [&](const Piece& piece) {
    if (piece.size > kWordBytes) {
      count += known.count_longer(encoding, {piece.begin, piece.size}, interrupt);
    } else {
      // The first place decides nearly always.
      const WordEntry& entry = encoding.words[encoding.word_slots.first(piece.hash)];
      count += entry.is(piece.key) || encoding.find_word(piece.key) != kNoToken ? 1 : known.count_word(encoding, piece);
    }
  });
  if (!done) return too_long();
  return static_cast<std::int64_t>(count);
}

Result<std::int64_t> TokenCounter::encode(std::string_view text, std::vector<TokenId>& ids, Interrupt interrupt) const {
  const bool valid = is_valid_utf8(text);
  const std::string repaired = valid ? std::string() : to_valid_utf8(text);
  const std::size_t before = ids.size();
  const bool done = for_each_piece(*encoding_, valid ? text : repaired, interrupt, [&](const Piece& piece) {
    const std::string_view bytes(piece.begin, piece.size);
    const TokenId whole = encoding_->find(bytes);
    if (whole != kNoToken) {
      ids.push_back(whole);
    } else {
      append_merged(*encoding_, bytes, ids, interrupt);
    }
  });
  if (!done) return too_long();
  return static_cast<std::int64_t>(ids.size() - before);
}

}  // namespace trainer::core::tokens

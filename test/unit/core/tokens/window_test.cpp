#include "core/tokens/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tokens.h"

namespace trainer::core::tokens {
namespace {

struct Seen {
  std::size_t pieces = 0;  // that windows found
  std::size_t others = 0;  // that were left to the splitter
};

// From each place where a window begins: it ends only pieces that the splitter ends, and says when it ends too few.
template <EncodingName pattern>
Seen compare(const std::string& text) {
  Seen seen;
  const char* const end = text.data() + text.size();
  const Splitter<pattern> splitter(built(pattern).characters, end);
  for (const char* at = text.data(); at < end;) {
    const auto left = static_cast<std::size_t>(end - at);
    char window[kWindow];
    std::memset(window, '\n', sizeof window);
    std::memcpy(window, at, std::min(left, sizeof window));
    const Cuts found = cuts<pattern>(window, std::min(left, kWindowText));
    std::uint64_t ends = 0;
    const char* behind = at;
    while (found.ends >> (behind - at) > 1) {
      behind = splitter.piece_end(behind);
      if (behind - at >= static_cast<std::ptrdiff_t>(kWindow)) break;
      ends |= std::uint64_t{1} << (behind - at);
      ++seen.pieces;
    }
    EXPECT_EQ(found.ends, ends) << "[" << std::string(at, std::min(left, kWindow)) << "] of " << text;
    EXPECT_TRUE(found.stopped || found.ends == 0 || left > kWindowText - 1 || behind == end);
    if (found.stopped || found.ends == 0) {
      if (behind < end) behind = splitter.piece_end(behind);
      ++seen.others;
    }
    at = behind;
  }
  return seen;
}

std::string text_of(const std::vector<std::string>& parts, std::mt19937& random, std::size_t size) {
  std::string text;
  while (text.size() < size) text += parts[random() % parts.size()];
  return text;
}

const std::vector<std::string> kAsciiParts{"a",  "b",   "word", "Z",  "AB", "1",  "23",   "4567",
                                           " ",  " ",   "  ",   "\t", "\v", "\n", "\r\n", "'",
                                           "'s", "'ll", "/",    "(",  ").", "--", "\x1C", "\x7F"};

void compare_many(const std::vector<std::string>& parts) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = text_of(parts, random, 1 + random() % 150);
    compare<EncodingName::o200k_base>(text);
    compare<EncodingName::cl100k_base>(text);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Window, EndsThePiecesThatTheSplitterEnds) {
  compare_many(kAsciiParts);
}

TEST(Window, LeavesWhatIsNotAsciiToTheSplitter) {
  std::vector<std::string> parts = kAsciiParts;
  // A letter of either case and of none, a mark, a number, white space, a symbol, and the long s.
  for (const char* part : {"\u00e9", "\u00c9", "\u65e5", "\u0301", "\u0661", "\u00a0", "\u2028", "\u2014", "\u017f"}) {
    parts.emplace_back(part);
  }
  compare_many(parts);
}

TEST(Window, EndsMostPiecesOfPlainText) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "Plain words, and (some) of them in brackets; 42 numbers: x = y[7];\n    indented\n\n";
  for (const Seen seen : {compare<EncodingName::o200k_base>(text), compare<EncodingName::cl100k_base>(text)}) {
    EXPECT_GT(seen.pieces, 20 * seen.others);
  }
}

}  // namespace
}  // namespace trainer::core::tokens

#include "core/tokens/counter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/text.h"
#include "tokens.h"

namespace trainer::core::tokens {
namespace {

using namespace std::string_literals;
using Ids = std::vector<TokenId>;

constexpr auto kO200k = EncodingName::o200k_base;
constexpr auto kCl100k = EncodingName::cl100k_base;

std::int64_t count(EncodingName name, std::string_view text) {
  TokenCounter counter(built(name));
  const auto first = counter.count(text);
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(*counter.count(text), *first) << "what is remembered is another count";
  return *first;
}

// Merging as tiktoken writes it down: every part by its bytes, the whole list looked through each time.
Ids merged_by_bytes(const Encoding& encoding, std::string_view piece) {
  std::vector<std::string> parts;
  for (const char byte : piece) parts.emplace_back(1, byte);
  for (;;) {
    std::size_t lowest = 0;
    TokenId token = kNoToken;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const TokenId candidate = encoding.find(parts[i] + parts[i + 1]);
      if (candidate >= token) continue;
      token = candidate;
      lowest = i;
    }
    if (token == kNoToken) break;
    parts[lowest] += parts[lowest + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(lowest) + 1);
  }
  Ids ids;
  for (const std::string& part : parts) ids.push_back(encoding.find(part));
  return ids;
}

// A text of tokens one after another: it merges across their borders.
std::string joined_tokens(const Encoding& encoding, std::mt19937& random, std::size_t at_least) {
  std::string text;
  while (text.size() < at_least) text += encoding.token(static_cast<TokenId>(random() % encoding.tokens));
  return text;
}

TEST(Encode, GivesTheIdsOfTheReference) {
  EXPECT_EQ(ids(kO200k, "Hello, world!"), (Ids{13225, 11, 2375, 0}));
  EXPECT_EQ(ids(kO200k, "tiktoken is great!"), (Ids{83, 8251, 2488, 382, 2212, 0}));
  EXPECT_EQ(ids(kO200k, "\r\n\r\n"), (Ids{1414}));
  EXPECT_EQ(ids(kCl100k, "Hello, world!"), (Ids{9906, 11, 1917, 0}));
  EXPECT_EQ(ids(kCl100k, "tiktoken is great!"), (Ids{83, 1609, 5963, 374, 2294, 0}));
  EXPECT_EQ(ids(kCl100k, "\r\n\r\n"), (Ids{881}));
}

TEST(Encode, ASpecialTokenIsText) {
  for (const auto name : kEncodings) EXPECT_GT(count(name, "<|endoftext|>"), 1);
}

TEST(Encode, EveryTokenOfAValidTextIsAtMostItself) {
  for (const auto name : kEncodings) {
    const Encoding& encoding = built(name);
    for (TokenId id = 0; id < encoding.tokens; ++id) ASSERT_EQ(encoding.find(encoding.token(id)), id);
  }
}

TEST(Merge, IsWhatMergingByBytesGives) {
  std::mt19937 random(1);
  for (const auto name : kEncodings) {
    const Encoding& encoding = built(name);
    const auto memo = std::make_unique<PairMemo>();
    for (int i = 0; i < 300; ++i) {
      // On both sides of the length where the way of merging changes.
      const std::string piece = joined_tokens(encoding, random, 1 + i % (i % 10 == 0 ? 200 : 2 * kShortPiece));
      Ids found;
      append_merged(encoding, *memo, piece, found, nullptr);
      ASSERT_EQ(found, merged_by_bytes(encoding, piece)) << piece;
      ASSERT_EQ(count_merged(encoding, *memo, piece, nullptr), found.size());
    }
  }
}

TEST(Merge, OfFewLettersIsWhatMergingByBytesGives) {
  std::mt19937 random(2);
  for (const auto name : kEncodings) {
    const auto memo = std::make_unique<PairMemo>();
    for (int i = 0; i < 200; ++i) {
      std::string piece;
      for (std::size_t size = 2 + random() % 400; piece.size() < size;) piece += "aab-  "[random() % (1 + i % 6)];
      Ids found;
      append_merged(built(name), *memo, piece, found, nullptr);
      ASSERT_EQ(found, merged_by_bytes(built(name), piece)) << piece;
    }
  }
}

RC_GTEST_PROP(Encode, GivesBackTheText, (const std::vector<std::uint32_t>& points, bool o200k)) {
  std::string text;
  for (const std::uint32_t point : points) append_utf8(text, point % 0x30000);
  text = to_valid_utf8(text);
  const auto name = o200k ? kO200k : kCl100k;
  std::string back;
  for (const TokenId id : ids(name, text)) back += built(name).token(id);
  RC_ASSERT(back == text);
}

RC_GTEST_PROP(Count, IsTheNumberOfIdsOfAnyBytes, (const std::string& bytes, bool o200k)) {
  const auto name = o200k ? kO200k : kCl100k;
  RC_ASSERT(count(name, bytes) == static_cast<std::int64_t>(ids(name, bytes).size()));
}

TEST(Count, OfNothingIsNone) {
  for (const auto name : kEncodings) EXPECT_EQ(count(name, ""), 0);
}

TEST(Count, EachByteThatIsNoCharacterCountsAsAReplacement) {
  for (const auto name : kEncodings) {
    EXPECT_EQ(ids(name,
                  "a\xFF"
                  "b"),
              ids(name,
                  "a\xEF\xBF\xBD"
                  "b"));
    EXPECT_EQ(ids(name, "\xED\xA0\x80"), ids(name, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"));
    EXPECT_EQ(ids(name, "x\xF0\x9F\x98"), ids(name, "x\xEF\xBF\xBD"));
  }
}

TEST(Count, WhatIsNotValidIsNeverReadBeyondItsEnd) {
  // The sanitizers watch: each text is a buffer of its own, and is called valid.
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::vector<char> bytes(1 + random() % 40);
    for (char& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() : 0xF0 | random());
    for (const auto name : kEncodings) {
      ASSERT_TRUE(TokenCounter(built(name)).count_valid({bytes.data(), bytes.size()}).ok());
    }
  }
}

TEST(Count, OfTheSameTextIsTheSameWhereverItStandsInTheMemory) {
  const std::string text = "The words' ends, 16 bytes before the end: wordsofsomelength, x";
  for (const auto name : kEncodings) {
    for (std::size_t size = 0; size <= text.size(); ++size) {
      const std::vector<char> exact(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(count(name, {exact.data(), size}), count(name, std::string_view(text).substr(0, size)));
    }
  }
}

// Of this process alone, as others are at work; the best of some.
double best_seconds(EncodingName name, const std::string& text) {
  std::clock_t best = std::numeric_limits<std::clock_t>::max();
  for (int i = 0; i < 3; ++i) {
    const std::clock_t start = std::clock();
    EXPECT_TRUE(TokenCounter(built(name)).count(text).ok());
    best = std::min(best, std::clock() - start);
  }
  return static_cast<double>(best) / CLOCKS_PER_SEC;
}

TEST(Count, IsNeverQuadratic) {
  std::mt19937 random(4);
  std::map<std::string, std::string> texts;
  for (int i = 0; i < 100'000; ++i) {
    texts["one letter"] += 'a';
    texts["random letters"] += static_cast<char>('a' + random() % 26);
    texts["dashes"] += '-';
    texts["spaces"] += ' ';
    texts["capitals with an ordinal"] += i % 1000 == 0 ? "\xC2\xAA"s : "A"s;
    texts["marks and capitals"] += i % 2 == 0 ? "\xCC\x81"s : "A"s;
    texts["line feeds and spaces"] += i % 2 == 0 ? '\n' : ' ';
  }
  for (const auto name : kEncodings) {
    for (const auto& [what, text] : texts) {
      // An eighth of the text takes an eighth of the time, or a tenth with a heap; were it quadratic, a 64th.
      EXPECT_LT(best_seconds(name, text), 24 * best_seconds(name, text.substr(0, text.size() / 8)) + 0.005) << what;
    }
  }
}

TEST(Count, LetsItselfBeInterruptedWithinAPieceAndBetweenThem) {
  struct Stop : std::exception {};
  const Interrupt stop = [] { throw Stop(); };
  for (const auto name : kEncodings) {
    TokenCounter counter(built(name));
    EXPECT_THROW((void)counter.count(std::string(200'000, 'a'), stop), Stop);
    std::string words;
    while (words.size() < 200'000) words += " word";
    EXPECT_THROW((void)counter.count(words, stop), Stop);
    EXPECT_EQ(*counter.count("word", stop), 1) << "a short text is not worth a look";
  }
}

TEST(Count, LetsItselfBeInterruptedWhereNothingIsMerged) {
  static int calls;
  calls = 0;
  std::string text;
  while (text.size() < 400'000) text += "\x01\x02";
  EXPECT_EQ(*TokenCounter(built(kO200k)).count(text, [] { ++calls; }), 400'000);
  EXPECT_GE(calls, 24) << "once for 16 KB";
}

TEST(Count, RefusesAPieceThatWouldTakeTooMuchMemory) {
  const std::string text(kMaxPiece + 1, 'a');
  const auto refused = TokenCounter(built(kO200k)).count(text);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().condition, Condition::limit_exceeded);
}

}  // namespace
}  // namespace trainer::core::tokens

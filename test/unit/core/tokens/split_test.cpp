#include "core/tokens/split.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "tokens.h"

namespace trainer::core::tokens {
namespace {

template <EncodingName pattern>
std::string split_by(std::string_view text) {
  const char* const end = text.data() + text.size();
  const Splitter<pattern> splitter(built(pattern).characters, end);
  std::string out;
  for (const char* at = text.data(); at < end;) {
    const char* const behind = splitter.piece_end(at);
    out.append("[").append(at, behind).append("]");
    at = behind;
  }
  return out;
}

// The same whether 16 bytes follow or not: then words are looked for in another way.
std::string o200k(const std::string& text) {
  const std::string alone = split_by<EncodingName::o200k_base>(text);
  if (std::isalpha(static_cast<unsigned char>(text.back())) != 0) {
    EXPECT_EQ(split_by<EncodingName::o200k_base>(text + "\n0000000000000000").substr(0, alone.size()), alone);
  }
  return alone;
}

std::string cl100k(const std::string& text) {
  return split_by<EncodingName::cl100k_base>(text);
}

TEST(Split, AWordTakesTheCharacterBeforeIt) {
  EXPECT_EQ(o200k("a word,of\tsome (kind)"), "[a][ word][,of][\tsome][ (][kind][)]");
  EXPECT_EQ(cl100k("a word,of\tsome (kind)"), "[a][ word][,of][\tsome][ (][kind][)]");
  EXPECT_EQ(o200k("\nword"), "[\n][word]");
}

TEST(Split, CaseChangesEndAWordInO200kAlone) {
  EXPECT_EQ(o200k("camelCase HTTPServer ABC"), "[camel][Case][ HTTPServer][ ABC]");
  EXPECT_EQ(cl100k("camelCase HTTPServer ABC"), "[camelCase][ HTTPServer][ ABC]");
}

TEST(Split, WhatHasNoCaseIsOfBothCases) {
  EXPECT_EQ(o200k("\u00aaAB"), "[\u00aa][AB]");
  EXPECT_EQ(o200k("A\u00aaB\u00aaC"), "[A\u00aaB\u00aa][C]");
  EXPECT_EQ(o200k("A\u00aaBc"), "[A\u00aaBc]");
  EXPECT_EQ(o200k("\u01c5a\u01c5"), "[\u01c5a][\u01c5]");
}

TEST(Split, AMarkBelongsToTheWordInO200kAndToTheSymbolsInCl100k) {
  EXPECT_EQ(o200k("e\u0301t\u0301e"), "[e\u0301t\u0301e]");
  EXPECT_EQ(cl100k("e\u0301t\u0301e"), "[e][\u0301t][\u0301e]");
  EXPECT_EQ(o200k("\u0301A B"), "[\u0301][A][ B]");
  EXPECT_EQ(o200k("!\u0301"), "[!\u0301]");
  EXPECT_EQ(cl100k("!\u0301!"), "[!\u0301!]");
}

TEST(Split, ContractionsEndAWordInO200kAndStandAloneInCl100k) {
  EXPECT_EQ(o200k("don't I'LL we'Ve he'd x'y"), "[don't][ I'LL][ we'Ve][ he'd][ x][\'y]");
  EXPECT_EQ(cl100k("don't I'LL we'Ve he'd x'y"), "[don]['t][ I]['LL][ we]['Ve][ he]['d][ x][\'y]");
  EXPECT_EQ(o200k("'tis"), "['tis]");
  EXPECT_EQ(cl100k("'tis"), "['t][is]");
  EXPECT_EQ(o200k("A's"), "[A's]");
}

TEST(Split, TheLongSIsAnS) {
  EXPECT_EQ(o200k("it'\u017f x"), "[it'\u017f][ x]");
  EXPECT_EQ(cl100k("it'\u017f x"), "[it]['\u017f][ x]");
}

TEST(Split, NumbersAreOfThreeDigits) {
  EXPECT_EQ(o200k("1234567 12"), "[123][456][7][ ][12]");
  EXPECT_EQ(cl100k("\u0661\u0662\u0663\u0664\u2155\u00b2"), "[\u0661\u0662\u0663][\u0664\u2155\u00b2]");
}

TEST(Split, SymbolsTakeASpaceBeforeAndLineBreaksBehind) {
  EXPECT_EQ(o200k(" != ;\r\n\r\nx"), "[ !=][ ;\r\n\r\n][x]");
  EXPECT_EQ(o200k("*/\n/x"), "[*/\n/][x]");
  EXPECT_EQ(cl100k("*/\n/x"), "[*/\n][/x]");
}

TEST(Split, WhiteSpaceLeavesItsLastOneToTheWord) {
  EXPECT_EQ(o200k("a   b"), "[a][  ][ b]");
  EXPECT_EQ(o200k("a   1"), "[a][  ][ ][1]");
  EXPECT_EQ(o200k("a   "), "[a][   ]");
  EXPECT_EQ(o200k(" \n  \n  b"), "[ \n  \n][ ][ b]");
  EXPECT_EQ(o200k("\t\t"), "[\t\t]");
}

TEST(Split, NextLineIsWhiteSpaceAndTheByteOrderMarkIsNot) {
  EXPECT_EQ(cl100k("a\u0085\u0085b"), "[a][\u0085][\u0085b]");
  EXPECT_EQ(cl100k("a\ufeff\ufeffb"), "[a][\ufeff\ufeff][b]");
}

TEST(Split, WordsOfAllLengthsAndNeighbours) {
  // Around the 16 bytes that are looked at in one step, with what ends a word and what does not behind them.
  const std::string tail = " 12345678901234567";
  for (std::size_t size = 1; size < 40; ++size) {
    for (const std::string before : {"", " ", "(", "'", "A", " A"}) {
      const std::string word = before + std::string(size, 'x');
      const auto begins = [](const std::string& split, const std::string& piece) {
        return split.starts_with("[" + piece + "]");
      };
      EXPECT_TRUE(begins(o200k(word + tail), word)) << word;
      EXPECT_TRUE(begins(o200k(word + "Z" + tail), word)) << word;
      EXPECT_TRUE(begins(o200k(word + "'s" + tail), word + "'s")) << word;
      EXPECT_TRUE(begins(o200k(word + "\u00e9" + tail), word + "\u00e9")) << word;
      EXPECT_TRUE(begins(cl100k(word + tail), word)) << word;
      EXPECT_TRUE(begins(cl100k(word + "'s" + tail), word)) << word;
      EXPECT_TRUE(begins(cl100k(word + "Z\u00e9" + tail), word + "Z\u00e9")) << word;
    }
  }
}

}  // namespace
}  // namespace trainer::core::tokens

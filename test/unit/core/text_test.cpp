#include "core/text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace trainer::core {
namespace {

using namespace std::string_literals;

const std::string kBad = "\xEF\xBF\xBD";  // U+FFFD

TEST(DecodeUtf8, EveryScalarValueComesBackAsItWasWritten) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 7) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Char back = decode_utf8(text, 0);
    ASSERT_TRUE(back.valid) << std::hex << static_cast<unsigned>(c);
    ASSERT_EQ(back.value, c);
    ASSERT_EQ(back.bytes, text.size());
  }
}

TEST(DecodeUtf8, BoundariesOfEachLengthHaveTheRightBytes) {
  const std::vector<std::pair<char32_t, std::string>> cases{
      {0x7F, "\x7F"},
      {0x80, "\xC2\x80"},
      {0x7FF, "\xDF\xBF"},
      {0x800, "\xE0\xA0\x80"},
      {0xFFFF, "\xEF\xBF\xBF"},
      {0x10000, "\xF0\x90\x80\x80"},
      {0x10FFFF, "\xF4\x8F\xBF\xBF"},
      {0xD7FF, "\xED\x9F\xBF"},
  };
  for (const auto& [value, bytes] : cases) {
    std::string text;
    append_utf8(text, value);
    EXPECT_EQ(text, bytes);
    EXPECT_TRUE(is_valid_utf8(bytes));
  }
}

struct Broken {
  std::string bytes;
  std::size_t replacements;
};

const std::vector<Broken>& broken_texts() {
  static const std::vector<Broken> kTexts{
      {"\x80", 1},                      // a continuation alone
      {"\xC0\xAF", 2},                  // overlong slash
      {"\xC1\xBF", 2},                  // overlong
      {"\xE0\x80\xAF", 3},              // overlong
      {"\xF0\x80\x80\xAF", 4},          // overlong
      {"\xED\xA0\x80", 3},              // surrogate
      {"\xED\xA0\xBD\xED\xB8\x80", 6},  // surrogate pair
      {"\xF4\x90\x80\x80", 4},          // beyond U+10FFFF
      {"\xF5\x80\x80\x80", 4},          // never a lead byte
      {"\xFF", 1},
      {"\xE2\x82", 1},          // cut: one replacement for the part that could have begun a character
      {"\xF0\x9F\x98", 1},      // cut
      {"\xF0\x9F\x98\x41", 1},  // cut by a letter, which stays
      {"\xC3", 1},
      {"\xE2\x28\xA1", 2},
  };
  return kTexts;
}

TEST(ValidUtf8, BrokenSequencesAreFoundWhereverTheyStand) {
  for (const Broken& broken : broken_texts()) {
    for (std::size_t before = 0; before < 20; ++before) {
      EXPECT_FALSE(is_valid_utf8(std::string(before, 'a') + broken.bytes)) << before;
      EXPECT_FALSE(is_valid_utf8(std::string(before, 'a') + broken.bytes + "zzzzzzzzzzzzzzz")) << before;
    }
  }
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("plain, and \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 more\n\0 too"s));
}

TEST(ValidUtf8, EachBrokenPartBecomesOneReplacement) {
  for (const Broken& broken : broken_texts()) {
    const std::string fixed = to_valid_utf8("ab" + broken.bytes + "c");
    EXPECT_TRUE(is_valid_utf8(fixed));
    std::size_t count = 0;
    for (std::size_t at = fixed.find(kBad); at != std::string::npos; at = fixed.find(kBad, at + 1)) ++count;
    EXPECT_EQ(count, broken.replacements) << testing::PrintToString(broken.bytes);
    EXPECT_TRUE(fixed.starts_with("ab"));
    EXPECT_TRUE(fixed.ends_with("c"));
    EXPECT_EQ(utf8_length(fixed), utf8_length("ab" + broken.bytes + "c"));
  }
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98\x80 ok"), "\xF0\x9F\x98\x80 ok");
}

TEST(ValidUtf8, WhateverBytesComeInValidTextGoesOut) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() % 4 == 0 ? 'a' + random() % 26 : random() % 256);
    const std::string fixed = to_valid_utf8(text);
    ASSERT_TRUE(is_valid_utf8(fixed));
    ASSERT_EQ(is_valid_utf8(text), fixed == text);
    ASSERT_TRUE(is_valid_utf8(clean_message(text, 16)));
    ASSERT_LE(clean_message(text, 16).size(), 16U);
  }
}

TEST(Utf8Length, CountsCharactersNotBytes) {
  EXPECT_EQ(utf8_length(""), 0U);
  EXPECT_EQ(utf8_length("abc"), 3U);
  EXPECT_EQ(utf8_length("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), 3U);
}

TEST(CutUtf8, NeverCutsACharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";  // boundaries at 0 1 3 6 10 11
  const std::vector<std::size_t> expected{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (std::size_t max = 0; max < expected.size(); ++max) EXPECT_EQ(cut_utf8(text, max).size(), expected[max]) << max;
}

TEST(CutUtf8, BytesThatAreNotUtf8AreStillBounded) {
  EXPECT_EQ(cut_utf8(std::string(100, '\x80'), 50).size(), 50U);
  EXPECT_EQ(cut_utf8(std::string(100, '\x80'), 0).size(), 0U);
}

TEST(Trimmed, WhiteSpaceOfUnicodeGoesAtBothEndsOnly) {
  EXPECT_EQ(trimmed(" \t\n\v\f\r a b \r\n"), "a b");
  EXPECT_EQ(trimmed("\xC2\xA0\xE3\x80\x80\xE2\x80\xA8 a\xE2\x80\x89z \xEF\xBB\xBF\xE2\x80\x8B"), "a\xE2\x80\x89z");
  EXPECT_EQ(trimmed("\xC2\xA0"), "");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST(Trimmed, InvalidBytesStay) {
  EXPECT_EQ(trimmed("\x80 "), "\x80");
  EXPECT_EQ(trimmed(" \xE2\x80"), "\xE2\x80");
  EXPECT_EQ(trimmed("\x80\x80\x80\x80\x80"), "\x80\x80\x80\x80\x80");
}

TEST(OneLine, BreaksAndTabsBecomeSpacesOtherControlsGo) {
  EXPECT_EQ(one_line("a\nb\tc\r\nd", 100), "a b c  d");
  EXPECT_EQ(one_line("a\xE2\x80\xA8z\xE2\x80\xA9y", 100), "a z y");
  EXPECT_EQ(one_line("\x1B[31mred\x1B[0m \0nul\x7F\xC2\x9Bx"s, 100), "[31mred[0m nulx");
  EXPECT_EQ(one_line("12345678\x01"
                     "2345678\x02"
                     "end",
                     100),
            "123456782345678end");
}

TEST(OneLine, KeepsWhatLooksLikeAKey) {
  EXPECT_EQ(one_line("sk-abc", 100), "sk-abc");
}

TEST(OneLine, IsCutAtACharacterAndTrimmedAfterwards) {
  EXPECT_EQ(one_line("abc\xE2\x82\xAC", 5), "abc");
  EXPECT_EQ(one_line("  abc  def", 5), "abc");
  EXPECT_EQ(one_line("abc", 0), "");
}

TEST(OneLine, LooksAtABoundedPartOfItsInput) {
  EXPECT_EQ(one_line(std::string(80, '\0') + "late", 10), "");
  EXPECT_EQ(one_line(std::string(79, '\0') + "late", 10), "l");
}

TEST(CleanMessage, OrdinaryMessagesPassUntouched) {
  for (const char* text :
       {"Model gpt-9 is not available for fine-tuning or does not exist", "task-force desk-lamp", "api keys are fine",
        "the bearer", "forbearers", "capital: 5", "caf\xC3\xA9 \xF0\x9F\x98\x80", "{\"error\": {\"code\": null}}"}) {
    EXPECT_EQ(clean_message(text), text);
  }
}

struct Leak {
  const char* text;
  const char* cleaned;
};

TEST(CleanMessage, KeysAreRedactedInEveryDress) {
  const std::vector<Leak> leaks{
      {"key sk-canary0123 was refused", "key [redacted] was refused"},
      {"sk-canary", "[redacted]"},
      {"SK-CANARY", "[redacted]"},
      {"Incorrect API key provided: sk-proj-ca***nary. You can find",
       "Incorrect API key provided: [redacted] You can find"},
      {"Incorrect API key provided: canary123.", "Incorrect API key provided: [redacted]"},
      {"Authorization: Bearer canary123", "Authorization: Bearer [redacted]"},
      {"authorization: bearer\tcanary123, next", "authorization: bearer [redacted], next"},
      {"Bearer: canary", "Bearer: [redacted]"},
      {"{\"api-key\": \"canary\", \"a\": 1}", "{\"api-key\": \"[redacted]\", \"a\": 1}"},
      {"{\\\"api_key\\\":\\\"canary\\\"}", "{\\\"api_key\\\":\\\"[redacted]\\\"}"},
      {"x-api-key: canary", "x-api-key: [redacted]"},
      {"OPENAI_API_KEY=canary", "OPENAI_API_KEY=[redacted]"},
      {"?apiKey=canary&x=1", "?apiKey=[redacted]&x=1"},
      {"\\nsk-canary0123456789", "\\n[redacted]"},
      {"two sk-canary1 and sk-canary2", "two [redacted] and [redacted]"},
      {"sk-can\x01"
       "ary",
       "[redacted]"},
      {"sk-can\xFF"
       "ary",
       "[redacted]"},
  };
  for (const Leak& leak : leaks) EXPECT_EQ(clean_message(leak.text), leak.cleaned);
}

TEST(CleanMessage, NoKeySurvivesAtAnyOffsetOrCut) {
  const std::string key = "sk-CANARYcanaryCANARYcanary";
  for (std::size_t before = 0; before < 40; ++before) {
    for (std::size_t max : {5U, 20U, 41U, 2048U}) {
      const std::string cleaned = clean_message(std::string(before, '.') + key + " end", max);
      ASSERT_EQ(cleaned.find("ANARY"), std::string::npos);
      ASSERT_LE(cleaned.size(), max);
    }
  }
}

TEST(CleanMessage, IsCutAtTwoKilobytesUnlessToldOtherwise) {
  EXPECT_EQ(clean_message(std::string(5000, 'x')).size(), 2048U);
  EXPECT_EQ(clean_message(std::string(5000, 'x'), 10), "xxxxxxxxxx");
}

TEST(Uuid, HasItsDigitsInItsGroups) {
  EXPECT_TRUE(is_uuid("00000000-0000-4000-8000-00000000000a"));
  EXPECT_TRUE(is_uuid("ABCDEF01-2345-6789-abcd-ef0123456789"));
  for (const char* text : {"", "0", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-00000000000aa",
                           "0000000000000-4000-8000-00000000000a", "g0000000-0000-4000-8000-00000000000a",
                           "00000000 0000 4000 8000 00000000000a", "{0000000-0000-4000-8000-00000000000}"}) {
    EXPECT_FALSE(is_uuid(text)) << text;
  }
}

TEST(CleanMessage, KeyMarksWithoutAKeyAreKept) {
  EXPECT_EQ(clean_message("api key:"), "api key:");
  EXPECT_EQ(clean_message("api"), "api");
  EXPECT_EQ(clean_message("api_"), "api_");
  EXPECT_EQ(clean_message("Bearer "), "Bearer");
}

}  // namespace
}  // namespace trainer::core

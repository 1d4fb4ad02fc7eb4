#include "core/json_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "core/text.h"

namespace trainer::core {
namespace {

using namespace std::string_literals;

std::string json(std::string_view text, Escape mode = Escape::utf8) {
  std::string out;
  append_json_string(out, text, mode);
  return out;
}

unsigned hex_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned>(std::stoul(std::string(text.substr(at, 4)), nullptr, 16));
}

// What a strict reader makes of a JSON string; fails the test on anything that RFC 8259 forbids.
std::string read_json(std::string_view text) {
  std::string out;
  EXPECT_GE(text.size(), 2U);
  EXPECT_EQ(text.front(), '"');
  EXPECT_EQ(text.back(), '"');
  for (std::size_t at = 1; at + 1 < text.size();) {
    const char c = text[at];
    EXPECT_NE(c, '"');
    EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    if (c != '\\') {
      out.push_back(c);
      ++at;
      continue;
    }
    const char kind = text[at + 1];
    at += 2;
    if (kind == 'n')
      out.push_back('\n');
    else if (kind == 'r')
      out.push_back('\r');
    else if (kind == 't')
      out.push_back('\t');
    else if (kind == '"' || kind == '\\')
      out.push_back(kind);
    else {
      EXPECT_EQ(kind, 'u');
      char32_t value = hex_at(text, at);
      at += 4;
      if (value >= 0xD800 && value <= 0xDBFF) {
        EXPECT_EQ(text.substr(at, 2), "\\u");
        const unsigned low = hex_at(text, at + 2);
        EXPECT_TRUE(low >= 0xDC00 && low <= 0xDFFF);
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
      } else {
        EXPECT_FALSE(value >= 0xDC00 && value <= 0xDFFF) << "lone surrogate";
      }
      append_utf8(out, value);
    }
  }
  return out;
}

TEST(JsonString, PlainTextIsCopiedInQuotes) {
  EXPECT_EQ(json(""), "\"\"");
  EXPECT_EQ(json("a"), "\"a\"");
  EXPECT_EQ(json("It's 100 % plain / text <b>~"), "\"It's 100 % plain / text <b>~\"");
}

TEST(JsonString, QuotesBackslashesAndControlsAreEscaped) {
  EXPECT_EQ(json("say \"hi\" \\ there"), R"("say \"hi\" \\ there")");
  EXPECT_EQ(json("a\nb\rc\td"), R"("a\nb\rc\td")");
  EXPECT_EQ(json("\0\x01\x1F\x7F"s), R"("\u0000\u0001\u001f\u007f")");
  EXPECT_EQ(json("\xC2\x85"), R"("\u0085")");
}

TEST(JsonString, LineSeparatorsAreEscapedInBothModes) {
  EXPECT_EQ(json("a\xE2\x80\xA8z\xE2\x80\xA9"), R"("a\u2028z\u2029")");
  EXPECT_EQ(json("a\xE2\x80\xA8z\xE2\x80\xA9", Escape::ascii), R"("a\u2028z\u2029")");
}

TEST(JsonString, OtherCharactersStayInUtf8Mode) {
  const std::string text = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xC2\xA0";
  EXPECT_EQ(json(text), "\"" + text + "\"");
}

TEST(JsonString, AsciiModeWritesSurrogatePairs) {
  EXPECT_EQ(json("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF", Escape::ascii),
            R"("\u00e9\u20ac\ud83d\ude00\udbff\udfff")");
}

TEST(JsonString, InvalidBytesBecomeReplacementCharacters) {
  EXPECT_EQ(json("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(json("a\xED\xA0\x80z", Escape::ascii), R"("a\ufffd\ufffd\ufffdz")");
  EXPECT_EQ(json("cut\xF0\x9F\x98"), "\"cut\xEF\xBF\xBD\"");
  EXPECT_EQ(json("\xEF\xBF\xBD"), "\"\xEF\xBF\xBD\"");
}

TEST(JsonString, SpecialBytesAreFoundAtEveryOffsetOfAWord) {
  for (std::size_t before = 0; before < 24; ++before) {
    for (std::size_t after : {0U, 1U, 7U, 8U, 17U}) {
      const std::string a(before, 'a');
      const std::string z(after, 'z');
      EXPECT_EQ(json(a + "\"" + z), "\"" + a + "\\\"" + z + "\"");
      EXPECT_EQ(json(a + "\x1F" + z), "\"" + a + "\\u001f" + z + "\"");
      EXPECT_EQ(json(a + "\\\n" + z), "\"" + a + "\\\\\\n" + z + "\"");
      EXPECT_EQ(json(a + "\xC3\xA9" + z, Escape::ascii), "\"" + a + "\\u00e9" + z + "\"");
    }
  }
}

TEST(JsonString, AppendsBehindWhatIsThere) {
  std::string out = "[";
  append_json_string(out, "a", Escape::utf8);
  append_json_escaped(out, "\"b", Escape::utf8);
  EXPECT_EQ(out, "[\"a\"\\\"b");
}

TEST(JsonString, WhateverGoesInAReaderGetsItsValidForm) {
  std::mt19937 random(11);
  const std::vector<std::string> pieces{
      "plain text ", "\"",           "\\",           "\n",           "\r\n",
      "\t",          "\0"s,          "\x1B",         "\x7F",         "\xC2\x9B",
      "\xC3\xA9",    "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
      "\xFF",        "\xED\xA0\x80", "\xF0\x9F",     "\\ud83d",      "</script>",
      "x",           "yy",           "zzz"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (unsigned i = random() % 12; i > 0; --i) text += pieces[random() % pieces.size()];
    const std::string wide = json(text);
    const std::string narrow = json(text, Escape::ascii);
    ASSERT_TRUE(is_valid_utf8(wide));
    ASSERT_EQ(read_json(wide), to_valid_utf8(text));
    ASSERT_EQ(read_json(narrow), to_valid_utf8(text));
    for (const char c : narrow) ASSERT_TRUE(c >= 0x20 && c < 0x7F);
    ASSERT_EQ(wide.find('\n'), std::string::npos);
  }
}

TEST(JsonString, LongTextsComeThrough) {
  std::string text;
  while (text.size() < 100 * 1024) text += "A long \"quoted\" line with \xF0\x9F\x98\x80.\n";
  EXPECT_EQ(read_json(json(text)), text);
}

}  // namespace
}  // namespace trainer::core

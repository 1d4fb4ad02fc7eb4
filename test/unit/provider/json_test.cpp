#include "provider/json.h"

#include <gtest/gtest.h>

namespace trainer::provider {
namespace {

std::string text_in(std::string_view document) {
  const auto parsed = JsonDocument::parse(document);
  return parsed ? parsed->root()["t"].text() : "(no document)";
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", " ", "<html></html>", "{", "[1,", "\"a", "{\"a\":1}}", "nul", "{'a':1}", "\"\\",
                           "\"\\u12", "\xFF\xFE", "]", "{\"a\":01}", "+", "1e"}) {
    EXPECT_FALSE(JsonDocument::parse(text)) << text;
  }
}

TEST(Json, AnswersEveryQuestionAboutEveryType) {
  for (const char* text : {"null", "[]", "{}", "1", "\"x\"", "true", "[[],{}]", "1.5"}) {
    const auto document = JsonDocument::parse(text);
    ASSERT_TRUE(document) << text;
    const JsonView view = document->root();
    EXPECT_FALSE(view["a"]["b"].exists());
    EXPECT_FALSE(view.at(7)["b"].exists());
    EXPECT_EQ(view["a"].text(), "");
    EXPECT_FALSE(view["a"].integer() || view["a"].number() || view["a"].boolean() || view["a"].is_null());
    EXPECT_FALSE(view["a"].is_object() || view["a"].is_array() || view["a"].is_string());
    EXPECT_EQ(view["a"].size(), 0u);
  }
}

TEST(Json, NestingIsBounded) {
  EXPECT_TRUE(JsonDocument::parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(JsonDocument::parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(JsonDocument::parse(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(JsonDocument::parse(objects));
}

TEST(Json, BracketsInStringsAreNoNesting) {
  EXPECT_EQ(text_in("{\"t\":\"" + std::string(1000, '[') + "\"}"), std::string(1000, '['));
  EXPECT_EQ(text_in(R"({"t":"a\"[[b"})"), "a\"[[b");
}

TEST(Json, InvalidUtf8BecomesAReplacement) {
  EXPECT_EQ(text_in("{\"t\":\"a\xFFz\"}"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(text_in("{\"t\":\"\xC3\"}"), "\xEF\xBF\xBD");
  EXPECT_EQ(text_in("{\"t\":\"\xED\xA0\x80\"}").find('\xED'), std::string::npos);
  EXPECT_EQ(text_in("{\"t\":\"\xC3\xA9\"}"), "\xC3\xA9");
}

TEST(Json, HalfASurrogatePairBecomesAReplacement) {
  EXPECT_EQ(text_in(R"({"t":"a\ud800b"})"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(text_in(R"({"t":"\udc00"})"), "\xEF\xBF\xBD");
  EXPECT_EQ(text_in(R"({"t":"\ud83d\ud83d\ude00"})"), "\xEF\xBF\xBD\xF0\x9F\x98\x80");
  EXPECT_EQ(text_in(R"({"t":"\ud83d\ude00"})"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(text_in(R"({"t":"\u0041\\ud800"})"), "A\\ud800");
}

TEST(Json, NumbersBeyondEveryRangeAreNull) {
  const auto document = JsonDocument::parse(
      R"({"a":1e400000,"b":NaN,"c":Infinity,"d":-Infinity,"e":123456789012345678901234567890,"f":-1e999,"g":3,"h":"NaN"})");
  ASSERT_TRUE(document);
  for (const char* key : {"a", "b", "c", "d", "f"}) EXPECT_TRUE(document->root()[key].is_null()) << key;
  EXPECT_FALSE(document->root()["e"].integer());
  EXPECT_EQ(document->root()["g"].integer(), 3);
  EXPECT_EQ(document->root()["h"].text(), "NaN");
}

TEST(Json, IntegersAreExactOrNothing) {
  const auto document = JsonDocument::parse(
      R"([3.0, 3.5, 9223372036854775807, 9223372036854775808, -9223372036854775808, 1e17, "3", true, -0.0])");
  ASSERT_TRUE(document);
  const JsonView root = document->root();
  EXPECT_EQ(root.at(0).integer(), 3);
  EXPECT_FALSE(root.at(1).integer());
  EXPECT_EQ(root.at(2).integer(), INT64_MAX);
  EXPECT_FALSE(root.at(3).integer());
  EXPECT_EQ(root.at(4).integer(), INT64_MIN);
  EXPECT_FALSE(root.at(5).integer());
  EXPECT_FALSE(root.at(6).integer());
  EXPECT_FALSE(root.at(7).integer());
  EXPECT_EQ(root.at(8).integer(), 0);
  EXPECT_EQ(root.at(1).number(), 3.5);
  EXPECT_EQ(root.at(7).boolean(), true);
}

// Every truncation and every single broken byte of a document is refused or read, and nothing else.
TEST(Json, SurvivesEveryBrokenByte) {
  const std::string good = R"({"id":"ftjob-1","n":[1,-2.5e3,{"x":null}],"t":"a\u00e9\ud83d\ude00\n","b":true})";
  ASSERT_TRUE(JsonDocument::parse(good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(JsonDocument::parse(good.substr(0, i))) << i;
    for (int byte = 0; byte < 256; ++byte) {
      std::string broken = good;
      broken[i] = static_cast<char>(byte);
      if (const auto document = JsonDocument::parse(broken)) (void)document->root()["n"].at(1).number();
    }
  }
}

}  // namespace
}  // namespace trainer::provider

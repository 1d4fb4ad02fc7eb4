#include "core/tokens/messages.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "core/prompt.h"
#include "tokens.h"

namespace trainer::core::tokens {
namespace {

std::int64_t count(std::string_view json, EncodingName name = EncodingName::o200k_base) {
  TokenCounter counter(built(name));
  const auto count = count_message_tokens(counter, json);
  EXPECT_TRUE(count.ok());
  return *count;
}

std::int64_t text(std::string_view utf8) {
  return static_cast<std::int64_t>(ids(EncodingName::o200k_base, utf8).size());
}

// Counted by the API itself: "How to count tokens with tiktoken" in OpenAI's cookbook.
constexpr const char* kJargon = R"([
  {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
  {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
  {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
  {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
  {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
  {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."}])";

TEST(MessageTokens, AreAsManyAsTheApiCounts) {
  EXPECT_EQ(count(kJargon, EncodingName::cl100k_base) + kReplyPrimer, 129);
  EXPECT_EQ(count(kJargon, EncodingName::o200k_base) + kReplyPrimer, 124);
  const char* classifier =
      R"([{"role":"system","content":"You are a classifier."},{"role":"user","content":"I love this product!"},{"role":"assistant","content":"positive"}])";
  for (const auto name : kEncodings) EXPECT_EQ(count(classifier, name) + kReplyPrimer, 26);
}

TEST(MessageTokens, OfWhatIsNoListOfMessagesAreNone) {
  for (const char* json : {"", " ", "null", "{}", "{\"role\":\"user\"}", "\"text\"", "[]", "[null, 1, \"text\", []]"}) {
    EXPECT_EQ(count(json), 0) << json;
  }
  EXPECT_EQ(count("[{}]"), kTokensPerMessage);
  EXPECT_EQ(count(R"([{"weight":1}])"), kTokensPerMessage);
}

TEST(MessageTokens, ANameCountsOneMore) {
  EXPECT_EQ(count(R"([{"name":"n"}])"), kTokensPerMessage + text("n") + kTokensPerName);
  EXPECT_EQ(count(R"([{"name":"n","content":"c"}])"), kTokensPerMessage + text("n") + kTokensPerName + text("c"));
}

TEST(MessageTokens, EscapesAreWhatTheyStandFor) {
  EXPECT_EQ(count(R"([{"content" : "a\n\"b\"\\\/\t"}])"), kTokensPerMessage + text("a\n\"b\"\\/\t"));
  EXPECT_EQ(count(R"([{"content":"\u00e9\ud83d\ude00"}])"), kTokensPerMessage + text("\u00e9\U0001F600"));
  EXPECT_EQ(count(R"([{"content":"\ud83d x \ude00"}])"), kTokensPerMessage + text("\uFFFD x \uFFFD"));
  EXPECT_EQ(count(R"([{"content":"a\u0000"}])"), kTokensPerMessage + text(std::string("a\0", 2)));
}

TEST(MessageTokens, TextsDeeperInsideCountAndTheirKeysDoNot) {
  EXPECT_EQ(count(R"([{"role":"user","content":[{"type":"text","text":"hello there"}]}])"),
            kTokensPerMessage + text("user") + text("text") + text("hello there"));
}

RC_GTEST_PROP(MessageTokens, AreThoseOfTheTextsThatWereWritten, (const std::string& system, const std::string& user)) {
  std::string json;
  append_messages(json, system, user, "reply", Escape::ascii);
  const std::int64_t of_system = system.empty() ? 0 : kTokensPerMessage + text("system") + text(system);
  RC_ASSERT(count(json) ==
            of_system + 2 * kTokensPerMessage + text("user") + text(user) + text("assistant") + text("reply"));
}

RC_GTEST_PROP(MessageTokens, OfAnyBytesAreSome, (const std::string& bytes)) {
  RC_ASSERT(count("[{" + bytes) >= 0);
  RC_ASSERT(count("[{\"" + bytes) >= 0);
}

}  // namespace
}  // namespace trainer::core::tokens

// What is asked of a chat model, and what is made of its answers.
#include <nlohmann/json.hpp>

#include "chain.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using nlohmann::json;

core::ChatRequest question() {
  return {"ft:gpt-4o", R"([{"role":"user","content":"Hi\u00e9"}])", 0.8, 200};
}

std::string completion(const json& choice, const json& usage = nullptr) {
  return json{{"id", "chatcmpl-1"}, {"object", "chat.completion"}, {"choices", {choice}}, {"usage", usage}}.dump();
}

std::string said(const std::string& text) {
  return completion(
      {{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}},
      {{"prompt_tokens", 10}, {"completion_tokens", 3}, {"prompt_tokens_details", {{"cached_tokens", 4}}}});
}

std::string unsupported(const std::string& param) {
  return json{{"error",
               {{"message", "Unsupported parameter: '" + param + "' is not supported with this model. Use another."},
                {"type", "invalid_request_error"},
                {"param", param},
                {"code", "unsupported_parameter"}}}}
      .dump();
}

TEST(Chat, AsksWithTheMessagesByteForByte) {
  Dialect dialect;
  const HttpRequest request = Chain(make_chat(question(), dialect)).request();
  EXPECT_EQ(request.path, "/chat/completions");
  EXPECT_EQ(request.json, R"({"model":"ft:gpt-4o","temperature":0.8,"max_completion_tokens":200,)"
                          R"("messages":[{"role":"user","content":"Hi\u00e9"}]})");
}

TEST(Chat, ReadsTextAndUse) {
  Dialect dialect;
  const core::Outcome outcome = Chain(make_chat(question(), dialect)).reply(200, said(" Well.\r\n\u0001 ")).outcome();
  ASSERT_EQ(outcome.delivery, Delivery::ok);
  EXPECT_EQ(outcome.completion->text, "Well.");
  EXPECT_EQ(outcome.completion->prompt_tokens, 10);
  EXPECT_EQ(outcome.completion->cached_tokens, 4);
  EXPECT_EQ(outcome.completion->completion_tokens, 3);
  EXPECT_FALSE(outcome.completion->filtered);
}

TEST(Chat, NumbersThatNoModelUsesAreNotKnown) {
  for (const auto& [told, known] : {std::pair<std::int64_t, bool>{0, true},
                                    {10'000'000, true},
                                    {10'000'001, false},
                                    {2'000'000'000, false},
                                    {-1, false},
                                    {1LL << 40, false}}) {
    Dialect dialect;
    const std::string body = completion(
        {{"message", {{"content", "Well."}}}},
        {{"prompt_tokens", told}, {"completion_tokens", told}, {"prompt_tokens_details", {{"cached_tokens", told}}}});
    const auto completion = Chain(make_chat(question(), dialect)).reply(200, body).outcome().completion;
    ASSERT_TRUE(completion) << told;
    EXPECT_EQ(completion->text, "Well.");
    EXPECT_EQ(completion->prompt_tokens.has_value(), known) << told;
    EXPECT_EQ(completion->cached_tokens.has_value(), known) << told;
    EXPECT_EQ(completion->completion_tokens.has_value(), known) << told;
  }
}

TEST(Chat, TellsWhatWasHeldBackOrCut) {
  Dialect dialect;
  auto read = [&](const json& choice) {
    return *Chain(make_chat(question(), dialect)).reply(200, completion(choice)).outcome().completion;
  };
  EXPECT_TRUE(read({{"message", {{"content", "x"}}}, {"finish_reason", "content_filter"}}).filtered);
  EXPECT_TRUE(read({{"message", {{"content", nullptr}, {"refusal", "No."}}}, {"finish_reason", "stop"}}).filtered);
  EXPECT_TRUE(read({{"message", {{"content", "x"}}}, {"finish_reason", "length"}}).cut);
  EXPECT_EQ(read({{"message", json::object()}}).text, "");
  EXPECT_EQ(read({{"message", json::object()}}).prompt_tokens, std::nullopt);
}

TEST(Chat, WhatIsNoCompletionIsUnreadable) {
  for (const char* body : {"", "null", "[]", "{}", R"({"object":"chat.completion","choices":[]})",
                           R"({"object":"list","choices":[{"message":{}}]})"}) {
    Dialect dialect;
    EXPECT_EQ(Chain(make_chat(question(), dialect)).reply(200, body).outcome().failure.code, "unreadable_answer")
        << body;
  }
}

TEST(Chat, LearnsWhatAModelTakes) {
  Dialect dialect;
  Chain chain(make_chat(question(), dialect));
  EXPECT_TRUE(
      json::parse(chain.reply(400, unsupported("max_completion_tokens")).request().json).contains("max_tokens"));
  const json second = json::parse(chain.reply(400, unsupported("temperature")).request().json);
  EXPECT_TRUE(second.contains("max_tokens"));
  EXPECT_FALSE(second.contains("temperature"));
  EXPECT_EQ(dialect.limit, TokenLimit::max_completion_tokens);  // not before it has answered
  EXPECT_EQ(chain.reply(200, said("Well.")).outcome().delivery, Delivery::ok);
  EXPECT_EQ(dialect.limit, TokenLimit::max_tokens);
  EXPECT_FALSE(dialect.temperature);
  EXPECT_FALSE(json::parse(Chain(make_chat(question(), dialect)).request().json).contains("temperature"));
}

TEST(Chat, AServerThatRefusesEverythingIsNotAskedForEver) {
  Dialect dialect;
  Chain chain(make_chat(question(), dialect));
  int asked = 1;
  for (const char* param : {"max_completion_tokens", "max_tokens", "max_completion_tokens", "max_tokens"}) {
    chain.reply(400, unsupported(param));
    if (chain.is_done()) break;
    ++asked;
  }
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(chain.outcome().delivery, Delivery::rejected);
}

TEST(Chat, AKeyOrAPaymentIsTheAccountsFault) {
  Dialect dialect;
  EXPECT_TRUE(
      Chain(make_chat(question(), dialect)).reply(401, error_body("invalid_api_key")).outcome().failure.of_account);
  EXPECT_TRUE(
      Chain(make_chat(question(), dialect)).reply(429, error_body("insufficient_quota")).outcome().failure.of_account);
  EXPECT_FALSE(
      Chain(make_chat(question(), dialect)).reply(429, error_body("rate_limit_exceeded")).outcome().failure.of_account);
}

}  // namespace
}  // namespace trainer::provider

// Models and chat.
#include <gtest/gtest.h>

#include <set>

#include "fixture.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

json ask(const std::string& model, const std::string& prompt) {
  return {{"model", model}, {"temperature", 0}, {"messages", {{{"role", "user"}, {"content", prompt}}}}};
}

class Models : public testing::Test {
 protected:
  Answer chat(const json& body) { return api_.post("/v1/chat/completions", body); }
  static std::string text(const Answer& answer) { return answer.body["choices"][0]["message"]["content"]; }
  Api api_;
};

TEST_F(Models, OfTheProviderAreThere) {
  const json list = api_.get("/v1/models").body;
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"].size(), 8u);
  const Answer one = api_.get("/v1/models/gpt-4o-2024-08-06");
  EXPECT_EQ(one.body["object"], "model");
  EXPECT_EQ(one.body["shutdown_date"], "2027-01-14");
  EXPECT_EQ(api_.get("/v1/models/gpt-9").code(), "model_not_found");
  EXPECT_EQ(api_.del("/v1/models/gpt-4o").status, 403);
}

TEST_F(Models, OfAJobExistOnlyOnceItHasSucceeded) {
  const std::string job = api_.job({{"model", "gpt-4o"}, {"training_file", api_.file(greetings(12))}});
  api_.pass(10000);
  const std::string model = api_.show(job)["fine_tuned_model"];
  EXPECT_EQ(api_.get("/v1/models/" + model).status, 200);
  EXPECT_EQ(api_.get("/v1/models").body["data"].size(), 9u);

  // The same server seed gives the same names: another sandbox, looked at too early.
  Api early;
  const std::string twin = early.job({{"model", "gpt-4o"}, {"training_file", early.file(greetings(12))}});
  ASSERT_EQ(twin, job);
  early.pass(9999);
  EXPECT_EQ(early.get("/v1/models/" + model).code(), "model_not_found");
  EXPECT_EQ(early.post("/v1/chat/completions", ask(model, "hi")).code(), "model_not_found");
  EXPECT_EQ(early.get("/v1/models").body["data"].size(), 8u);
}

TEST_F(Models, AreDeletedAndStayInTheirJob) {
  const std::string job = api_.finished_job();
  const std::string model = api_.show(job)["fine_tuned_model"];
  EXPECT_EQ(api_.del("/v1/models/" + model).body["deleted"], true);
  EXPECT_EQ(api_.del("/v1/models/" + model).status, 404);
  EXPECT_EQ(chat(ask(model, "hi")).status, 404);
  EXPECT_EQ(api_.show(job)["fine_tuned_model"], model);
}

TEST_F(Models, OfACheckpointAreDeletedByTheirOwnNames) {
  const std::string job = api_.finished_job();
  const json checkpoints = api_.get("/v1/fine_tuning/jobs/" + job + "/checkpoints").body["data"];
  ASSERT_EQ(checkpoints.size(), 3u);
  const std::string model = api_.show(job)["fine_tuned_model"];
  const std::string first = checkpoints[2]["fine_tuned_model_checkpoint"];
  const std::string last = checkpoints[0]["fine_tuned_model_checkpoint"];
  EXPECT_EQ(api_.del("/v1/models/" + first).body["deleted"], true);
  EXPECT_EQ(api_.del("/v1/models/" + first).status, 404);
  EXPECT_EQ(api_.get("/v1/models/" + model).status, 200);
  EXPECT_EQ(api_.del("/v1/models/" + model).body["deleted"], true);
  EXPECT_EQ(api_.get("/v1/models/" + last).status, 200);
}

TEST_F(Models, AnswerFromWhatTheyHaveLearnt) {
  std::string content = greetings(12);
  content += line("What of the harbour?", "Ships come and go at night.");
  const std::string job = api_.finished_job({{"training_file", api_.file(content)}});
  const Answer answer = chat(ask(api_.show(job)["fine_tuned_model"], "Tell me of the harbour"));
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(text(answer), "Ships come and go at night.");
  EXPECT_EQ(answer.body["object"], "chat.completion");
  EXPECT_EQ(answer.body["choices"][0]["finish_reason"], "stop");
  const json usage = answer.body["usage"];
  EXPECT_EQ(usage["prompt_tokens"], 3 + 3 + 1 + 6);  // reply primer, message, "user", "Tell me of the harb|our"
  EXPECT_EQ(usage["completion_tokens"], 9);
  EXPECT_EQ(usage["total_tokens"], usage["prompt_tokens"].get<int>() + 9);
}

TEST_F(Models, OfTheProviderSayThatTheyAreTheSandboxs) {
  const Answer a = chat(ask("gpt-4o", "a walk in the woods"));
  const Answer b = chat(ask("gpt-4o", "taxes"));
  EXPECT_TRUE(text(a).starts_with("[sandbox base model] "));
  EXPECT_NE(text(a), text(b));
  EXPECT_EQ(a.body["model"], "gpt-4o-2024-08-06");
}

TEST_F(Models, RepeatThemselvesUnderTheSameSeed) {
  json body = ask("gpt-4o", "a walk in the woods");
  body["temperature"] = 1.5;
  body["seed"] = 4;
  const std::string once = text(chat(body));
  EXPECT_EQ(text(chat(body)), once);
  body.erase("seed");
  body["n"] = 8;
  std::set<std::string> different;
  const Answer several = chat(body);
  for (const json& choice : several.body["choices"]) different.insert(choice["message"]["content"]);
  EXPECT_GT(different.size(), 1u);
}

TEST_F(Models, StopWhereTheyAreTold) {
  json body = ask("gpt-4o", "one two three four five six seven");
  body["max_tokens"] = 3;
  const Answer cut = chat(body);
  EXPECT_EQ(cut.body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(cut.body["usage"]["completion_tokens"], 3);
  body.erase("max_tokens");
  body["stop"] = "model]";
  EXPECT_EQ(text(chat(body)), "[sandbox base ");
}

TEST_F(Models, RefuseBadQuestions) {
  const auto refused = [&](const json& more) {
    json body = ask("gpt-4o", "hi");
    body.update(more);
    return chat(body);
  };
  EXPECT_EQ(refused({{"mood", "good"}}).code(), "unknown_parameter");
  EXPECT_EQ(refused({{"model", nullptr}}).param(), "model");
  EXPECT_EQ(refused({{"messages", nullptr}}).param(), "messages");
  EXPECT_EQ(refused({{"messages", json::array()}}).param(), "messages");
  EXPECT_EQ(refused({{"messages", {{{"role", "judge"}, {"content", "x"}}}}}).param(), "messages[0].role");
  EXPECT_EQ(refused({{"messages", {{{"role", "user"}, {"content", 1}}}}}).param(), "messages[0].content");
  EXPECT_EQ(refused({{"temperature", 2.1}}).param(), "temperature");
  EXPECT_EQ(refused({{"top_p", "x"}}).param(), "top_p");
  EXPECT_EQ(refused({{"n", 129}}).param(), "n");
  EXPECT_EQ(refused({{"max_tokens", 5}, {"max_completion_tokens", 5}}).param(), "max_tokens");
  EXPECT_EQ(refused({{"max_tokens", 0}}).param(), "max_tokens");
  EXPECT_EQ(refused({{"stop", {"a", "b", "c", "d", "e"}}}).param(), "stop");
  EXPECT_EQ(refused({{"stream", true}}).code(), "unsupported_value");
  EXPECT_EQ(refused({{"model", "gpt-9"}}).status, 404);
}

}  // namespace
}  // namespace trainer::sandbox

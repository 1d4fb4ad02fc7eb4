// Every kind of fault, whom it falls on, and that the history tells the truth about it.
#include <gtest/gtest.h>

#include <algorithm>

#include "fixture.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

class Faulty : public testing::Test {
 protected:
  Answer create(const std::string& key = "k") {
    return api_.post(kJobs,
                     {{"model", "gpt-4o-mini"}, {"training_file", training_}, {"metadata", {{"trainer_key", key}}}});
  }
  json last_record() { return api_.get("/_sandbox/history").body.back(); }
  std::size_t jobs() { return api_.get(kJobs).body["data"].size(); }

  Api api_;
  std::string training_ = api_.file(greetings(12));
};

TEST_F(Faulty, StatusAnswersWithoutTheEffect) {
  api_.fault({{"kind", "status"},
              {"path", kJobs},
              {"method", "POST"},
              {"status", 429},
              {"type", "requests"},
              {"code", "rate_limit_exceeded"},
              {"message", "Slow down."},
              {"headers", {{"Retry-After", "2"}, {"X-Twice", {"a", "b"}}}}});
  const Answer answer = create();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.code(), "rate_limit_exceeded");
  EXPECT_EQ(answer.body["error"]["message"], "Slow down.");
  const auto& headers = answer.reply.headers;
  EXPECT_NE(std::find(headers.begin(), headers.end(), std::pair<std::string, std::string>("Retry-After", "2")),
            headers.end());
  EXPECT_EQ(std::count_if(headers.begin(), headers.end(), [](const auto& pair) { return pair.first == "X-Twice"; }), 2);
  EXPECT_EQ(last_record()["status"], 429);
  EXPECT_EQ(last_record()["fault"], "status");
  EXPECT_EQ(last_record()["trainer_key"], "k");
  EXPECT_EQ(jobs(), 0u);
  EXPECT_EQ(create().status, 200);  // one is the default count
}

TEST_F(Faulty, StatusMayCarryAForeignBody) {
  api_.fault({{"kind", "status"}, {"status", 502}, {"body", "<html>bad gateway</html>"}});
  const Answer answer = api_.get("/v1/models");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.reply.content_type, "text/html");
  EXPECT_EQ(answer.reply.body, "<html>bad gateway</html>");
}

TEST_F(Faulty, TrainingNotAvailableIsTheProviders403) {
  api_.fault({{"kind", "training_not_available"}, {"count", -1}});
  EXPECT_EQ(api_.get(kJobs).status, 200);
  const Answer answer = create();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.code(), "training_not_available");
  EXPECT_EQ(answer.body["error"]["type"], "invalid_request_error");
  EXPECT_TRUE(answer.body["error"]["param"].is_null());
  EXPECT_EQ(create().status, 403);
}

TEST_F(Faulty, MalformedIsA200OfTheRulesBodyAfterTheEffect) {
  api_.fault({{"kind", "malformed"}, {"path", kJobs}, {"method", "POST"}, {"body", "[]"}});
  const Answer answer = create();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reply.body, "[]");
  EXPECT_EQ(jobs(), 1u);
}

TEST_F(Faulty, TruncateHasTheEffect) {
  api_.fault({{"kind", "truncate"}, {"path", kJobs}, {"method", "POST"}});
  EXPECT_EQ(create().reply.delivery, Reply::Delivery::truncated);
  EXPECT_EQ(jobs(), 1u);
}

TEST_F(Faulty, DropBeforeHasNoEffectAndDropAfterHas) {
  api_.fault({{"kind", "drop_before"}, {"path", kJobs}, {"method", "POST"}});
  EXPECT_EQ(create("first").reply.delivery, Reply::Delivery::dropped);
  EXPECT_EQ(last_record()["status"], "dropped");
  EXPECT_EQ(last_record()["trainer_key"], "first");
  EXPECT_FALSE(last_record().contains("created"));
  EXPECT_EQ(jobs(), 0u);

  api_.fault({{"kind", "drop_after"}, {"path", kJobs}, {"method", "POST"}});
  EXPECT_EQ(create("second").reply.delivery, Reply::Delivery::dropped);
  EXPECT_EQ(last_record()["status"], "dropped");
  const json list = api_.get(kJobs, {{"metadata[trainer_key]", "second"}}).body;
  ASSERT_EQ(list["data"].size(), 1u);
  const json history = api_.get("/_sandbox/history").body;
  EXPECT_EQ(history[history.size() - 2]["created"], list["data"][0]["id"]);
}

TEST_F(Faulty, DropAfterAnUploadKeepsTheFile) {
  api_.fault({{"kind", "drop_after"}, {"path", "/v1/files"}, {"filename", "lost"}});
  EXPECT_EQ(api_.upload("x", "kept.jsonl").reply.delivery, Reply::Delivery::complete);
  EXPECT_EQ(api_.upload("abc", "lost.jsonl").reply.delivery, Reply::Delivery::dropped);
  EXPECT_EQ(last_record()["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(last_record()["bytes"], 3);
  EXPECT_EQ(last_record()["filename"], "lost.jsonl");
  EXPECT_EQ(api_.get("/v1/files", {{"limit", "1"}}).body["data"][0]["filename"], "lost.jsonl");
}

TEST_F(Faulty, LatencyAddsToTheSettingsOwn) {
  api_.post("/_sandbox/settings", {{"latency_ms", 20}});
  api_.fault({{"kind", "latency"}, {"ms", 300}, {"path", "/v1/models/*"}});
  EXPECT_EQ(api_.get("/v1/models").reply.delay_ms, 20);
  EXPECT_EQ(api_.get("/v1/models/gpt-4o").reply.delay_ms, 320);
  EXPECT_EQ(api_.get("/_sandbox/state").reply.delay_ms, 0);
}

TEST_F(Faulty, JobFailureComesAtItsFractionOfTheJob) {
  api_.fault({{"kind", "job_failure"}, {"code", "unsafe_file"}, {"message", "No."}, {"fraction", 0.5}});
  const std::string job = create().body["id"];
  api_.pass(4999);
  EXPECT_EQ(api_.show(job)["status"], "running");
  api_.pass(1);
  const json failed = api_.show(job);
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_EQ(failed["error"]["code"], "unsafe_file");
  EXPECT_EQ(failed["error"]["message"], "No.");
  EXPECT_TRUE(failed["fine_tuned_model"].is_null());
}

TEST_F(Faulty, JobFailureAtTheVeryEndComesAfterAllSteps) {
  api_.fault({{"kind", "job_failure"}, {"code", "server_error"}});
  const std::string job = create().body["id"];
  api_.pass(10000);
  EXPECT_EQ(api_.show(job)["status"], "failed");
  const json events = api_.get(kJobs + "/" + job + "/events").body["data"];
  EXPECT_EQ(events[0]["level"], "error");
  EXPECT_EQ(events[1]["data"]["step"], events[1]["data"]["total_steps"]);
}

TEST_F(Faulty, UnknownStatusIsToldSoManyTimes) {
  const std::string job = create().body["id"];
  api_.pass(20000);
  api_.fault({{"kind", "unknown_status"}, {"status", "contemplating"}, {"count", 2}});
  EXPECT_EQ(api_.show(job)["status"], "contemplating");
  EXPECT_TRUE(api_.show(job)["fine_tuned_model"].is_null());
  EXPECT_EQ(api_.show(job)["status"], "succeeded");
}

TEST_F(Faulty, Base64ResultsLeaveOtherFilesAlone) {
  api_.fault({{"kind", "base64_results"}, {"count", -1}});
  const std::string id = api_.show(api_.finished_job())["result_files"][0];
  EXPECT_TRUE(
      api_.get("/v1/files/" + id + "/content").reply.body.starts_with("c3RlcCx0cmFpbl9sb3NzL"));  // "step,train_los"
  EXPECT_EQ(api_.get("/v1/files/" + training_ + "/content").reply.body, greetings(12));
}

TEST_F(Faulty, ListLagHidesWhatIsYoung) {
  api_.fault({{"kind", "list_lag"}, {"ms", 5000}, {"count", -1}});
  create();
  EXPECT_EQ(jobs(), 0u);
  EXPECT_TRUE(api_.get("/v1/files").body["data"].empty());
  api_.pass(5000);
  EXPECT_EQ(jobs(), 1u);
  EXPECT_EQ(api_.get("/v1/files").body["data"].size(), 1u);
}

TEST_F(Faulty, ModelLagHidesTheModelAfterSuccess) {
  const std::string job = create().body["id"];
  api_.pass(10000);
  const std::string model = api_.show(job)["fine_tuned_model"];
  api_.fault({{"kind", "model_lag"}, {"ms", 3000}, {"count", -1}});
  EXPECT_EQ(api_.get("/v1/models/" + model).code(), "model_not_found");
  api_.pass(3000);
  EXPECT_EQ(api_.get("/v1/models/" + model).status, 200);
}

TEST_F(Faulty, IgnoreFilterListsForeignJobs) {
  create("mine");
  create("theirs");
  api_.fault({{"kind", "ignore_filter"}});
  EXPECT_EQ(api_.get(kJobs, {{"metadata[trainer_key]", "mine"}}).body["data"].size(), 2u);
  EXPECT_EQ(api_.get(kJobs, {{"metadata[trainer_key]", "mine"}}).body["data"].size(), 1u);
}

TEST_F(Faulty, RulesMatchByPathPrefixPatternMethodAndModel) {
  const std::string job = create().body["id"];
  const auto hits = [&](const json& rule, const std::string& path) {
    api_.del("/_sandbox/faults");
    json whole = {{"kind", "status"}, {"status", 503}};
    whole.update(rule);
    api_.fault(whole);
    return api_.get(path).status == 503;
  };
  EXPECT_TRUE(hits({{"path", kJobs}}, kJobs));
  EXPECT_FALSE(hits({{"path", kJobs}}, kJobs + "/ftjob-x"));
  EXPECT_TRUE(hits({{"path", kJobs + "/"}}, kJobs + "/ftjob-x/events"));
  EXPECT_TRUE(hits({{"path", "/v1/*/events"}}, kJobs + "/ftjob-x/events"));
  EXPECT_FALSE(hits({{"path", "/v1/*/events"}}, kJobs + "/ftjob-x"));
  EXPECT_FALSE(hits({{"method", "POST"}}, kJobs));
  EXPECT_TRUE(hits({{"model", "4o-mini"}}, "/v1/models/gpt-4o-mini"));
  EXPECT_FALSE(hits({{"model", "4o-mini"}}, "/v1/models/gpt-4o"));
  EXPECT_TRUE(hits({{"model", "4o-mini"}}, kJobs + "/" + job));
  EXPECT_TRUE(hits({{"filename", "train"}}, kJobs + "/" + job + "/events"));
  EXPECT_FALSE(hits({{"filename", "other"}}, kJobs + "/" + job));
}

TEST_F(Faulty, RulesCountSkipAndEnd) {
  api_.fault({{"kind", "status"}, {"path", "/v1/models"}, {"after", 1}, {"count", 2}});
  std::vector<int> seen;
  for (int i = 0; i < 4; ++i) seen.push_back(api_.get("/v1/models").status);
  EXPECT_EQ(seen, (std::vector<int>{200, 500, 500, 200}));
  const json rule = api_.get("/_sandbox/faults").body[0];
  EXPECT_EQ(rule["applied"], 2);
  EXPECT_EQ(api_.del("/_sandbox/faults").status, 200);
  EXPECT_TRUE(api_.get("/_sandbox/faults").body.empty());
  api_.fault({{"kind", "status"}, {"path", "/v1/models"}, {"count", -1}, {"for_ms", 1000}});
  EXPECT_EQ(api_.get("/v1/models").status, 500);
  api_.pass(1000);
  EXPECT_EQ(api_.get("/v1/models").status, 200);
}

TEST_F(Faulty, RulesThatMakeNoSenseAreRefused) {
  const auto refused = [&](const json& rule) { return api_.post("/_sandbox/faults", rule).status == 400; };
  EXPECT_TRUE(refused(json::array()));
  EXPECT_TRUE(refused({{"kind", "earthquake"}}));
  EXPECT_TRUE(refused(json::object()));
  EXPECT_TRUE(refused({{"kind", "status"}, {"count", -2}}));
  EXPECT_TRUE(refused({{"kind", "status"}, {"count", "many"}}));
  EXPECT_TRUE(refused({{"kind", "status"}, {"status", 99}}));
  EXPECT_TRUE(refused({{"kind", "status"}, {"statsu", 500}}));
  EXPECT_TRUE(refused({{"kind", "job_failure"}, {"fraction", 2}}));
}

TEST_F(Faulty, StateCountsJobsByStatusAndKey) {
  create("a");
  api_.post(kJobs + "/" + create("a").body["id"].get<std::string>() + "/cancel", nullptr);
  api_.pass(20000);
  create("b");
  const json state = api_.get("/_sandbox/state").body;
  EXPECT_EQ(state["jobs"]["succeeded"], 1);
  EXPECT_EQ(state["jobs"]["cancelled"], 1);
  EXPECT_EQ(state["jobs"]["validating_files"], 1);
  EXPECT_EQ(state["models"], 1);
  EXPECT_EQ(state["files"], 2);  // the training file and one result
  EXPECT_EQ(state["trainer_keys"]["a"]["created"], 2);
  EXPECT_EQ(state["trainer_keys"]["a"]["succeeded"], 1);
  EXPECT_EQ(state["trainer_keys"]["b"]["live"], 1);
}

TEST_F(Faulty, SettingsAreChecked) {
  EXPECT_EQ(api_.post("/_sandbox/settings", {{"job_seconds", -1}}).status, 400);
  EXPECT_EQ(api_.post("/_sandbox/settings", {{"job_seconds", 1e300}}).status, 400);
  EXPECT_EQ(api_.post("/_sandbox/settings", {{"colour", 1}}).status, 400);
  EXPECT_EQ(api_.post("/_sandbox/settings", {{"job_seconds", 0.5}}).body["job_seconds"], 0.5);
}

TEST(Keys, AreAskedForUnderV1Only) {
  Options options = Api::default_options();
  options.api_key = "sk-right-1234567890";
  Api api(options);
  EXPECT_EQ(api.get("/v1/models").status, 401);
  EXPECT_EQ(api.get("/_sandbox/state").status, 200);
  Request request;
  request.method = "GET";
  request.path = "/v1/models";
  request.authorization = "Bearer sk-wrong-abcdefghij";
  const Answer wrong = api.send(request);
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.code(), "invalid_api_key");
  EXPECT_EQ(wrong.body["error"]["message"], "Incorrect API key provided: sk-w***ghij.");
  request.authorization = "Bearer sk-right-1234567890";
  EXPECT_EQ(api.send(request).status, 200);
  request.authorization = "";
  request.api_key = "sk-right-1234567890";
  EXPECT_EQ(api.send(request).status, 200);
}

TEST(Bodies, ThatAreTooLargeAre413) {
  Api api;
  Request request;
  request.method = "POST";
  request.path = "/v1/files";
  request.too_large = true;
  EXPECT_EQ(api.send(request).status, 413);
}

TEST(Routes, ThatDoNotExistAreNamed) {
  Api api;
  EXPECT_EQ(api.get("/v1/fine-tunes").code(), "unknown_url");
  EXPECT_EQ(api.get("/v1/files/a/b").code(), "unknown_url");
  EXPECT_EQ(api.get("/v1/files/").code(), "unknown_url");
  EXPECT_EQ(api.del("/v1/files").status, 405);
  EXPECT_EQ(api.get("/_sandbox/nothing").status, 404);
}

TEST(Replies, AllCarryARequestIdOfTheirOwn) {
  Api api;
  const auto id = [](const Answer& answer) {
    for (const auto& [name, value] : answer.reply.headers) {
      if (name == "x-request-id") return value;
    }
    return std::string();
  };
  const std::string first = id(api.get("/v1/models"));
  const std::string second = id(api.get("/v1/nothing"));
  EXPECT_FALSE(first.empty());
  EXPECT_FALSE(second.empty());
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace trainer::sandbox

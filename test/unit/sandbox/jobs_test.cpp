// The creation of jobs, their lives under a clock of the test's own, and what is listed of them.
#include <gtest/gtest.h>

#include <algorithm>

#include "fixture.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

class Jobs : public testing::Test {
 protected:
  Answer create(const json& more = json::object()) {
    json body = {{"model", "gpt-4o-mini"}, {"training_file", training_}};
    body.update(more);
    return api_.post(kJobs, body);
  }
  std::string status(const std::string& job) { return api_.show(job)["status"]; }
  json events(const std::string& job) {
    return api_.get(kJobs + "/" + job + "/events", {{"limit", "1000"}}).body["data"];
  }
  std::vector<std::string> messages(const std::string& job) {
    std::vector<std::string> found;
    const json newest_first = events(job);
    for (const json& event : newest_first) {
      found.insert(found.begin(), event["message"].get<std::string>());
    }
    return found;
  }

  Api api_;
  std::string training_ = api_.file(greetings(12));
};

TEST_F(Jobs, AreCreatedWithTheAliasResolved) {
  const Answer made = create({{"suffix", "mine"}, {"seed", 5}, {"metadata", {{"trainer_key", "k"}}}});
  ASSERT_EQ(made.status, 200);
  EXPECT_EQ(made.body["object"], "fine_tuning.job");
  EXPECT_EQ(made.body["model"], "gpt-4o-mini-2024-07-18");
  EXPECT_EQ(made.body["status"], "validating_files");
  EXPECT_EQ(made.body["seed"], 5);
  EXPECT_EQ(made.body["metadata"]["trainer_key"], "k");
  EXPECT_EQ(made.body["hyperparameters"]["n_epochs"], "auto");
  EXPECT_EQ(made.body["method"]["type"], "supervised");
  for (const char* empty : {"fine_tuned_model", "finished_at", "trained_tokens", "error", "validation_file"}) {
    EXPECT_TRUE(made.body[empty].is_null()) << empty;
  }
  EXPECT_TRUE(made.body["result_files"].empty());
}

struct Bad {
  const char* member;
  json value;
  std::string param;
};

TEST_F(Jobs, AreRefusedMemberByMember) {
  const auto supervised = [](const json& values) {
    return json{{"type", "supervised"}, {"supervised", {{"hyperparameters", values}}}};
  };
  json metadata = json::object();
  for (int i = 0; i < 17; ++i) metadata[std::to_string(i)] = "x";
  const std::string prefix = "method.supervised.hyperparameters.";
  const std::vector<Bad> cases = {
      {"colour", "red", "colour"},
      {"model", "gpt-9", "model"},
      {"model", "gpt-4.1-nano", "model"},
      {"model", "ft:gpt-4o-mini-2024-07-18:sandbox::unknown1", "model"},
      {"model", 5, "model"},
      {"model", nullptr, "model"},
      {"training_file", "file-nope", "training_file"},
      {"training_file", nullptr, "training_file"},
      {"validation_file", "file-nope", "validation_file"},
      {"suffix", "", "suffix"},
      {"suffix", std::string(65, 'x'), "suffix"},
      {"seed", -1, "seed"},
      {"seed", 2147483648, "seed"},
      {"seed", "x", "seed"},
      {"metadata", metadata, "metadata"},
      {"metadata", {{std::string(65, 'k'), "x"}}, "metadata"},
      {"metadata", {{"k", std::string(513, 'x')}}, "metadata.k"},
      {"metadata", {{"k", 1}}, "metadata.k"},
      {"metadata", "x", "metadata"},
      {"integrations", {{{"type", "other"}}}, "integrations"},
      {"hyperparameters", {{"n_epochs", 51}}, "hyperparameters.n_epochs"},
      {"hyperparameters", {{"beta", 1}}, "hyperparameters.beta"},
      {"method", supervised({{"n_epochs", 0}}), prefix + "n_epochs"},
      {"method", supervised({{"n_epochs", 1.5}}), prefix + "n_epochs"},
      {"method", supervised({{"n_epochs", "many"}}), prefix + "n_epochs"},
      {"method", supervised({{"batch_size", 257}}), prefix + "batch_size"},
      {"method", supervised({{"learning_rate_multiplier", 0}}), prefix + "learning_rate_multiplier"},
      {"method", supervised({{"momentum", 1}}), prefix + "momentum"},
      {"method", {{"type", "magic"}}, "method.type"},
      {"method", {{"type", "reinforcement"}}, "method.type"},
      {"method", {{"type", "dpo"}}, "method.type"},  // gpt-4o-mini cannot
  };
  for (const Bad& bad : cases) {
    const Answer answer = create({{bad.member, bad.value}});
    EXPECT_EQ(answer.status, 400) << bad.member << " " << bad.value;
    EXPECT_EQ(answer.body["error"]["type"], "invalid_request_error");
    EXPECT_EQ(answer.param(), bad.param) << bad.value;
  }
}

TEST_F(Jobs, SayInTheProvidersWordsThatAModelCannotBeTuned) {
  const Answer answer = create({{"model", "gpt-9"}});
  EXPECT_EQ(answer.code(), "model_not_available");
  EXPECT_EQ(answer.body["error"]["message"], "Model gpt-9 is not available for fine-tuning or does not exist.");
}

TEST_F(Jobs, TakeNullForWhatIsOptional) {
  EXPECT_EQ(
      create({{"suffix", nullptr}, {"seed", nullptr}, {"metadata", nullptr}, {"validation_file", nullptr}}).status,
      200);
}

TEST_F(Jobs, RefuseAFileOfAnotherPurposeAndABodyThatIsNotJson) {
  const std::string other = api_.upload("x", "a.txt", "user_data").body["id"];
  EXPECT_EQ(create({{"training_file", other}}).param(), "training_file");
  Request request;
  request.method = "POST";
  request.path = kJobs;
  request.body = "{";
  EXPECT_EQ(api_.send(request).status, 400);
}

TEST_F(Jobs, RunThroughTheirLifeByTheClock) {
  const std::string job = create({{"suffix", "mine"}}).body["id"];
  api_.pass(999);
  EXPECT_EQ(status(job), "validating_files");
  api_.pass(1);
  EXPECT_EQ(status(job), "queued");
  EXPECT_EQ(api_.show(job)["hyperparameters"]["n_epochs"], "auto");
  api_.pass(1000);
  EXPECT_EQ(status(job), "running");
  EXPECT_EQ(api_.show(job)["hyperparameters"]["n_epochs"], 8);  // floor(100 / 12)
  EXPECT_EQ(api_.show(job)["estimated_finish"], (api_.now() - 2000) / 1000 + 10);
  api_.pass(7999);
  EXPECT_EQ(status(job), "running");
  EXPECT_TRUE(api_.show(job)["fine_tuned_model"].is_null());
  api_.pass(1);
  const json done = api_.show(job);
  EXPECT_EQ(done["status"], "succeeded");
  const std::string model = done["fine_tuned_model"];
  EXPECT_TRUE(model.starts_with("ft:gpt-4o-mini-2024-07-18:sandbox:mine:"));
  EXPECT_EQ(model.size(), std::string("ft:gpt-4o-mini-2024-07-18:sandbox:mine:").size() + 8);
  EXPECT_EQ(done["finished_at"], api_.now() / 1000);
  EXPECT_EQ(done["trained_tokens"].get<int>() % 8, 0);
  EXPECT_GT(done["trained_tokens"], 1000);
}

TEST_F(Jobs, TellTheirLifeInTheProvidersWords) {
  const std::string job = api_.finished_job({{"hyperparameters", {{"n_epochs", 1}, {"batch_size", 6}}}});
  const std::vector<std::string> told = messages(job);
  ASSERT_EQ(told.size(), 8u);
  EXPECT_EQ(told[0], "Created fine-tuning job: " + job);
  EXPECT_TRUE(told[1].starts_with("Validating training file: file-"));
  EXPECT_EQ(told[2], "Files validated, moving job to queued state");
  EXPECT_EQ(told[3], "Fine-tuning job started");
  EXPECT_TRUE(told[4].starts_with("Step 1/2: training loss="));
  EXPECT_TRUE(told[5].starts_with("Step 2/2: training loss="));
  EXPECT_TRUE(told[6].starts_with("New fine-tuned model created: ft:"));
  EXPECT_EQ(told[7], "The job has successfully completed");
}

TEST_F(Jobs, MetricsComeWithNumbersAndTheLossFalls) {
  const std::string validation = api_.file(greetings(4, 30));
  const std::string job = api_.finished_job({{"validation_file", validation}});
  json first, last;
  const json newest_first = events(job);
  for (const json& event : newest_first) {
    if (event["type"] != "metrics") continue;
    if (last.is_null()) last = event["data"];
    first = event["data"];
  }
  EXPECT_EQ(first["step"], 1);
  EXPECT_EQ(last["step"], last["total_steps"]);
  EXPECT_LT(last["train_loss"], first["train_loss"]);
  EXPECT_TRUE(first.contains("valid_loss"));
  EXPECT_TRUE(last.contains("full_valid_loss"));
}

TEST_F(Jobs, EventsAreReadInPagesNewestFirstAndKeepTheirIds) {
  const std::string path = kJobs + "/" + api_.finished_job() + "/events";
  const json all = api_.get(path, {{"limit", "1000"}}).body["data"];
  EXPECT_EQ(api_.get(path).body["data"].size(), 20u);
  json paged = json::array();
  std::string after;
  bool more = true;
  while (more) {
    std::vector<std::pair<std::string, std::string>> query = {{"limit", "7"}};
    if (!after.empty()) query.emplace_back("after", after);
    const json page = api_.get(path, query).body;
    paged.insert(paged.end(), page["data"].begin(), page["data"].end());
    after = page["data"].back()["id"];
    more = page["has_more"];
  }
  EXPECT_EQ(paged, all);
  EXPECT_EQ(api_.get(path, {{"after", "ftevent-nope"}}).status, 404);
}

TEST_F(Jobs, KeepTheCheckpointsOfTheLastThreeEpochs) {
  const std::string job = api_.finished_job({{"hyperparameters", {{"n_epochs", 5}, {"batch_size", 6}}}});
  const json list = api_.get(kJobs + "/" + job + "/checkpoints").body;
  ASSERT_EQ(list["data"].size(), 3u);
  EXPECT_EQ(list["data"][0]["step_number"], 10);
  EXPECT_EQ(list["data"][2]["step_number"], 6);
  EXPECT_EQ(list["first_id"], list["data"][0]["id"]);
  EXPECT_EQ(list["last_id"], list["data"][2]["id"]);
  const std::string model = api_.show(job)["fine_tuned_model"];
  EXPECT_EQ(list["data"][1]["fine_tuned_model_checkpoint"], model + ":ckpt-step-8");
  EXPECT_EQ(api_.get("/v1/models/" + model + ":ckpt-step-8").status, 200);
  EXPECT_EQ(api_.get("/v1/models/" + model + ":ckpt-step-4").status, 404);
  const json page = api_.get(kJobs + "/" + job + "/checkpoints", {{"after", list["first_id"]}, {"limit", "1"}}).body;
  EXPECT_EQ(page["data"][0], list["data"][1]);
  EXPECT_EQ(page["has_more"], true);
}

TEST_F(Jobs, LeaveAResultFile) {
  const json done = api_.show(api_.finished_job());
  const std::string id = done["result_files"][0];
  EXPECT_EQ(api_.get("/v1/files/" + id).body["purpose"], "fine-tune-results");
  const std::string csv = api_.get("/v1/files/" + id + "/content").reply.body;
  EXPECT_TRUE(csv.starts_with("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 8 * 12);
}

TEST_F(Jobs, AtNoDurationAreDoneAsSoonAsTheyAreTrained) {
  ASSERT_EQ(api_.post("/_sandbox/settings", {{"job_seconds", 0}}).status, 200);
  const std::string job = create().body["id"];
  api_.sandbox().settle();
  EXPECT_EQ(status(job), "succeeded");
}

TEST_F(Jobs, FailForTheirFilesWithTheProvidersCodes) {
  const std::string good = greetings(12);
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {api_.file(greetings(9)), "", "invalid_n_examples"},
      {api_.file(good + "{}\n"), "", "invalid_training_file"},
      {api_.file(good + "nonsense\n"), "", "invalid_file_format"},
      {training_, api_.file("nonsense"), "invalid_file_format"}};
  for (const auto& [training, validation, code] : cases) {
    json more = {{"training_file", training}};
    if (!validation.empty()) more["validation_file"] = validation;
    const std::string job = create(more).body["id"];
    api_.pass(999);
    EXPECT_EQ(status(job), "validating_files");
    api_.pass(1);
    const json failed = api_.show(job);
    EXPECT_EQ(failed["status"], "failed");
    EXPECT_EQ(failed["error"]["code"], code);
    EXPECT_EQ(failed["error"]["param"], validation.empty() ? "training_file" : "validation_file");
    EXPECT_TRUE(failed["fine_tuned_model"].is_null());
    EXPECT_TRUE(failed["trained_tokens"].is_null());
    EXPECT_EQ(messages(job).back(), failed["error"]["message"]);
  }
}

TEST_F(Jobs, AreCancelledAndStayCancelled) {
  const std::string job = create().body["id"];
  const std::string path = kJobs + "/" + job + "/cancel";
  EXPECT_EQ(api_.post(path, nullptr).body["status"], "cancelled");
  EXPECT_EQ(api_.post(path, nullptr).status, 200);
  api_.pass(60000);
  EXPECT_EQ(status(job), "cancelled");
  EXPECT_EQ(api_.post(kJobs + "/" + api_.finished_job() + "/cancel", nullptr).status, 400);
}

TEST_F(Jobs, PauseAndResumeWithoutLosingTime) {
  const std::string job = create().body["id"];
  EXPECT_EQ(api_.post(kJobs + "/" + job + "/pause", nullptr).status, 400);  // has not begun
  api_.pass(5000);
  EXPECT_EQ(api_.post(kJobs + "/" + job + "/pause", nullptr).body["status"], "paused");
  const std::size_t told = messages(job).size();
  api_.pass(60000);
  EXPECT_EQ(status(job), "paused");
  EXPECT_EQ(messages(job).size(), told);
  EXPECT_EQ(api_.post(kJobs + "/" + job + "/resume", nullptr).body["status"], "queued");
  EXPECT_EQ(api_.post(kJobs + "/" + job + "/resume", nullptr).status, 400);
  api_.pass(500);
  EXPECT_EQ(status(job), "running");
  api_.pass(4999);
  EXPECT_EQ(status(job), "running");
  api_.pass(1);
  EXPECT_EQ(status(job), "succeeded");
}

TEST_F(Jobs, AreListedNewestFirstInPagesAndByMetadata) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(create({{"metadata", {{"trainer_key", "k" + std::to_string(i % 2)}, {"all", "yes"}}}}).body["id"]);
  }
  const std::string bare = create().body["id"];
  const json first = api_.get(kJobs, {{"limit", "2"}}).body;
  EXPECT_EQ(first["data"][0]["id"], bare);
  EXPECT_EQ(first["data"][1]["id"], ids[4]);
  EXPECT_EQ(first["has_more"], true);
  const json rest = api_.get(kJobs, {{"after", ids[4]}}).body;
  EXPECT_EQ(rest["data"].size(), 4u);
  EXPECT_EQ(rest["has_more"], false);
  const json odd = api_.get(kJobs, {{"metadata[trainer_key]", "k1"}, {"metadata[all]", "yes"}}).body;
  ASSERT_EQ(odd["data"].size(), 2u);
  EXPECT_EQ(odd["data"][0]["id"], ids[3]);
  EXPECT_TRUE(api_.get(kJobs, {{"metadata[trainer_key]", "k1"}, {"metadata[all]", "no"}}).body["data"].empty());
  EXPECT_TRUE(api_.get(kJobs, {{"metadata[trainer_key]", "k"}}).body["data"].empty());
  const json none = api_.get(kJobs, {{"metadata", "null"}}).body;
  ASSERT_EQ(none["data"].size(), 1u);
  EXPECT_EQ(none["data"][0]["id"], bare);
}

TEST_F(Jobs, ThatDoNotExistAre404) {
  for (const char* what : {"", "/events", "/checkpoints"}) {
    EXPECT_EQ(api_.get(kJobs + "/ftjob-nope" + what).code(), "fine_tune_not_found");
  }
  EXPECT_EQ(api_.post(kJobs + "/ftjob-nope/cancel", nullptr).param(), "fine_tune_id");
}

TEST_F(Jobs, LearnFromAnEarlierModel) {
  const std::string model = api_.show(api_.finished_job())["fine_tuned_model"];
  const json second = api_.show(api_.finished_job({{"model", model}, {"suffix", "again"}}));
  EXPECT_EQ(second["status"], "succeeded");
  EXPECT_EQ(second["model"], model);
  EXPECT_TRUE(second["fine_tuned_model"].get<std::string>().starts_with("ft:gpt-4o-mini-2024-07-18:sandbox:again:"));
}

TEST_F(Jobs, ByPreferenceReadPairsAndShowNoTopLevelHyperparameters) {
  std::string pairs;
  for (int i = 0; i < 10; ++i) {
    const auto say = [](const std::string& text) { return json{{{"role", "assistant"}, {"content", text}}}; };
    pairs += json{{"input", {{"messages", {{{"role", "user"}, {"content", "hi"}}}}}},
                  {"preferred_output", say("good " + std::to_string(i))},
                  {"non_preferred_output", say("bad")}}
                 .dump() +
             "\n";
  }
  const json dpo = {{"type", "dpo"}, {"dpo", {{"hyperparameters", {{"beta", 0.2}}}}}};
  const json done =
      api_.show(api_.finished_job({{"model", "gpt-4.1"}, {"training_file", api_.file(pairs)}, {"method", dpo}}));
  EXPECT_EQ(done["status"], "succeeded");
  EXPECT_TRUE(done["hyperparameters"].is_null());
  EXPECT_EQ(done["method"]["dpo"]["hyperparameters"]["beta"], 0.2);
  EXPECT_EQ(done["method"]["dpo"]["hyperparameters"]["n_epochs"], 10);
}

TEST_F(Jobs, AreTheSameUnderTheSameSeed) {
  const auto life = [] {
    Api api;
    const std::string job = api.finished_job();
    return api.show(job).dump() + api.get(kJobs + "/" + job + "/events", {{"limit", "1000"}}).reply.body;
  };
  EXPECT_EQ(life(), life());
}

}  // namespace
}  // namespace trainer::sandbox

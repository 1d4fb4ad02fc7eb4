#include "provider/wire.h"

#include <gmock/gmock.h>

namespace trainer::provider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kJob = R"({
  "id":"ftjob-abc","object":"fine_tuning.job","created_at":1700000000,"model":"gpt-4o-mini-2024-07-18",
  "organization_id":"org-1","training_file":"file-1","validation_file":null,"status":"succeeded",
  "fine_tuned_model":"ft:gpt-4o-mini-2024-07-18:org:suffix:AbCd1234","finished_at":1700000900,"trained_tokens":12345,
  "error":{"code":null,"message":null,"param":null},"hyperparameters":{"n_epochs":3,"batch_size":1},
  "result_files":["file-r"],"seed":7,"estimated_finish":null,"metadata":{"trainer_key":"tok-1"},
  "method":{"type":"supervised","supervised":{"hyperparameters":{"n_epochs":4}}},"usage_metrics":null})";

// The job above with another member: of two with the same name the last one counts. (Tests write JSON as text: what the
// JSON library makes of initializer lists takes minutes to compile with the sanitizers.)
std::string job_where(const std::string& key, const std::string& value) {
  const std::string job = kJob;
  return job.substr(0, job.rfind('}')) + ",\"" + key + "\":" + value + "}";
}

std::string job_named(const std::string& key, const std::string& text) {
  std::string quoted;
  for (const char c : text) quoted += c == '\n' ? std::string("\\n") : std::string(1, c);
  return job_where(key, '"' + quoted + '"');
}

std::string failed_job(const std::string& error) {
  return job_where("status", R"("failed","error":)" + error);
}

TEST(WireJob, ReadsEveryField) {
  const auto tagged = read_job(kJob);
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->token, "tok-1");
  const core::RemoteJob& job = tagged->job;
  EXPECT_EQ(job.id, "ftjob-abc");
  EXPECT_EQ(job.status, "succeeded");
  EXPECT_EQ(job.model, "gpt-4o-mini-2024-07-18");
  EXPECT_EQ(job.fine_tuned_model, "ft:gpt-4o-mini-2024-07-18:org:suffix:AbCd1234");
  EXPECT_EQ(job.trained_tokens, 12345);
  EXPECT_EQ(job.created_at, 1700000000);
  EXPECT_EQ(job.finished_at, 1700000900);
  EXPECT_FALSE(job.estimated_finish);
  EXPECT_EQ(job.epochs, 4);
  EXPECT_THAT(job.result_files, ElementsAre("file-r"));
  EXPECT_EQ(job.error_code + job.error_message, "");
  EXPECT_EQ(read_job(job_named("training_file", "file-t"))->job.training_file, "file-t");
  EXPECT_EQ(read_job(job_named("validation_file", "file-v"))->job.validation_file, "file-v");
  EXPECT_EQ(read_job(job_named("training_file", "a/b"))->job.training_file, "");
}

TEST(WireJob, EveryStatusIsVerbatim) {
  for (const char* status : {"validating_files", "queued", "running", "succeeded", "failed", "cancelled", "paused",
                             "pausing", "resuming", "pending", "deleted", "something new"}) {
    const auto tagged = read_job(job_named("status", status));
    ASSERT_TRUE(tagged) << status;
    EXPECT_EQ(tagged->job.status, status);
  }
}

TEST(WireJob, AnErrorCountsOnlyWhenTheJobFailed) {
  for (const char* error :
       {"null", "{}", R"({"code":null,"message":null})", R"({"code":"x","message":"y"})", R"("text")", "[1]"}) {
    const auto tagged = read_job(job_where("error", error));
    ASSERT_TRUE(tagged);
    EXPECT_EQ(tagged->job.error_code + tagged->job.error_message, "") << error;
  }
  const auto failed =
      read_job(failed_job(R"({"code":"invalid_training_file","message":"line 3\nis bad","param":"training_file"})"));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->job.error_code, "invalid_training_file");
  EXPECT_EQ(failed->job.error_message, "line 3 is bad");
  EXPECT_EQ(read_job(failed_job("null"))->job.error_code, "");
}

TEST(WireJob, HyperparametersComeInSeveralForms) {
  const auto epochs = [](const std::string& members) {
    const auto tagged = read_job(R"({"id":"ftjob-1","status":"running",)" + members + "}");
    return tagged ? tagged->job.epochs : std::optional<int>(-1);
  };
  EXPECT_EQ(epochs(R"("hyperparameters":{"n_epochs":3})"), 3);
  EXPECT_EQ(epochs(R"("hyperparameters":null)"), std::nullopt);
  EXPECT_EQ(epochs(R"("hyperparameters":{"n_epochs":"auto"})"), std::nullopt);
  EXPECT_EQ(epochs(R"("method":{"type":"dpo","dpo":{"hyperparameters":{"n_epochs":2}}},"hyperparameters":null)"), 2);
  EXPECT_EQ(epochs(R"("method":{"type":"dpo","dpo":{"hyperparameters":{"n_epochs":-2}}})"), std::nullopt);
  EXPECT_EQ(epochs(R"("method":{"type":null})"), std::nullopt);
}

TEST(WireJob, WhatIsMissingOrNullOrOfAnotherTypeIsAbsent) {
  const auto bare = read_job(R"({"id":"ftjob-1","status":"queued"})");
  ASSERT_TRUE(bare) << "an absent object is tolerated";
  EXPECT_EQ(bare->token + bare->job.model + bare->job.fine_tuned_model, "");
  for (const char* key : {"created_at", "model", "fine_tuned_model", "finished_at", "trained_tokens", "error",
                          "hyperparameters", "result_files", "metadata", "method", "estimated_finish"}) {
    for (const char* value :
         {"null", "true", "-1.5", R"("\u0001")", "[1,null]", R"({"a":1})", "1e300", "[[]]", "18446744073709551615"}) {
      const auto tagged = read_job(job_where(key, value));
      ASSERT_TRUE(tagged) << key << value;
      EXPECT_EQ(tagged->job.id, "ftjob-abc");
    }
  }
  EXPECT_THAT(read_job(job_where("result_files", R"([{"id":"file-o"},"file-p",3,"../x"])"))->job.result_files,
              ElementsAre("file-o", "file-p"));
}

TEST(WireJob, TimesThatNoCalendarNeedsAreAbsent) {
  using Time = std::optional<std::int64_t>;
  const auto is_read_as = [](const std::string& value, Time time) {
    EXPECT_EQ(read_job(job_where("created_at", value))->job.created_at, time) << value;
    EXPECT_EQ(read_job(job_where("finished_at", value))->job.finished_at, time) << value;
    EXPECT_EQ(read_job(job_where("estimated_finish", value))->job.estimated_finish, time) << value;
    const auto page = read_events(R"({"data":[{"id":"e1","created_at":)" + value + "}]}");
    ASSERT_EQ(page->items.size(), 1u) << value;
    EXPECT_EQ(page->items[0].created_at, time.value_or(0)) << value;
    EXPECT_EQ(read_file(R"({"id":"file-1","created_at":)" + value + "}")->created_at, time) << value;
  };
  is_read_as("0", 0);
  is_read_as("4102444800", 4102444800);
  is_read_as("4102444800.0", 4102444800);
  for (const char* value : {"-1", "4102444801", "9007199254740992", "9223372036854775807", "-9223372036854775808",
                            "1e300", "1e400", "NaN", "1.5"}) {
    is_read_as(value, std::nullopt);
  }
}

TEST(WireJob, CountsAreBounded) {
  const auto tokens = [](const std::string& value) {
    return read_job(job_where("trained_tokens", value))->job.trained_tokens;
  };
  EXPECT_EQ(tokens("0"), 0);
  EXPECT_EQ(tokens("9000000000000000"), 9'000'000'000'000'000);
  for (const char* value : {"-1", "9000000000000001", "9223372036854775807", "1e16"}) {
    EXPECT_EQ(tokens(value), std::nullopt) << value;
  }
  const auto epochs = [](const std::string& value) {
    return read_job(R"({"id":"ftjob-1","status":"running","hyperparameters":{"n_epochs":)" + value + "}}")->job.epochs;
  };
  EXPECT_EQ(epochs("2147483647"), 2147483647);
  EXPECT_EQ(epochs("2147483648"), std::nullopt);
  EXPECT_EQ(epochs("4294967297"), std::nullopt);
}

TEST(WireJob, ForeignBodiesAreNoJob) {
  for (const char* body : {"", "null", "[]", "{}", "1", "\"x\"", "true", "<html></html>", "{\"id\":\"ftjob-1\"",
                           R"({"object":"list","data":[]})", R"({"id":"file-1","object":"file","status":"processed"})",
                           R"({"id":null,"status":"queued"})", R"({"id":7,"status":"queued"})", R"({"id":"ftjob-1"})",
                           R"({"id":"ftjob-1","status":null})"}) {
    EXPECT_FALSE(read_job(body)) << body;
  }
  for (const std::string id : {"", "a/b", "../x", "a b", "a?b", "ftjob-\xC3\xA9", "a\nb", "a.b", "__"}) {
    EXPECT_FALSE(read_job(job_named("id", id))) << id;
  }
  EXPECT_FALSE(read_job(job_named("id", std::string(129, 'a'))));
  EXPECT_TRUE(read_job(job_named("id", std::string(128, 'a'))));
}

TEST(WireJob, TextsAreCleaned) {
  const auto tagged = read_job(failed_job(R"({"code":"c","message":"key sk-abcdefghijklmnopqrstuvwxyz \u0007 )" +
                                          std::string(10'000, 'x') + "\"}"));
  ASSERT_TRUE(tagged);
  EXPECT_LE(tagged->job.error_message.size(), 2048u);
  EXPECT_EQ(tagged->job.error_message.find("abcdefghij"), std::string::npos);
  EXPECT_EQ(tagged->job.error_message.find('\x07'), std::string::npos);
  EXPECT_EQ(read_job(R"({"id":"j1","status":"a\u0000b"})")->job.status, "ab");
  EXPECT_EQ(read_job(job_named("status", std::string(65, 's')))->job.status, std::string(64, 's'));
  EXPECT_EQ(read_job(job_named("status", std::string(63, 's') + "\xC3\xA9"))->job.status, std::string(63, 's'));
  EXPECT_EQ(read_job(job_named("model", std::string(300, 'm')))->job.model.size(), kMaxModelName);
}

TEST(WireJob, NamesOfModelsOutsideTheAlphabetAreNotTaken) {
  EXPECT_EQ(read_job(job_named("fine_tuned_model", "gpt-4.1-2025-04-14.ft-0a1b"))->job.fine_tuned_model,
            "gpt-4.1-2025-04-14.ft-0a1b");
  EXPECT_EQ(read_job(job_named("fine_tuned_model", "org/model@v2"))->job.fine_tuned_model, "org/model@v2");
  for (const std::string name : {"a b", "..", "x\n", "a?b", "/"}) {
    EXPECT_EQ(read_job(job_named("fine_tuned_model", name))->job.fine_tuned_model, "") << name;
  }
}

TEST(WireModel, ANameIsAsLongAsAColumnCanHold) {
  const std::string longest(255, 'm');
  EXPECT_EQ(read_job(job_named("fine_tuned_model", longest))->job.fine_tuned_model, longest);
  EXPECT_EQ(read_job(job_named("fine_tuned_model", longest + "m"))->job.fine_tuned_model, "");
  EXPECT_EQ(read_model_id(R"({"id":")" + longest + "\"}"), longest);
  EXPECT_FALSE(read_model_id(R"({"id":"m)" + longest + "\"}"));
  const auto checkpoint_model = [](const std::string& name) {
    return read_checkpoints(R"({"data":[{"id":"c1","step_number":1,"fine_tuned_model_checkpoint":")" + name + "\"}]}")
        ->items.at(0)
        .model;
  };
  EXPECT_EQ(checkpoint_model(longest), longest);
  EXPECT_EQ(checkpoint_model(longest + "m"), "");
}

TEST(WirePage, ListsKeepTheirPositionAndTheirEnd) {
  const std::string list = R"({"object":"list","has_more":true,"data":[)" + job_named("id", "j1") + ",null,7,{}," +
                           job_named("id", "j2") + R"(,{"object":"file","id":"file-1"}]})";
  const auto page = read_jobs(list);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->elements, 6u);
  EXPECT_EQ(page->has_more, true);
  EXPECT_EQ(page->last_id, "file-1");
  ASSERT_EQ(page->items.size(), 3u) << "an empty object is a job without an id";
  EXPECT_EQ(page->items[0].job.id, "j1");
  EXPECT_EQ(page->items[2].job.id, "j2");
  EXPECT_FALSE(read_jobs(R"({"object":"list","data":[]})")->has_more);
  EXPECT_TRUE(read_jobs(R"({"data":[]})"));
}

TEST(WirePage, ForeignBodiesAreNoList) {
  for (const char* body : {"", "null", "[]", "{}", R"({"object":"list"})", R"({"object":"list","data":null})",
                           R"({"object":"list","data":{}})", R"({"object":"file","data":[]})", "<html>"}) {
    EXPECT_FALSE(read_jobs(body)) << body;
    EXPECT_FALSE(read_files(body)) << body;
    EXPECT_FALSE(read_events(body)) << body;
    EXPECT_FALSE(read_checkpoints(body)) << body;
    EXPECT_FALSE(is_model_list(body)) << body;
  }
  EXPECT_TRUE(is_model_list(R"({"object":"list","data":[{"id":"gpt-4o"}]})"));
}

TEST(WireFile, ReadsAFile) {
  const auto file = read_file(
      R"({"id":"file-1","object":"file","bytes":140,"created_at":1613779121,"filename":"a.jsonl","purpose":"fine-tune",
          "status":"processed","status_details":null,"expires_at":null})");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->id, "file-1");
  EXPECT_EQ(file->filename, "a.jsonl");
  EXPECT_EQ(file->bytes, 140);
  EXPECT_EQ(file->created_at, 1613779121);
  EXPECT_FALSE(read_file(R"({"id":"ftjob-1","object":"fine_tuning.job"})"));
  EXPECT_FALSE(read_file(R"({"object":"file","bytes":1})"));
  EXPECT_FALSE(read_file("{}"));
  EXPECT_FALSE(read_file(R"({"id":"file-1","object":"file","bytes":"many"})")->bytes);
}

TEST(WireEvents, ReadsMessagesAndMetrics) {
  const auto page = read_events(R"({"object":"list","has_more":false,"data":[
    {"id":"ftevent-2","object":"fine_tuning.job.event","created_at":2,"level":"info","message":"Step 1/4","type":"metrics",
     "data":{"step":1,"total_steps":4,"train_loss":1.5,"train_mean_token_accuracy":0.5,"valid_loss":2.5,
             "valid_mean_token_accuracy":0.25,"full_valid_loss":3.5}},
    {"id":"ftevent-1","created_at":1,"level":"warn","message":"m","type":"moderation_checks","data":{"blocked":false}},
    {"id":"ftevent-0","message":null,"data":null},{"id":"bad id"},{"message":"no id"},null]})");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 3u);
  const core::RemoteEvent& first = page->items[0];
  EXPECT_EQ(first.id, "ftevent-2");
  EXPECT_EQ(first.created_at, 2);
  EXPECT_EQ(first.level, "info");
  EXPECT_EQ(first.type, "metrics");
  ASSERT_TRUE(first.metrics);
  EXPECT_EQ(first.metrics->step, 1);
  EXPECT_EQ(first.metrics->total_steps, 4);
  EXPECT_EQ(first.metrics->train_loss, 1.5);
  EXPECT_EQ(first.metrics->train_accuracy, 0.5);
  EXPECT_EQ(first.metrics->valid_loss, 2.5);
  EXPECT_EQ(first.metrics->valid_accuracy, 0.25);
  EXPECT_EQ(first.metrics->full_valid_loss, 3.5);
  EXPECT_FALSE(page->items[1].metrics);
  EXPECT_EQ(page->items[1].type, "moderation_checks");
  EXPECT_EQ(page->last_id, "ftevent-0");
}

std::optional<core::RemoteEvent> only_event(const std::string& members) {
  const auto page = read_events(R"({"data":[{)" + members + "}]}");
  return page && page->items.size() == 1 ? std::optional(page->items[0]) : std::nullopt;
}

TEST(WireEvents, WordsAndIdsAreBounded) {
  const std::string word(65, 'w');
  const auto event = only_event(R"("id":"e1","level":")" + word + R"(","type":")" + word + R"(\u0007","message":")" +
                                std::string(5000, 'm') + '"');
  ASSERT_TRUE(event);
  EXPECT_EQ(event->level, word.substr(1));
  EXPECT_EQ(event->type, word.substr(1));
  EXPECT_LE(event->message.size(), 2048u);
  EXPECT_EQ(only_event(R"("id":"e1","level":"a\nb\u0000","type":" c ")")->level, "a b");
  EXPECT_TRUE(only_event(R"("id":")" + std::string(256, 'e') + '"'));
  EXPECT_FALSE(only_event(R"("id":")" + std::string(257, 'e') + '"'));
  const auto checkpoints = [](std::size_t id_size) {
    return read_checkpoints(R"({"data":[{"id":")" + std::string(id_size, 'c') + R"(","step_number":1}]})")
        ->items.size();
  };
  EXPECT_EQ(checkpoints(256), 1u);
  EXPECT_EQ(checkpoints(257), 0u);
}

TEST(WireEvents, NumbersThatNoColumnHoldsAreAbsent) {
  for (const char* key : {"train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy",
                          "full_valid_loss", "step", "total_steps"}) {
    for (const char* value : {"NaN", "Infinity", "-Infinity", "1e400", "-1e400", "\"1\"", "null"}) {
      const auto event = only_event(R"("id":"e1","data":{")" + std::string(key) + "\":" + value + "}");
      ASSERT_TRUE(event) << key << value;
      EXPECT_FALSE(event->metrics) << key << value;
    }
  }
  const auto metrics = [](const std::string& step) {
    return only_event(R"("id":"e1","data":{"train_loss":1,"step":)" + step + R"(,"total_steps":)" + step + "}")
        ->metrics.value();
  };
  EXPECT_EQ(metrics("2147483647").step, 2147483647);
  EXPECT_EQ(metrics("2147483647").total_steps, 2147483647);
  for (const char* step : {"2147483648", "-1", "4294967297", "1e300", "0.5"}) {
    EXPECT_FALSE(metrics(step).step || metrics(step).total_steps) << step;
  }
}

TEST(WireCheckpoints, ReadsCheckpoints) {
  const auto page = read_checkpoints(R"({"object":"list","first_id":null,"last_id":null,"has_more":false,"data":[
    {"id":"ftckpt_1","object":"fine_tuning.job.checkpoint","fine_tuned_model_checkpoint":"ft:m:o:s:i:ckpt-step-2",
     "step_number":2,"metrics":{"step":2,"train_loss":0.5,"full_valid_loss":"x"},"fine_tuning_job_id":"ftjob-1"},
    {"id":"ftckpt_2","step_number":-1},{"id":"ftckpt_3"},{"step_number":4},{"id":"ftckpt_4","step_number":99999999999}]})");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(page->items[0].model, "ft:m:o:s:i:ckpt-step-2");
  EXPECT_EQ(page->items[0].step, 2);
  EXPECT_EQ(page->items[0].metrics.train_loss, 0.5);
  EXPECT_FALSE(page->items[0].metrics.full_valid_loss);
}

TEST(WireModel, ReadsModelsCompletionsAndDeletions) {
  EXPECT_EQ(read_model_id(R"({"id":"ft:x:y::z","object":"model","created":1,"owned_by":"o","shutdown_date":null})"),
            "ft:x:y::z");
  EXPECT_FALSE(read_model_id(R"({"id":"m","object":"list"})"));
  EXPECT_FALSE(read_model_id(R"({"object":"model"})"));
  EXPECT_FALSE(read_model_id("nonsense"));

  EXPECT_TRUE(is_completion(
      R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null}}]})"));
  for (const char* body :
       {"", "{}", R"({"choices":[]})", R"({"choices":[{}]})", R"({"choices":[{"message":"x"}]})",
        R"({"object":"text_completion","choices":[{"message":{}}]})", R"({"choices":{"message":{}}})"}) {
    EXPECT_FALSE(is_completion(body)) << body;
  }

  EXPECT_TRUE(is_deletion(R"({"id":"file-1","object":"file","deleted":true})"));
  EXPECT_TRUE(is_deletion("{}"));
  EXPECT_FALSE(is_deletion(R"({"deleted":false})"));
  EXPECT_FALSE(is_deletion("deleted"));
  EXPECT_FALSE(is_deletion("[]"));
}

TEST(WireError, ReadsTheEnvelope) {
  const WireError error = read_error(
      R"({"error":{"message":"No such\nFile object","type":"invalid_request_error","param":"id","code":"c"}})");
  EXPECT_EQ(error.code, "c");
  EXPECT_EQ(error.message, "No such File object");
  EXPECT_EQ(error.param, "id");
  EXPECT_EQ(read_error(R"({"error":{"message":"m","type":"server_error","code":null}})").code, "server_error");
  EXPECT_EQ(read_error(R"({"error":{"message":"m","type":"t y p e","code":429}})").code, "");
}

TEST(WireError, MakesSomethingOfForeignBodies) {
  const std::pair<const char*, const char*> bodies[] = {
      {R"({"type":"about:blank","title":"Bad Gateway","status":502,"detail":"upstream is down"})", "upstream is down"},
      {R"({"type":"about:blank","title":"Bad Gateway","status":502})", "Bad Gateway"},
      {R"({"error":"rate limited"})", "rate limited"},
      {R"({"message":"no route"})", "no route"},
      {R"({"Message":"denied"})", "denied"},
      {R"({"detail":[{"loc":["body"],"msg":"field required"}]})", "field required"},
      {R"({"errors":[{"message":"first"},{"message":"second"}]})", "first"},
      {R"([{"error":{"code":503,"message":"wrapped","status":"UNAVAILABLE"}}])", "wrapped"},
      {R"({"error":{"detail":"inside"}})", "inside"},
      {"upstream connect error", "upstream connect error"},
      {"<html><body>502</body></html>", ""},
      {"\n <!DOCTYPE html>", ""},
      {"", ""},
      {"null", ""},
      {"[]", ""},
      {"7", ""},
      {R"({"error":null})", ""},
      {R"({"error":{}})", ""},
      {R"({"error":[1]})", ""},
  };
  for (const auto& [body, message] : bodies) EXPECT_EQ(read_error(body).message, message) << body;
  EXPECT_EQ(read_error(R"({"code":"quota","message":"m"})").code, "quota");
  EXPECT_EQ(read_error(R"({"error_code":"quota"})").code, "quota");
}

TEST(WireError, IsBoundedAndClean) {
  EXPECT_LE(read_error(std::string(100'000, 'x')).message.size(), 300u);
  const WireError error = read_error("{\"error\":{\"message\":\"a\\u0000b\xFF Bearer abcdef0123456789\"}}");
  EXPECT_EQ(error.message.find('\0'), std::string::npos);
  EXPECT_EQ(error.message.find("abcdef0123456789"), std::string::npos);
  EXPECT_NE(error.message.find("\xEF\xBF\xBD"), std::string::npos);
}

core::Work training() {
  core::Work work;
  work.operation.id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
  work.installation = "inst-1";
  work.model.base_model = "gpt-4o-mini-2024-07-18";
  work.model.training_file_id = "file-1";
  work.model.method = "supervised";
  return work;
}

TEST(WireRequest, WhatIsNotSetIsLeftOut) {
  EXPECT_EQ(job_request(*find_profile("openai"), training()),
            R"({"model":"gpt-4o-mini-2024-07-18","training_file":"file-1","method":{"type":"supervised"},)"
            R"("metadata":{"trainer_key":"7c9e6679-7425-40de-944b-e07fc1f90ae7","trainer_inst":"inst-1"}})");
}

TEST(WireRequest, WhatIsSetIsSent) {
  core::Work work = training();
  work.model.validation_file_id = "file-2";
  work.model.suffix = "acme";
  work.model.seed = 0;
  work.model.method = "dpo";
  work.model.epochs = 3;
  work.model.learning_rate_multiplier = 0.1;
  work.model.batch_size = 8;
  EXPECT_EQ(job_request(*find_profile("openai"), work),
            R"({"model":"gpt-4o-mini-2024-07-18","training_file":"file-1","validation_file":"file-2","suffix":"acme",)"
            R"("seed":0,"method":{"type":"dpo","dpo":{"hyperparameters":)"
            R"({"n_epochs":3,"learning_rate_multiplier":0.1,"batch_size":8}}},)"
            R"("metadata":{"trainer_key":"7c9e6679-7425-40de-944b-e07fc1f90ae7","trainer_inst":"inst-1"}})");
}

TEST(WireRequest, BetaIsForPreferencesAlone) {
  core::Work work = training();
  work.model.beta = 0.25;
  EXPECT_THAT(job_request(*find_profile("openai"), work), HasSubstr(R"("method":{"type":"supervised"})"));
  work.model.method = "dpo";
  EXPECT_THAT(job_request(*find_profile("openai"), work),
              HasSubstr(R"("method":{"type":"dpo","dpo":{"hyperparameters":{"beta":0.25}}},)"));
  work.model.beta = 0;
  EXPECT_THAT(job_request(*find_profile("openai"), work), HasSubstr(R"("method":{"type":"dpo"},)"));
}

TEST(WireRequest, TheSuffixFitsTheProfile) {
  core::Work work = training();
  Profile profile = *find_profile("openai");
  profile.max_suffix = 3;
  work.model.suffix = "\xC3\xA4\xC3\xB6\xC3\xBCx";
  EXPECT_THAT(job_request(profile, work), HasSubstr("\"suffix\":\"\xC3\xA4\xC3\xB6\xC3\xBC\","));
  work.model.suffix = "a\xFF";
  EXPECT_THAT(job_request(profile, work), HasSubstr("\"suffix\":\"a\xEF\xBF\xBD\","));
}

TEST(WireRequest, InvalidTextIsNoException) {
  core::Work work = training();
  work.model.base_model = "a\xFF\"b";
  EXPECT_THAT(job_request(*find_profile("openai"), work), HasSubstr("{\"model\":\"a\xEF\xBF\xBD\\\"b\","));
}

TEST(WireRequest, AShortCompletion) {
  EXPECT_EQ(short_completion_request("ft:x", TokenLimit::max_completion_tokens),
            R"({"model":"ft:x","messages":[{"role":"user","content":"Say yes."}],"max_completion_tokens":16})");
  EXPECT_EQ(short_completion_request("ft:x", TokenLimit::max_tokens),
            R"({"model":"ft:x","messages":[{"role":"user","content":"Say yes."}],"max_tokens":16})");
}

TEST(Profiles, OpenAiIsTheFirst) {
  ASSERT_TRUE(find_profile("openai"));
  EXPECT_EQ(find_profile("openai")->api_base, "https://api.openai.com/v1");
  EXPECT_FALSE(find_profile("nobody"));
  EXPECT_FALSE(find_profile(""));
}

}  // namespace
}  // namespace trainer::provider

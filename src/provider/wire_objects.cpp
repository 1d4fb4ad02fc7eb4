// Files, jobs, events, checkpoints, models and completions.
#include <algorithm>

#include "core/dataset.h"
#include "core/text.h"
#include "provider/wire.h"
#include "provider/wire_fields.h"

namespace trainer::provider {
namespace {

// Null once a job of another method than supervised was made; "auto" before it has started.
std::optional<int> read_epochs(JsonView job) {
  const JsonView method = job["method"];
  const JsonView own = method[method["type"].text().c_str()]["hyperparameters"]["n_epochs"];
  const auto epochs = small_number(own.integer());
  return epochs ? epochs : small_number(job["hyperparameters"]["n_epochs"].integer());
}

// What no model reads or writes at once is no number of tokens.
std::optional<int> used_tokens(JsonView value) {
  constexpr int kMost = 10'000'000;
  const auto number = small_number(value.integer());
  return number && *number >= 0 && *number <= kMost ? number : std::nullopt;
}

// A job inside a list whose id cannot be used is kept, without one: if the token is ours, nobody may conclude that the
// job is not there.
std::optional<TaggedJob> job_of(JsonView value) {
  if (!is_kind(value, "fine_tuning.job")) return std::nullopt;
  TaggedJob tagged;
  tagged.token = label(value["metadata"][kTokenKey]);
  core::RemoteJob& job = tagged.job;
  job.id = id_if(value["id"], is_object_id);
  job.status = word(value["status"]);
  job.model = label(value["model"], kMaxModelName);
  job.fine_tuned_model = id_if(value["fine_tuned_model"], is_model_name);
  job.training_file = id_if(value["training_file"], is_object_id);
  job.validation_file = id_if(value["validation_file"], is_object_id);
  job.trained_tokens = token_count(value["trained_tokens"]);
  job.created_at = unix_time(value["created_at"]);
  job.finished_at = unix_time(value["finished_at"]);
  job.estimated_finish = unix_time(value["estimated_finish"]);
  job.epochs = read_epochs(value);
  const JsonView files = value["result_files"];
  for (std::size_t i = 0; i < files.size(); ++i) {
    // Some services list the files themselves instead of their ids.
    const JsonView file = files.at(i);
    if (std::string id = id_if(file.is_object() ? file["id"] : file, is_object_id); !id.empty()) {
      job.result_files.push_back(std::move(id));
    }
  }
  // A healthy job may carry an error of empty members.
  if (job.status == "failed") {
    job.error_code = label(value["error"]["code"]);
    job.error_message = core::clean_message(value["error"]["message"].text());
  }
  return tagged;
}

std::optional<RemoteFile> file_of(JsonView value) {
  if (!is_kind(value, "file")) return std::nullopt;
  return RemoteFile{.id = id_if(value["id"], is_object_id),
                    .filename = label(value["filename"]),
                    .bytes = value["bytes"].integer(),
                    .created_at = unix_time(value["created_at"])};
}

std::optional<core::RemoteEvent> event_of(JsonView value) {
  core::RemoteEvent event;
  event.id = id_if(value["id"], is_id);
  if (event.id.empty()) return std::nullopt;
  event.created_at = unix_time(value["created_at"]).value_or(0);
  event.level = word(value["level"]);
  event.message = core::clean_message(value["message"].text());
  event.type = word(value["type"]);
  if (const core::StepMetrics metrics = read_metrics(value["data"]); has_metrics(metrics)) event.metrics = metrics;
  return event;
}

std::optional<core::Checkpoint> checkpoint_of(JsonView value) {
  core::Checkpoint checkpoint;
  checkpoint.id = id_if(value["id"], is_id);
  checkpoint.model = id_if(value["fine_tuned_model_checkpoint"], is_model_name);
  const auto step = small_number(value["step_number"].integer());
  if (checkpoint.id.empty() || !step) return std::nullopt;
  checkpoint.step = *step;
  checkpoint.metrics = read_metrics(value["metrics"]);
  return checkpoint;
}

}  // namespace

std::optional<RemoteFile> read_file(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  auto file = document ? file_of(document->root()) : std::nullopt;
  return file && !file->id.empty() ? file : std::nullopt;
}

std::optional<Page<RemoteFile>> read_files(std::string_view body) {
  return read_page<RemoteFile>(body, is_object_id, file_of);
}

std::optional<TaggedJob> read_job(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  auto job = document ? job_of(document->root()) : std::nullopt;
  return job && !job->job.id.empty() && !job->job.status.empty() ? job : std::nullopt;
}

std::optional<Page<TaggedJob>> read_jobs(std::string_view body) {
  return read_page<TaggedJob>(body, is_object_id, job_of);
}

std::optional<Page<core::RemoteEvent>> read_events(std::string_view body) {
  return read_page<core::RemoteEvent>(body, is_id, event_of);
}

std::optional<Page<core::Checkpoint>> read_checkpoints(std::string_view body) {
  return read_page<core::Checkpoint>(body, is_id, checkpoint_of);
}

std::optional<std::string> read_model_id(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document || !is_kind(document->root(), "model")) return std::nullopt;
  std::string id = id_if(document->root()["id"], is_model_name);
  return id.empty() ? std::nullopt : std::optional(std::move(id));
}

bool is_model_list(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  return document && is_kind(document->root(), "list") && document->root()["data"].is_array();
}

bool is_completion(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document || !is_kind(document->root(), "chat.completion")) return false;
  const JsonView choices = document->root()["choices"];
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices.at(i)["message"].is_object()) return true;
  }
  return false;
}

std::optional<core::Completion> read_completion(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document || !is_kind(document->root(), "chat.completion")) return std::nullopt;
  const JsonView choice = document->root()["choices"].at(0);
  const JsonView message = choice["message"];
  if (!message.is_object()) return std::nullopt;
  core::Completion completion;
  const std::string said = message["content"].text();
  std::string_view text = said;
  std::string buffer;
  core::clean_example_text(text, buffer);
  completion.text = text;
  const std::string end = word(choice["finish_reason"]);
  completion.filtered = end == "content_filter" || !message["refusal"].text().empty();
  completion.cut = end == "length";
  const JsonView usage = document->root()["usage"];
  completion.prompt_tokens = used_tokens(usage["prompt_tokens"]);
  completion.cached_tokens = used_tokens(usage["prompt_tokens_details"]["cached_tokens"]);
  // They are part of the prompt's, whatever is told: a cost is never negative.
  if (completion.cached_tokens && completion.prompt_tokens) {
    completion.cached_tokens = std::min(*completion.cached_tokens, *completion.prompt_tokens);
  }
  completion.completion_tokens = used_tokens(usage["completion_tokens"]);
  return completion;
}

bool is_deletion(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  return document && document->root().is_object() && document->root()["deleted"].boolean().value_or(true);
}

}  // namespace trainer::provider

// A job and its events as the wire shows them.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

const TrainingRun* run_of(const Job& job) {
  return job.training_seen ? std::get_if<TrainingRun>(&job.training->outcome) : nullptr;
}

bool started(const Job& job) {
  for (const JobEvent& event : job.events) {
    if (event.kind == JobEvent::Kind::started) return true;
    if (event.kind > JobEvent::Kind::started) return false;
  }
  return false;
}

template <class T>
json number_or_auto(const std::optional<T>& value) {
  return value ? json(*value) : json("auto");
}

json hyperparameters_json(const Job& job) {
  const TrainingRun* run = run_of(job);
  const Hyperparameters& values = run && started(job) ? run->hyperparameters : job.request.hyperparameters;
  json object = {{"n_epochs", number_or_auto(values.n_epochs)},
                 {"batch_size", number_or_auto(values.batch_size)},
                 {"learning_rate_multiplier", number_or_auto(values.learning_rate_multiplier)}};
  if (job.request.method == Method::dpo) object["beta"] = number_or_auto(values.beta);
  return object;
}

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

std::string loss_text(double loss) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", loss);
  return text;
}

const Epoch* epoch_ending(const TrainingRun& run, int step) {
  for (const Epoch& epoch : run.epochs) {
    if (epoch.last_step == step) return &epoch;
  }
  return nullptr;
}

std::string step_message(const TrainingRun& run, int number) {
  const TrainingStep& step = run.steps[static_cast<std::size_t>(number - 1)];
  std::string text = "Step " + std::to_string(number) + "/" + std::to_string(run.steps.size()) +
                     ": training loss=" + loss_text(step.train.loss);
  if (step.valid) text += ", validation loss=" + loss_text(step.valid->loss);
  const Epoch* epoch = epoch_ending(run, number);
  if (epoch && epoch->full_valid) text += ", full validation loss=" + loss_text(epoch->full_valid->loss);
  return text;
}

json step_data(const TrainingRun& run, int number) {
  const TrainingStep& step = run.steps[static_cast<std::size_t>(number - 1)];
  json data = {{"step", number},
               {"total_steps", run.steps.size()},
               {"train_loss", step.train.loss},
               {"train_mean_token_accuracy", step.train.accuracy}};
  if (step.valid) {
    data["valid_loss"] = step.valid->loss;
    data["valid_mean_token_accuracy"] = step.valid->accuracy;
  }
  const Epoch* epoch = epoch_ending(run, number);
  if (epoch && epoch->full_valid) {
    data["full_valid_loss"] = epoch->full_valid->loss;
    data["full_valid_mean_token_accuracy"] = epoch->full_valid->accuracy;
  }
  return data;
}

std::string message_of(const Job& job, const JobEvent& event) {
  switch (event.kind) {
    case JobEvent::Kind::created:
      return "Created fine-tuning job: " + job.id;
    case JobEvent::Kind::validating:
      return "Validating training file: " + job.request.training_file +
             (job.request.validation_file.empty() ? "" : " and validation file: " + job.request.validation_file);
    case JobEvent::Kind::validated:
      return "Files validated, moving job to queued state";
    case JobEvent::Kind::started:
      return "Fine-tuning job started";
    case JobEvent::Kind::step:
      return step_message(*run_of(job), event.step);
    case JobEvent::Kind::model:
      return "New fine-tuned model created: " + job.fine_tuned_model;
    case JobEvent::Kind::succeeded:
      return "The job has successfully completed";
    case JobEvent::Kind::failed:
      return job.failure->message;
    case JobEvent::Kind::cancelled:
      return "The job has been cancelled";
  }
  return "";
}

json error_of(const Job& job) {
  if (!job.failure) return nullptr;
  return {{"code", job.failure->code}, {"message", job.failure->message}, {"param", text_or_null(job.failure->param)}};
}

}  // namespace

std::string_view name(Job::Status status) {
  switch (status) {
    case Job::Status::validating_files:
      return "validating_files";
    case Job::Status::queued:
      return "queued";
    case Job::Status::running:
      return "running";
    case Job::Status::paused:
      return "paused";
    case Job::Status::succeeded:
      return "succeeded";
    case Job::Status::failed:
      return "failed";
    case Job::Status::cancelled:
      return "cancelled";
  }
  return "";
}

std::string job_json(const Job& job, const std::string& status_instead) {
  const bool succeeded = job.status == Job::Status::succeeded && status_instead.empty();
  const bool dpo = job.request.method == Method::dpo;
  const char* method = dpo ? "dpo" : "supervised";
  json value = {{"id", job.id},
                {"object", "fine_tuning.job"},
                {"created_at", job.created_ms / 1000},
                {"model", job.request.base},
                {"organization_id", "org-sandbox"},
                {"training_file", job.request.training_file},
                {"validation_file", text_or_null(job.request.validation_file)},
                {"status", status_instead.empty() ? std::string(name(job.status)) : status_instead},
                {"seed", job.seed},
                {"user_provided_suffix", text_or_null(job.request.suffix)},
                {"integrations", json::array()},
                {"result_files", json::array()}};
  value["fine_tuned_model"] = succeeded ? json(job.fine_tuned_model) : json();
  const bool finished = !job.live() && status_instead.empty();
  value["finished_at"] = finished ? json(job.finished_ms / 1000) : json();
  value["trained_tokens"] = succeeded ? json(run_of(job)->trained_tokens) : json();
  if (succeeded) value["result_files"].push_back(job.result_file);
  value["error"] = error_of(job);
  const json hyperparameters = hyperparameters_json(job);
  value["hyperparameters"] = dpo ? json() : hyperparameters;
  value["method"] = {{"type", method}, {method, {{"hyperparameters", hyperparameters}}}};
  const bool moving = job.status == Job::Status::queued || job.status == Job::Status::running;
  value["estimated_finish"] = moving ? json((job.created_ms + job.stopped_ms + job.duration_ms) / 1000) : json();
  value["metadata"] = job.request.has_metadata ? json(job.request.metadata) : json();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string event_json(const Job& job, std::size_t index) {
  const JobEvent& event = job.events[index];
  const bool step = event.kind == JobEvent::Kind::step;
  const bool failed = event.kind == JobEvent::Kind::failed;
  json value = {{"object", "fine_tuning.job.event"},
                // The job's own letters and the place in its list: nothing to remember, and found again at once.
                {"id", "ftevent-" + job.id.substr(job.id.find('-') + 1) + std::to_string(index)},
                {"created_at", event.created_ms / 1000},
                {"level", failed ? "error" : "info"},
                {"message", message_of(job, event)},
                {"type", step ? "metrics" : "message"}};
  value["data"] = step ? step_data(*run_of(job), event.step) : json();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace trainer::sandbox

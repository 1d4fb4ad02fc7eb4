// A job's events and checkpoints.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

constexpr std::size_t kListedEvents = 20;
constexpr std::size_t kListedCheckpoints = 10;

Reply no_such(const std::string& what, const std::string& id) {
  return error_reply(404, "invalid_request_error", what + "_not_found", "fine_tune_id",
                     "Could not find " + what + ": " + id);
}

std::string letters_of(const Job& job) {
  return job.id.substr(job.id.find('-') + 1);
}

// The place of an event of this job in its list.
std::optional<std::size_t> event_index(const Job& job, const std::string& id) {
  const std::string prefix = "ftevent-" + letters_of(job);
  if (!id.starts_with(prefix)) return std::nullopt;
  std::size_t index = 0;
  const char* end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(id.data() + prefix.size(), end, index);
  if (error != std::errc() || stop != end || index >= job.events.size()) return std::nullopt;
  return index;
}

std::string checkpoint_id(const Job& job, const Epoch& epoch) {
  return "ftckpt_" + letters_of(job) + std::to_string(epoch.last_step);
}

std::string checkpoint_json(const Job& job, const TrainingRun& run, const Epoch& epoch) {
  const TrainingStep& step = run.steps[static_cast<std::size_t>(epoch.last_step - 1)];
  json metrics = {
      {"step", epoch.last_step}, {"train_loss", step.train.loss}, {"train_mean_token_accuracy", step.train.accuracy}};
  if (step.valid) {
    metrics["valid_loss"] = step.valid->loss;
    metrics["valid_mean_token_accuracy"] = step.valid->accuracy;
  }
  if (epoch.full_valid) {
    metrics["full_valid_loss"] = epoch.full_valid->loss;
    metrics["full_valid_mean_token_accuracy"] = epoch.full_valid->accuracy;
  }
  std::int64_t created_ms = job.finished_ms;
  for (const JobEvent& event : job.events) {
    if (event.kind != JobEvent::Kind::step || event.step < epoch.last_step) continue;
    created_ms = event.created_ms;
    break;
  }
  return json{{"id", checkpoint_id(job, epoch)},
              {"object", "fine_tuning.job.checkpoint"},
              {"created_at", created_ms / 1000},
              {"fine_tuned_model_checkpoint", job.fine_tuned_model + ":ckpt-step-" + std::to_string(epoch.last_step)},
              {"step_number", epoch.last_step},
              {"metrics", std::move(metrics)},
              {"fine_tuning_job_id", job.id}}
      .dump();
}

}  // namespace

Reply list_events(Call& call) {
  Job* job = call.state.find_job(call.route.id);
  if (!job) return no_such("fine_tune", call.route.id);
  const auto limit = query_limit(call.request, kListedEvents, kMaxListed);
  if (const Reply* refused = std::get_if<Reply>(&limit)) return *refused;
  advance(call.state, *job, call.now_ms);
  std::size_t end = job->events.size();
  if (const std::string* after = query_value(call.request, "after")) {
    const auto index = event_index(*job, *after);
    if (!index) return no_such("event", *after);
    end = *index;
  }
  std::vector<std::string> objects;
  const std::size_t count = std::min(end, std::get<std::size_t>(limit));
  for (std::size_t i = 0; i < count; ++i) objects.push_back(event_json(*job, end - 1 - i));
  return ok(list_json(objects, end > count));
}

Reply list_checkpoints(Call& call) {
  Job* job = call.state.find_job(call.route.id);
  if (!job) return no_such("fine_tune", call.route.id);
  const auto limit = query_limit(call.request, kListedCheckpoints, kMaxListed);
  if (const Reply* refused = std::get_if<Reply>(&limit)) return *refused;
  advance(call.state, *job, call.now_ms);
  std::vector<const Epoch*> kept;  // newest first
  const TrainingRun* run = nullptr;
  if (job->status == Job::Status::succeeded) {
    run = &std::get<TrainingRun>(job->training->outcome);
    for (const Epoch& epoch : run->kept()) kept.insert(kept.begin(), &epoch);
  }
  auto first = kept.begin();
  if (const std::string* after = query_value(call.request, "after")) {
    first = std::find_if(kept.begin(), kept.end(),
                         [&](const Epoch* epoch) { return checkpoint_id(*job, *epoch) == *after; });
    if (first == kept.end()) return no_such("checkpoint", *after);
    ++first;
  }
  const auto left = static_cast<std::size_t>(kept.end() - first);
  const std::size_t count = std::min(left, std::get<std::size_t>(limit));
  std::vector<std::string> objects;
  for (std::size_t i = 0; i < count; ++i)
    objects.push_back(checkpoint_json(*job, *run, **(first + static_cast<std::ptrdiff_t>(i))));
  const std::string first_id = count ? checkpoint_id(*job, **first) : "";
  const std::string last_id = count ? checkpoint_id(*job, **(first + static_cast<std::ptrdiff_t>(count - 1))) : "";
  return ok(list_json(objects, left > count, first_id, last_id));
}

}  // namespace trainer::sandbox

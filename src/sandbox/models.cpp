// /v1/models: the base models, and every fine-tuned one whose job has succeeded.
#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

struct BaseModel {
  std::string_view alias;
  std::string_view snapshot;
  std::int64_t created;
  bool can_prefer;
};

constexpr std::array<BaseModel, 4> kBaseModels = {{
    {"gpt-4.1", "gpt-4.1-2025-04-14", 1744315746, true},
    {"gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1744317547, true},
    {"gpt-4o", "gpt-4o-2024-08-06", 1722814719, true},
    {"gpt-4o-mini", "gpt-4o-mini-2024-07-18", 1721172717, false},
}};
constexpr std::string_view kShutdown = "2027-01-14";
constexpr std::string_view kCheckpoint = ":ckpt-step-";

std::string model_json(std::string_view id, std::int64_t created, std::string_view owner) {
  return json{{"id", id}, {"object", "model"}, {"created", created}, {"owned_by", owner}, {"shutdown_date", kShutdown}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

const BaseModel* find_base_model(const std::string& id) {
  const auto found = std::find_if(kBaseModels.begin(), kBaseModels.end(),
                                  [&](const BaseModel& base) { return base.alias == id || base.snapshot == id; });
  return found == kBaseModels.end() ? nullptr : &*found;
}

// The job whose model, or whose checkpoint, has this name.
Job* job_of_model(State& state, const std::string& id) {
  const auto found = state.model_jobs.find(id.substr(0, id.find(kCheckpoint)));
  return found == state.model_jobs.end() ? nullptr : &state.jobs.at(found->second);
}

}  // namespace

bool is_base_model(const std::string& id) {
  return find_base_model(id) != nullptr;
}

std::string snapshot_of(const std::string& model) {
  const BaseModel* base = find_base_model(model);
  return base ? std::string(base->snapshot) : "";
}

bool can_prefer(const std::string& snapshot) {
  const BaseModel* base = find_base_model(snapshot);
  return base && base->can_prefer;
}

std::shared_ptr<const Model> find_model(State& state, const std::string& id, const Effects& effects,
                                        std::int64_t now_ms) {
  Job* job = job_of_model(state, id);
  if (!job || state.deleted_models.contains(id)) return nullptr;
  advance(state, *job, now_ms);
  if (job->status != Job::Status::succeeded || now_ms < job->finished_ms + effects.model_lag_ms) return nullptr;
  const TrainingRun& run = std::get<TrainingRun>(job->training->outcome);
  const std::size_t mark = id.find(kCheckpoint);
  if (mark == id.npos) return run.epochs.back().model;
  const std::string step = id.substr(mark + kCheckpoint.size());
  for (const Epoch& epoch : run.kept()) {
    if (std::to_string(epoch.last_step) == step) return epoch.model;
  }
  return nullptr;
}

Reply model_not_found(const std::string& id) {
  return error_reply(404, "invalid_request_error", "model_not_found", "model",
                     "The model '" + id + "' does not exist or you do not have access to it.");
}

Reply list_models(Call& call) {
  advance_all(call.state, call.now_ms);
  std::vector<std::string> objects;
  for (const BaseModel& base : kBaseModels) {
    objects.push_back(model_json(base.alias, base.created, "system"));
    objects.push_back(model_json(base.snapshot, base.created, "system"));
  }
  for (const auto& [number, job] : call.state.jobs) {
    if (!find_model(call.state, job.fine_tuned_model, call.effects, call.now_ms)) continue;
    objects.push_back(model_json(job.fine_tuned_model, job.finished_ms / 1000, "org-sandbox"));
  }
  std::string body = list_json(objects, false);
  return ok(std::move(body));
}

Reply get_model(Call& call) {
  const std::string& id = call.route.id;
  if (const BaseModel* base = find_base_model(id)) return ok(model_json(id, base->created, "system"));
  if (!find_model(call.state, id, call.effects, call.now_ms)) return model_not_found(id);
  return ok(model_json(id, job_of_model(call.state, id)->finished_ms / 1000, "org-sandbox"));
}

Reply delete_model(Call& call) {
  const std::string& id = call.route.id;
  if (find_base_model(id)) {
    return error_reply(403, "invalid_request_error", "", "", "You do not own the model '" + id + "'.");
  }
  if (!find_model(call.state, id, call.effects, call.now_ms)) return model_not_found(id);
  call.state.deleted_models.insert(id);
  return ok(json{{"id", id}, {"object", "model"}, {"deleted", true}}.dump());
}

}  // namespace trainer::sandbox

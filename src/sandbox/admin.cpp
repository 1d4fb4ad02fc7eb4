// /_sandbox: fault rules, settings, and what has happened. No key: it is for whoever runs the sandbox.
#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

constexpr double kMaxSetting = 1e6;

Reply add_fault(Call& call) {
  auto parsed = Faults::parse(call.request.body);
  if (Reply* refused = std::get_if<Reply>(&parsed)) return std::move(*refused);
  Fault& fault = std::get<Fault>(parsed);
  fault.set_ms = call.now_ms;
  return ok(json{{"id", call.state.faults.add(std::move(fault))}}.dump());
}

Reply list_faults(const State& state) {
  json list = json::array();
  for (const Fault& fault : state.faults.all()) {
    list.push_back({{"id", fault.id},
                    {"kind", name(fault.kind)},
                    {"method", fault.method},
                    {"path", fault.path},
                    {"model", fault.model},
                    {"filename", fault.filename},
                    {"count", fault.count},
                    {"after", fault.after},
                    {"matched", fault.matched},
                    {"applied", fault.applied}});
  }
  return ok(list.dump());
}

Reply show_state(Call& call) {
  advance_all(call.state, call.now_ms);
  json by_status = json::object();
  json by_key = json::object();
  std::size_t models = 0;
  for (const auto& [number, job] : call.state.jobs) {
    const std::string status(name(job.status));
    by_status[status] = by_status.value(status, 0) + 1;
    models += job.status == Job::Status::succeeded && !call.state.deleted_models.contains(job.fine_tuned_model);
    const auto key = job.request.metadata.find("trainer_key");
    if (key == job.request.metadata.end()) continue;
    json& counts = by_key[key->second];
    if (counts.is_null()) counts = {{"created", 0}, {"live", 0}, {"succeeded", 0}, {"failed", 0}, {"cancelled", 0}};
    counts["created"] = counts["created"].get<int>() + 1;
    const std::string slot = job.live() ? "live" : status;
    counts[slot] = counts[slot].get<int>() + 1;
  }
  return ok(json{{"files", call.state.files.size()},
                 {"jobs", std::move(by_status)},
                 {"models", models},
                 {"trainer_keys", std::move(by_key)}}
                .dump());
}

Reply change_settings(Call& call) {
  const json body = json::parse(call.request.body, nullptr, false);
  if (!body.is_object()) return bad_request("", "", "Settings are a JSON object.");
  Options changed = call.state.options;
  for (const auto& [key, value] : body.items()) {
    if (!value.is_number() || value < 0 || value > kMaxSetting)
      return bad_request("invalid_value", key, "'" + key + "' must be a number from 0 to 1000000.");
    if (key == "job_seconds") {
      changed.job_seconds = value;
    } else if (key == "latency_ms") {
      changed.latency_ms = value;
    } else {
      return bad_request("unknown_parameter", key, "There is no setting '" + key + "'.");
    }
  }
  call.state.options = changed;
  return ok(json{{"job_seconds", changed.job_seconds}, {"latency_ms", changed.latency_ms}}.dump());
}

}  // namespace

Reply admin(Call& call) {
  const std::string what = call.request.method + " " + call.request.path;
  if (what == "POST /_sandbox/faults") return add_fault(call);
  if (what == "GET /_sandbox/faults") return list_faults(call.state);
  if (what == "DELETE /_sandbox/faults") {
    call.state.faults.clear();
    return ok("{\"deleted\":true}");
  }
  if (what == "GET /_sandbox/history") return ok(call.state.history.json());
  if (what == "GET /_sandbox/state") return show_state(call);
  if (what == "POST /_sandbox/settings") return change_settings(call);
  return error_reply(404, "invalid_request_error", "unknown_url", "", "Unknown request URL: " + what);
}

}  // namespace trainer::sandbox

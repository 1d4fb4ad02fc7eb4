// Reading rules, and finding the ones that a request meets.
#include "sandbox/fault.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

namespace trainer::sandbox {
namespace {

using nlohmann::json;

constexpr std::int64_t kMaxMs = 86400000;

struct Kind {
  FaultKind kind;
  std::string_view name;
};

constexpr std::array<Kind, 13> kKinds = {{{FaultKind::status, "status"},
                                          {FaultKind::training_not_available, "training_not_available"},
                                          {FaultKind::malformed, "malformed"},
                                          {FaultKind::truncate, "truncate"},
                                          {FaultKind::drop_before, "drop_before"},
                                          {FaultKind::drop_after, "drop_after"},
                                          {FaultKind::latency, "latency"},
                                          {FaultKind::job_failure, "job_failure"},
                                          {FaultKind::unknown_status, "unknown_status"},
                                          {FaultKind::base64_results, "base64_results"},
                                          {FaultKind::list_lag, "list_lag"},
                                          {FaultKind::model_lag, "model_lag"},
                                          {FaultKind::ignore_filter, "ignore_filter"}}};

bool is_answer(FaultKind kind) {
  return kind <= FaultKind::drop_after;
}

// A kind falls only on the calls where it means something.
bool concerns(FaultKind kind, Endpoint endpoint) {
  switch (kind) {
    case FaultKind::training_not_available:
    case FaultKind::job_failure:
      return endpoint == Endpoint::create_job;
    case FaultKind::unknown_status:
      return endpoint == Endpoint::get_job;
    case FaultKind::base64_results:
      return endpoint == Endpoint::file_content;
    case FaultKind::list_lag:
      return endpoint == Endpoint::list_files || endpoint == Endpoint::list_jobs;
    case FaultKind::model_lag:
      return endpoint == Endpoint::get_model || endpoint == Endpoint::list_models || endpoint == Endpoint::chat;
    case FaultKind::ignore_filter:
      return endpoint == Endpoint::list_jobs;
    default:
      return endpoint != Endpoint::admin;
  }
}

// '*' stands for any run of characters.
bool glob(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (std::size_t skip = 0; skip <= text.size(); ++skip) {
    if (glob(pattern, text.substr(skip))) return true;
  }
  return false;
}

bool path_matches(const std::string& pattern, const std::string& path) {
  if (pattern.empty()) return true;
  if (pattern.ends_with('/')) return path.starts_with(pattern);
  return glob(pattern, path);
}

bool matches(const Fault& fault, const Request& request, const Route& route, const Subject& subject,
             std::int64_t now_ms) {
  if (!concerns(fault.kind, route.endpoint)) return false;
  if (fault.for_ms > 0 && now_ms >= fault.set_ms + fault.for_ms) return false;
  if (!fault.method.empty() && fault.method != request.method) return false;
  if (!path_matches(fault.path, request.path)) return false;
  return subject.model.find(fault.model) != std::string::npos &&
         subject.filename.find(fault.filename) != std::string::npos;
}

void add_effect(const Fault& fault, Effects& effects) {
  switch (fault.kind) {
    case FaultKind::latency:
      effects.latency_ms += fault.ms;
      break;
    case FaultKind::job_failure:
      effects.job_failure = fault;
      break;
    case FaultKind::unknown_status:
      effects.status_text = fault.status_text;
      break;
    case FaultKind::base64_results:
      effects.base64_results = true;
      break;
    case FaultKind::list_lag:
      effects.list_lag_ms = fault.ms;
      break;
    case FaultKind::model_lag:
      effects.model_lag_ms = fault.ms;
      break;
    case FaultKind::ignore_filter:
      effects.ignore_filter = true;
      break;
    default:
      effects.answer = fault;
  }
}

void set_defaults(FaultKind kind, Fault& fault) {
  fault.kind = kind;
  fault.type = "server_error";
  fault.message = "The server had an error while processing your request.";
  if (kind == FaultKind::training_not_available) {
    fault.status = 403;
    fault.type = "invalid_request_error";
    fault.code = "training_not_available";
    fault.message =
        "The fine-tuning platform is being wound down, and your organization can no longer create training jobs.";
  }
  if (kind == FaultKind::job_failure) {
    fault.code = "server_error";
    fault.message = "The job failed due to an internal error.";
  }
  if (kind == FaultKind::malformed) fault.body = "{\"id\": \"";
  if (kind == FaultKind::unknown_status) fault.status_text = "contemplating";
}

// Copies the member into the field, if it is there and of the right type; false if it is of another.
template <class T>
bool read(const json& object, const char* member, T& into) {
  const auto found = object.find(member);
  if (found == object.end()) return true;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return false;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!found->is_number()) return false;
  } else {
    if (!found->is_number_integer()) return false;
  }
  into = found->get<T>();
  return true;
}

bool read_headers(const json& object, Fault& fault) {
  const json headers = object.value("headers", json::object());
  if (!headers.is_object()) return false;
  for (const auto& [key, value] : headers.items()) {
    // A list sends the header several times.
    for (const json& item : value.is_array() ? value : json::array({value})) {
      fault.headers.emplace_back(key, item.is_string() ? item.get<std::string>() : item.dump());
    }
  }
  return true;
}

}  // namespace

std::string_view name(FaultKind kind) {
  return std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& row) { return row.kind == kind; })->name;
}

std::optional<FaultKind> fault_kind(std::string_view text) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& row) { return row.name == text; });
  return found == kKinds.end() ? std::nullopt : std::optional(found->kind);
}

std::variant<Fault, Reply> Faults::parse(const std::string& text) {
  static const std::set<std::string> known = {"kind",   "method", "path", "model",   "filename", "count",
                                              "after",  "for_ms", "code", "type",    "message",  "param",
                                              "status", "body",   "ms",   "headers", "fraction"};
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return bad_request("", "", "A fault rule is a JSON object.");
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) return bad_request("unknown_parameter", key, "A fault rule has no '" + key + "'.");
  }
  std::string kind_name;
  const auto kind = read(object, "kind", kind_name) ? fault_kind(kind_name) : std::nullopt;
  if (!kind) return bad_request("invalid_value", "kind", "There is no fault of kind '" + kind_name + "'.");
  Fault fault;
  set_defaults(*kind, fault);
  const bool unknown_status = *kind == FaultKind::unknown_status;
  const bool good =
      read(object, "method", fault.method) && read(object, "path", fault.path) && read(object, "model", fault.model) &&
      read(object, "filename", fault.filename) && read(object, "count", fault.count) &&
      read(object, "after", fault.after) && read(object, "for_ms", fault.for_ms) && read(object, "code", fault.code) &&
      read(object, "type", fault.type) && read(object, "message", fault.message) &&
      read(object, "param", fault.param) && read(object, "body", fault.body) && read(object, "ms", fault.ms) &&
      read(object, "fraction", fault.fraction) &&
      (unknown_status ? read(object, "status", fault.status_text) : read(object, "status", fault.status)) &&
      read_headers(object, fault);
  if (!good) return bad_request("invalid_type", "", "A member of the fault rule has the wrong type.");
  const bool in_range = fault.status >= 200 && fault.status <= 599 && fault.fraction >= 0 && fault.fraction <= 1 &&
                        fault.ms >= 0 && fault.ms <= kMaxMs && fault.count >= -1 && fault.after >= 0 &&
                        fault.for_ms >= 0;
  if (!in_range) return bad_request("invalid_value", "", "A member of the fault rule is out of range.");
  return fault;
}

std::uint64_t Faults::add(Fault fault) {
  fault.id = ++last_id_;
  faults_.push_back(std::move(fault));
  return last_id_;
}

Effects Faults::apply(const Request& request, const Route& route, const Subject& subject, std::int64_t now_ms) {
  Effects effects;
  for (Fault& fault : faults_) {
    const bool spent = fault.count >= 0 && fault.applied >= fault.count;
    if (spent || !matches(fault, request, route, subject, now_ms)) continue;
    if (is_answer(fault.kind) && effects.answer) continue;
    if (++fault.matched <= fault.after) continue;
    ++fault.applied;
    add_effect(fault, effects);
    if (!effects.names.empty()) effects.names += ' ';
    effects.names += name(fault.kind);
  }
  return effects;
}

}  // namespace trainer::sandbox

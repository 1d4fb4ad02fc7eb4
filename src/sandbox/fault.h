// Fault rules: which requests go wrong, how, and how often. Set over /_sandbox/faults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/message.h"
#include "sandbox/route.h"

namespace trainer::sandbox {

enum class FaultKind {
  status,                  // answers status, code, type, message and headers, without the effect
  training_not_available,  // a status: the provider's 403 for organizations that may not train
  malformed,               // answers 200 with `body`, after the effect
  truncate,                // half of the answer, after the effect
  drop_before,             // no answer, no effect
  drop_after,              // no answer, after the effect
  latency,                 // `ms` later
  job_failure,             // the job that is created fails with code and message, at `fraction` of its time
  unknown_status,          // the job reports `status_text`
  base64_results,          // a result file's content is base64
  list_lag,                // what is younger than `ms` is missing from lists
  model_lag,               // a model is unknown until `ms` after its job's success
  ignore_filter,           // the list's metadata filter is ignored
};

// The names on the wire.
std::string_view name(FaultKind kind);
std::optional<FaultKind> fault_kind(std::string_view name);

struct Fault {
  std::uint64_t id = 0;
  FaultKind kind{};
  std::string method;       // empty: every method
  std::string path;         // exact; with a '/' at its end: a prefix; with '*': a pattern. Empty: every path under /v1
  std::string model;        // substring; empty: every model
  std::string filename;     // substring; empty: every file
  std::int64_t count = 1;   // how often; -1: always
  std::int64_t after = 0;   // matches to let pass first
  std::int64_t for_ms = 0;  // ends so long after it was set; 0: never
  std::int64_t set_ms = 0;
  std::int64_t matched = 0;
  std::int64_t applied = 0;

  int status = 500;
  std::string code, type, message, param;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string status_text;
  std::int64_t ms = 0;
  double fraction = 1;
};

// What a request is about, as far as a rule may ask for it.
struct Subject {
  std::string model;     // names of the model: asked for, snapshot, suffix, fine-tuned
  std::string filename;  // of the file, or of the job's training file
};

// The faults that fell on one request.
struct Effects {
  std::optional<Fault> answer;  // of the first six kinds
  std::optional<Fault> job_failure;
  std::string status_text;  // unknown_status
  std::int64_t latency_ms = 0;
  std::int64_t list_lag_ms = 0;
  std::int64_t model_lag_ms = 0;
  bool base64_results = false;
  bool ignore_filter = false;
  std::string names;  // for the history
};

class Faults {
 public:
  // The rule of a JSON object, or the reply that refuses it.
  static std::variant<Fault, Reply> parse(const std::string& json);

  std::uint64_t add(Fault fault);
  void clear() { faults_.clear(); }
  bool empty() const { return faults_.empty(); }
  const std::vector<Fault>& all() const { return faults_; }

  // Uses up the rules that match.
  Effects apply(const Request& request, const Route& route, const Subject& subject, std::int64_t now_ms);

 private:
  std::vector<Fault> faults_;
  std::uint64_t last_id_ = 0;
};

}  // namespace trainer::sandbox

// Everything that the sandbox remembers, and what one request sees of it. All of it is touched under one lock, which
// Sandbox::handle holds; only Training is filled in by another thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "sandbox/fault.h"
#include "sandbox/history.h"
#include "sandbox/message.h"
#include "sandbox/random.h"
#include "sandbox/route.h"
#include "sandbox/sandbox.h"
#include "sandbox/training.h"
#include "sandbox/training_queue.h"

namespace trainer::sandbox {

struct File {
  std::string id;
  std::string filename;
  std::string purpose;
  std::int64_t created_ms = 0;
  std::int64_t expires_at = 0;  // Unix seconds; 0: never
  std::shared_ptr<const std::string> content;
  std::string sha256;
};

struct JobEvent {
  enum class Kind { created, validating, validated, started, step, model, succeeded, failed, cancelled };
  Kind kind{};
  int step = 0;
  std::int64_t created_ms = 0;
};

struct JobRequest {
  std::string model;  // as asked for
  std::string base;   // the snapshot, or the earlier fine-tuned model
  std::string training_file;
  std::string validation_file;
  std::string suffix;
  Method method = Method::supervised;
  bool old_form = false;  // hyperparameters at the top level
  Hyperparameters hyperparameters;
  std::optional<std::int64_t> seed;
  std::map<std::string, std::string> metadata;
  bool has_metadata = false;
};

struct JobFailure {
  std::string code;
  std::string message;
  std::string param;
};

// A job's life is a function of the clock: see job_life.cpp.
struct Job {
  enum class Status { validating_files, queued, running, paused, succeeded, failed, cancelled };
  std::uint64_t number = 0;
  std::string id;
  JobRequest request;
  std::string snapshot;          // of the base at the bottom, for the model's name
  std::string fine_tuned_model;  // told only once the job has succeeded
  std::string training_filename;
  std::int64_t seed = 0;
  std::int64_t created_ms = 0;
  std::int64_t finished_ms = 0;
  std::int64_t duration_ms = 0;  // planned
  std::int64_t stopped_ms = 0;   // time that did not count: pauses, and waiting for the training
  std::int64_t paused_ms = 0;    // when the pause began
  std::int64_t resumes_ms = 0;   // a resumed job is queued until then
  Status status = Status::validating_files;
  std::shared_ptr<const Training> training;
  bool training_seen = false;
  std::optional<JobFailure> planned_failure;  // by a fault rule
  double planned_failure_at = 1;              // fraction of the duration
  std::optional<JobFailure> failure;
  std::string result_file;
  std::vector<JobEvent> events;  // oldest first

  bool live() const { return status < Status::succeeded; }
};

struct State {
  State(Options chosen, Clock the_clock);

  Options options;
  Clock clock;
  Random random;
  std::map<std::uint64_t, File> files;  // by age
  std::unordered_map<std::string, std::uint64_t> file_numbers;
  std::map<std::uint64_t, Job> jobs;  // by age
  std::unordered_map<std::string, std::uint64_t> job_numbers;
  std::unordered_map<std::string, std::vector<std::uint64_t>> jobs_by_metadata;  // "key\nvalue"
  std::unordered_map<std::string, std::uint64_t> model_jobs;                     // fine-tuned model -> its job
  std::unordered_set<std::string> deleted_models;
  std::set<std::uint64_t> live_jobs;
  std::uint64_t last_number = 0;
  std::uint64_t chats = 0;
  Faults faults;
  History history;
  TrainingQueue training;

  File* find_file(const std::string& id);
  Job* find_job(const std::string& id);
};

// One request on its way through.
struct Call {
  State& state;
  const Request& request;
  const Route& route;
  std::int64_t now_ms;
  Effects effects;
  Record& record;
};

// files.cpp
Reply create_file(Call& call);
Reply list_files(Call& call);
Reply get_file(Call& call);
Reply delete_file(Call& call);
Reply file_content(Call& call);
std::string add_file(State& state, File file);  // returns its id

// jobs.cpp
Reply create_job(Call& call);
Reply get_job(Call& call);
Reply list_jobs(Call& call);
Reply cancel_job(Call& call);
Reply pause_job(Call& call);
Reply resume_job(Call& call);

// job_details.cpp
Reply list_events(Call& call);
Reply list_checkpoints(Call& call);

// job_life.cpp: brings a job to where the clock says that it is.
void advance(State& state, Job& job, std::int64_t now_ms);
void advance_all(State& state, std::int64_t now_ms);
void finish(State& state, Job& job, Job::Status status, JobEvent::Kind event, std::int64_t now_ms);

// job_json.cpp
std::string_view name(Job::Status status);
std::string job_json(const Job& job, const std::string& status_instead);
std::string event_json(const Job& job, std::size_t index);

// models.cpp
bool is_base_model(const std::string& id);
std::string snapshot_of(const std::string& model);  // of an alias or a snapshot that can be trained; empty: neither
bool can_prefer(const std::string& snapshot);       // dpo
// The model that answers to a name of the form ft:..., a checkpoint's included; null: there is none now.
std::shared_ptr<const Model> find_model(State& state, const std::string& id, const Effects& effects,
                                        std::int64_t now_ms);
Reply list_models(Call& call);
Reply get_model(Call& call);
Reply delete_model(Call& call);
Reply model_not_found(const std::string& id);

// chat.cpp
Reply chat(Call& call);

// admin.cpp
Reply admin(Call& call);

// subject.cpp: what a request is about, for the history and for fault rules.
Subject describe(State& state, const Request& request, const Route& route, Record& record);

// paging.cpp
// A list's envelope around objects that are JSON already.
std::string list_json(const std::vector<std::string>& objects, bool has_more);
std::string list_json(const std::vector<std::string>& objects, bool has_more, const std::string& first_id,
                      const std::string& last_id);
const std::string* query_value(const Request& request, std::string_view name);
// The query's `limit`, or the reply that refuses it.
constexpr std::size_t kMaxListed = 1000;
std::variant<std::size_t, Reply> query_limit(const Request& request, std::size_t fallback, std::size_t highest);

}  // namespace trainer::sandbox

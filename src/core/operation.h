// The vocabulary of the outbox: what an operation is, what a claimed one needs to know, and what a call to the provider
// came to. The table behind it is trainer_operations; the states are drawn in docs/architecture.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/chat.h"

namespace trainer::core {

enum class OperationKind {
  upload_training_file,
  upload_validation_file,
  create_job,
  poll_job,
  fetch_result,  // final events, checkpoints and the result file of a job that succeeded
  verify_model,  // the model exists and answers a short completion
  cancel_job,
  pause_job,
  resume_job,
  sweep_duplicates,  // lists the job's token again: the oldest job is the model's, and every other one is cancelled
  delete_file,
  delete_model,
};

enum class OperationState {
  ready,      // certain: nothing of it has arrived at the provider. Due at due_at
  sending,    // claimed; the call may or may not have arrived. due_at is the end of the lease
  reconcile,  // a paid call whose answer was lost: look at the provider before anything is sent again
  checking,   // claimed from reconcile: looking. due_at is the end of the lease
  done,
  failed,
  cancelled,
};

std::string_view name(OperationKind kind);
std::string_view name(OperationState state);
// nullopt for a name that this version does not know.
std::optional<OperationKind> operation_kind(std::string_view name);
std::optional<OperationState> operation_state(std::string_view name);

// True when a second execution would cost money or leave something behind: such a call is never repeated blindly.
bool is_paid(OperationKind kind);

// A row of trainer_operations, claimed. (state, attempt, epoch) are what the record of its outcome compares with.
struct Operation {
  std::string id;  // uuid; also the token that the provider echoes (file name, job metadata)
  OperationKind kind{};
  OperationState state{};
  int attempt = 0;                         // claims so far, this one included
  std::int64_t epoch = 0;                  // incarnation of the worker that claimed it
  int misses = 0;                          // times in a row that the provider did not show what was looked for;
                                           // of a sweep: looks in a row that were answered, or, below 0, that failed
  std::string argument;                    // delete_file, delete_model: its id at the provider
  std::chrono::milliseconds age{};         // since it was written
  std::chrono::milliseconds since_sent{};  // since the last time it may have been sent
};

// What a call needs to know of the model that it works for. Empty strings stand for NULL.
struct Model {
  std::string id;
  std::string organization_id;
  std::string status;  // custom_models.status
  std::string base_model;
  std::string suffix;
  std::string method;                   // supervised | dpo
  int epochs = 0;                       // 0: the provider's "auto"
  double learning_rate_multiplier = 0;  // 0: "auto"
  int batch_size = 0;                   // 0: "auto"
  double beta = 0;                      // dpo only; 0: "auto"
  std::int64_t seed = -1;               // -1: the provider chooses
  std::string training_file_id;
  std::string validation_file_id;
  bool has_validation = false;
  std::string provider_job_id;
  std::string job_token;  // of the job that it has or gets; polls and sweeps only
  std::string provider_status;
  std::int64_t estimated_finish = 0;  // Unix seconds; 0: not known
  std::string fine_tuned_model_id;
  std::vector<std::string> result_files;
  std::string last_event_id;  // newest event already stored
  int retries = 0;            // automatic retries used
  bool cancel_requested = false;
};

// A training file spooled to disk, ready to be sent. The descriptor belongs to whoever made it and outlives the call.
struct Spool {
  int fd = -1;
  std::int64_t bytes = 0;
  std::string filename;  // trainer-<installation>-<token>-<sha256, 12 digits>.jsonl
};

struct Work {
  Operation operation;
  Model model;
  Spool spool;  // uploads only
  std::string dataset_id;
  std::string installation;  // uuid of this installation of the extension
};

// What became of a call. Four classes and success: which of them decides whether it may be sent again.
enum class Delivery {
  ok,
  not_sent,     // certain that nothing reached the provider
  rejected,     // the provider refused, for good
  retry_later,  // the provider refused, for now
  unknown,      // it may have taken effect
};
std::string_view name(Delivery delivery);

struct Failure {
  int http_status = 0;  // 0: no answer
  std::string code;     // the provider's error code, or a name of ours for transport failures
  std::string message;  // cleaned: no control characters, no key, at most 2 KB
  std::string request_id;
  std::optional<std::chrono::milliseconds> retry_after;  // clamped to [0, 1 h]
  bool of_account = false;                               // a key or a payment: no other request will fare better
};

struct RemoteJob {
  std::string id;
  std::string status;  // verbatim
  std::string model;
  std::string fine_tuned_model;
  std::string training_file;
  std::string validation_file;
  std::optional<std::int64_t> trained_tokens;
  std::optional<std::int64_t> created_at;  // Unix seconds
  std::optional<std::int64_t> finished_at;
  std::optional<std::int64_t> estimated_finish;
  std::optional<int> epochs;  // "auto" replaced by a number once the job has started
  std::vector<std::string> result_files;
  std::string error_code;  // meaningful only when status is failed
  std::string error_message;
};

struct StepMetrics {
  std::optional<int> step;
  std::optional<int> total_steps;
  std::optional<double> train_loss;
  std::optional<double> train_accuracy;
  std::optional<double> valid_loss;
  std::optional<double> valid_accuracy;
  std::optional<double> full_valid_loss;
};

struct RemoteEvent {
  std::string id;
  std::int64_t created_at = 0;
  std::string level;
  std::string message;
  std::string type;
  std::optional<StepMetrics> metrics;
};

struct Checkpoint {
  std::string id;
  std::string model;
  int step = 0;
  StepMetrics metrics;
};

struct Outcome {
  Delivery delivery = Delivery::unknown;
  Failure failure;                       // unless ok
  bool absent = false;                   // a look at the provider found nothing of ours (delivery is ok)
  bool found = false;                    // create_job: the job was there already, by whomever it was made
  std::string remote_id;                 // uploads: the file's id
  std::vector<std::string> surplus_ids;  // uploads: further files with the same token; sweep: jobs that were cancelled
  std::optional<RemoteJob> job;          // poll and sweep: another one than the model's is to be the model's
  std::vector<RemoteEvent> events;       // oldest first, only those newer than Model::last_event_id
  std::vector<Checkpoint> checkpoints;
  std::vector<StepMetrics> result;  // rows of the result file
  std::optional<Completion> completion;
};

}  // namespace trainer::core

// What follows from the outcome of a call: the next state of its operation, the change of its model, the operations
// that come next and what is told. Pure: the worker carries it out in one transaction. The states are drawn in
// docs/architecture.md.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/operation.h"
#include "core/retry.h"

namespace trainer::core {

// What the administrator set.
struct Policy {
  std::chrono::milliseconds poll_interval{30000};
  std::chrono::milliseconds quiet_period{300000};
  std::chrono::milliseconds model_grace_period{900000};
  double retry_learning_rate_factor = 0.5;  // 0: no automatic retry
  bool auto_deploy = true;
};

// An operation that could not be done for this long is given up: the provider, or the account, is not coming back by
// itself. Polls and sweeps go on: the job runs, and is paid for, whether we look or not. So does the look for a job
// whose creation was never answered, for the same reason.
constexpr std::chrono::hours kGiveUpAfter{24};

// Listings that must not show the token before a request whose answer was lost is sent again, spread over the quiet
// period.
constexpr int kEmptyListings = 3;

// Looks at a job, or for its duplicates, in a row that the provider refuses, with the longest backoff between them some
// four hours, after which the job is taken for gone. One refusal may be the account's or a proxy's.
constexpr int kRefusedPolls = 24;

// A model does not wait any longer than this for the losses of its job.
constexpr std::chrono::minutes kResultPatience{5};

// The argument of a verify_model that trainer_deploy_model() asked for.
constexpr const char* kDeployArgument = "deploy";

struct NextOperation {
  OperationKind kind{};
  std::string argument;
  std::chrono::milliseconds due_in{0};
};

// Members that are unset leave the column as it is.
struct ModelChange {
  std::optional<std::string> status;
  std::optional<std::string> provider_status;
  std::optional<std::string> provider_job_id;  // empty: no job any more
  std::optional<std::string> training_file_id;
  std::optional<std::string> validation_file_id;
  std::optional<std::string> fine_tuned_model_id;  // empty: it is deleted
  std::optional<double> learning_rate_multiplier;
  std::optional<std::int64_t> trained_tokens;
  std::optional<std::int64_t> estimated_finish;  // Unix seconds
  std::optional<std::int64_t> completed_at;      // Unix seconds
  std::optional<int> current_step;
  std::optional<int> total_steps;
  std::optional<double> train_loss;
  std::optional<double> valid_loss;
  std::optional<Condition> error;  // with the two texts below
  std::string error_code;
  std::string error_message;
  bool started = false;   // training_started_at is now, unless it is set
  bool retried = false;   // counts an automatic retry and clears the error
  bool verified = false;  // the model answered
  bool deploy = false;    // activate it, unless a newer version is active

  bool operator==(const ModelChange&) const = default;
  bool empty() const { return *this == ModelChange{}; }
};

// A row of the event log and a NOTIFY.
struct Notice {
  std::string kind;
  std::vector<std::pair<std::string, std::string>> detail;
};

struct Decision {
  OperationState state = OperationState::ready;
  std::chrono::milliseconds due_in{0};  // of a state that is not final
  int misses = 0;
  ModelChange model;
  std::vector<NextOperation> next;
  std::vector<Notice> notices;
};

// What follows without any call; nullopt when the call is to be made. A cancelled training sends nothing more, and a
// job that is not there, or whose end is known, is neither looked at nor given orders.
std::optional<Decision> decide_before_call(const Work& work, const Policy& policy);

// Precondition: an outcome that is ok, and not absent, has the job that was created or looked at; of a sweep, the job
// that is to be the model's instead of its own, if there is one.
Decision decide(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random);

// Whether what was asked for has failed and is asked for, or looked for, again.
bool is_retry(const Outcome& outcome, const Decision& decision);

// True for a poll that found its job still going: nothing of the operation changes (the claim has set the next poll
// already), so that a thousand of them are recorded by one statement, and those without news by none.
bool is_progress(const Work& work, const Outcome& outcome, const Decision& decision);

}  // namespace trainer::core

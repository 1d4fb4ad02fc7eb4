// What follows from a call that did what it was for, one function an operation's kind.
#include <algorithm>

#include "core/decide_parts.h"
#include "core/job.h"

namespace trainer::core::detail {
namespace {

using std::chrono::milliseconds;

constexpr int kSweeps = 3;
constexpr milliseconds kLongestSweepPause = std::chrono::hours(1);

Decision after_upload(const Work& work, const Outcome& outcome) {
  Decision decision;
  decision.state = OperationState::done;
  bool training = work.operation.kind == OperationKind::upload_training_file;
  (training ? decision.model.training_file_id : decision.model.validation_file_id) = outcome.remote_id;
  decision.model.status = "uploading";
  bool more = training && work.model.has_validation;
  decision.next.push_back(
      {more ? OperationKind::upload_validation_file : OperationKind::create_job, "", milliseconds{0}});
  return decision;
}

// What a job's state at the provider says about the model; `decision` may be of any operation that saw the job.
void note_job(const Work& work, const RemoteJob& job, Decision& decision) {
  ModelChange& change = decision.model;
  if (job.status != work.model.provider_status) change.provider_status = job.status;
  auto status = model_status(job.status);
  if (status && *status != work.model.status) {
    change.status = std::string(*status);
    if (job.status == "running") {
      change.started = true;
      decision.notices.push_back(notice("training_started", {{"provider_job_id", job.id}}));
    }
  }
  if (job.estimated_finish && *job.estimated_finish != work.model.estimated_finish) {
    change.estimated_finish = job.estimated_finish;
  }
}

void note_events(const Outcome& outcome, ModelChange& change) {
  for (const auto& event : outcome.events) {
    if (!event.metrics) continue;
    if (event.metrics->step) change.current_step = event.metrics->step;
    if (event.metrics->total_steps) change.total_steps = event.metrics->total_steps;
    if (event.metrics->train_loss) change.train_loss = event.metrics->train_loss;
    if (event.metrics->full_valid_loss) {
      change.valid_loss = event.metrics->full_valid_loss;
    } else if (event.metrics->valid_loss) {
      change.valid_loss = event.metrics->valid_loss;
    }
  }
}

// Files that are not those of the job that was adopted are no job's, or only of one that is about to be cancelled.
void follow_file(const std::string& own, const std::string& other, std::optional<std::string>& change,
                 Decision& decision) {
  if (other.empty() || other == own) return;
  change = other;
  if (!own.empty()) decision.next.push_back({OperationKind::delete_file, own, milliseconds{0}});
}

void follow_files(const Work& work, const RemoteJob& job, Decision& decision) {
  follow_file(work.model.training_file_id, job.training_file, decision.model.training_file_id, decision);
  follow_file(work.model.validation_file_id, job.validation_file, decision.model.validation_file_id, decision);
}

// The model has another job from now on, one with the same token: it was made twice, by us or by another server with
// our rows, and all take the same one of them. What is made of it is said by the next poll.
void adopt(const Work& work, const RemoteJob& job, Decision& decision) {
  decision.model.provider_job_id = job.id;
  if (!is_terminal(job.status)) note_job(work, job, decision);
  follow_files(work, job, decision);
  decision.notices.push_back(
      notice("job_adopted", {{"provider_job_id", job.id}, {"instead_of", work.model.provider_job_id}}));
}

Decision after_creation(const Work& work, const Outcome& outcome, const Policy& policy) {
  Decision decision;
  decision.state = OperationState::done;
  decision.model.provider_job_id = outcome.job->id;
  decision.model.started = true;
  // The end of a job, which one that is found again may have reached, is the poll's to tell.
  if (!is_terminal(outcome.job->status)) note_job(work, *outcome.job, decision);
  // One that a server with our rows has made was made from files that it has uploaded.
  if (outcome.found) follow_files(work, *outcome.job, decision);
  // The first look is taken at once: a cancellation that came in while the job was being created is seen by it.
  decision.next.push_back({OperationKind::poll_job, "", milliseconds{0}});
  decision.next.push_back({OperationKind::sweep_duplicates, work.operation.id, policy.quiet_period});
  decision.notices.push_back(notice("training_submitted", {{"provider_job_id", outcome.job->id}}));
  return decision;
}

// A job that failed is tried once more with a lower learning rate, unless it would fail the same way again, or was
// billed: what is reserved of a budget pays for one job.
bool may_retry(const Work& work, const RemoteJob& job, const Policy& policy) {
  return job.trained_tokens.value_or(0) == 0 && policy.retry_learning_rate_factor > 0 && work.model.retries == 0 &&
         !work.model.cancel_requested && work.model.learning_rate_multiplier * policy.retry_learning_rate_factor > 0 &&
         !failure_is_final(job.error_code, job.error_message);
}

void after_failure(const Work& work, const RemoteJob& job, const Policy& policy, Decision& decision) {
  if (!may_retry(work, job, policy)) {
    fail_model(work, decision, Condition::training_job_failed, job.error_code, job.error_message);
    return;
  }
  decision.model.status = "pending";
  decision.model.provider_status = "";
  decision.model.provider_job_id = "";
  decision.model.retried = true;
  decision.model.learning_rate_multiplier = work.model.learning_rate_multiplier * policy.retry_learning_rate_factor;
  decision.next.push_back({OperationKind::create_job, "", milliseconds{0}});
  decision.notices.push_back(notice(
      "training_retried", {{"provider_job_id", job.id}, {"code", job.error_code}, {"message", job.error_message}}));
}

// A job that has succeeded and does not name its model yet has not ended for us.
Decision model_has_no_name(const Work& work, const Outcome& outcome, const Random& random) {
  if (work.operation.misses >= kRefusedPolls) {
    Failure failure;
    failure.code = "no_model";
    failure.message = "The job has succeeded without naming its model.";
    Decision decision = give_up(work, Condition::model_deployment_failed, failure);
    decision.model.trained_tokens = outcome.job->trained_tokens;
    return decision;
  }
  Decision decision;
  decision.misses = work.operation.misses + 1;
  decision.due_in = wait_after(work, outcome, random);
  return decision;
}

Decision after_poll(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  const RemoteJob& job = *outcome.job;
  if (job.id != work.model.provider_job_id) {
    Decision decision;
    adopt(work, job, decision);
    return decision;
  }
  if (job.status == "succeeded" && job.fine_tuned_model.empty()) return model_has_no_name(work, outcome, random);
  Decision decision;
  note_job(work, job, decision);
  note_events(outcome, decision.model);
  if (!is_terminal(job.status)) {
    decision.state = OperationState::ready;
    decision.due_in = jittered(policy.poll_interval, random);
    if (work.model.cancel_requested) {
      decision.next.push_back({OperationKind::cancel_job, "", milliseconds{0}});
    }
    return decision;
  }
  decision.state = OperationState::done;
  decision.model.completed_at = job.finished_at;
  decision.model.trained_tokens = job.trained_tokens;  // one that was cancelled may be billed, too
  if (job.status == "succeeded") {
    decision.model.fine_tuned_model_id = job.fine_tuned_model;
    decision.next.push_back(
        {OperationKind::fetch_result, job.result_files.empty() ? "" : job.result_files.front(), milliseconds{0}});
    decision.notices.push_back(notice("training_succeeded", {{"fine_tuned_model_id", job.fine_tuned_model}}));
  } else if (job.status == "failed") {
    after_failure(work, job, policy, decision);
  } else {
    end_model(work, decision, "cancelled", "training_cancelled");
  }
  return decision;
}

// The last value that each column of the result file gives.
void note_result(const Outcome& outcome, ModelChange& change) {
  for (const auto& row : outcome.result) {
    if (row.train_loss) change.train_loss = row.train_loss;
    if (row.full_valid_loss) {
      change.valid_loss = row.full_valid_loss;
    } else if (row.valid_loss) {
      change.valid_loss = row.valid_loss;
    }
  }
}

Decision after_result(const Outcome& outcome) {
  Decision decision;
  decision.state = OperationState::done;
  note_events(outcome, decision.model);
  note_result(outcome, decision.model);
  decision.next.push_back({OperationKind::verify_model, "", milliseconds{0}});
  return decision;
}

Decision after_verification(const Work& work, const Policy& policy) {
  Decision decision;
  decision.state = OperationState::done;
  decision.model.status = "succeeded";
  decision.model.verified = true;
  // Somebody asked for it, or everything new that answers goes live; what was live before is not new.
  bool is_new = work.model.status == "evaluating";
  decision.model.deploy = work.operation.argument == kDeployArgument || (policy.auto_deploy && is_new);
  decision.notices.push_back(notice("model_verified"));
  return decision;
}

// After cancel, pause or resume the poll tells what came of it, and is due at once. But a provider that takes its time
// to cancel is asked again by each poll: those keep to their interval.
Decision after_order(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  Decision decision;
  decision.state = OperationState::done;
  bool is_slow_cancel =
      work.operation.kind == OperationKind::cancel_job && outcome.job && !is_terminal(outcome.job->status);
  milliseconds wait = is_slow_cancel ? jittered(policy.poll_interval, random) : milliseconds{0};
  decision.next.push_back({OperationKind::poll_job, "", wait});
  return decision;
}

// The provider's list may lag for longer than we wait: it is looked at again, less and less often, while the training
// goes on, and kSweeps times in a row at the least.
Decision after_sweep(const Work& work, const Outcome& outcome, const Policy& policy) {
  Decision decision;
  decision.misses = std::max(work.operation.misses, 0) + 1;
  for (const auto& job : outcome.surplus_ids) {
    decision.notices.push_back(notice("duplicate_cancelled", {{"provider_job_id", job}}));
  }
  // First it is written down, then the one that was ours until now is cancelled, by the sweep that follows: whoever
  // dies in between has not lost a job.
  if (outcome.job) {
    adopt(work, *outcome.job, decision);
    decision.next.push_back({OperationKind::poll_job, "", milliseconds{0}});
    return decision;
  }
  if (training_is_over(work.model.status) && decision.misses >= kSweeps) {
    decision.state = OperationState::done;
    return decision;
  }
  decision.due_in = std::min(policy.quiet_period * (1 << std::min(decision.misses, 10)), kLongestSweepPause);
  return decision;
}

// The name is forgotten when it is the model's own, and not that of a checkpoint.
Decision after_model_deletion(const Work& work) {
  Decision decision;
  decision.state = OperationState::done;
  if (work.operation.argument == work.model.fine_tuned_model_id) decision.model.fine_tuned_model_id = "";
  decision.notices.push_back(notice("model_deleted", {{"model", work.operation.argument}}));
  return decision;
}

}  // namespace

Decision after_success(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  switch (work.operation.kind) {
    case OperationKind::upload_training_file:
    case OperationKind::upload_validation_file:
      return after_upload(work, outcome);
    case OperationKind::create_job:
      return after_creation(work, outcome, policy);
    case OperationKind::poll_job:
      return after_poll(work, outcome, policy, random);
    case OperationKind::fetch_result:
      return after_result(outcome);
    case OperationKind::verify_model:
      return after_verification(work, policy);
    case OperationKind::cancel_job:
    case OperationKind::pause_job:
    case OperationKind::resume_job:
      return after_order(work, outcome, policy, random);
    case OperationKind::sweep_duplicates:
      return after_sweep(work, outcome, policy);
    case OperationKind::delete_model:
      return after_model_deletion(work);
    case OperationKind::delete_file:
      break;
  }
  Decision decision;
  decision.state = OperationState::done;
  return decision;
}

}  // namespace trainer::core::detail

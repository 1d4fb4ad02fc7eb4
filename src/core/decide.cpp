#include "core/decide.h"

#include <algorithm>

#include "core/decide_parts.h"
#include "core/job.h"

namespace trainer::core {
namespace detail {
namespace {

using std::chrono::milliseconds;

// Files at the provider that no job needs any more.
void delete_files(const Model& model, Decision& decision) {
  for (const auto& file : {model.training_file_id, model.validation_file_id}) {
    if (!file.empty()) decision.next.push_back({OperationKind::delete_file, file, milliseconds{0}});
  }
}

bool is_look(OperationKind kind) {
  return kind == OperationKind::poll_job || kind == OperationKind::sweep_duplicates;
}

// In a row. What counts upwards of a sweep are the looks that were answered.
int failed_looks(const Operation& operation) {
  return operation.kind == OperationKind::sweep_duplicates ? std::max(-operation.misses, 0) : operation.misses;
}

}  // namespace

Notice notice(std::string kind, std::vector<std::pair<std::string, std::string>> detail) {
  return {std::move(kind), std::move(detail)};
}

void end_model(const Work& work, Decision& decision, const char* status, const char* notice_kind) {
  decision.model.status = status;
  delete_files(work.model, decision);
  decision.notices.push_back(notice(notice_kind, {{"code", decision.model.error_code},
                                                  {"message", decision.model.error_message},
                                                  {"provider_job_id", work.model.provider_job_id}}));
}

void fail_model(const Work& work, Decision& decision, Condition condition, std::string code, std::string message) {
  decision.model.error = condition;
  decision.model.error_code = std::move(code);
  decision.model.error_message = std::move(message);
  end_model(work, decision, "failed", "training_failed");
}

milliseconds wait_after(const Work& work, const Outcome& outcome, const Random& random) {
  // Every look at a job is an attempt; what counts for the wait is how many have failed in a row.
  const Operation& operation = work.operation;
  milliseconds wait = backoff(is_look(operation.kind) ? failed_looks(operation) + 1 : operation.attempt, random);
  // The provider's own word is a floor, with a little spread so that what was refused together does not return
  // together.
  if (auto asked = outcome.failure.retry_after) {
    wait = std::max(wait, *asked + milliseconds(static_cast<std::int64_t>(random() * 250)));
  }
  return wait;
}

Decision give_up(const Work& work, Condition condition, const Failure& failure) {
  Decision decision;
  decision.state = OperationState::failed;
  switch (work.operation.kind) {
    case OperationKind::upload_training_file:
    case OperationKind::upload_validation_file:
    case OperationKind::create_job:
    case OperationKind::poll_job:
      fail_model(work, decision, condition, failure.code, failure.message);
      break;
    case OperationKind::verify_model:
      // The model is trained and paid for: nothing at the provider is taken away.
      decision.model.status = "failed";
      decision.model.error = condition;
      decision.model.error_code = failure.code;
      decision.model.error_message = failure.message;
      decision.notices.push_back(notice("model_unavailable", {{"code", failure.code}, {"message", failure.message}}));
      break;
    case OperationKind::fetch_result:
      // Losses are good to have; the model does without them.
      decision.next.push_back({OperationKind::verify_model, "", milliseconds{0}});
      [[fallthrough]];
    default:
      decision.notices.push_back(notice("operation_failed", {{"operation", std::string(name(work.operation.kind))},
                                                             {"code", failure.code},
                                                             {"message", failure.message}}));
  }
  return decision;
}

}  // namespace detail

namespace {

using detail::end_model;
using detail::failed_looks;
using detail::give_up;
using detail::is_look;
using detail::wait_after;

using std::chrono::milliseconds;

// Failures of a look that are no refusals lengthen the wait, and count no further than this: after an outage, however
// long, a job, or the search for its duplicates, is not given up for its first refusal.
constexpr int kOutagePolls = kRefusedPolls / 2;

// A sweep that comes between the end of one job and the creation of its successor waits for it this long at a time.
constexpr milliseconds kSweepWaits{60000};

bool is_upload(OperationKind kind) {
  return kind == OperationKind::upload_training_file || kind == OperationKind::upload_validation_file;
}

// A job may be there, and may be paid for, without our knowing it.
bool is_in_doubt(const Work& work, Delivery delivery) {
  return work.operation.state == OperationState::checking ||
         (is_paid(work.operation.kind) && delivery == Delivery::unknown);
}

Decision cancelled_before_job(const Work& work) {
  Decision decision;
  decision.state = OperationState::cancelled;
  end_model(work, decision, "cancelled", "training_cancelled");
  return decision;
}

bool gives_up(const Work& work, const Outcome& outcome) {
  if (is_look(work.operation.kind)) return false;
  if (work.operation.kind == OperationKind::create_job && is_in_doubt(work, outcome.delivery)) return false;
  if (work.operation.kind == OperationKind::fetch_result) return work.operation.age >= kResultPatience;
  return work.operation.age >= kGiveUpAfter;
}

Condition refusal(const Work& work, const Failure& failure) {
  if (failure.code == "training_not_available") return Condition::training_not_available;
  if (work.operation.kind == OperationKind::verify_model) return Condition::model_deployment_failed;
  return Condition::training_job_failed;
}

Decision try_again(const Work& work, const Outcome& outcome, const Random& random) {
  Decision decision;
  decision.state = is_in_doubt(work, outcome.delivery) ? OperationState::reconcile : OperationState::ready;
  decision.due_in = wait_after(work, outcome, random);
  decision.misses = work.operation.misses;
  if (is_look(work.operation.kind)) {
    int failed = failed_looks(work.operation) + 1;
    if (outcome.delivery != Delivery::rejected) failed = std::min(failed, kOutagePolls);
    decision.misses = work.operation.kind == OperationKind::sweep_duplicates ? -failed : failed;
  }
  return decision;
}

// The token is not in the provider's list. It may still be on its way: only after the quiet period is that an answer.
Decision after_empty_listing(const Work& work, const Policy& policy) {
  Decision decision;
  decision.misses = work.operation.misses + 1;
  if (decision.misses >= kEmptyListings && work.operation.since_sent >= policy.quiet_period) {
    if (work.model.cancel_requested) return cancelled_before_job(work);
    // Now that it is certain, it can be given up.
    if (work.operation.age >= kGiveUpAfter) {
      Failure failure;
      failure.code = "no_answer";
      failure.message = "The provider has not carried the request out.";
      return give_up(work, Condition::provider_unavailable, failure);
    }
    decision.state = OperationState::ready;
    decision.misses = 0;
    return decision;
  }
  decision.state = OperationState::reconcile;
  decision.due_in = policy.quiet_period / kEmptyListings;
  return decision;
}

// A model may need minutes until it can be found (contract, section 5.7).
Decision model_does_not_answer(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  if (work.operation.age >= policy.model_grace_period) {
    return give_up(work, Condition::model_deployment_failed, outcome.failure);
  }
  Decision decision = try_again(work, outcome, random);
  // The last look is taken when the period ends, unless the provider asked for more time.
  if (!outcome.failure.retry_after) {
    decision.due_in =
        std::min(decision.due_in, std::max(policy.model_grace_period - work.operation.age, milliseconds{100}));
  }
  return decision;
}

Decision decide_outcome(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  const OperationKind kind = work.operation.kind;
  if (outcome.delivery == Delivery::ok) {
    return outcome.absent ? after_empty_listing(work, policy) : detail::after_success(work, outcome, policy, random);
  }
  // A provider that cannot be reached, or refuses for now, says nothing about the model.
  bool says_something = outcome.delivery == Delivery::rejected || outcome.delivery == Delivery::unknown;
  if (kind == OperationKind::verify_model && says_something) {
    return model_does_not_answer(work, outcome, policy, random);
  }
  if (is_look(kind) && failed_looks(work.operation) < kRefusedPolls) return try_again(work, outcome, random);
  // While in doubt, a refusal concerns the look, not the request that was lost: the doubt stays.
  if (outcome.delivery == Delivery::rejected && !is_in_doubt(work, outcome.delivery)) {
    return give_up(work, refusal(work, outcome.failure), outcome.failure);
  }
  if (gives_up(work, outcome)) return give_up(work, Condition::provider_unavailable, outcome.failure);
  return try_again(work, outcome, random);
}

// A creation that ends without a job may have left one behind all the same, if it was sent more than once.
void sweep_after(const Work& work, const Policy& policy, Decision& decision) {
  bool was_in_doubt = work.operation.state == OperationState::checking || work.operation.attempt > 1;
  if (work.operation.kind == OperationKind::create_job && was_in_doubt) {
    decision.next.push_back({OperationKind::sweep_duplicates, work.operation.id, policy.quiet_period});
  }
}

bool is_final(OperationState state) {
  return state == OperationState::done || state == OperationState::failed || state == OperationState::cancelled;
}

}  // namespace

std::optional<Decision> decide_before_call(const Work& work, const Policy& policy) {
  const Operation& operation = work.operation;
  Decision decision;
  switch (operation.kind) {
    case OperationKind::upload_training_file:
    case OperationKind::upload_validation_file:
    case OperationKind::create_job:
      if (!work.model.cancel_requested || operation.state != OperationState::sending) return std::nullopt;
      decision = cancelled_before_job(work);
      sweep_after(work, policy, decision);
      return decision;
    case OperationKind::poll_job:
    case OperationKind::cancel_job:
    case OperationKind::pause_job:
    case OperationKind::resume_job:
      if (!work.model.provider_job_id.empty() && !training_is_over(work.model.status)) return std::nullopt;
      decision.state = OperationState::cancelled;
      return decision;
    case OperationKind::sweep_duplicates:
      // Only beside the job that was adopted can another one be told to be a duplicate.
      if (!work.model.provider_job_id.empty() || training_is_over(work.model.status)) return std::nullopt;
      decision.due_in = kSweepWaits;
      decision.misses = operation.misses;
      return decision;
    case OperationKind::delete_model:
      // Whoever asks for it takes the model out of service first.
      if (work.model.status != "deployed") return std::nullopt;
      decision.state = OperationState::cancelled;
      return decision;
    default:
      return std::nullopt;
  }
}

Decision decide(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random) {
  Decision decision = decide_outcome(work, outcome, policy, random);
  if (is_final(decision.state) && decision.state != OperationState::done) sweep_after(work, policy, decision);
  // Further files of the same upload. One that goes on finds them again: they may be what it has to adopt.
  if (is_upload(work.operation.kind) && is_final(decision.state)) {
    for (const auto& surplus : outcome.surplus_ids) {
      decision.next.push_back({OperationKind::delete_file, surplus, milliseconds{0}});
    }
  }
  return decision;
}

bool is_retry(const Outcome& outcome, const Decision& decision) {
  return outcome.delivery != Delivery::ok &&
         (decision.state == OperationState::ready || decision.state == OperationState::reconcile);
}

bool is_progress(const Work& work, const Outcome& outcome, const Decision& decision) {
  return work.operation.kind == OperationKind::poll_job && outcome.delivery == Delivery::ok &&
         decision.state == OperationState::ready && work.operation.misses == 0 && decision.misses == 0 &&
         decision.next.empty() && decision.notices.empty();
}

}  // namespace trainer::core

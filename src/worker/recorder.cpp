#include "worker/recorder.h"

#include <utility>

#include "pg/fault_point.h"
#include "worker/own_slot.h"

namespace trainer::worker {
namespace {

using Clock = std::chrono::steady_clock;

void note_recorded([[maybe_unused]] const pg::Recorded& outcome) {
  TRAINER_FAULT_POINT("recorded", core::name(outcome.work.operation.kind));
}

}  // namespace

void Recorder::write(std::vector<pg::Recorded> outcomes) {
  if (outcomes.size() > 1) {
    std::vector<const pg::Recorded*> all;
    for (const auto& outcome : outcomes) all.push_back(&outcome);
    auto problem = store([&] { pg::record_outcomes(all); });
    if (!problem) {
      for (const auto& outcome : outcomes) note_recorded(outcome);
      return;
    }
    // Of a table that somebody has locked no row is to be had: to wait for each in turn would keep the calls waiting.
    if (problem->is_contention() && store([] { pg::require_unlocked_tables(); })) {
      for (auto& outcome : outcomes) keep(std::move(outcome));
      return;
    }
  }
  for (auto& outcome : outcomes) write_one(std::move(outcome));
}

// Until the row is free, or until the operation has been claimed anew and its record is dropped.
void Recorder::keep(pg::Recorded outcome) {
  kept_.push_back(std::move(outcome));
  next_try_ = Clock::now() + kPause;
}

void Recorder::write_one(pg::Recorded outcome) {
  auto problem = store([&] { pg::record_outcomes({&outcome}); });
  if (problem && problem->is_unique_violation() && outcome.work.operation.kind == core::OperationKind::create_job) {
    // The provider named a job that is another model's already, which is no refusal: it may have made one for us, which
    // is looked for by its token.
    outcome.outcome.delivery = core::Delivery::unknown;
    outcome.outcome.failure.code = "job_id_in_use";
    outcome.outcome.failure.message = "The provider's answer names a job that belongs to another model.";
    outcome.decision = core::decide(outcome.work, outcome.outcome, policy_(), random_);
    problem = store([&] { pg::record_outcomes({&outcome}); });
  }
  if (!problem) return note_recorded(outcome);
  if (problem->is_contention()) {
    keep(std::move(outcome));
  } else {
    postpone(outcome.work.operation, true, *problem);
  }
}

void Recorder::write_kept() {
  if (kept_.empty() || Clock::now() < next_try_) return;
  write(std::exchange(kept_, {}));
}

void Recorder::postpone(const core::Operation& operation, bool was_sent, const pg::Problem& problem) {
  if (has_lost_extension()) {
    lost_ = true;
    return;
  }
  log_problem("trainer worker could not carry out an operation", problem);
  auto again = store(
      [&] { pg::postpone_operation(operation, was_sent, problem.message, core::backoff(operation.attempt, random_)); });
  // Not even that: the lease runs out by itself.
  if (again) log_problem("trainer worker could not postpone an operation", *again);
}

}  // namespace trainer::worker

// What follows from orders to a job, and from another job with its token. The other rules are in decide_test.cpp.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/decide.h"
#include "decide_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Kind = OperationKind;
using State = OperationState;

// --- cancellation, pause, resume ---

TEST(DecideCancel, BeforeAnythingWasSentNothingIsSent) {
  for (const Kind kind : {Kind::upload_training_file, Kind::upload_validation_file, Kind::create_job}) {
    Work work = order_of(kind);
    work.model.provider_job_id.clear();
    EXPECT_FALSE(decide_before_call(work, Policy())) << name(kind);
    work.model.cancel_requested = true;
    const auto decision = decide_before_call(work, Policy());
    ASSERT_TRUE(decision) << name(kind);
    EXPECT_EQ(decision->state, State::cancelled);
    EXPECT_EQ(decision->model.status, "cancelled");
    EXPECT_EQ(next_of(*decision), "delete_file(file-t) delete_file(file-v)");
    EXPECT_EQ(notices_of(*decision), "training_cancelled");
  }
}

TEST(DecideCancel, WhatMayHaveArrivedIsLookedForFirst) {
  Work work = order_of(Kind::create_job);
  work.model.provider_job_id.clear();
  work.model.cancel_requested = true;
  work.operation.state = State::checking;
  EXPECT_FALSE(decide_before_call(work, Policy()));

  Outcome absent;
  absent.delivery = Delivery::ok;
  absent.absent = true;
  work.operation.misses = kEmptyListings - 1;
  EXPECT_EQ(decided(work, absent).state, State::reconcile) << "still within the quiet period";
  work.operation.since_sent = kPolicy.quiet_period;
  const Decision decision = decided(work, absent);
  EXPECT_EQ(decision.state, State::cancelled) << "and not sent again";
  EXPECT_EQ(decision.model.status, "cancelled");

  const Decision found = decided(work, saw(remote_job("running")));
  EXPECT_EQ(found.model.provider_job_id, "ftjob-1");
  EXPECT_EQ(found.next.front().kind, Kind::poll_job);
  EXPECT_EQ(found.next.front().due_in, milliseconds(0)) << "which sees the wish";
}

TEST(DecideCancel, AJobThatRunsIsCancelledAtOnceByThePollThatSeesTheWish) {
  Work work = poll_of();
  work.model.cancel_requested = true;
  const Decision decision = decided(work, saw(remote_job("running")));
  EXPECT_EQ(decision.state, State::ready);
  ASSERT_EQ(next_of(decision), "cancel_job");
  EXPECT_EQ(decision.next.front().due_in, milliseconds(0));
  EXPECT_EQ(next_of(decided(work, saw(remote_job("cancelled")))), "delete_file(file-t) delete_file(file-v)");
}

TEST(DecideCancel, AJobThatSucceededAllTheSameIsKept) {
  Work work = poll_of();
  work.model.cancel_requested = true;
  EXPECT_EQ(decided(work, saw(remote_job("succeeded"))).model.status, "evaluating");
}

TEST(DecideCancel, TheJobsEndIsSeenAtOnce) {
  const Decision decision = decided(order_of(Kind::cancel_job), saw(remote_job("cancelled")));
  EXPECT_TRUE(decision.model.empty()) << "the poll tells";
  EXPECT_EQ(next_of(decision), "poll_job");
  EXPECT_EQ(decision.next.front().due_in, milliseconds(0));
}

TEST(DecideCancel, AProviderThatTakesItsTimeIsAskedOnceAPollInterval) {
  milliseconds passed{0};
  for (int round = 0; round < 10; ++round) {
    const Decision cancel = decided(order_of(Kind::cancel_job), saw(remote_job("running")));
    ASSERT_EQ(next_of(cancel), "poll_job");
    passed += cancel.next.front().due_in;
    Work work = poll_of();
    work.model.cancel_requested = true;
    const Decision poll = decided(work, saw(remote_job("running")));
    ASSERT_EQ(next_of(poll), "cancel_job");
    passed += poll.next.front().due_in;
  }
  EXPECT_GE(passed, 10 * kPolicy.poll_interval);
}

TEST(DecideOrder, PauseAndResumeLeaveTheStatusToThePollWhichIsDueAtOnce) {
  for (const auto& [kind, status] : {std::pair(Kind::pause_job, "paused"), std::pair(Kind::pause_job, "pausing"),
                                     std::pair(Kind::resume_job, "queued"), std::pair(Kind::resume_job, "running")}) {
    const Decision decision = decided(order_of(kind), saw(remote_job(status)));
    EXPECT_EQ(decision.state, State::done);
    EXPECT_TRUE(decision.model.empty());
    EXPECT_EQ(decision.next.front().kind, Kind::poll_job);
    EXPECT_EQ(decision.next.front().due_in, milliseconds(0));
  }
  EXPECT_EQ(decided(poll_of(), saw(remote_job("paused"))).model.status, "paused");
}

TEST(DecideOrder, AJobWhoseEndIsKnownIsNeitherLookedAtNorGivenOrders) {
  for (const Kind kind : {Kind::poll_job, Kind::cancel_job, Kind::pause_job, Kind::resume_job}) {
    for (const char* status : {"evaluating", "succeeded", "deployed", "retired", "failed", "cancelled"}) {
      Work work = kind == Kind::poll_job ? poll_of() : order_of(kind);
      EXPECT_FALSE(decide_before_call(work, Policy())) << name(kind);
      work.model.status = status;
      const auto decision = decide_before_call(work, Policy());
      ASSERT_TRUE(decision) << name(kind) << ' ' << status;
      EXPECT_EQ(decision->state, State::cancelled);
      EXPECT_TRUE(decision->model.empty()) << "a model that serves goes on to serve";
      EXPECT_TRUE(decision->next.empty() && decision->notices.empty());
    }
  }
}

TEST(DecideOrder, AJobThatIsNotThereIsNeitherLookedAtNorGivenOrders) {
  for (const Kind kind : {Kind::poll_job, Kind::cancel_job, Kind::pause_job, Kind::resume_job}) {
    Work work = order_of(kind);
    work.model.status = "pending";  // between a job that failed and its successor
    work.model.provider_job_id.clear();
    EXPECT_EQ(decide_before_call(work, Policy()).value_or(Decision()).state, State::cancelled) << name(kind);
  }
}

TEST(DecideSweep, WaitsForTheJobToBeAdoptedThatFollowsAFailedOne) {
  Work work = order_of(Kind::sweep_duplicates);
  EXPECT_FALSE(decide_before_call(work, Policy()));
  work.model.status = "pending";
  work.model.provider_job_id.clear();
  const auto decision = decide_before_call(work, Policy());
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->state, State::ready);
  EXPECT_GE(decision->due_in, seconds(10));
  work.model.status = "cancelled";
  EXPECT_FALSE(decide_before_call(work, Policy()))
      << "nothing more will be adopted: it is told that the sweep cannot be done";
}

RemoteJob older_job(std::string status) {
  RemoteJob job = remote_job(std::move(status));
  job.id = "ftjob-0";
  job.training_file = "file-other";
  job.validation_file = "file-v";
  return job;
}

Work swept() {
  Work work = order_of(Kind::sweep_duplicates);
  work.model.status = "running";
  work.model.provider_status = "running";
  work.model.training_file_id = "file-t";
  work.model.validation_file_id = "file-v";
  return work;
}

TEST(DecideAdoption, ASweepThatFindsAnOlderJobMakesItTheModels) {
  const Work work = swept();
  const Decision decision = decided(work, saw(older_job("queued")));
  EXPECT_EQ(decision.model.provider_job_id, "ftjob-0");
  EXPECT_EQ(decision.model.status, "queued");
  EXPECT_EQ(decision.state, State::ready) << "the next sweep, due at once, cancels the one that was ours";
  EXPECT_EQ(decision.due_in, milliseconds(0));
  EXPECT_EQ(decision.model.training_file_id, "file-other");
  EXPECT_FALSE(decision.model.validation_file_id) << "both jobs were made from it";
  EXPECT_EQ(next_of(decision), "delete_file(file-t) poll_job");
  EXPECT_EQ(notices_of(decision), "job_adopted");
}

TEST(DecideAdoption, TheEndOfAnAdoptedJobIsThePollsToTell) {
  for (const char* status : {"succeeded", "failed", "cancelled"}) {
    const Decision decision = decided(swept(), saw(older_job(status)));
    EXPECT_FALSE(decision.model.status) << status;
    EXPECT_FALSE(decision.model.completed_at) << status;
  }
}

TEST(DecideAdoption, AJobThatDoesNotNameItsFilesChangesNone) {
  RemoteJob job = older_job("running");
  job.training_file.clear();
  job.validation_file.clear();
  const Decision decision = decided(swept(), saw(job));
  EXPECT_FALSE(decision.model.training_file_id);
  EXPECT_EQ(next_of(decision), "poll_job");
}

TEST(DecideAdoption, ACreationThatFindsAJobFollowsItsFilesAndOneThatMakesItKeepsItsOwn) {
  Work work = swept();
  work.operation.kind = Kind::create_job;
  work.model.provider_job_id.clear();
  Outcome outcome = saw(older_job("queued"));
  outcome.found = true;
  const Decision found = decided(work, outcome);
  EXPECT_EQ(found.model.training_file_id, "file-other");
  EXPECT_EQ(found.next.front().kind, Kind::delete_file);
  EXPECT_EQ(found.next.front().argument, "file-t");
  outcome.found = false;
  const Decision made = decided(work, outcome);
  EXPECT_FALSE(made.model.training_file_id);
  EXPECT_EQ(next_of(made).find("delete_file"), std::string::npos);
}

TEST(DecideAdoption, APollThatFindsAnotherJobFollowsItAtOnce) {
  Work work = swept();
  work.operation.kind = Kind::poll_job;
  work.operation.state = State::ready;
  const Outcome outcome = saw(older_job("succeeded"));
  const Decision decision = decided(work, outcome);
  EXPECT_EQ(decision.model.provider_job_id, "ftjob-0");
  EXPECT_FALSE(decision.model.status) << "its own poll says how it ended";
  EXPECT_EQ(decision.state, State::ready);
  EXPECT_EQ(decision.due_in, milliseconds(0));
  EXPECT_EQ(next_of(decision), "delete_file(file-t)");
  EXPECT_FALSE(is_progress(work, outcome, decision));
}

TEST(DecideBeforeCall, WhatOnlyReadsOrCleansUpIsAlwaysDone) {
  for (const Kind kind : {Kind::fetch_result, Kind::verify_model, Kind::delete_file, Kind::delete_model}) {
    Work work = order_of(kind);
    work.model.cancel_requested = true;
    work.model.status = "cancelled";
    EXPECT_FALSE(decide_before_call(work, Policy())) << name(kind);
  }
}

// --- the deletion of a model ---

TEST(DecideModelDeletion, ForgetsTheNameOfTheModelAndNotOfACheckpoint) {
  Work work = order_of(Kind::delete_model);
  work.model.status = "retired";
  work.model.fine_tuned_model_id = "ft:gpt:1";
  for (const std::string name : {"ft:gpt:1", "ft:gpt:1:ckpt-step-9"}) {
    work.operation.argument = name;
    const Decision decision = decided(work, fine(Kind::delete_model));
    EXPECT_EQ(decision.state, State::done);
    EXPECT_EQ(decision.model.fine_tuned_model_id,
              name == "ft:gpt:1" ? std::optional<std::string>("") : std::optional<std::string>());
    EXPECT_FALSE(decision.model.status);
    ASSERT_EQ(notices_of(decision), "model_deleted");
    EXPECT_EQ(decision.notices.front().detail.front().second, name);
  }
}

TEST(DecideModelDeletion, AModelThatServesIsNotDeleted) {
  Work work = order_of(Kind::delete_model);
  work.model.status = "deployed";
  const auto decision = decide_before_call(work, Policy());
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->state, State::cancelled);
  EXPECT_TRUE(decision->model.empty());
}

}  // namespace
}  // namespace trainer::core

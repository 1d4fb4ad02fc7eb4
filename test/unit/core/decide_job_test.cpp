// What follows from looks at a job: progress, its end, the retry, cancellation. The other rules are in decide_test.cpp.
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

const Policy kPolicy;

Work poll_of(std::string model_status = "running", std::string provider_status = "running") {
  Work work;
  work.operation.id = "poll";
  work.operation.kind = Kind::poll_job;
  work.operation.state = State::ready;
  work.operation.attempt = 1;
  work.model.status = std::move(model_status);
  work.model.provider_status = std::move(provider_status);
  work.model.provider_job_id = "ftjob-1";
  work.model.training_file_id = "file-t";
  work.model.validation_file_id = "file-v";
  work.model.learning_rate_multiplier = 0.1;
  return work;
}

Work order_of(Kind kind) {
  Work work = poll_of();
  work.operation.kind = kind;
  work.operation.state = State::sending;
  return work;
}

RemoteJob failed_job(std::string code, std::string message = "Some message.") {
  RemoteJob job = remote_job("failed");
  job.error_code = std::move(code);
  job.error_message = std::move(message);
  return job;
}

// --- progress ---

TEST(DecidePoll, AJobThatGoesOnUnchangedChangesNothing) {
  Work work = poll_of();
  work.model.estimated_finish = 1700000000;
  RemoteJob job = remote_job("running");
  job.estimated_finish = 1700000000;
  const Outcome outcome = saw(job);
  const Decision decision = decided(work, outcome);
  EXPECT_TRUE(decision.model.empty());
  EXPECT_TRUE(is_progress(work, outcome, decision));
}

TEST(DecidePoll, AnotherEstimateIsNews) {
  RemoteJob job = remote_job("running");
  job.estimated_finish = 1700000060;
  EXPECT_EQ(decided(poll_of(), saw(job)).model.estimated_finish, 1700000060);
}

TEST(DecidePoll, TheStatusIsStoredVerbatimAndTranslated) {
  const Decision decision = decided(poll_of("queued", "queued"), saw(remote_job("running")));
  EXPECT_EQ(decision.model.provider_status, "running");
  EXPECT_EQ(decision.model.status, "running");
  EXPECT_TRUE(decision.model.started);
  EXPECT_EQ(notices_of(decision), "training_started");
}

TEST(DecidePoll, AnUnknownStatusIsStoredAndEndsNothing) {
  for (const char* status : {"meditating", "deleted", "SUCCEEDED", "error"}) {
    const Decision decision = decided(poll_of(), saw(remote_job(status)));
    EXPECT_EQ(decision.state, State::ready);
    EXPECT_EQ(decision.model.provider_status, status);
    EXPECT_EQ(decision.model.status, std::nullopt);
    EXPECT_EQ(next_of(decision), "");
  }
}

TEST(DecidePoll, AnErrorMemberDoesNotEndAJobThatRuns) {
  RemoteJob job = failed_job("server_error");
  job.status = "running";
  EXPECT_TRUE(decided(poll_of(), saw(job)).model.empty());
}

TEST(DecidePoll, TheNewestNumbersOfTheEventsCount) {
  Outcome outcome = saw(remote_job("running"));
  StepMetrics first;
  first.step = 1;
  first.total_steps = 10;
  first.train_loss = 2.5;
  first.full_valid_loss = 2.0;
  StepMetrics second;
  second.step = 2;
  second.train_loss = 1.5;
  second.valid_loss = 1.75;
  outcome.events = {{"e1", 1, "info", "", "metrics", first},
                    {"e2", 2, "info", "", "message", std::nullopt},
                    {"e3", 3, "info", "", "metrics", second}};
  const ModelChange change = decided(poll_of(), outcome).model;
  EXPECT_EQ(change.current_step, 2);
  EXPECT_EQ(change.total_steps, 10);
  EXPECT_EQ(change.train_loss, 1.5);
  EXPECT_EQ(change.valid_loss, 1.75);
}

TEST(IsProgress, IsAPollWithNothingButNumbersToTell) {
  const Work work = poll_of();
  RemoteJob job = remote_job("running");
  job.estimated_finish = 5;
  EXPECT_TRUE(is_progress(work, saw(job), decided(work, saw(job))));

  const Work queued = poll_of("queued", "queued");
  EXPECT_FALSE(is_progress(queued, saw(job), decided(queued, saw(job)))) << "it is told that the job has started";
  Work cancelling = poll_of();
  cancelling.model.cancel_requested = true;
  EXPECT_FALSE(is_progress(cancelling, saw(job), decided(cancelling, saw(job)))) << "a cancellation follows";
  Work missed = poll_of();
  missed.operation.misses = 1;
  EXPECT_FALSE(is_progress(missed, saw(job), decided(missed, saw(job)))) << "the count of misses is cleared";
  const Outcome failure = failed_by(Delivery::unknown);
  EXPECT_FALSE(is_progress(work, failure, decided(work, failure)));
  const Outcome end = saw(remote_job("succeeded"));
  EXPECT_FALSE(is_progress(work, end, decided(work, end)));
  const Work order = order_of(Kind::cancel_job);
  EXPECT_FALSE(is_progress(order, saw(job), decided(order, saw(job))));
}

// --- the end of a job ---

TEST(DecidePoll, ASuccessIsFollowedByItsResultAndKeepsItsFiles) {
  RemoteJob job = remote_job("succeeded");
  job.trained_tokens = 4200;
  job.finished_at = 1700000000;
  job.result_files = {"file-r", "file-s"};
  const Decision decision = decided(poll_of(), saw(job));
  EXPECT_EQ(decision.state, State::done);
  EXPECT_EQ(decision.model.status, "evaluating");
  EXPECT_EQ(decision.model.fine_tuned_model_id, "ft:gpt:1");
  EXPECT_EQ(decision.model.trained_tokens, 4200);
  EXPECT_EQ(decision.model.completed_at, 1700000000);
  EXPECT_EQ(next_of(decision), "fetch_result(file-r)");
  EXPECT_EQ(notices_of(decision), "training_succeeded");
}

TEST(DecidePoll, ASuccessWithoutAResultFileStillHasEventsAndCheckpointsToFetch) {
  EXPECT_EQ(next_of(decided(poll_of(), saw(remote_job("succeeded")))), "fetch_result");
}

TEST(DecidePoll, ASuccessThatDoesNotNameItsModelYetIsLookedAtAgain) {
  RemoteJob job = remote_job("succeeded");
  job.fine_tuned_model.clear();
  Work work = poll_of();
  work.operation.misses = 3;
  Decision decision = decided(work, saw(job));
  EXPECT_EQ(decision.state, State::ready);
  EXPECT_EQ(decision.misses, 4);
  EXPECT_EQ(decision.due_in, seconds(6));
  EXPECT_TRUE(decision.model.empty()) << "it is not over, so that polls go on";
  EXPECT_FALSE(is_progress(work, saw(job), decision)) << "the misses are counted";
  work.operation.misses = 0;
  EXPECT_FALSE(is_progress(work, saw(job), decided(work, saw(job)))) << "the first one, too";

  work.operation.misses = kRefusedPolls;
  decision = decided(work, saw(job));
  EXPECT_EQ(decision.state, State::failed);
  EXPECT_EQ(decision.model.status, "failed");
  EXPECT_EQ(decision.model.error, Condition::model_deployment_failed);
}

TEST(DecidePoll, AJobThatWasCancelledAtTheProviderEndsTheModelAndItsFiles) {
  const Decision decision = decided(poll_of(), saw(remote_job("cancelled")));
  EXPECT_EQ(decision.state, State::done);
  EXPECT_EQ(decision.model.status, "cancelled");
  EXPECT_EQ(decision.model.error, std::nullopt);
  EXPECT_EQ(next_of(decision), "delete_file(file-t) delete_file(file-v)");
  EXPECT_EQ(notices_of(decision), "training_cancelled");
}

TEST(DecideResult, TheLastValueOfEachColumnCountsOverTheEvents) {
  Work work = order_of(Kind::fetch_result);
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  StepMetrics event;
  event.train_loss = 9.0;
  outcome.events = {{"e1", 1, "info", "", "metrics", event}};
  StepMetrics one;
  one.train_loss = 2.0;
  one.valid_loss = 3.0;
  StepMetrics two;
  two.train_loss = 1.0;
  two.full_valid_loss = 2.5;
  outcome.result = {one, two, StepMetrics()};
  const Decision decision = decided(work, outcome);
  EXPECT_EQ(decision.model.train_loss, 1.0);
  EXPECT_EQ(decision.model.valid_loss, 2.5);
  EXPECT_EQ(next_of(decision), "verify_model");
}

// --- the automatic retry ---

TEST(DecideRetry, AFailedJobIsTriedOnceMoreWithALowerLearningRate) {
  const Decision decision = decided(poll_of(), saw(failed_job("server_error")));
  EXPECT_EQ(decision.state, State::done);
  EXPECT_TRUE(decision.model.retried);
  EXPECT_DOUBLE_EQ(decision.model.learning_rate_multiplier.value(), 0.05);
  EXPECT_EQ(decision.model.status, "pending");
  EXPECT_EQ(decision.model.provider_job_id, "");
  EXPECT_EQ(decision.model.provider_status, "");
  EXPECT_EQ(decision.model.error, std::nullopt);
  EXPECT_EQ(next_of(decision), "create_job") << "with the same files";
  EXPECT_EQ(notices_of(decision), "training_retried");
}

void expect_no_retry(const Work& work, const RemoteJob& job, const Policy& policy = kPolicy) {
  const Decision decision = decided(work, saw(job), policy);
  EXPECT_FALSE(decision.model.retried);
  EXPECT_EQ(decision.model.status, "failed");
  EXPECT_EQ(decision.model.error, Condition::training_job_failed);
  EXPECT_EQ(decision.model.error_code, job.error_code);
  EXPECT_EQ(decision.model.error_message, job.error_message);
  EXPECT_EQ(next_of(decision), "delete_file(file-t) delete_file(file-v)");
  EXPECT_EQ(notices_of(decision), "training_failed");
}

TEST(DecideRetry, OnlyOnce) {
  Work work = poll_of();
  work.model.retries = 1;
  expect_no_retry(work, failed_job("server_error"));
}

TEST(DecideRetry, NotWhenTheReasonIsTheDataOrTheAccount) {
  for (const char* code : {"invalid_training_file", "invalid_n_examples", "insufficient_quota", "exceeded_quota"}) {
    expect_no_retry(poll_of(), failed_job(code));
  }
  expect_no_retry(poll_of(), failed_job("", "Error while running moderation eval refusals_v3"));
}

TEST(DecideRetry, NotWhenSomebodyWantsItToEnd) {
  Work work = poll_of();
  work.model.cancel_requested = true;
  expect_no_retry(work, failed_job("server_error"));
}

TEST(DecideRetry, NotWhenThereIsNoRateToLower) {
  Work work = poll_of();
  work.model.learning_rate_multiplier = 0;
  expect_no_retry(work, failed_job("server_error"));
}

TEST(DecideRetry, NotWhenItIsSwitchedOff) {
  Policy policy;
  policy.retry_learning_rate_factor = 0;
  expect_no_retry(poll_of(), failed_job("server_error"), policy);
}

// --- a job that cannot be looked at ---

TEST(DecidePoll, OutagesNeverEndAJobHoweverLongTheyLast) {
  for (const Delivery delivery : {Delivery::not_sent, Delivery::retry_later, Delivery::unknown}) {
    Work work = poll_of();
    for (int look = 0; look < 5000; ++look) {
      work.operation.age += hours(1);
      const Decision decision = decided(work, failed_by(delivery));
      ASSERT_EQ(decision.state, State::ready);
      ASSERT_TRUE(decision.model.empty());
      work.operation.misses = decision.misses;
    }
    EXPECT_EQ(decided(work, failed_by(delivery)).due_in, milliseconds(450000)) << "with the longest backoff";
  }
}

// Looks until the job is given up, from a count of misses; -1 when it never is.
int refusals_until_the_end(int misses) {
  Work work = poll_of();
  work.operation.misses = misses;
  for (int look = 1; look <= 100; ++look) {
    const Decision decision = decided(work, failed_by(Delivery::rejected));
    if (decision.state == State::failed) return look;
    work.operation.misses = decision.misses;
  }
  return -1;
}

TEST(DecidePoll, RefusalsAreCountedAndEndItInTheEnd) {
  EXPECT_EQ(refusals_until_the_end(0), kRefusedPolls + 1);
  Work work = poll_of();
  work.operation.misses = kRefusedPolls;
  const Decision decision = decided(work, failed_by(Delivery::rejected));
  EXPECT_EQ(decision.model.status, "failed");
  EXPECT_EQ(decision.model.error, Condition::training_job_failed);
  EXPECT_EQ(decision.model.error_code, "some_code");
}

TEST(DecidePoll, ASingleRefusalAfterALongOutageEndsNothing) {
  Work work = poll_of();
  for (int look = 0; look < 100; ++look) work.operation.misses = decided(work, failed_by(Delivery::unknown)).misses;
  EXPECT_GT(refusals_until_the_end(work.operation.misses), kRefusedPolls / 2);
  work.operation.misses = kRefusedPolls;
  EXPECT_GT(refusals_until_the_end(decided(work, failed_by(Delivery::not_sent)).misses), kRefusedPolls / 2);
}

TEST(DecidePoll, AnAnswerForgetsTheRefusals) {
  Work work = poll_of();
  work.operation.misses = kRefusedPolls;
  EXPECT_EQ(decided(work, saw(remote_job("running"))).misses, 0);
}

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

TEST(DecideBeforeCall, WhatOnlyReadsOrCleansUpIsAlwaysDone) {
  for (const Kind kind : {Kind::fetch_result, Kind::verify_model, Kind::delete_file}) {
    Work work = order_of(kind);
    work.model.cancel_requested = true;
    work.model.status = "cancelled";
    EXPECT_FALSE(decide_before_call(work, Policy())) << name(kind);
  }
}

}  // namespace
}  // namespace trainer::core

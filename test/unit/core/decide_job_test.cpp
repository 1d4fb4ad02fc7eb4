// What follows from looks at a job: progress, its end, the retry. The other rules are in decide_test.cpp.
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
  job.trained_tokens = 4200;
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
  EXPECT_EQ(decision.model.trained_tokens, 4200) << "it is billed all the same";
}

TEST(DecidePoll, AJobThatWasCancelledAtTheProviderEndsTheModelAndItsFiles) {
  const Decision decision = decided(poll_of(), saw(remote_job("cancelled")));
  EXPECT_EQ(decision.state, State::done);
  EXPECT_EQ(decision.model.status, "cancelled");
  EXPECT_EQ(decision.model.error, std::nullopt);
  EXPECT_EQ(next_of(decision), "delete_file(file-t) delete_file(file-v)");
  EXPECT_EQ(notices_of(decision), "training_cancelled");
}

TEST(DecidePoll, WhatWasTrainedUntilAJobWasCancelledIsBilled) {
  RemoteJob job = remote_job("cancelled");
  job.trained_tokens = 900;
  EXPECT_EQ(decided(poll_of(), saw(job)).model.trained_tokens, 900);
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

TEST(DecideRetry, NotWhenItWasBilledSinceItsBudgetPaysForOneJob) {
  RemoteJob job = failed_job("server_error");
  job.trained_tokens = 1;
  expect_no_retry(poll_of(), job);
  EXPECT_EQ(decided(poll_of(), saw(job)).model.trained_tokens, 1);
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

}  // namespace
}  // namespace trainer::core

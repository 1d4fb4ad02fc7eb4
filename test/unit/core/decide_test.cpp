#include "core/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "decide_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Kind = OperationKind;
using State = OperationState;

// --- every kind of operation, in every state that a claim gives it, with every class of outcome ---

struct Rule {
  Kind kind;
  State state;
  Delivery delivery;
  State becomes;
  const char* model = "";    // its new status
  const char* next = "";     // operations that follow
  const char* notices = "";  // what is told
};

// What may follow for the model of a paid call that is refused.
constexpr const char* kFiles = "delete_file(file-t)";
constexpr const char* kFailed = "training_failed";
const std::string kJobFollows = std::string("poll_job ") + kToken;

const std::vector<Rule> kRules{
    {Kind::upload_training_file, State::sending, Delivery::ok, State::done, "uploading", "create_job"},
    {Kind::upload_training_file, State::sending, Delivery::not_sent, State::ready},
    {Kind::upload_training_file, State::sending, Delivery::rejected, State::failed, "failed", "", kFailed},
    {Kind::upload_training_file, State::sending, Delivery::retry_later, State::ready},
    {Kind::upload_training_file, State::sending, Delivery::unknown, State::reconcile},
    {Kind::upload_training_file, State::checking, Delivery::ok, State::done, "uploading", "create_job"},
    {Kind::upload_training_file, State::checking, Delivery::not_sent, State::reconcile},
    {Kind::upload_training_file, State::checking, Delivery::rejected, State::reconcile},
    {Kind::upload_training_file, State::checking, Delivery::retry_later, State::reconcile},
    {Kind::upload_training_file, State::checking, Delivery::unknown, State::reconcile},

    {Kind::upload_validation_file, State::sending, Delivery::ok, State::done, "uploading", "create_job"},
    {Kind::upload_validation_file, State::sending, Delivery::not_sent, State::ready},
    {Kind::upload_validation_file, State::sending, Delivery::rejected, State::failed, "failed", kFiles, kFailed},
    {Kind::upload_validation_file, State::sending, Delivery::retry_later, State::ready},
    {Kind::upload_validation_file, State::sending, Delivery::unknown, State::reconcile},
    {Kind::upload_validation_file, State::checking, Delivery::ok, State::done, "uploading", "create_job"},
    {Kind::upload_validation_file, State::checking, Delivery::not_sent, State::reconcile},
    {Kind::upload_validation_file, State::checking, Delivery::rejected, State::reconcile},
    {Kind::upload_validation_file, State::checking, Delivery::retry_later, State::reconcile},
    {Kind::upload_validation_file, State::checking, Delivery::unknown, State::reconcile},

    {Kind::create_job, State::sending, Delivery::ok, State::done, "queued", kJobFollows.c_str(), "training_submitted"},
    {Kind::create_job, State::sending, Delivery::not_sent, State::ready},
    {Kind::create_job, State::sending, Delivery::rejected, State::failed, "failed", kFiles, kFailed},
    {Kind::create_job, State::sending, Delivery::retry_later, State::ready},
    {Kind::create_job, State::sending, Delivery::unknown, State::reconcile},
    {Kind::create_job, State::checking, Delivery::ok, State::done, "queued", kJobFollows.c_str(), "training_submitted"},
    {Kind::create_job, State::checking, Delivery::not_sent, State::reconcile},
    {Kind::create_job, State::checking, Delivery::rejected, State::reconcile},
    {Kind::create_job, State::checking, Delivery::retry_later, State::reconcile},
    {Kind::create_job, State::checking, Delivery::unknown, State::reconcile},

    {Kind::poll_job, State::ready, Delivery::ok, State::ready},
    {Kind::poll_job, State::ready, Delivery::not_sent, State::ready},
    {Kind::poll_job, State::ready, Delivery::rejected, State::ready},
    {Kind::poll_job, State::ready, Delivery::retry_later, State::ready},
    {Kind::poll_job, State::ready, Delivery::unknown, State::ready},

    {Kind::fetch_result, State::sending, Delivery::ok, State::done, "", "verify_model"},
    {Kind::fetch_result, State::sending, Delivery::not_sent, State::ready},
    {Kind::fetch_result, State::sending, Delivery::rejected, State::failed, "", "verify_model", "operation_failed"},
    {Kind::fetch_result, State::sending, Delivery::retry_later, State::ready},
    {Kind::fetch_result, State::sending, Delivery::unknown, State::ready},

    {Kind::verify_model, State::sending, Delivery::ok, State::done, "succeeded", "", "model_verified"},
    {Kind::verify_model, State::sending, Delivery::not_sent, State::ready},
    {Kind::verify_model, State::sending, Delivery::rejected, State::ready},
    {Kind::verify_model, State::sending, Delivery::retry_later, State::ready},
    {Kind::verify_model, State::sending, Delivery::unknown, State::ready},

    {Kind::cancel_job, State::sending, Delivery::ok, State::done, "", "poll_job"},
    {Kind::cancel_job, State::sending, Delivery::not_sent, State::ready},
    {Kind::cancel_job, State::sending, Delivery::rejected, State::failed, "", "", "operation_failed"},
    {Kind::cancel_job, State::sending, Delivery::retry_later, State::ready},
    {Kind::cancel_job, State::sending, Delivery::unknown, State::ready},

    {Kind::pause_job, State::sending, Delivery::ok, State::done, "", "poll_job"},
    {Kind::pause_job, State::sending, Delivery::not_sent, State::ready},
    {Kind::pause_job, State::sending, Delivery::rejected, State::failed, "", "", "operation_failed"},
    {Kind::pause_job, State::sending, Delivery::retry_later, State::ready},
    {Kind::pause_job, State::sending, Delivery::unknown, State::ready},

    {Kind::resume_job, State::sending, Delivery::ok, State::done, "", "poll_job"},
    {Kind::resume_job, State::sending, Delivery::not_sent, State::ready},
    {Kind::resume_job, State::sending, Delivery::rejected, State::failed, "", "", "operation_failed"},
    {Kind::resume_job, State::sending, Delivery::retry_later, State::ready},
    {Kind::resume_job, State::sending, Delivery::unknown, State::ready},

    {Kind::sweep_duplicates, State::sending, Delivery::ok, State::ready},
    {Kind::sweep_duplicates, State::sending, Delivery::not_sent, State::ready},
    {Kind::sweep_duplicates, State::sending, Delivery::rejected, State::ready},
    {Kind::sweep_duplicates, State::sending, Delivery::retry_later, State::ready},
    {Kind::sweep_duplicates, State::sending, Delivery::unknown, State::ready},

    {Kind::delete_file, State::sending, Delivery::ok, State::done},
    {Kind::delete_file, State::sending, Delivery::not_sent, State::ready},
    {Kind::delete_file, State::sending, Delivery::rejected, State::failed, "", "", "operation_failed"},
    {Kind::delete_file, State::sending, Delivery::retry_later, State::ready},
    {Kind::delete_file, State::sending, Delivery::unknown, State::ready},

    {Kind::delete_model, State::sending, Delivery::ok, State::done, "", "", "model_deleted"},
    {Kind::delete_model, State::sending, Delivery::not_sent, State::ready},
    {Kind::delete_model, State::sending, Delivery::rejected, State::failed, "", "", "operation_failed"},
    {Kind::delete_model, State::sending, Delivery::retry_later, State::ready},
    {Kind::delete_model, State::sending, Delivery::unknown, State::ready},
};

TEST(Decide, EveryKindStateAndOutcomeHasItsRule) {
  for (const Rule& rule : kRules) {
    SCOPED_TRACE(std::string(name(rule.kind)) + " " + std::string(name(rule.state)) + " " +
                 std::string(name(rule.delivery)));
    const Outcome outcome = rule.delivery == Delivery::ok ? fine(rule.kind) : failed_by(rule.delivery);
    const Decision decision = decided(work_of(rule.kind, rule.state), outcome);
    EXPECT_EQ(name(decision.state), name(rule.becomes));
    EXPECT_EQ(decision.model.status.value_or(""), rule.model);
    EXPECT_EQ(next_of(decision), rule.next);
    EXPECT_EQ(notices_of(decision), rule.notices);
  }
}

TEST(Decide, TheRulesCoverEverythingThatAClaimCanHandOut) {
  // 3 paid kinds in 2 states, 9 others in one, 5 outcomes each.
  EXPECT_EQ(kRules.size(), (3 * 2 + 9) * 5U);
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    for (std::size_t j = i + 1; j < kRules.size(); ++j) {
      EXPECT_FALSE(kRules[i].kind == kRules[j].kind && kRules[i].state == kRules[j].state &&
                   kRules[i].delivery == kRules[j].delivery);
    }
  }
}

TEST(Decide, WhatIsTriedAgainWaitsAndWhatIsOverDoesNot) {
  for (const Rule& rule : kRules) {
    const Outcome outcome = rule.delivery == Delivery::ok ? fine(rule.kind) : failed_by(rule.delivery);
    const Decision decision = decided(work_of(rule.kind, rule.state), outcome);
    const bool goes_on = rule.becomes == State::ready || rule.becomes == State::reconcile;
    EXPECT_EQ(decision.due_in > milliseconds(0), goes_on) << name(rule.kind) << ' ' << name(rule.delivery);
  }
}

// --- how long to wait ---

TEST(DecideWait, GrowsWithTheAttempts) {
  Work work = claimed(Kind::cancel_job);
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, milliseconds(750));
  work.operation.attempt = 4;
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, seconds(6));
  work.operation.attempt = 100000;
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, milliseconds(450000));
}

TEST(DecideWait, RetryAfterIsAFloorWithASpread) {
  Outcome outcome = failed_by(Delivery::retry_later);
  outcome.failure.retry_after = seconds(90);
  EXPECT_EQ(decided(claimed(Kind::create_job), outcome).due_in, milliseconds(90125));
  outcome.failure.retry_after = milliseconds(0);
  EXPECT_EQ(decided(claimed(Kind::create_job), outcome).due_in, milliseconds(750));
}

TEST(DecideWait, OfAPollGrowsWithTheFailuresInARowAndNotWithTheLooks) {
  Work work = claimed(Kind::poll_job);
  work.operation.attempt = 5000;
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, milliseconds(750));
  work.operation.misses = 3;
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, seconds(6));
}

TEST(DecideWait, ThePollOfARunningJobKeepsToItsInterval) {
  EXPECT_EQ(decided(claimed(Kind::poll_job), saw(remote_job("running"))).due_in, kPolicy.poll_interval);
  EXPECT_EQ(decide(claimed(Kind::poll_job), saw(remote_job("running")), kPolicy, [] { return 0.0; }).due_in,
            milliseconds(27000));
}

// --- refusals, and giving up ---

TEST(DecideFailure, ARefusalIsRecordedWithItsCodeAndItsFilesAreDeleted) {
  Work work = claimed(Kind::create_job);
  work.model.validation_file_id = "file-v";
  const Decision decision = decided(work, failed_by(Delivery::rejected, "model_not_found"));
  EXPECT_EQ(decision.model.error, Condition::training_job_failed);
  EXPECT_EQ(decision.model.error_code, "model_not_found");
  EXPECT_EQ(decision.model.error_message, "Some message.");
  EXPECT_EQ(next_of(decision), "delete_file(file-t) delete_file(file-v)");
}

TEST(DecideFailure, AnAccountThatMayNotTrainIsToldApart) {
  for (const Kind kind : kPaid) {
    const Decision decision = decided(claimed(kind), failed_by(Delivery::rejected, "training_not_available"));
    EXPECT_EQ(decision.model.error, Condition::training_not_available);
    EXPECT_EQ(decision.model.status, "failed");
  }
}

TEST(DecideFailure, WhatCouldNotBeDoneForADayIsGivenUp) {
  for (const Kind kind :
       {Kind::upload_training_file, Kind::upload_validation_file, Kind::create_job, Kind::verify_model,
        Kind::cancel_job, Kind::pause_job, Kind::resume_job, Kind::delete_file, Kind::delete_model}) {
    for (const Delivery delivery : {Delivery::not_sent, Delivery::retry_later}) {
      Work work = claimed(kind);
      work.operation.age = kGiveUpAfter - milliseconds(1);
      EXPECT_EQ(decided(work, failed_by(delivery)).state, State::ready) << name(kind);
      work.operation.age = kGiveUpAfter;
      EXPECT_EQ(decided(work, failed_by(delivery)).state, State::failed) << name(kind);
    }
  }
}

TEST(DecideFailure, GivingUpATrainingSaysThatTheProviderIsUnavailable) {
  Work work = claimed(Kind::create_job);
  work.operation.age = hours(25);
  const Decision decision = decided(work, failed_by(Delivery::retry_later));
  EXPECT_EQ(decision.model.error, Condition::provider_unavailable);
  EXPECT_EQ(decision.model.status, "failed");
  EXPECT_EQ(next_of(decision), kFiles);
}

TEST(DecideFailure, TheLookForAJobThatMayBeRunningIsNeverGivenUp) {
  Work checking = work_of(Kind::create_job, State::checking);
  checking.operation.age = hours(1000);
  checking.operation.since_sent = hours(1000);
  for (const Delivery delivery : {Delivery::not_sent, Delivery::rejected, Delivery::retry_later, Delivery::unknown}) {
    EXPECT_EQ(decided(checking, failed_by(delivery)).state, State::reconcile) << name(delivery);
  }
  // Refused for a day and then sent, and the answer lost: now there is something to look for.
  Work sent = claimed(Kind::create_job);
  sent.operation.age = hours(25);
  EXPECT_EQ(decided(sent, failed_by(Delivery::unknown)).state, State::reconcile);
}

TEST(DecideFailure, AFileThatMayHaveArrivedIsGivenUpInTheEnd) {
  Work work = work_of(Kind::upload_training_file, State::checking);
  work.operation.age = kGiveUpAfter;
  const Decision decision = decided(work, failed_by(Delivery::rejected));
  EXPECT_EQ(decision.state, State::failed);
  EXPECT_EQ(decision.model.error, Condition::provider_unavailable);
}

TEST(DecideFailure, AResultThatCannotBeHadDoesNotHoldUpTheModel) {
  Work work = claimed(Kind::fetch_result);
  work.operation.age = kResultPatience - milliseconds(1);
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).state, State::ready);
  work.operation.age = kResultPatience;
  const Decision decision = decided(work, failed_by(Delivery::unknown));
  EXPECT_EQ(decision.state, State::failed);
  EXPECT_EQ(next_of(decision), "verify_model");
  EXPECT_TRUE(decision.model.empty());
  EXPECT_EQ(decision.notices.front().detail.front().second, "fetch_result");
}

// --- the model's answer ---

TEST(DecideVerify, AModelThatIsNotThereYetIsAskedAgainThroughItsGracePeriod) {
  for (const Delivery delivery : {Delivery::rejected, Delivery::unknown}) {
    Work work = claimed(Kind::verify_model);
    work.operation.attempt = 30;
    work.operation.age = kPolicy.model_grace_period - seconds(3);
    Decision decision = decided(work, failed_by(delivery));
    EXPECT_EQ(decision.state, State::ready);
    EXPECT_EQ(decision.due_in, seconds(3));  // the last look is taken when the period ends
    EXPECT_TRUE(decision.model.empty());

    work.operation.age = kPolicy.model_grace_period;
    decision = decided(work, failed_by(delivery, "model_not_found"));
    EXPECT_EQ(decision.state, State::failed);
    EXPECT_EQ(decision.model.status, "failed");
    EXPECT_EQ(decision.model.error, Condition::model_deployment_failed);
    EXPECT_EQ(decision.model.error_code, "model_not_found");
    EXPECT_EQ(next_of(decision), "");  // what was trained and paid for stays
    EXPECT_EQ(notices_of(decision), "model_unavailable");
  }
}

TEST(DecideVerify, TheLastLookIsNotATightLoop) {
  Work work = claimed(Kind::verify_model);
  work.operation.age = kPolicy.model_grace_period - milliseconds(1);
  EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).due_in, milliseconds(100));
}

TEST(DecideVerify, AProviderThatIsAwayOrBusyIsNotTheModelsFault) {
  for (const Delivery delivery : {Delivery::not_sent, Delivery::retry_later}) {
    Work work = claimed(Kind::verify_model);
    work.operation.age = 10 * kPolicy.model_grace_period;
    EXPECT_EQ(decided(work, failed_by(delivery)).state, State::ready);
    work.operation.age = kGiveUpAfter;
    const Decision decision = decided(work, failed_by(delivery));
    EXPECT_EQ(decision.model.status, "failed");
    EXPECT_EQ(decision.model.error, Condition::provider_unavailable);
    EXPECT_EQ(next_of(decision), "");
  }
}

TEST(DecideVerify, TheProvidersOwnWordIsHeardWithinTheGracePeriod) {
  Work work = claimed(Kind::verify_model);
  work.operation.age = kPolicy.model_grace_period - seconds(3);
  Outcome outcome = failed_by(Delivery::unknown);
  outcome.failure.retry_after = seconds(60);
  EXPECT_GE(decided(work, outcome).due_in, seconds(60));
}

TEST(DecideVerify, AModelThatAnswersGoesLiveWhenTheAdministratorOrSomebodyWantsIt) {
  Policy by_hand;
  by_hand.auto_deploy = false;
  Work work = claimed(Kind::verify_model);
  Outcome answer;
  answer.delivery = Delivery::ok;
  EXPECT_TRUE(decided(work, answer).model.verified);
  EXPECT_TRUE(decided(work, answer).model.deploy);
  EXPECT_FALSE(decided(work, answer, by_hand).model.deploy);
  work.operation.argument = kDeployArgument;
  EXPECT_TRUE(decided(work, answer, by_hand).model.deploy);
}

TEST(DecideVerify, AModelThatWasReplacedInTheMeantimeDoesNotReturnByItself) {
  Work work = claimed(Kind::verify_model);
  work.model.status = "retired";
  Outcome answer;
  answer.delivery = Delivery::ok;
  EXPECT_FALSE(decided(work, answer).model.deploy);
}

}  // namespace
}  // namespace trainer::core

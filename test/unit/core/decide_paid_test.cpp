// What follows from a call that costs money: an upload, and one whose answer was lost. The other rules are in
// decide_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
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

// --- uploads ---

TEST(DecideUpload, RemembersTheFileAndGoesOnWithTheValidationFileWhereThereIsOne) {
  Work work = claimed(Kind::upload_training_file);
  work.model.has_validation = true;
  Decision decision = decided(work, fine(Kind::upload_training_file));
  EXPECT_EQ(decision.model.training_file_id, "file-new");
  EXPECT_EQ(decision.model.validation_file_id, std::nullopt);
  EXPECT_EQ(next_of(decision), "upload_validation_file");

  work = claimed(Kind::upload_validation_file);
  work.model.has_validation = true;
  decision = decided(work, fine(Kind::upload_validation_file));
  EXPECT_EQ(decision.model.training_file_id, std::nullopt);
  EXPECT_EQ(decision.model.validation_file_id, "file-new");
  EXPECT_EQ(next_of(decision), "create_job");
}

TEST(DecideUpload, FurtherFilesOfTheSameTokenAreDeleted) {
  Outcome outcome = fine(Kind::upload_training_file);
  outcome.surplus_ids = {"file-x", "file-y"};
  EXPECT_EQ(next_of(decided(work_of(Kind::upload_training_file, State::checking), outcome)),
            "create_job delete_file(file-x) delete_file(file-y)");
}

TEST(DecideUpload, FurtherFilesAreDeletedToWhenTheUploadIsRefused) {
  Outcome outcome = failed_by(Delivery::rejected);
  outcome.surplus_ids = {"file-x"};
  EXPECT_EQ(next_of(decided(claimed(Kind::upload_validation_file), outcome)),
            "delete_file(file-t) delete_file(file-x)");
}

TEST(DecideUpload, FurtherFilesAreKeptWhileTheUploadIsStillInDoubt) {
  Outcome outcome = not_listed();
  outcome.surplus_ids = {"file-x"};
  const Decision decision = decided(work_of(Kind::upload_training_file, State::checking), outcome);
  EXPECT_EQ(decision.state, State::reconcile);
  EXPECT_EQ(next_of(decision), "");
}

// --- a paid call whose answer was lost ---

TEST(DecideDoubt, ALostAnswerIsLookedForAndNeverSentAgainBlindly) {
  for (const Kind kind : kPaid) {
    for (const int attempt : {1, 2, 1000}) {
      Work work = claimed(kind);
      work.operation.attempt = attempt;
      work.operation.since_sent = hours(3);
      EXPECT_EQ(decided(work, failed_by(Delivery::unknown)).state, State::reconcile);
    }
  }
}

TEST(DecideDoubt, AnEmptyListBeforeTheQuietPeriodIsNoAnswer) {
  for (const Kind kind : kPaid) {
    Work work = work_of(kind, State::checking);
    work.operation.misses = 50;
    work.operation.since_sent = kPolicy.quiet_period - milliseconds(1);
    const Decision decision = decided(work, not_listed());
    EXPECT_EQ(decision.state, State::reconcile);
    EXPECT_EQ(decision.misses, 51);
    EXPECT_EQ(decision.due_in, kPolicy.quiet_period / 3);
  }
}

TEST(DecideDoubt, OneOrTwoEmptyListsAreNoAnswerHoweverLate) {
  for (const Kind kind : kPaid) {
    for (const int misses : {0, 1}) {
      Work work = work_of(kind, State::checking);
      work.operation.misses = misses;
      work.operation.since_sent = hours(10);
      const Decision decision = decided(work, not_listed());
      EXPECT_EQ(decision.state, State::reconcile);
      EXPECT_EQ(decision.misses, misses + 1);
    }
  }
}

TEST(DecideDoubt, TheThirdEmptyListAfterTheQuietPeriodIsAnAnswer) {
  for (const Kind kind : kPaid) {
    Work work = work_of(kind, State::checking);
    work.operation.misses = 2;
    work.operation.since_sent = kPolicy.quiet_period;
    const Decision decision = decided(work, not_listed());
    EXPECT_EQ(decision.state, State::ready);
    EXPECT_EQ(decision.misses, 0);
    EXPECT_TRUE(decision.model.empty());
  }
}

TEST(DecideDoubt, WhatHasCertainlyNotArrivedInADayIsGivenUp) {
  for (const Kind kind : kPaid) {
    Work work = work_of(kind, State::checking);
    work.operation.misses = 2;
    work.operation.since_sent = kPolicy.quiet_period;
    work.operation.age = kGiveUpAfter;
    const Decision decision = decided(work, not_listed());
    EXPECT_EQ(decision.state, State::failed);
    EXPECT_EQ(decision.model.status, "failed");
    EXPECT_EQ(decision.model.error, Condition::provider_unavailable);
    EXPECT_EQ(decision.model.error_code, "no_answer");
    work.operation.misses = 1;
    EXPECT_EQ(decided(work, not_listed()).state, State::reconcile) << "not while it is in doubt";
  }
}

TEST(DecideDoubt, ALookThatFailsCountsForNothingAndChangesNothing) {
  for (const Kind kind : kPaid) {
    for (const Delivery delivery : {Delivery::not_sent, Delivery::rejected, Delivery::retry_later, Delivery::unknown}) {
      Work work = work_of(kind, State::checking);
      work.operation.misses = 2;
      work.operation.since_sent = hours(10);
      const Decision decision = decided(work, failed_by(delivery, "training_not_available"));
      EXPECT_EQ(decision.state, State::reconcile) << name(delivery);
      EXPECT_EQ(decision.misses, 2);
      EXPECT_TRUE(decision.model.empty());
    }
  }
}

TEST(DecideDoubt, AJobThatIsFoundIsAdopted) {
  const Decision decision = decided(work_of(Kind::create_job, State::checking), saw(remote_job("running")));
  EXPECT_EQ(decision.state, State::done);
  EXPECT_EQ(decision.model.provider_job_id, "ftjob-1");
  EXPECT_EQ(decision.model.status, "running");
  EXPECT_EQ(notices_of(decision), "training_started training_submitted");
}

TEST(DecideDoubt, TheEndOfAJobThatIsFoundIsLeftToThePoll) {
  for (const char* status : {"succeeded", "failed", "cancelled"}) {
    const Decision decision = decided(work_of(Kind::create_job, State::checking), saw(remote_job(status)));
    EXPECT_EQ(decision.state, State::done);
    EXPECT_EQ(decision.model.provider_job_id, "ftjob-1");
    EXPECT_EQ(decision.model.status, std::nullopt) << status;
    EXPECT_EQ(decision.next.front().kind, Kind::poll_job);
    EXPECT_EQ(decision.next.front().due_in, milliseconds(0));
  }
}

TEST(DecideDoubt, DuplicatesAreSweptAfterTheQuietPeriod) {
  const Decision decision = decided(claimed(Kind::create_job), fine(Kind::create_job));
  ASSERT_EQ(decision.next.size(), 2U);
  EXPECT_EQ(decision.next[1].kind, Kind::sweep_duplicates);
  EXPECT_EQ(decision.next[1].argument, "7a6e0b54-0000-4000-8000-000000000001");
  EXPECT_EQ(decision.next[1].due_in, kPolicy.quiet_period);
}

TEST(DecideSweep, EveryDuplicateThatWasCancelledIsTold) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.surplus_ids = {"ftjob-2", "ftjob-3"};
  const Decision decision = decided(claimed(Kind::sweep_duplicates), outcome);
  EXPECT_EQ(notices_of(decision), "duplicate_cancelled duplicate_cancelled");
  EXPECT_EQ(decision.notices[1].detail.front().second, "ftjob-3");
}

TEST(DecideSweep, GoesOnLessAndLessOftenWhileTheTrainingDoes) {
  Work work = claimed(Kind::sweep_duplicates);
  for (const auto& [answered, pause] :
       {std::pair(0, kPolicy.quiet_period * 2), std::pair(1, kPolicy.quiet_period * 4)}) {
    work.operation.misses = answered;
    EXPECT_EQ(decided(work, fine(Kind::sweep_duplicates)).state, State::ready);
    EXPECT_EQ(decided(work, fine(Kind::sweep_duplicates)).due_in, pause);
  }
  work.operation.misses = 40;
  EXPECT_EQ(decided(work, fine(Kind::sweep_duplicates)).due_in, hours(1));
}

TEST(DecideSweep, EndsAfterTheTrainingAndNotBeforeTheThirdLookThatIsAnswered) {
  Work work = claimed(Kind::sweep_duplicates);
  work.model.status = "deployed";
  work.operation.attempt = 100;
  for (const auto& outcome : {fine(Kind::sweep_duplicates), fine(Kind::sweep_duplicates), failed_by(Delivery::unknown),
                              fine(Kind::sweep_duplicates), fine(Kind::sweep_duplicates)}) {
    const Decision decision = decided(work, outcome);
    EXPECT_EQ(decision.state, State::ready);
    work.operation.misses = decision.misses;
  }
  EXPECT_EQ(decided(work, fine(Kind::sweep_duplicates)).state, State::done);
}

TEST(DecideSweep, GoesOnHoweverLongTheProviderCannotBeAsked) {
  Work work = claimed(Kind::sweep_duplicates);
  work.operation.age = kGiveUpAfter * 3;
  for (int look = 0; look < 200; ++look) {
    const Decision decision = decided(work, failed_by(look % 2 == 0 ? Delivery::unknown : Delivery::not_sent));
    ASSERT_EQ(decision.state, State::ready) << look;
    work.operation.misses = decision.misses;
  }
  EXPECT_EQ(decided(work, failed_by(Delivery::rejected)).state, State::ready) << "nor for the first refusal after it";
}

TEST(DecideSweep, EndsWhenTheProviderRefusesForHoursAndNotBefore) {
  Work work = claimed(Kind::sweep_duplicates);
  for (int look = 0; look < kRefusedPolls; ++look) {
    const Decision decision = decided(work, failed_by(Delivery::rejected));
    ASSERT_EQ(decision.state, State::ready) << look;
    work.operation.misses = decision.misses;
  }
  EXPECT_EQ(notices_of(decided(work, failed_by(Delivery::rejected))), "operation_failed");
  work.operation.misses = decided(work, fine(Kind::sweep_duplicates)).misses;
  EXPECT_EQ(decided(work, failed_by(Delivery::rejected)).state, State::ready) << "an answer makes up for it";
}

TEST(DecideSweep, FollowsACreationThatEndsWithoutAJobAfterItWasInDoubt) {
  Work cancelled = work_of(Kind::create_job, State::checking);
  cancelled.operation.misses = 2;
  cancelled.operation.since_sent = kPolicy.quiet_period;
  cancelled.model.cancel_requested = true;
  EXPECT_THAT(next_of(decided(cancelled, not_listed())), testing::HasSubstr(kToken));

  Work refused = claimed(Kind::create_job);
  refused.operation.attempt = 2;
  EXPECT_THAT(next_of(decided(refused, failed_by(Delivery::rejected))), testing::HasSubstr(kToken));
  refused.model.cancel_requested = true;
  EXPECT_THAT(next_of(decide_before_call(refused, kPolicy).value()), testing::HasSubstr(kToken));

  refused.operation.attempt = 1;
  refused.model.cancel_requested = false;
  EXPECT_THAT(next_of(decided(refused, failed_by(Delivery::rejected))), testing::Not(testing::HasSubstr("sweep")));
}

}  // namespace
}  // namespace trainer::core

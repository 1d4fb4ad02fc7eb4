// Several jobs with one token: which of them is the model's, and what becomes of the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calls_fixture.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::OperationKind;
using core::OperationState;
using core::Work;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Work sweep() {
  Work work = work_of(OperationKind::sweep_duplicates);
  work.operation.id = "another-operation";
  work.operation.argument = kToken;
  work.model.job_token = kToken;
  work.model.status = "running";
  return work;
}

// The model's own job is the oldest.
std::string own_job(const std::string& status = "running") {
  return job("ftjob-1", status, kToken, "50");
}

TEST(SweepCall, CancelsEveryLiveDuplicateAndNothingElse) {
  Chain c = chain(sweep());
  EXPECT_EQ(c.request().path, kList);
  c.reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-f", "running", "foreign"), job("ftjob-3", "succeeded")},
                       "true"));
  c.reply(200, list_of({job("ftjob-2"), job("ftjob-4", "running")}));
  EXPECT_EQ(c.request().method, Method::post);
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-4/cancel");
  c.reply(200, job("ftjob-4", "cancelled"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  c.reply(200, job("ftjob-2", "cancelled"));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("ftjob-4", "ftjob-2"));
}

TEST(SweepCall, NothingToDoIsDone) {
  EXPECT_EQ(chain(sweep()).reply(200, list_of({})).outcome().delivery, Delivery::ok);
  EXPECT_EQ(chain(sweep()).reply(200, list_of({job("ftjob-1", "running")})).outcome().delivery, Delivery::ok);
}

TEST(SweepCall, ADuplicateThatIsOverIsNoMatter) {
  const auto refused = [] {
    return chain(sweep()).reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-3")})).reply(400, "");
  };
  Chain over = refused();
  EXPECT_EQ(over.request().path, "/fine_tuning/jobs/ftjob-3");
  over.reply(200, job("ftjob-3", "succeeded"));
  EXPECT_EQ(over.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  over.reply(200, job("ftjob-2", "cancelled"));
  EXPECT_THAT(over.outcome().surplus_ids, ElementsAre("ftjob-2"));
  Chain gone = refused();
  gone.reply(404, "");
  EXPECT_EQ(gone.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  Chain live = refused();
  EXPECT_EQ(live.reply(200, job("ftjob-3", "running")).outcome().delivery, Delivery::rejected);
  Chain unseen = refused();
  EXPECT_EQ(unseen.reply(lost()).outcome().delivery, Delivery::unknown);
}

TEST(SweepCall, FailuresAreReportedWithWhatWasDone) {
  for (const HttpReply& reply : failures()) {
    EXPECT_NE(chain(sweep()).reply(reply).outcome().delivery, Delivery::ok) << reply.status << reply.body;
  }
  Chain c = chain(sweep());
  c.reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-3")}))
      .reply(200, job("ftjob-3", "cancelled"))
      .reply(lost());
  EXPECT_EQ(c.outcome().delivery, Delivery::unknown);
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("ftjob-3"));
}

TEST(SweepCall, WithoutAnAdoptedJobEveryLiveOneIsCancelled) {
  Work work = sweep();
  work.model.provider_job_id = "";
  Chain c = chain(work);
  EXPECT_EQ(c.request().path, kList);
  c.reply(200, list_of({job("ftjob-1", "running"), job("ftjob-2", "succeeded"), job("ftjob-3", "paused"),
                        job("ftjob-4", "cancelled"), job("ftjob-f", "running", "foreign"), untagged_job("ftjob-u"),
                        job("no/good", "running")}));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-3/cancel");
  c.reply(200, job("ftjob-3", "cancelled"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/cancel");
  c.reply(200, job("ftjob-1", "cancelled"));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("ftjob-3", "ftjob-1"));

  Chain none = chain(work);
  none.reply(200, list_of({job("ftjob-2", "succeeded")}));
  EXPECT_EQ(none.outcome().delivery, Delivery::ok);
  EXPECT_THAT(none.outcome().surplus_ids, IsEmpty());
}

TEST(SweepCall, WithoutAUsableTokenOrWithAnUnusableAdoptedJobNothingIsSent) {
  for (const char* token : {"", "a/b"}) {
    for (const char* adopted : {"", "ftjob-1"}) {
      Work work = sweep();
      work.model.provider_job_id = adopted;
      work.operation.argument = token;
      EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work") << token << adopted;
    }
  }
  Work work = sweep();
  work.model.provider_job_id = "a/b";
  EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work");
}

TEST(SweepCall, AnOlderJobIsAskedForAndAdoptedBeforeAnythingIsCancelled) {
  Chain c = chain(sweep());
  c.reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-0", "running", kToken, "40"),
                        job("ftjob-9", "running", kToken, "30"), job("ftjob-8", "cancelled", kToken, "20"),
                        job("ftjob-7", "failed", kToken, "20")}));
  EXPECT_EQ(c.request().method, Method::get);
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-9") << "the oldest first";
  c.reply(200, job("ftjob-9", "cancelled", kToken, "30"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-0") << "the list was out of date";
  c.reply(200, job("ftjob-0", "running", kToken, "40"));
  ASSERT_TRUE(c.outcome().job);
  EXPECT_EQ(c.outcome().job->id, "ftjob-0");
  EXPECT_THAT(c.outcome().surplus_ids, IsEmpty());
}

TEST(SweepCall, OlderJobsThatAreOfNoUseLeaveTheModelItsOwn) {
  Chain c = chain(sweep());
  c.reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-0", "running", kToken, "40")}));
  c.reply(404, error_body(""));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  c.reply(200, job("ftjob-2", "cancelled"));
  EXPECT_FALSE(c.outcome().job);
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("ftjob-2"));
  Chain unseen = chain(sweep());
  unseen.reply(200, list_of({own_job(), job("ftjob-2"), job("ftjob-0", "running", kToken, "40")})).reply(lost());
  EXPECT_EQ(unseen.outcome().delivery, Delivery::unknown);
}

TEST(SweepCall, AnOlderJobThatHasSucceededIsAdoptedToo) {
  Chain c = chain(sweep());
  c.reply(200, list_of({own_job(), job("ftjob-0", "succeeded", kToken, "40")}));
  c.reply(200, job("ftjob-0", "succeeded", kToken, "40"));
  ASSERT_TRUE(c.outcome().job);
  EXPECT_EQ(c.outcome().job->id, "ftjob-0");
}

TEST(SweepCall, OfJobsOfTheSameSecondTheIdDecidesOnBothSides) {
  const std::string both = list_of({job("ftjob-2", "running"), job("ftjob-1", "running")});
  Chain first = chain(sweep());
  first.reply(200, both);
  EXPECT_EQ(first.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  Work work = sweep();
  work.model.provider_job_id = "ftjob-2";
  Chain second = chain(work);
  second.reply(200, both);
  EXPECT_EQ(second.request().path, "/fine_tuning/jobs/ftjob-1");
  EXPECT_EQ(second.reply(200, job("ftjob-1", "running")).outcome().job->id, "ftjob-1");
}

TEST(SweepCall, AListThatHidesTheModelsJobDoesNotTellHowOldItIs) {
  const auto hidden = [] { return chain(sweep()).reply(200, list_of({job("ftjob-2")})); };
  Chain older = hidden();
  EXPECT_EQ(older.request().method, Method::get);
  EXPECT_EQ(older.request().path, "/fine_tuning/jobs/ftjob-1");
  EXPECT_EQ(older.reply(200, own_job()).request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  Chain younger = hidden();
  EXPECT_EQ(younger.reply(200, job("ftjob-1", "running", kToken, "500")).request().path, "/fine_tuning/jobs/ftjob-2");
  EXPECT_EQ(hidden().reply(lost()).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(hidden().reply(404, error_body("")).outcome().delivery, Delivery::ok);
}

TEST(SweepCall, AModelsOwnJobThatHasSucceededStaysItsOwn) {
  for (const char* status : {"running", "evaluating", "deployed", "retired"}) {
    Work work = sweep();
    work.model.status = status;
    Chain c = chain(work);
    c.reply(200, list_of({own_job("succeeded"), job("ftjob-0", "running", kToken, "40")}));
    EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-0/cancel") << status;
    c.reply(200, job("ftjob-0", "cancelled"));
    EXPECT_FALSE(c.outcome().job) << status;
  }
}

TEST(SweepCall, WhatFollowsAnEndThatIsNotYetKnownIsThePollsToSay) {
  for (const char* status : {"failed", "cancelled"}) {
    Chain c = chain(sweep());
    c.reply(200, list_of({own_job(status), job("ftjob-2"), job("ftjob-0", "running", kToken, "40")}));
    EXPECT_EQ(c.outcome().delivery, Delivery::ok) << status;
    EXPECT_FALSE(c.outcome().job) << status;
    EXPECT_THAT(c.outcome().surplus_ids, IsEmpty()) << status;
  }
}

TEST(SweepCall, OfATrainingThatWasCalledOffNothingGoesOn) {
  const std::string jobs = list_of({own_job("cancelled"), job("ftjob-0", "running", kToken, "40")});
  for (const char* status : {"running", "cancelled", "failed"}) {
    Work work = sweep();
    work.model.status = status;
    work.model.cancel_requested = std::string_view(status) != "failed";
    EXPECT_EQ(chain(work).reply(200, jobs).request().path, "/fine_tuning/jobs/ftjob-0/cancel") << status;
  }
  Work another = sweep();
  another.model.job_token = "0a9e6679-7425-40de-944b-e07fc1f90ae7";
  EXPECT_EQ(chain(another).reply(200, jobs).request().path, "/fine_tuning/jobs/ftjob-0/cancel") << "it was tried again";
}

TEST(SweepCall, WhoeverCancelledAModelsJobElsewhereMayHaveAnOlderOne) {
  Work work = sweep();
  work.model.status = "cancelled";
  Chain c = chain(work);
  c.reply(200, list_of({own_job("cancelled"), job("ftjob-2"), job("ftjob-0", "running", kToken, "40")}));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-2/cancel");
  c.reply(200, job("ftjob-2", "cancelled"));
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("ftjob-2"));
}

Work cancelled_poll() {
  Work work = work_of(OperationKind::poll_job, OperationState::ready);
  work.model.job_token = kToken;
  return work;
}

TEST(PollCall, AJobThatNobodyHereHasCancelledMayHaveBeenOneTooMany) {
  Chain c = chain(cancelled_poll());
  c.reply(200, job("ftjob-1", "cancelled"));
  EXPECT_EQ(c.request().path, kList);
  c.reply(200, list_of({job("ftjob-1"), job("ftjob-3"), job("ftjob-2"), job("ftjob-f", "running", "foreign")}));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-2") << "its own, as the list shows it, is none";
  c.reply(200, job("ftjob-2", "failed"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-3");
  c.reply(200, job("ftjob-3", "running"));
  ASSERT_TRUE(c.outcome().job);
  EXPECT_EQ(c.outcome().job->id, "ftjob-3");
}

TEST(PollCall, AJobThatIsAloneIsCancelledAndAFailedLookSaysNothing) {
  const auto listing = [] { return chain(cancelled_poll()).reply(200, job("ftjob-1", "cancelled")); };
  Chain alone = listing();
  alone.reply(200, list_of({job("ftjob-1", "cancelled")})).reply(200, list_of({event(1)}));
  EXPECT_EQ(alone.outcome().job->id, "ftjob-1");
  EXPECT_EQ(alone.outcome().job->status, "cancelled");
  EXPECT_THAT(ids(alone.outcome().events), ElementsAre("1"));
  for (const HttpReply& reply : failures()) EXPECT_NE(listing().reply(reply).outcome().delivery, Delivery::ok);
  EXPECT_EQ(listing().reply(200, list_of({job("ftjob-2")})).reply(lost()).outcome().delivery, Delivery::unknown);
}

TEST(PollCall, AJobThatWasCancelledOnRequestIsNotLookedForElsewhere) {
  Work work = cancelled_poll();
  work.model.cancel_requested = true;
  EXPECT_EQ(chain(work).reply(200, job("ftjob-1", "cancelled")).request().path,
            "/fine_tuning/jobs/ftjob-1/events?limit=100");
}

}  // namespace
}  // namespace trainer::provider

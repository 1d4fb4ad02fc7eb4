// The chain of the calls that may be repeated: what each asks, in which order, and what each reply leads to.
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Following a job

TEST(PollCall, BeforeTheStartTheJobIsAll) {
  for (const char* status : {"validating_files", "queued", "pending"}) {
    Chain c = chain(work_of(OperationKind::poll_job));
    EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1");
    c.reply(200, job("ftjob-1", status));
    EXPECT_EQ(c.outcome().job->status, status);
  }
}

TEST(PollCall, EventsAreReadUpToTheKnownOne) {
  Work work = work_of(OperationKind::poll_job);
  work.model.last_event_id = "ftevent-2";
  Chain c = chain(work);
  c.reply(200, job("ftjob-1", "running"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/events?limit=100");
  c.reply(200, list_of({event(6), event(5)}, "true"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/events?limit=100&after=ftevent-5");
  c.reply(200, list_of({event(5), event(4), event(3), event(2), event(1)}, "true"));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_EQ(c.outcome().job->status, "running");
  EXPECT_THAT(ids(c.outcome().events), ElementsAre("3", "4", "5", "6"));
}

TEST(PollCall, EveryOtherStatusHasEvents) {
  for (const char* status : {"running", "succeeded", "failed", "cancelled", "paused", "pausing", "new in 2028"}) {
    Chain c = chain(work_of(OperationKind::poll_job));
    c.reply(200, job("ftjob-1", status)).reply(200, list_of({event(1)}));
    EXPECT_EQ(c.outcome().job->status, status);
    EXPECT_THAT(ids(c.outcome().events), ElementsAre("1"));
  }
}

TEST(PollCall, EventsThatFailDoNotSpoilTheJob) {
  for (const HttpReply& reply : failures()) {
    Chain c = chain(work_of(OperationKind::poll_job));
    c.reply(200, job("ftjob-1", "succeeded")).reply(reply);
    EXPECT_EQ(c.outcome().delivery, Delivery::ok) << reply.status << reply.body;
    EXPECT_EQ(c.outcome().job->status, "succeeded");
    EXPECT_THAT(c.outcome().events, IsEmpty());

    Chain second = chain(work_of(OperationKind::poll_job));
    second.reply(200, job("ftjob-1", "running")).reply(200, list_of({event(9)}, "true")).reply(reply);
    EXPECT_THAT(second.outcome().events, IsEmpty()) << "no gap may be left behind";
  }
}

TEST(PollCall, EventPagesAreBounded) {
  Chain c = chain(work_of(OperationKind::poll_job));
  c.reply(200, job("ftjob-1", "running"));
  int pages = 0;
  while (!c.is_done() && pages < 1000) c.reply(200, list_of({event(10'000 - pages++)}, "true"));
  EXPECT_EQ(pages, 50);
  EXPECT_EQ(c.outcome().events.size(), 50u);
  Chain loop = chain(work_of(OperationKind::poll_job));
  loop.reply(200, job("ftjob-1", "running"));
  loop.reply(200, list_of({event(2), event(1)}, "true")).reply(200, list_of({event(2), event(1)}, "true"));
  EXPECT_THAT(ids(loop.outcome().events), ElementsAre("1", "2"));
}

TEST(PollCall, AnotherJobOrNoneIsUnknown) {
  EXPECT_EQ(chain(work_of(OperationKind::poll_job)).reply(200, job("ftjob-2")).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work_of(OperationKind::poll_job)).reply(200, "<html>").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work_of(OperationKind::poll_job)).reply(404, "").outcome().delivery, Delivery::rejected);
  EXPECT_EQ(chain(work_of(OperationKind::poll_job)).reply(unreachable()).outcome().delivery, Delivery::not_sent);
}

TEST(FetchCall, CollectsEventsCheckpointsAndTheResultFile) {
  Work work = work_of(OperationKind::fetch_result);
  work.model.result_files = {"file-r", "file-s"};
  work.model.last_event_id = "ftevent-1";
  Chain c = chain(work);
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/events?limit=100");
  c.reply(200, list_of({event(3), event(2), event(1)}));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/checkpoints?limit=100");
  const auto checkpoint = [](int n) {
    const std::string number = std::to_string(n);
    return R"({"id":"ftckpt_)" + number + R"(","step_number":)" + number + "}";
  };
  c.reply(200, list_of({checkpoint(3), checkpoint(2)}, "true"));
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs/ftjob-1/checkpoints?limit=100&after=ftckpt_2");
  c.reply(200, list_of({checkpoint(2), checkpoint(1)}));
  EXPECT_EQ(c.request().path, "/files/file-r/content");
  c.reply(200, "step,train_loss\n1,0.5\n");
  const core::Outcome outcome = c.outcome();
  EXPECT_EQ(outcome.delivery, Delivery::ok);
  EXPECT_THAT(ids(outcome.events), ElementsAre("2", "3"));
  EXPECT_EQ(outcome.checkpoints.size(), 3u);
  ASSERT_EQ(outcome.result.size(), 1u);
  EXPECT_EQ(outcome.result[0].train_loss, 0.5);
}

TEST(FetchCall, WithoutAResultFileTheRestIsAll) {
  Chain c = chain(work_of(OperationKind::fetch_result));
  c.reply(200, list_of({})).reply(200, list_of({}));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
}

TEST(FetchCall, WhatIsRefusedIsDoneWithout) {
  Work work = work_of(OperationKind::fetch_result);
  work.model.result_files = {"file-r"};
  Chain c = chain(work);
  c.reply(404, "").reply(403, "").reply(404, "");
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  Chain other = chain(work);
  other.reply(200, list_of({event(1)})).reply(404, "").reply(200, "not a result file");
  EXPECT_EQ(other.outcome().delivery, Delivery::ok);
  EXPECT_THAT(ids(other.outcome().events), ElementsAre("1"));
}

TEST(FetchCall, WhatMayComeLaterIsFetchedLater) {
  Work work = work_of(OperationKind::fetch_result);
  work.model.result_files = {"file-r"};
  EXPECT_EQ(chain(work).reply(lost()).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(200, "<html>").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(200, list_of({})).reply(429, "").outcome().delivery, Delivery::retry_later);
  EXPECT_EQ(chain(work).reply(200, list_of({})).reply(200, "null").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(200, list_of({})).reply(200, list_of({})).reply(unreachable()).outcome().delivery,
            Delivery::not_sent);
}

// Verifying

std::string model_named(const std::string& id) {
  return R"({"object":"model","id":")" + id + "\"}";
}

constexpr const char* kCompletion =
    R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."}}]})";

TEST(VerifyCall, TheModelExistsAndAnswers) {
  Chain c = chain(work_of(OperationKind::verify_model));
  EXPECT_EQ(c.request().path, "/models/ft:gpt-4o:org:s:id");
  c.reply(200, model_named("ft:gpt-4o:org:s:id"));
  EXPECT_EQ(c.request().path, "/chat/completions");
  EXPECT_EQ(c.request().json, short_completion_request("ft:gpt-4o:org:s:id", TokenLimit::max_completion_tokens));
  c.reply(200, kCompletion);
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
}

TEST(VerifyCall, ReservedBytesOfANameAreEscaped) {
  Work work = work_of(OperationKind::verify_model);
  work.model.fine_tuned_model_id = "org/model@v+1";
  EXPECT_EQ(chain(work).request().path, "/models/org%2Fmodel%40v%2B1");
  for (const char* bad : {"", "..", "a b", "a?b", "a\nb"}) {
    work.model.fine_tuned_model_id = bad;
    EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work") << bad;
  }
}

TEST(VerifyCall, AModelThatIsNotThereOrDoesNotAnswerIsNotVerified) {
  const auto verify = [] { return chain(work_of(OperationKind::verify_model)); };
  EXPECT_EQ(verify().reply(404, error_body("model_not_found")).outcome().delivery, Delivery::rejected);
  EXPECT_EQ(verify().reply(404, error_body("model_not_found")).outcome().failure.code, "model_not_found");
  EXPECT_EQ(verify().reply(200, model_named("another")).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(verify().reply(200, "<html>").outcome().delivery, Delivery::unknown);
  const auto found = [&] { return verify().reply(200, model_named("ft:gpt-4o:org:s:id")); };
  EXPECT_EQ(found().reply(404, error_body("model_not_found")).outcome().delivery, Delivery::rejected);
  EXPECT_EQ(found().reply(500, "").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(found().reply(lost()).outcome().delivery, Delivery::unknown);
  for (const char* body : {"{}", "", R"({"choices":[]})", R"({"choices":[{"message":null}]})"}) {
    EXPECT_EQ(found().reply(200, body).outcome().delivery, Delivery::unknown) << body;
  }
}

TEST(VerifyCall, FallsBackToTheOldNameOfTheLimitOnce) {
  const std::string unsupported =
      R"({"error":{"message":"Unsupported parameter: 'max_completion_tokens'","param":"max_completion_tokens",)"
      R"("type":"invalid_request_error","code":"unsupported_parameter"}})";
  const auto found = [] {
    return chain(work_of(OperationKind::verify_model)).reply(200, model_named("ft:gpt-4o:org:s:id"));
  };
  for (const std::string& body : {unsupported, error_body("unknown_parameter", "max_completion_tokens"),
                                  error_body("", "Unrecognized request argument supplied: max_completion_tokens")}) {
    Chain c = found().reply(400, body);
    EXPECT_EQ(c.request().json, short_completion_request("ft:gpt-4o:org:s:id", TokenLimit::max_tokens)) << body;
    EXPECT_EQ(Chain(std::move(c)).reply(200, kCompletion).outcome().delivery, Delivery::ok);
  }
  EXPECT_EQ(found().reply(400, unsupported).reply(400, unsupported).outcome().delivery, Delivery::rejected);
  EXPECT_EQ(found().reply(400, error_body("", "max_completion_tokens is too small")).outcome().delivery,
            Delivery::rejected);
  EXPECT_EQ(found().reply(400, error_body("")).outcome().delivery, Delivery::rejected);
}

TEST(ProbeCall, TheProviderIsThereAndTakesTheKey) {
  EXPECT_EQ(Chain(make_probe()).request().path, "/models");
  EXPECT_EQ(Chain(make_probe()).reply(200, list_of({})).outcome().delivery, Delivery::ok);
  EXPECT_EQ(Chain(make_probe()).reply(200, "<html>").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(Chain(make_probe()).reply(401, error_body("invalid_api_key")).outcome().delivery, Delivery::retry_later);
  EXPECT_EQ(Chain(make_probe()).reply(unreachable()).outcome().delivery, Delivery::not_sent);
}

// Control

TEST(ControlCall, PostsTheVerb) {
  const std::pair<OperationKind, const char*> verbs[] = {{OperationKind::cancel_job, "cancel"},
                                                         {OperationKind::pause_job, "pause"},
                                                         {OperationKind::resume_job, "resume"}};
  for (const auto& [kind, verb] : verbs) {
    Chain c = chain(work_of(kind));
    EXPECT_EQ(c.request().method, Method::post);
    EXPECT_EQ(c.request().path, std::string("/fine_tuning/jobs/ftjob-1/") + verb);
    EXPECT_EQ(c.request().json, "");
    EXPECT_FALSE(c.request().once);
    EXPECT_EQ(c.reply(200, job("ftjob-1", "whatever")).outcome().job->status, "whatever");
  }
}

TEST(ControlCall, ARefusalIsJudgedByTheJob) {
  struct Case {
    OperationKind kind;
    const char* status;
    Delivery delivery;
  };
  const Case cases[] = {
      {OperationKind::cancel_job, "succeeded", Delivery::ok},
      {OperationKind::cancel_job, "cancelled", Delivery::ok},
      {OperationKind::cancel_job, "running", Delivery::rejected},
      {OperationKind::pause_job, "paused", Delivery::ok},
      {OperationKind::pause_job, "pausing", Delivery::ok},
      {OperationKind::pause_job, "failed", Delivery::ok},
      {OperationKind::pause_job, "queued", Delivery::rejected},
      {OperationKind::resume_job, "running", Delivery::ok},
      {OperationKind::resume_job, "cancelled", Delivery::ok},
      {OperationKind::resume_job, "paused", Delivery::rejected},
  };
  for (const Case& c : cases) {
    Chain call = chain(work_of(c.kind));
    call.reply(400, error_body("wrong_state"));
    EXPECT_EQ(call.request().method, Method::get);
    EXPECT_EQ(call.request().path, "/fine_tuning/jobs/ftjob-1");
    call.reply(200, job("ftjob-1", c.status));
    EXPECT_EQ(call.outcome().delivery, c.delivery) << name(c.kind) << ' ' << c.status;
    ASSERT_TRUE(call.outcome().job);
    EXPECT_EQ(call.outcome().job->status, c.status);
    EXPECT_EQ(call.outcome().failure.code, c.delivery == Delivery::ok ? "" : "wrong_state");
  }
}

TEST(ControlCall, AConflictIsLookedAtToo) {
  Chain c = chain(work_of(OperationKind::cancel_job));
  EXPECT_EQ(c.reply(409, "").reply(200, job("ftjob-1", "cancelled")).outcome().delivery, Delivery::ok);
  Chain live = chain(work_of(OperationKind::cancel_job));
  EXPECT_EQ(live.reply(409, "").reply(200, job("ftjob-1", "running")).outcome().delivery, Delivery::unknown);
}

TEST(ControlCall, OtherFailuresAreClassified) {
  const auto cancel = [] { return chain(work_of(OperationKind::cancel_job)); };
  EXPECT_EQ(cancel().reply(lost()).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(cancel().reply(429, "").outcome().delivery, Delivery::retry_later);
  EXPECT_EQ(cancel().reply(401, "").outcome().delivery, Delivery::retry_later);
  EXPECT_EQ(cancel().reply(200, job("ftjob-2")).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(cancel().reply(404, "").reply(404, "").outcome().delivery, Delivery::rejected);
  EXPECT_EQ(cancel().reply(400, "").reply(lost()).outcome().delivery, Delivery::unknown);
}

TEST(DeleteCall, GoneIsGone) {
  Work work = work_of(OperationKind::delete_file);
  work.operation.argument = "file-1";
  Chain c = chain(work);
  EXPECT_EQ(c.request().method, Method::del);
  EXPECT_EQ(c.request().path, "/files/file-1");
  EXPECT_EQ(c.reply(200, R"({"id":"file-1","object":"file","deleted":true})").outcome().delivery, Delivery::ok);
  EXPECT_EQ(chain(work).reply(404, error_body("")).outcome().delivery, Delivery::ok);
  EXPECT_EQ(chain(work).reply(404, error_body("")).outcome().failure.code, "");
  EXPECT_EQ(chain(work).reply(204, "").outcome().delivery, Delivery::ok);
  EXPECT_EQ(chain(work).reply(200, R"({"deleted":false})").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(200, "<html>").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(lost()).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(403, "").outcome().delivery, Delivery::rejected);
}

TEST(DeleteCall, TakesAModelByItsNameAndNoOther) {
  Work work = work_of(OperationKind::delete_model);
  work.operation.argument = "ft:gpt-4o:org:s:id:ckpt-step-9";
  Chain c = chain(work);
  EXPECT_EQ(c.request().method, Method::del);
  EXPECT_EQ(c.request().path, "/models/ft:gpt-4o:org:s:id:ckpt-step-9");
  EXPECT_EQ(c.reply(200, R"({"id":"ft:gpt-4o:org:s:id","object":"model","deleted":true})").outcome().delivery,
            Delivery::ok);
  EXPECT_EQ(chain(work).reply(404, error_body("model_not_found")).outcome().delivery, Delivery::ok);
  EXPECT_EQ(chain(work).reply(200, R"({"deleted":false})").outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(lost()).outcome().delivery, Delivery::unknown);
  EXPECT_EQ(chain(work).reply(429, "").outcome().delivery, Delivery::retry_later);
  // It takes a key of the organization's owner.
  EXPECT_EQ(chain(work).reply(403, error_body("insufficient_permissions")).outcome().delivery, Delivery::rejected);
  work.operation.argument = "a/b";
  EXPECT_EQ(chain(work).request().path, "/models/a%2Fb");
  for (const char* name : {"", "a?b", "a b"}) {
    work.operation.argument = name;
    EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work") << name;
  }
}

TEST(AnyCall, WorkWithoutUsableIdsIsRefusedBeforeAnythingIsSent) {
  for (const OperationKind kind : {OperationKind::poll_job, OperationKind::fetch_result, OperationKind::cancel_job,
                                   OperationKind::pause_job, OperationKind::resume_job, OperationKind::delete_file}) {
    for (const char* id : {"", "../models", "a/b", "a?b", "a b"}) {
      Work work = work_of(kind);
      work.model.provider_job_id = id;
      work.operation.argument = id;
      EXPECT_EQ(chain(work).outcome().delivery, Delivery::rejected) << name(kind) << id;
      EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work");
    }
  }
  Work work = work_of(OperationKind::fetch_result);
  work.model.result_files = {"../x"};
  EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work");
  work.operation.kind = static_cast<OperationKind>(99);
  EXPECT_EQ(chain(work).outcome().failure.code, "invalid_work");
}

}  // namespace
}  // namespace trainer::provider

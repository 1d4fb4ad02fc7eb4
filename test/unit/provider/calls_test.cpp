// The chain of every call: what it asks, in which order, and what each reply leads to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chain.h"
#include "provider/wire.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::OperationKind;
using core::OperationState;
using core::Work;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kToken = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
constexpr const char* kFilename = "trainer-i-7c9e6679-0123456789ab.jsonl";

Work work_of(OperationKind kind, OperationState state = OperationState::sending, int attempt = 1) {
  Work work;
  work.operation.id = kToken;
  work.operation.kind = kind;
  work.operation.state = state;
  work.operation.attempt = attempt;
  work.installation = "inst";
  work.model.base_model = "gpt-4o-mini-2024-07-18";
  work.model.training_file_id = "file-t";
  work.model.provider_job_id = "ftjob-1";
  work.model.fine_tuned_model_id = "ft:gpt-4o:org:s:id";
  work.spool = {.fd = 5, .bytes = 100, .filename = kFilename};
  return work;
}

std::string list_of(const std::vector<std::string>& items, const std::string& has_more = "false") {
  std::string data;
  for (const std::string& item : items) data += (data.empty() ? "" : ",") + item;
  return R"({"object":"list","data":[)" + data + R"(],"has_more":)" + has_more + "}";
}

std::string job(const std::string& id, const std::string& status = "queued", const std::string& token = kToken,
                const std::string& created_at = "100") {
  return R"({"id":")" + id + R"(","object":"fine_tuning.job","status":")" + status + R"(","created_at":)" + created_at +
         R"(,"metadata":{"trainer_key":")" + token + R"("}})";
}

std::string untagged_job(const std::string& id) {
  return R"({"id":")" + id + R"(","object":"fine_tuning.job","status":"queued","metadata":null})";
}

std::string file(const std::string& id, const std::string& bytes = "100", const std::string& created_at = "100",
                 const std::string& name = kFilename) {
  return R"({"id":")" + id + R"(","object":"file","bytes":)" + bytes + R"(,"created_at":)" + created_at +
         R"(,"filename":")" + name + R"(","purpose":"fine-tune"})";
}

std::string event(int n) {
  const std::string number = std::to_string(n);
  return R"({"id":"ftevent-)" + number + R"(","message":")" + number + R"(","created_at":5})";
}

std::vector<std::string> ids(const std::vector<core::RemoteEvent>& events) {
  std::vector<std::string> result;
  for (const auto& e : events) result.push_back(e.message);
  return result;
}

const std::vector<HttpReply>& failures() {
  static const std::vector<HttpReply> all = {lost(),
                                             unreachable(),
                                             answered(500, ""),
                                             answered(503, ""),
                                             answered(302, ""),
                                             answered(401, error_body("invalid_api_key")),
                                             answered(403, error_body("training_not_available")),
                                             answered(429, error_body("rate_limit_exceeded")),
                                             answered(404, ""),
                                             answered(400, error_body("")),
                                             answered(200, ""),
                                             answered(200, "null"),
                                             answered(200, "[]"),
                                             answered(200, "{}"),
                                             answered(200, "<html></html>"),
                                             answered(200, R"({"object":"list","data":null})"),
                                             answered(200, R"({"object":"list","data":[)")};
  return all;
}

// Uploads

TEST(UploadCall, TheFirstAttemptSendsAtOnce) {
  Chain c = chain(work_of(OperationKind::upload_training_file));
  EXPECT_EQ(c.request().method, Method::post);
  EXPECT_EQ(c.request().path, "/files");
  EXPECT_TRUE(c.request().multipart);
  EXPECT_TRUE(c.request().once);
  EXPECT_THAT(c.request().form.fields, ElementsAre(std::pair<std::string, std::string>("purpose", "fine-tune")));
  EXPECT_EQ(c.request().form.file_field, "file");
  EXPECT_EQ(c.request().form.filename, kFilename);
  EXPECT_EQ(c.request().form.fd, 5);
  EXPECT_EQ(c.request().form.bytes, 100);
  c.reply(200, file("file-1"));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_EQ(c.outcome().remote_id, "file-1");
  EXPECT_FALSE(c.outcome().absent);
}

TEST(UploadCall, A201IsFineToo) {
  Chain c = chain(work_of(OperationKind::upload_validation_file));
  EXPECT_EQ(c.reply(201, file("file-1")).outcome().remote_id, "file-1");
}

TEST(UploadCall, AnotherFileInTheReplyIsUnknown) {
  for (const std::string& reply : {file("file-1", "99"), file("file-1", "100", "1", "other.jsonl"), file("a/b"),
                                   std::string("{}"), job("ftjob-1")}) {
    EXPECT_EQ(chain(work_of(OperationKind::upload_training_file)).reply(200, reply).outcome().delivery,
              Delivery::unknown)
        << reply;
  }
  // Some services count the bytes later.
  EXPECT_EQ(chain(work_of(OperationKind::upload_training_file)).reply(200, file("file-1", "0")).outcome().remote_id,
            "file-1");
}

TEST(UploadCall, FailuresAreClassified) {
  const auto delivery = [](const HttpReply& reply) {
    return chain(work_of(OperationKind::upload_training_file)).reply(reply).outcome().delivery;
  };
  EXPECT_EQ(delivery(lost()), Delivery::unknown);
  EXPECT_EQ(delivery(unreachable()), Delivery::not_sent);
  EXPECT_EQ(delivery(answered(413, "")), Delivery::rejected);
  EXPECT_EQ(delivery(answered(429, "")), Delivery::retry_later);
  EXPECT_EQ(delivery(answered(502, "")), Delivery::unknown);
}

TEST(UploadCall, ALaterAttemptLooksFirst) {
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::sending, 2));
  EXPECT_EQ(c.request().method, Method::get);
  EXPECT_EQ(c.request().path, "/files?purpose=fine-tune&order=desc&limit=1000");
  c.reply(200, list_of({file("file-x", "100", "1", "other.jsonl"), file("file-1")}));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_EQ(c.outcome().remote_id, "file-1");
}

TEST(UploadCall, ALaterAttemptSendsWhatIsNotThere) {
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::sending, 2));
  c.reply(200, list_of({file("file-x", "100", "1", "other.jsonl"), file("file-half", "50")}));
  EXPECT_EQ(c.request().method, Method::post);
  c.reply(200, file("file-new"));
  EXPECT_EQ(c.outcome().remote_id, "file-new");
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("file-half"));
}

TEST(UploadCall, CheckingNeverSends) {
  Work work = work_of(OperationKind::upload_training_file, OperationState::checking, 3);
  work.spool.fd = -1;
  Chain c = chain(work);
  EXPECT_EQ(c.request().method, Method::get);
  c.reply(200, list_of({}));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_TRUE(c.outcome().absent);
  EXPECT_EQ(c.outcome().remote_id, "");
}

TEST(UploadCall, TheOldestIsAdoptedAndTheOthersAreSurplus) {
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  c.reply(200, list_of({file("file-d", "100", "null"), file("file-c", "100", "30"), file("file-b", "100", "20"),
                        file("file-a", "7", "10"), file("file-b2", "100", "20")},
                       "true"));
  c.reply(200, list_of({file("file-b", "100", "20"), file("file-e", "\"?\"", "5")}));
  EXPECT_EQ(c.outcome().remote_id, "file-b");
  EXPECT_THAT(c.outcome().surplus_ids, ElementsAre("file-b2", "file-c", "file-d", "file-e", "file-a"));
}

TEST(UploadCall, AFailedLookNeverLeadsToAnUpload) {
  for (const HttpReply& reply : failures()) {
    Chain sending = chain(work_of(OperationKind::upload_training_file, OperationState::sending, 2));
    EXPECT_EQ(sending.reply(reply).outcome().delivery, Delivery::not_sent) << reply.status << reply.body;
    Chain checking = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
    EXPECT_EQ(checking.reply(reply).outcome().delivery, Delivery::unknown) << reply.status << reply.body;
    EXPECT_FALSE(checking.outcome().absent);
    EXPECT_NE(checking.outcome().failure.code, "");
  }
}

TEST(UploadCall, OurFileWithoutAnIdIsNoAbsence) {
  const std::string nameless = file("no/good");
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  EXPECT_EQ(c.reply(200, list_of({nameless})).outcome().delivery, Delivery::unknown);
}

TEST(UploadCall, PagesAreWalkedToTheirEndAndNoFurther) {
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  c.reply(200, list_of({file("file-9", "1", "1", "o")}, "true"));
  EXPECT_THAT(c.request().path, HasSubstr("&after=file-9"));
  c.reply(200, list_of({file("file-8", "1", "1", "o")}, "true"));
  EXPECT_THAT(c.request().path, HasSubstr("&after=file-8"));
  c.reply(200, list_of({}, "true"));
  EXPECT_TRUE(c.outcome().absent) << "behind the last page is an empty one";

  Chain loop = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  loop.reply(200, list_of({file("file-9", "1", "1", "o")}, "true"))
      .reply(200, list_of({file("file-9", "1", "1", "o")}, "true"));
  EXPECT_EQ(loop.outcome().delivery, Delivery::unknown) << "the server repeats itself: nothing is known";

  Chain endless = chain(work_of(OperationKind::upload_training_file, OperationState::sending, 2));
  int pages = 0;
  while (!endless.is_done()) {
    ASSERT_EQ(endless.request().method, Method::get);
    endless.reply(200, list_of({file("file-" + std::to_string(pages++), "1", "1", "o")}, "true"));
  }
  EXPECT_EQ(pages, 50);
  EXPECT_EQ(endless.outcome().delivery, Delivery::not_sent);
}

TEST(UploadCall, WhatWasFoundIsAdoptedEvenIfTheListDoesNotEnd) {
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  c.reply(200, list_of({file("file-1")}, "true")).reply(200, list_of({file("file-1")}, "true"));
  EXPECT_EQ(c.outcome().remote_id, "file-1");
  EXPECT_THAT(c.outcome().surplus_ids, IsEmpty());
}

TEST(UploadCall, RefusesWorkThatCannotBeSent) {
  const auto refused = [](auto change) {
    Work work = work_of(OperationKind::upload_training_file);
    change(work);
    const core::Outcome outcome = chain(work).outcome();
    return outcome.delivery == Delivery::rejected && outcome.failure.code == "invalid_work";
  };
  EXPECT_TRUE(refused([](Work& w) { w.spool.filename = ""; }));
  EXPECT_TRUE(refused([](Work& w) { w.spool.filename = "a\"\r\nb.jsonl"; }));
  EXPECT_TRUE(refused([](Work& w) { w.spool.filename = "a:b"; }));
  EXPECT_TRUE(refused([](Work& w) { w.spool.bytes = 0; }));
  EXPECT_TRUE(refused([](Work& w) { w.spool.fd = -1; }));
}

// Creation

const std::string kList = std::string("/fine_tuning/jobs?limit=100&metadata%5Btrainer_key%5D=") + kToken;

TEST(CreateCall, LooksBeforeItSends) {
  Chain c = chain(work_of(OperationKind::create_job));
  EXPECT_EQ(c.request().method, Method::get);
  EXPECT_EQ(c.request().path, kList);
  c.reply(200, list_of({}));
  EXPECT_EQ(c.request().method, Method::post);
  EXPECT_EQ(c.request().path, "/fine_tuning/jobs");
  EXPECT_TRUE(c.request().once);
  EXPECT_EQ(c.request().json, job_request(openai(), work_of(OperationKind::create_job)));
  EXPECT_THAT(c.request().json, HasSubstr(kToken));
  c.reply(200, job("ftjob-9"));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_EQ(c.outcome().job->id, "ftjob-9");
}

TEST(CreateCall, AdoptsTheOldestJobWithTheToken) {
  for (const OperationState state : {OperationState::sending, OperationState::checking}) {
    Chain c = chain(work_of(OperationKind::create_job, state));
    c.reply(200, list_of({job("ftjob-foreign", "running", "another token", "1"), job("ftjob-c", "queued", kToken, "30"),
                          job("ftjob-b", "failed", kToken, "20"), job("ftjob-b2", "queued", kToken, "20")}));
    EXPECT_EQ(c.outcome().delivery, Delivery::ok);
    EXPECT_EQ(c.outcome().job->id, "ftjob-b");
    EXPECT_FALSE(c.outcome().absent);
  }
}

TEST(CreateCall, AFilterThatIsIgnoredMisleadsNobody) {
  Chain c = chain(work_of(OperationKind::create_job));
  c.reply(200, list_of({job("ftjob-f", "running", "foreign"), untagged_job("ftjob-u")}, "true"));
  EXPECT_EQ(c.request().path, kList + "&after=ftjob-u");
  c.reply(200, list_of({job("ftjob-mine")}));
  EXPECT_EQ(c.outcome().job->id, "ftjob-mine");

  Chain none = chain(work_of(OperationKind::create_job));
  none.reply(200, list_of({job("ftjob-f", "running", "foreign")}));
  EXPECT_EQ(none.request().method, Method::post);
}

TEST(CreateCall, WithoutHasMoreAFullPageHasASuccessor) {
  std::vector<std::string> full;
  for (int i = 0; i < 100; ++i) full.push_back(job("ftjob-" + std::to_string(i), "queued", "foreign"));
  Chain c = chain(work_of(OperationKind::create_job));
  c.reply(200, list_of(full, "null"));
  EXPECT_EQ(c.request().path, kList + "&after=ftjob-99");
  c.reply(200, list_of({}, "null"));
  EXPECT_EQ(c.request().method, Method::post);
}

TEST(CreateCall, CheckingNeverSends) {
  Chain c = chain(work_of(OperationKind::create_job, OperationState::checking, 5));
  c.reply(200, list_of({}));
  EXPECT_EQ(c.outcome().delivery, Delivery::ok);
  EXPECT_TRUE(c.outcome().absent);
  EXPECT_FALSE(c.outcome().job);
}

TEST(CreateCall, AFailedLookNeverLeadsToAPost) {
  for (const HttpReply& reply : failures()) {
    Chain sending = chain(work_of(OperationKind::create_job));
    EXPECT_EQ(sending.reply(reply).outcome().delivery, Delivery::not_sent) << reply.status << reply.body;
    EXPECT_FALSE(sending.outcome().job);
    Chain checking = chain(work_of(OperationKind::create_job, OperationState::checking));
    EXPECT_EQ(checking.reply(reply).outcome().delivery, Delivery::unknown) << reply.status << reply.body;
    EXPECT_FALSE(checking.outcome().absent);
  }
  HttpReply wait = answered(429, error_body("rate_limit_exceeded"));
  wait.retry_after = {"30"};
  const core::Outcome outcome = chain(work_of(OperationKind::create_job)).reply(wait).outcome();
  EXPECT_EQ(outcome.failure.retry_after, std::chrono::seconds(30));
  EXPECT_EQ(outcome.failure.code, "rate_limit_exceeded");
  EXPECT_EQ(outcome.failure.http_status, 429);
}

TEST(CreateCall, AListThatDoesNotEndNeverLeadsToAPost) {
  const std::string page = list_of({job("ftjob-f", "running", "foreign")}, "true");
  EXPECT_EQ(chain(work_of(OperationKind::create_job)).reply(200, page).reply(200, page).outcome().delivery,
            Delivery::not_sent);
  EXPECT_EQ(chain(work_of(OperationKind::create_job)).reply(200, list_of({job("no/good")})).outcome().delivery,
            Delivery::not_sent);
  EXPECT_EQ(chain(work_of(OperationKind::create_job))
                .reply(200, list_of({job("no/good", "queued", "foreign")}, "true"))
                .outcome()
                .delivery,
            Delivery::not_sent)
      << "without an id there is no next page";
}

TEST(CreateCall, TheReplyToThePostDecides) {
  const auto posted = [](const HttpReply& reply) {
    return chain(work_of(OperationKind::create_job)).reply(200, list_of({})).reply(reply).outcome();
  };
  EXPECT_EQ(posted(lost()).delivery, Delivery::unknown);
  EXPECT_EQ(posted(unreachable()).delivery, Delivery::not_sent);
  EXPECT_EQ(posted(answered(500, "")).delivery, Delivery::unknown);
  EXPECT_EQ(posted(answered(403, error_body("training_not_available"))).delivery, Delivery::rejected);
  EXPECT_EQ(posted(answered(400, error_body("", "File file-t is not ready"))).delivery, Delivery::retry_later);
  EXPECT_EQ(posted(answered(429, error_body("insufficient_quota"))).delivery, Delivery::retry_later);
  EXPECT_EQ(posted(answered(200, list_of({}))).delivery, Delivery::unknown) << "what a redirected POST becomes";
  EXPECT_EQ(posted(answered(200, "{\"id\":\"ftj")).delivery, Delivery::unknown);
  EXPECT_EQ(posted(answered(200, job("ftjob-1", "queued", "foreign"))).delivery, Delivery::unknown);
  EXPECT_EQ(posted(answered(200, untagged_job("ftjob-1"))).job->id, "ftjob-1");
}

TEST(CreateCall, RefusesWorkThatCannotBeSent) {
  const auto refused = [](auto change) {
    Work work = work_of(OperationKind::create_job);
    change(work);
    return chain(work).outcome().failure.code == "invalid_work";
  };
  EXPECT_TRUE(refused([](Work& w) { w.operation.id = "a&b"; }));
  EXPECT_TRUE(refused([](Work& w) { w.model.base_model = ""; }));
  EXPECT_TRUE(refused([](Work& w) { w.model.training_file_id = ""; }));
  EXPECT_TRUE(refused([](Work& w) { w.model.has_validation = true; }));
}

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

Work sweep() {
  Work work = work_of(OperationKind::sweep_duplicates);
  work.operation.id = "another-operation";
  work.operation.argument = kToken;
  return work;
}

TEST(SweepCall, CancelsEveryLiveDuplicateAndNothingElse) {
  Chain c = chain(sweep());
  EXPECT_EQ(c.request().path, kList);
  c.reply(200,
          list_of({job("ftjob-1"), job("ftjob-2"), job("ftjob-f", "running", "foreign"), job("ftjob-3", "succeeded")},
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
    return chain(sweep()).reply(200, list_of({job("ftjob-2"), job("ftjob-3")})).reply(400, "");
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
  c.reply(200, list_of({job("ftjob-2"), job("ftjob-3")})).reply(200, job("ftjob-3", "cancelled")).reply(lost());
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

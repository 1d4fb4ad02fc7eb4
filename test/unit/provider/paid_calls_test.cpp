// The chain of the calls that cost money: what is looked for, what is sent, and what each reply leads to.
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
    EXPECT_EQ(checking.reply(reply).outcome().delivery, Delivery::not_sent) << reply.status << reply.body;
    EXPECT_FALSE(checking.outcome().absent);
    EXPECT_NE(checking.outcome().failure.code, "");
  }
}

TEST(UploadCall, OurFileWithoutAnIdIsNoAbsence) {
  const std::string nameless = file("no/good");
  Chain c = chain(work_of(OperationKind::upload_training_file, OperationState::checking));
  EXPECT_EQ(c.reply(200, list_of({nameless})).outcome().delivery, Delivery::not_sent);
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
  EXPECT_EQ(loop.outcome().delivery, Delivery::not_sent) << "the server repeats itself: nothing is known";

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
    EXPECT_EQ(checking.reply(reply).outcome().delivery, Delivery::not_sent) << reply.status << reply.body;
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

}  // namespace
}  // namespace trainer::provider

#include "core/reply.h"

#include <gtest/gtest.h>

#include "serving_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

const Random kMost = [] { return 1.0; };

Reply on_rung(int rung, int tries = 0) {
  Reply reply;
  reply.rungs = 3;
  reply.rung = rung;
  reply.tries = tries;
  reply.attempt = 4;
  reply.kind = static_cast<Rung>(rung);
  return reply;
}

TEST(DecideReply, ATextIsAnAnswer) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.completion.emplace().text = "Well.";
  EXPECT_TRUE(decide_reply(on_rung(1), outcome, kMost).answered);
}

TEST(DecideReply, WhatMayPassIsTriedThreeTimesAtTheSameRung) {
  for (int tries = 0; tries < kAttemptsOfRung - 1; ++tries) {
    const auto decision = decide_reply(on_rung(0, tries), failed(Delivery::unknown, 503), kMost);
    EXPECT_EQ(decision.state, ReplyState::ready);
    EXPECT_EQ(decision.rung, 0);
    EXPECT_EQ(decision.tries, tries + 1);
    EXPECT_EQ(decision.due_in, kFirstBackoff * (1 << tries));
    EXPECT_TRUE(decision.is_model_fault);
  }
}

TEST(DecideReply, ThenTheNextRungIsAskedAtOnceAndTheReasonIsKept) {
  Reply reply = on_rung(1, kAttemptsOfRung - 1);
  reply.why = "fine_tuned: model_not_found";
  const auto decision = decide_reply(reply, failed(Delivery::unknown, 503), kMost);
  EXPECT_EQ(decision.state, ReplyState::ready);
  EXPECT_EQ(decision.rung, 2);
  EXPECT_EQ(decision.tries, 0);
  EXPECT_EQ(decision.due_in, milliseconds(0));
  EXPECT_EQ(decision.why, "fine_tuned: model_not_found; exemplar: status_503");
}

TEST(DecideReply, ARefusalGoesToTheNextRungWithoutAnotherTry) {
  EXPECT_EQ(decide_reply(on_rung(0), failed(Delivery::rejected, 404, "model_not_found"), kMost).rung, 1);
}

TEST(DecideReply, TheLastRungsSilenceBeginsAgainLater) {
  Reply reply = on_rung(2, kAttemptsOfRung - 1);
  reply.why = "fine_tuned: status_503; exemplar: status_503";
  const auto decision = decide_reply(reply, failed(Delivery::unknown, 0), kMost);
  EXPECT_EQ(decision.state, ReplyState::ready);
  EXPECT_EQ(decision.rung, 0);
  EXPECT_EQ(decision.tries, 0);
  EXPECT_EQ(decision.why, "");
  EXPECT_EQ(decision.due_in, backoff(reply.attempt, kMost));
}

TEST(DecideReply, TheLastRungsRefusalIsFinal) {
  Reply reply = on_rung(2);
  reply.why = "fine_tuned: status_503";
  for (Delivery delivery : {Delivery::rejected, Delivery::ok}) {  // ok: a reply that was held back
    const auto decision = decide_reply(reply, failed(delivery, 400), kMost);
    EXPECT_EQ(decision.state, ReplyState::failed);
    EXPECT_EQ(decision.why, "fine_tuned: status_503");
  }
}

TEST(DecideReply, WhatIsAskedForAgainIsARetryAndTheNextRungIsNone) {
  auto retried = [](const Reply& reply, const Outcome& outcome) {
    return is_retry(reply, decide_reply(reply, outcome, kMost));
  };
  Outcome answer;
  answer.delivery = Delivery::ok;
  answer.completion.emplace().text = "Well.";
  EXPECT_FALSE(retried(on_rung(0), answer));
  EXPECT_TRUE(retried(on_rung(0), failed(Delivery::unknown, 503)));
  EXPECT_FALSE(retried(on_rung(1, kAttemptsOfRung - 1), failed(Delivery::unknown, 503)));
  EXPECT_TRUE(retried(on_rung(2, kAttemptsOfRung - 1), failed(Delivery::unknown, 503)));
  EXPECT_FALSE(retried(on_rung(2), failed(Delivery::rejected, 400)));
}

TEST(DecideReply, AnAccountAtFaultWaitsOnItsRung) {
  Outcome outcome = failed(Delivery::retry_later, 401, "invalid_api_key");
  outcome.failure.of_account = true;
  outcome.failure.retry_after = std::chrono::minutes(20);
  const auto decision = decide_reply(on_rung(1), outcome, kMost);
  EXPECT_EQ(decision.state, ReplyState::ready);
  EXPECT_EQ(decision.rung, 1);
  EXPECT_EQ(decision.due_in, std::chrono::minutes(20));
  EXPECT_FALSE(decision.is_model_fault);
}

TEST(DecideReply, ADayLaterItIsGivenUp) {
  Reply reply = on_rung(2, kAttemptsOfRung - 1);
  reply.age = kGiveUpReplyAfter;
  EXPECT_EQ(decide_reply(reply, failed(Delivery::unknown, 503), kMost).state, ReplyState::ready);
  reply.age += milliseconds(1);
  EXPECT_EQ(decide_reply(reply, failed(Delivery::unknown, 503), kMost).state, ReplyState::failed);
}

TEST(DecideReply, WhatTheWorkerDiesOfIsGivenUp) {
  Reply reply = on_rung(0);
  reply.lost = kLostReplies - 1;
  EXPECT_FALSE(decide_before_reply(reply));
  reply.lost = kLostReplies;
  ASSERT_TRUE(decide_before_reply(reply));
  EXPECT_EQ(decide_before_reply(reply)->state, ReplyState::failed);
  EXPECT_EQ(decide_before_reply(reply)->error, "the worker died each time that it was asked for");
}

TEST(DecideReply, WhatNobodyCouldWriteIsNotPaidFor) {
  Reply reply = on_rung(0);
  reply.has_role = false;
  ASSERT_TRUE(decide_before_reply(reply));
  EXPECT_EQ(decide_before_reply(reply)->state, ReplyState::failed);
  EXPECT_EQ(decide_before_reply(reply)->error, "the role that asked for the reply is gone");
}

TEST(DecideReply, ARefusalOfTheRequestIsNoFaultOfTheModel) {
  EXPECT_FALSE(
      decide_reply(on_rung(0), failed(Delivery::rejected, 400, "content_policy_violation"), kMost).is_model_fault);
  EXPECT_TRUE(decide_reply(on_rung(0), failed(Delivery::rejected, 404, "model_not_found"), kMost).is_model_fault);
  EXPECT_TRUE(decide_reply(on_rung(0), failed(Delivery::unknown, 0), kMost).is_model_fault);
}

TEST(DecideReply, AModelWhoseBreakerIsOpenIsPassedOver) {
  const auto decision = pass_over(on_rung(0), "circuit breaker is open", kMost);
  EXPECT_EQ(decision.rung, 1);
  EXPECT_EQ(decision.why, "fine_tuned: circuit breaker is open");
  EXPECT_FALSE(decision.is_model_fault);
}

TEST(DecideReply, TheOnlyModelWhoseBreakerIsOpenIsAskedLater) {
  Reply reply = on_rung(0);
  reply.rungs = 1;
  const auto decision = pass_over(reply, "circuit breaker is open", kMost);
  EXPECT_EQ(decision.state, ReplyState::ready);
  EXPECT_EQ(decision.rung, 0);
  EXPECT_EQ(decision.due_in, backoff(reply.attempt, kMost));
}

TEST(DecideReply, WhatWasHeldBackIsNotAskedForAndPaidForAgain) {
  Outcome withheld = failed(Delivery::ok, 0, "content_filter");
  withheld.completion.emplace();
  const auto next = decide_reply(on_rung(0), withheld, kMost);
  EXPECT_EQ(next.rung, 1);
  EXPECT_EQ(next.first_rung, 1);
  Reply reply = on_rung(2, kAttemptsOfRung - 1);
  reply.first_rung = next.first_rung;
  const auto again = decide_reply(reply, failed(Delivery::unknown, 503), kMost);
  EXPECT_EQ(again.state, ReplyState::ready);
  EXPECT_EQ(again.rung, 1);
  EXPECT_EQ(again.first_rung, 1);
  EXPECT_EQ(again.why, "the answer of a better model was withheld");
  reply.rung = 1;
  EXPECT_EQ(pass_over(reply, "circuit breaker is open", kMost).first_rung, 1);
}

TEST(ReplyState, NamesAreReadBack) {
  for (auto state :
       {ReplyState::ready, ReplyState::sending, ReplyState::writing, ReplyState::done, ReplyState::failed}) {
    EXPECT_EQ(reply_state(name(state)), state);
  }
  EXPECT_FALSE(reply_state("asleep"));
}

}  // namespace
}  // namespace trainer::core

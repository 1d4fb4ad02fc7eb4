#include "core/serving.h"

#include <gtest/gtest.h>

#include "serving_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

const Random kHalf = [] { return 0.5; };

Outcome said(std::string text, bool filtered = false) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.completion.emplace();
  outcome.completion->text = std::move(text);
  outcome.completion->filtered = filtered;
  return outcome;
}

TEST(AfterAttempt, AReplyIsAnAnswer) {
  EXPECT_EQ(after_attempt(said("Well."), 1, milliseconds(1000), kHalf).after, After::answered);
}

TEST(AfterAttempt, AReplyThatWasHeldBackOrIsEmptyGoesToTheNextRungAndBlamesNobody) {
  for (const Outcome& outcome : {said("Well.", true), said("")}) {
    const Next next = after_attempt(outcome, 1, milliseconds(1000), kHalf);
    EXPECT_EQ(next.after, After::next_rung);
    EXPECT_FALSE(next.is_model_fault);
  }
  EXPECT_EQ(reason_of(said("", true)), "content_filter");
  EXPECT_EQ(reason_of(said("")), "empty_reply");
}

TEST(AfterAttempt, WhatMayPassIsTriedAgainWithinItsTime) {
  const Outcome broken = failed(Delivery::unknown, 502, "http_502");
  Next next = after_attempt(broken, 1, milliseconds(1000), kHalf);
  EXPECT_EQ(next.after, After::again);
  EXPECT_EQ(next.wait, milliseconds(75));
  EXPECT_EQ(after_attempt(broken, 2, milliseconds(1000), kHalf).wait, milliseconds(150));
  EXPECT_EQ(after_attempt(broken, kAttemptsOfRung, milliseconds(1000), kHalf).after, After::next_rung);
  EXPECT_EQ(after_attempt(broken, 1, milliseconds(75), kHalf).after, After::next_rung);
  EXPECT_TRUE(next.is_model_fault);
}

TEST(AfterAttempt, AWaitThatTheProviderAsksForIsHonouredOrTooLong) {
  Outcome limited = failed(Delivery::retry_later, 429, "rate_limit_exceeded");
  limited.failure.retry_after = milliseconds(400);
  Next next = after_attempt(limited, 1, milliseconds(1000), kHalf);
  EXPECT_EQ(next.after, After::again);
  EXPECT_EQ(next.wait, milliseconds(400));
  EXPECT_FALSE(next.is_model_fault);
  EXPECT_EQ(after_attempt(limited, 1, milliseconds(400), kHalf).after, After::next_rung);
}

TEST(AfterAttempt, ARefusalIsNotTriedAgain) {
  const Next next = after_attempt(failed(Delivery::rejected, 404, "model_not_found"), 1, milliseconds(1000), kHalf);
  EXPECT_EQ(next.after, After::next_rung);
  EXPECT_TRUE(next.is_model_fault);
}

TEST(AfterAttempt, NoRungHelpsWhereTheAccountIsAtFault) {
  Outcome outcome = failed(Delivery::retry_later, 401, "invalid_api_key");
  outcome.failure.of_account = true;
  EXPECT_EQ(after_attempt(outcome, 1, milliseconds(1000), kHalf).after, After::give_up);
}

TEST(ShareOf, EachRungLeavesTimeForTheOthers) {
  EXPECT_EQ(share_of(milliseconds(900), 3), milliseconds(300));
  EXPECT_EQ(share_of(milliseconds(900), 1), milliseconds(900));
}

TEST(ABreaker, OpensAfterSoManyFailuresInARowOnly) {
  Breaker breaker;
  for (int i = 1; i < kBreakerFailures; ++i) EXPECT_FALSE(note_failure(breaker, 0, 100));
  EXPECT_TRUE(may_ask(breaker, 0, 100));
  note_answer(breaker);
  for (int i = 1; i < kBreakerFailures; ++i) EXPECT_FALSE(note_failure(breaker, 0, 100));
  EXPECT_TRUE(note_failure(breaker, 0, 100));
  EXPECT_FALSE(may_ask(breaker, 99, 100));
}

TEST(ABreaker, LetsOneProbeThroughAndGoesByWhatComesOfIt) {
  Breaker breaker;
  for (int i = 0; i < kBreakerFailures; ++i) note_failure(breaker, 0, 100);
  EXPECT_TRUE(may_ask(breaker, 100, 100));
  EXPECT_FALSE(may_ask(breaker, 101, 100));  // the probe is under way
  EXPECT_FALSE(note_failure(breaker, 150, 100));
  EXPECT_FALSE(may_ask(breaker, 249, 100));
  EXPECT_TRUE(may_ask(breaker, 250, 100));
  note_answer(breaker);
  EXPECT_TRUE(may_ask(breaker, 251, 100));
}

TEST(ABreaker, IsNotHeldOpenByAProbeThatDiedNorByAClockThatWasSetBack) {
  Breaker breaker;
  for (int i = 0; i < kBreakerFailures; ++i) note_failure(breaker, 1000, 100);
  EXPECT_TRUE(may_ask(breaker, 1100, 100));
  EXPECT_TRUE(may_ask(breaker, 1200, 100));
  EXPECT_TRUE(may_ask(breaker, 5, 100));
}

}  // namespace
}  // namespace trainer::core

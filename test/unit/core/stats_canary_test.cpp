#include "core/stats/canary.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

Guardrail approval(std::int64_t n, double canary, double control) {
  Guardrail guardrail;
  guardrail.name = "approval";
  guardrail.margin = 0.05;
  guardrail.canary = from_sums(n, canary * static_cast<double>(n), canary * static_cast<double>(n));
  guardrail.control = from_sums(n, control * static_cast<double>(n), control * static_cast<double>(n));
  guardrail.log_e_harm = 0;
  return guardrail;
}

CanaryEvidence at_step(std::size_t step, Guardrail guardrail) {
  CanaryEvidence evidence;
  evidence.step = default_ladder()[step];
  evidence.is_last_step = step == 3;
  evidence.in_step = hours(25);
  evidence.guardrails.push_back(std::move(guardrail));
  return evidence;
}

void expect(const CanaryEvidence& evidence, const CanaryPolicy& policy, CanaryAction action, CanaryReason reason) {
  const auto decision = decide(evidence, policy);
  ASSERT_TRUE(decision.ok()) << decision.error().message;
  EXPECT_EQ(name(decision->action), name(action));
  EXPECT_EQ(name(decision->reason), name(reason));
}

TEST(Canary, WhatIsShownToBeNoWorseAdvancesAndIsPromotedAtTheEnd) {
  expect(at_step(0, approval(400, 0.75, 0.7)), {}, CanaryAction::advance, CanaryReason::safe);
  expect(at_step(3, approval(4000, 0.72, 0.7)), {}, CanaryAction::promote, CanaryReason::safe);
}

TEST(Canary, HarmRollsBackAtOnce) {
  CanaryEvidence evidence = at_step(3, approval(400, 0.5, 0.7));
  evidence.in_step = seconds(0);
  expect(evidence, {}, CanaryAction::rollback, CanaryReason::harm);
}

TEST(Canary, TheSequenceShowsNoHarmBelowItsLeastAndTheExactTestDoes) {
  CanaryEvidence evidence = at_step(0, approval(49, 0, 1));
  expect(evidence, {}, CanaryAction::hold, CanaryReason::too_few);
  evidence.guardrails[0].log_e_harm = 4.7;  // ln(1 / 0.01) is 4.6
  expect(evidence, {}, CanaryAction::rollback, CanaryReason::harm);
  evidence.guardrails[0].log_e_harm = 4.6;
  expect(evidence, {}, CanaryAction::hold, CanaryReason::too_few);
}

TEST(Canary, MoreGuardrailsShareTheBudgetOfRollbacks) {
  CanaryEvidence evidence = at_step(0, approval(400, 0.62, 0.75));
  const double alone = decide(evidence, {})->readings[0].harm_upper;
  EXPECT_LT(alone, 0);
  evidence.guardrails.resize(3, evidence.guardrails[0]);
  const auto shared = decide(evidence, {});
  EXPECT_GT(shared->readings[0].harm_upper, alone);
  EXPECT_NEAR(shared->log_e_threshold, std::log(3 / 0.01), 1e-12);
}

TEST(Canary, AGuardrailMayHoldInsteadAndOneThatRollsBackGoesFirst) {
  CanaryEvidence evidence = at_step(0, approval(400, 0.5, 0.7));
  evidence.guardrails[0].on_harm = OnHarm::hold;
  expect(evidence, {}, CanaryAction::hold, CanaryReason::harm);
  evidence.guardrails.push_back(approval(400, 0.5, 0.7));
  expect(evidence, {}, CanaryAction::rollback, CanaryReason::harm);
}

TEST(Canary, AMismatchOfTheRatioHoldsWhateverElseIsKnown) {
  for (const double canary : {0.5, 0.75}) {
    CanaryEvidence evidence = at_step(0, approval(400, canary, 0.7));
    evidence.is_srm_alarm = true;
    expect(evidence, {}, CanaryAction::hold, CanaryReason::srm);
  }
}

TEST(Canary, AStepLastsItsTimeAndItsUnits) {
  CanaryEvidence evidence = at_step(0, approval(400, 0.75, 0.7));
  evidence.in_step = seconds(3599);
  expect(evidence, {}, CanaryAction::hold, CanaryReason::baking);
  evidence.in_step = seconds(3600);
  expect(evidence, {}, CanaryAction::advance, CanaryReason::safe);
  expect(at_step(3, approval(399, 0.95, 0.7)), {}, CanaryAction::hold, CanaryReason::too_few);
  expect(at_step(3, approval(400, 0.95, 0.7)), {}, CanaryAction::promote, CanaryReason::safe);
}

TEST(Canary, NoHarmYetIsNotEnoughUnlessItIsAskedFor) {
  const CanaryEvidence evidence = at_step(3, approval(500, 0.7, 0.7));
  expect(evidence, {}, CanaryAction::hold, CanaryReason::inconclusive);
  CanaryPolicy policy;
  policy.promote_on = PromoteOn::no_harm;
  expect(evidence, policy, CanaryAction::promote, CanaryReason::safe);
}

TEST(Canary, OneGuardrailThatIsNotSafeHoldsAll) {
  CanaryEvidence evidence = at_step(3, approval(4000, 0.72, 0.7));
  evidence.guardrails.push_back(approval(4000, 0.66, 0.7));
  evidence.guardrails[1].tolerance = 0.05;
  expect(evidence, {}, CanaryAction::hold, CanaryReason::inconclusive);
}

TEST(Canary, AMetricOfWhichLessIsBetterIsTurnedRound) {
  CanaryEvidence evidence = at_step(0, approval(400, 0.5, 0.7));
  evidence.guardrails[0].is_higher_better = false;
  expect(evidence, {}, CanaryAction::advance, CanaryReason::safe);
  EXPECT_NEAR(decide(evidence, {})->readings[0].effect, 0.2, 1e-12);
}

TEST(Canary, TheToleranceIsNoHarm) {
  CanaryEvidence evidence = at_step(0, approval(1000, 0.6, 0.7));
  expect(evidence, {}, CanaryAction::rollback, CanaryReason::harm);
  evidence.guardrails[0].tolerance = 0.05;
  expect(evidence, {}, CanaryAction::advance, CanaryReason::safe);  // the margin of the first step is 0.2
}

TEST(Canary, SilenceAndDeadlinesHoldOrEndIt) {
  CanaryEvidence evidence = at_step(3, approval(100, 0.7, 0.7));
  CanaryPolicy policy;
  policy.deadline = hours(48);
  evidence.since_last_unit = hours(24);
  expect(evidence, policy, CanaryAction::hold, CanaryReason::no_data);
  evidence.in_rollout = hours(48);
  expect(evidence, policy, CanaryAction::hold, CanaryReason::deadline);
  policy.on_deadline = OnDeadline::rollback;
  expect(evidence, policy, CanaryAction::rollback, CanaryReason::deadline);
  policy.deadline = seconds(0);  // none
  evidence.since_last_unit = seconds(0);
  expect(evidence, policy, CanaryAction::hold, CanaryReason::too_few);
}

TEST(Canary, NoUnitsAreNoEvidence) {
  const CanaryEvidence evidence = at_step(0, approval(0, 0, 0));
  const auto decision = decide(evidence, {});
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(decision->reason, CanaryReason::too_few);
  EXPECT_EQ(decision->readings[0].lower, -kInfinite);
  EXPECT_FALSE(decision->readings[0].is_safe);
}

TEST(Canary, WhatIsOutOfRangeIsRefused) {
  const CanaryEvidence good = at_step(0, approval(100, 0.7, 0.7));
  EXPECT_TRUE(decide(good, {}).ok());
  const auto refuses = [&](auto change) {
    CanaryEvidence evidence = good;
    CanaryPolicy policy;
    change(evidence, policy);
    return !decide(evidence, policy).ok();
  };
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.guardrails.clear(); }));
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.guardrails[0].margin = 0; }));
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.guardrails[0].tolerance = kNotANumber; }));
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.guardrails[0].log_e_harm = kNotANumber; }));
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.guardrails[0].canary.mean = kInfinite; }));
  EXPECT_TRUE(refuses([](auto& evidence, auto&) { evidence.step.margin_multiplier = 0; }));
  EXPECT_TRUE(refuses([](auto&, auto& policy) { policy.alpha_promote = 0.5; }));
  EXPECT_TRUE(refuses([](auto&, auto& policy) { policy.alpha_rollback = 0; }));
  EXPECT_TRUE(refuses([](auto&, auto& policy) { policy.plan = 100; }));
}

TEST(Canary, BothLaddersGrowToAHalfAndNarrowTheirMargins) {
  for (const auto ladder : {default_ladder(), low_volume_ladder()}) {
    for (std::size_t i = 1; i < ladder.size(); ++i) {
      EXPECT_GE(ladder[i].share, ladder[i - 1].share);
      EXPECT_GT(ladder[i].least, ladder[i - 1].least);
      EXPECT_LT(ladder[i].margin_multiplier, ladder[i - 1].margin_multiplier);
    }
    EXPECT_EQ(ladder.back().share, kMostCanaryShare);
    EXPECT_EQ(ladder.back().margin_multiplier, 1);
  }
}

RC_GTEST_PROP(Canary, NothingIsPromotedWithoutEveryGuardrailSafeAndUnharmed, ()) {
  CanaryEvidence evidence = at_step(static_cast<std::size_t>(*rc::gen::inRange(0, 4)),
                                    approval(*rc::gen::inRange(0, 3000), *rc::gen::inRange(0, 101) / 100.0, 0.5));
  evidence.in_step = hours(*rc::gen::inRange(0, 30));
  evidence.is_srm_alarm = *rc::gen::inRange(0, 5) == 0;
  evidence.guardrails[0].log_e_harm = *rc::gen::inRange(-5, 8);
  const auto decision = decide(evidence, {});
  RC_ASSERT(decision.ok());
  const GuardrailReading& reading = decision->readings[0];
  if (decision->action == CanaryAction::promote || decision->action == CanaryAction::advance) {
    RC_ASSERT(reading.is_safe && !reading.is_harmed && !evidence.is_srm_alarm);
    RC_ASSERT((decision->action == CanaryAction::promote) == evidence.is_last_step);
  }
  if (decision->action == CanaryAction::rollback) RC_ASSERT(reading.is_harmed);
}

}  // namespace
}  // namespace trainer::core::stats

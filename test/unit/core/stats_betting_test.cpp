#include "core/stats/betting.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "core/stats/paired.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

void expect_same(const Guard& kept, const Guard& again) {
  EXPECT_EQ(kept.centre.n, again.centre.n);
  EXPECT_NEAR(kept.centre.sum, again.centre.sum, 1e-9);
  for (std::size_t i = 0; i < kStakes.size(); ++i) {
    EXPECT_NEAR(kept.harm[i], again.harm[i], 1e-9);
    EXPECT_NEAR(kept.non_inferiority[i], again.non_inferiority[i], 1e-9);
    EXPECT_NEAR(kept.superiority[i], again.superiority[i], 1e-9);
  }
}

TEST(Betting, TheStateThatIsKeptEqualsAllOfItAgain) {
  const auto units = observations(5000, 0.1);
  Guard kept;
  kept.margin = 0.05;
  for (std::size_t i = 0; i < units.size(); ++i) {
    kept.add(units[i]);
    if (i % 500 == 499) expect_same(kept, replay(0.05, std::span(units).first(i + 1)));
  }
}

TEST(Betting, NothingSeenIsNoEvidence) {
  EXPECT_NEAR(log_e(Guard{}.harm), 0, 1e-12);
  EXPECT_NEAR(Betting{}.log_e_both(), 0, 1e-12);
}

TEST(Betting, ALossIsFoundAndAnImprovementIsNot) {
  const Guard worse = replay(0.05, observations(1000, -0.2));
  EXPECT_GT(log_e(worse.harm), std::log(1 / 0.0033));
  EXPECT_LT(log_e(worse.superiority), 0);
  const Guard better = replay(0.05, observations(1000, 0.2));
  EXPECT_LT(log_e(better.harm), 0);
  EXPECT_GT(log_e(better.superiority), std::log(20));
  EXPECT_GT(log_e(better.non_inferiority), log_e(better.superiority));
}

TEST(Betting, TwoSidesOfOneNullAreHeldTogether) {
  Betting both;
  for (const Observation& unit : observations(300, 0.1)) both.add(unit);
  const Guard guard = replay(0, observations(300, 0.1));
  EXPECT_EQ(both.log_e_above(), log_e(guard.superiority));
  EXPECT_EQ(both.log_e_below(), log_e(guard.harm));
  EXPECT_NEAR(std::exp(both.log_e_both()), (std::exp(both.log_e_above()) + std::exp(both.log_e_below())) / 2, 1e-9);
}

TEST(Betting, WhatIsOutOfRangeIsRefused) {
  EXPECT_FALSE(check(Observation{true, 1, 0.5}));
  for (const double value : {-0.01, 1.01, kNotANumber, kInfinite}) EXPECT_TRUE(check(Observation{true, value, 0.5}));
  for (const double share : {0.0, 0.009, 0.991, kNotANumber}) EXPECT_TRUE(check(Observation{true, 0.5, share}));
}

RC_GTEST_PROP(Betting, TheScoreIsFairAndBounded, ()) {
  Centre centre;
  centre.n = *rc::gen::inRange<std::int64_t>(0, 1000);
  centre.sum = *rc::gen::inRange(0, 1001) / 1000.0 * static_cast<double>(centre.n);
  const double share = *rc::gen::inRange(1, 100) / 100.0;
  const double y1 = *rc::gen::inRange(0, 101) / 100.0;
  const double y0 = *rc::gen::inRange(0, 101) / 100.0;
  const Score one = score({true, y1, share}, centre);
  const Score zero = score({false, y0, share}, centre);
  // Its expectation over the coin is the difference of the two outcomes that the unit would have had.
  RC_ASSERT(std::fabs(share * one.value + (1 - share) * zero.value - (y1 - y0)) < 1e-9);
  RC_ASSERT(std::fabs(one.value) <= one.bound + 1e-9);
  RC_ASSERT(std::fabs(zero.value) <= zero.bound + 1e-9);
}

RC_GTEST_PROP(Betting, NobodyLosesMoreThanThereIs, ()) {
  Guard guard;
  guard.margin = *rc::gen::inRange(0, 101) / 100.0;
  for (int i = 0; i < 100; ++i) {
    const double share = *rc::gen::inRange(1, 100) / 100.0;
    guard.add({*rc::gen::arbitrary<bool>(), static_cast<double>(*rc::gen::inRange(0, 2)), share});
  }
  for (const Wealth* wealth : {&guard.harm, &guard.non_inferiority, &guard.superiority}) {
    for (const double stake : *wealth) RC_ASSERT(std::isfinite(stake));
  }
}

Moments differences(int n, double mean) {
  Moments moments;
  for (int i = 0; i < n; ++i) moments.add(mean + 0.3 * (weyl(i) - 0.5));
  return moments;
}

TEST(Paired, AnImprovementIsShownAndAModelThatIsAsGoodIsNotWorse) {
  EXPECT_TRUE(paired(differences(500, 0.05), {})->is_improved);
  const auto same = paired(differences(1000, 0), {});
  EXPECT_FALSE(same->is_improved);
  EXPECT_TRUE(same->is_not_worse);
  EXPECT_FALSE(paired(differences(1000, -0.03), {})->is_not_worse);
}

TEST(Paired, NothingIsConcludedFromFewPrompts) {
  EXPECT_FALSE(paired(differences(49, 0.5), {})->is_improved);
  EXPECT_TRUE(paired(differences(50, 0.5), {})->is_improved);
  EXPECT_EQ(paired({}, {})->low, -kInfinite);
}

TEST(Paired, WhatIsOutOfRangeIsRefused) {
  const auto refuses = [](auto change) {
    PairedSettings settings;
    change(settings);
    return !paired(differences(100, 0), settings).ok();
  };
  EXPECT_TRUE(refuses([](auto& settings) { settings.alpha = 0.5; }));
  EXPECT_TRUE(refuses([](auto& settings) { settings.plan = 0; }));
  EXPECT_TRUE(refuses([](auto& settings) { settings.least = 0; }));
  EXPECT_TRUE(refuses([](auto& settings) { settings.margin = kNotANumber; }));
  EXPECT_FALSE(paired({10, kNotANumber, 0}, {}).ok());
  EXPECT_FALSE(check_difference(-1));
  EXPECT_TRUE(check_difference(1.01));
  EXPECT_TRUE(check_difference(kNotANumber));
}

TEST(Paired, TheExactBetsFindAnImprovementAndLoseNoMoreThanThereIs) {
  PairedBetting better, worst;
  worst.null = -0.02;
  for (int i = 0; i < 500; ++i) {
    better.add(0.05 + 0.3 * (weyl(i) - 0.5));
    worst.add(-1);
  }
  EXPECT_GT(better.log_e(), std::log(20));
  EXPECT_TRUE(std::isfinite(worst.log_e()));
  EXPECT_LT(worst.log_e(), 0);
}

}  // namespace
}  // namespace trainer::core::stats

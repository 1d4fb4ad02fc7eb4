#include "core/stats/acs.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "core/stats/cuped.h"
#include "core/stats/latency.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

TEST(Moments, AMergeIsWhatAllValuesGive) {
  Moments all, left, right;
  for (int i = 0; i < 101; ++i) {
    const double x = 1e9 + weyl(i);
    all.add(x);
    (i < 40 ? left : right).add(x);
  }
  left.merge(right);
  EXPECT_EQ(left.n, all.n);
  EXPECT_NEAR(left.mean, all.mean, 1e-6);
  EXPECT_NEAR(left.m2 / all.m2, 1, 1e-6);
}

TEST(Moments, OfNothingAreNeutral) {
  Moments moments = from_sums(3, 2, 2);
  moments.merge({});
  EXPECT_EQ(moments, from_sums(3, 2, 2));
  Moments none;
  none.merge(moments);
  EXPECT_EQ(none, moments);
  EXPECT_TRUE(std::isnan(Moments{}.variance()));
  EXPECT_EQ(from_sums(0, 0, 0), Moments{});
  EXPECT_EQ(mirrored({}, 1), Moments{});
}

TEST(Moments, GoToSumsAndBack) {
  const Moments moments = from_sums(10, 7, 7);
  EXPECT_NEAR(moments.sum(), 7, 1e-12);
  EXPECT_NEAR(moments.sum_of_squares(), 7, 1e-12);
  EXPECT_NEAR(mirrored(moments, 1).mean, 0.3, 1e-12);
  EXPECT_EQ(mirrored(moments, 1).m2, moments.m2);
}

TEST(Moments, RoundingMakesNoNegativeVariance) {
  EXPECT_EQ(from_sums(3, 0.3, 0.02999999).m2, 0);
}

TEST(Acs, TheBoundaryIsWhereTheEValueIsOneOverAlpha) {
  for (const double n : {50.0, 2000.0, 1e6}) {
    const double z = two_sided_boundary(n, 0.05, 2000);
    EXPECT_NEAR(log_e_of_z(z, n, 0.05, 2000), std::log(20), 1e-9);
  }
  EXPECT_EQ(two_sided_boundary(0, 0.05, 2000), kInfinite);
  EXPECT_EQ(one_sided_boundary(0, 0.05, 2000), kInfinite);
  EXPECT_EQ(log_e_of_z(3, 0, 0.05, 2000), 0);
}

TEST(Acs, TwoDifferentValuesAreNoEvidence) {
  const auto found = acs(from_sums(1, 1, 1), from_sums(1, 0, 0), {});
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->is_reported);
  EXPECT_LT(found->low, 0);
  EXPECT_TRUE(std::isfinite(found->z));
}

TEST(Acs, AnArmWithoutUnitsIsNoEvidence) {
  const auto found = acs({}, from_sums(100, 50, 50), {});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->low, -kInfinite);
  EXPECT_EQ(found->one_sided_high, kInfinite);
  EXPECT_EQ(found->p, 1);
  EXPECT_FALSE(found->rejects());
}

TEST(Acs, AllEqualIsNoDifference) {
  const auto found = acs(from_sums(500, 500, 500), from_sums(500, 500, 500), {});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->z, 0);
  EXPECT_EQ(found->p, 1);
  EXPECT_FALSE(found->rejects());
}

TEST(Acs, IsReportedFromTheLeastNumberOfUnitsOn) {
  // The difference is beyond every boundary; only the number of units holds it back.
  const Moments all = from_sums(50, 50, 50);
  EXPECT_FALSE(acs(all, from_sums(49, 0, 0), {})->rejects());
  EXPECT_TRUE(acs(all, from_sums(50, 0, 0), {})->rejects());
}

TEST(Acs, WhatIsOutOfRangeIsRefused) {
  const Moments arm = from_sums(100, 50, 50);
  for (const double alpha : {0.0, 0.5, 1.0, kNotANumber}) {
    AcsSettings settings;
    settings.alpha = alpha;
    EXPECT_FALSE(acs(arm, arm, settings).ok());
  }
  for (const double plan : {199.0, 1.1e6, kNotANumber}) {
    AcsSettings settings;
    settings.plan = plan;
    EXPECT_FALSE(acs(arm, arm, settings).ok());
  }
  AcsSettings settings;
  settings.least = 0;
  EXPECT_FALSE(acs(arm, arm, settings).ok());
  settings = {};
  settings.pseudo_deviation = 0;
  EXPECT_FALSE(acs(arm, arm, settings).ok());
  EXPECT_EQ(acs(arm, arm, settings).error().condition, Condition::invalid_argument);
  EXPECT_FALSE(acs({10, kNotANumber, 1}, arm, {}).ok());
  EXPECT_FALSE(acs({-1, 0, 0}, arm, {}).ok());
  EXPECT_FALSE(acs(arm, {10, 0.5, kInfinite}, {}).ok());
}

TEST(Acs, ThePlanIsHeldWithinItsBounds) {
  EXPECT_EQ(plan_of(10), kLeastPlan);
  EXPECT_EQ(plan_of(2502), 2502);
  EXPECT_EQ(plan_of(1e9), kMostPlan);
}

RC_GTEST_PROP(Acs, TurningTheArmsRoundTurnsTheIntervalRound, ()) {
  const auto n1 = *rc::gen::inRange<std::int64_t>(1, 10000);
  const auto n0 = *rc::gen::inRange<std::int64_t>(1, 10000);
  const auto s1 = static_cast<double>(*rc::gen::inRange<std::int64_t>(0, n1 + 1));
  const auto s0 = static_cast<double>(*rc::gen::inRange<std::int64_t>(0, n0 + 1));
  const auto there = acs(from_sums(n1, s1, s1), from_sums(n0, s0, s0), {});
  const auto back = acs(from_sums(n0, s0, s0), from_sums(n1, s1, s1), {});
  RC_ASSERT(std::fabs(there->low + back->high) < 1e-9);
  RC_ASSERT(std::fabs(there->one_sided_low + back->one_sided_high) < 1e-9);
  RC_ASSERT(there->difference.se >= there->difference.se_unpooled);
  RC_ASSERT(there->difference.se >= there->difference.se_pooled);
  // The interval and the e-value say the same.
  RC_ASSERT((there->low > 0 || there->high < 0) == (there->log_e > std::log(20.0)));
}

TEST(Latency, IsALogarithmOfAtLeastOneMillisecond) {
  EXPECT_EQ(log_latency(0.2), 0);
  EXPECT_NEAR(log_latency(115) - log_latency(100), std::log(1.15), 1e-12);
  EXPECT_EQ(exceedance(100, 100), 0);
  EXPECT_EQ(exceedance(100.1, 100), 1);
}

TEST(Cuped, TakesAwayWhatTheCovariateExplains) {
  std::vector<double> x, y;
  Moments raw, adjusted;
  for (int i = 0; i < 500; ++i) {
    x.push_back(weyl(i));
    y.push_back(0.3 + 0.4 * x.back() + 0.1 * weyl(i, 0.7548776662466927));
  }
  const auto found = cuped(x, y);
  ASSERT_TRUE(found.ok());
  for (std::size_t i = 0; i < x.size(); ++i) {
    raw.add(y[i]);
    adjusted.add(found->adjusted(x[i], y[i]));
  }
  EXPECT_NEAR(adjusted.mean, raw.mean, 1e-12);
  EXPECT_NEAR(adjusted.variance(), found->adjusted_variance, 1e-12);
  EXPECT_LT(adjusted.variance(), 0.1 * raw.variance());
}

TEST(Cuped, ACovariateThatDoesNotVaryChangesNothing) {
  const auto found = cuped(std::vector<double>{1, 1, 1}, std::vector<double>{0, 1, 1});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->theta, 0);
  EXPECT_NEAR(found->adjusted_variance, 1.0 / 3, 1e-12);
  EXPECT_FALSE(cuped(std::vector<double>{1, 2}, std::vector<double>{1}).ok());
  EXPECT_FALSE(cuped(std::vector<double>{1}, std::vector<double>{1}).ok());
  EXPECT_FALSE(cuped(std::vector<double>{1, kNotANumber}, std::vector<double>{1, 2}).ok());
}

}  // namespace
}  // namespace trainer::core::stats

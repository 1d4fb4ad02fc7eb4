#include "core/stats/planning.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/stats/acs.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

TEST(Planning, SmallerEffectsAndMorePowerNeedMoreUnits) {
  const double some = *proportions_per_arm(0.7, 0.75, {});
  EXPECT_GT(*proportions_per_arm(0.7, 0.73, {}), some);
  EXPECT_GT(*proportions_per_arm(0.7, 0.75, {0.05, 0.9}), some);
  EXPECT_GT(*proportions_per_arm(0.7, 0.75, {0.01, 0.8}), some);
  EXPECT_GT(*sequential_per_arm(0.7 * 0.3, 0.75 * 0.25, 0.05, 2000, {}), 1.5 * some);
  EXPECT_NEAR(*means_per_arm(-0.02, 0.145, {}), *means_per_arm(0.02, 0.145, {}), 1e-9);
  EXPECT_GT(*means_per_arm_t(0.1, 0.1, {}), *means_per_arm(0.1, 0.1, {}));
}

TEST(Planning, TheSequentialNumberSolvesItsEquation) {
  const double n = *sequential_per_arm(0.21, 0.1875, 0.05, 2000, {});
  EXPECT_NEAR((two_sided_boundary(2 * n, 0.05, 2000) + 0.8416212335729143) * std::sqrt(0.3975 / n), 0.05, 1e-9);
}

TEST(Planning, WhatIsOutOfRangeIsRefused) {
  EXPECT_FALSE(proportions_per_arm(0.7, 0.7, {}).ok());
  EXPECT_FALSE(proportions_per_arm(0, 0.7, {}).ok());
  EXPECT_FALSE(proportions_per_arm_unpooled(0.7, 1, {}).ok());
  EXPECT_FALSE(proportions_per_arm_arcsine(kNotANumber, 0.7, {}).ok());
  EXPECT_FALSE(proportions_per_arm(0.7, 0.8, {0.05, 1}).ok());
  EXPECT_FALSE(means_per_arm(0, 1, {}).ok());
  EXPECT_FALSE(means_per_arm_t(1, 0, {}).ok());
  EXPECT_FALSE(non_inferiority_per_arm(0.2, 0.2, 0, {}).ok());
  EXPECT_FALSE(sequential_per_arm(0.2, 0.2, kNotANumber, 2000, {}).ok());
  EXPECT_FALSE(sequential_per_arm(0.2, 0.2, 0.1, 0, {}).ok());
}

TEST(Planning, WhatAPersonIsShown) {
  const Plan plan = plan_for(1250.7, 200);
  EXPECT_EQ(plan.fixed_total, 2502);
  EXPECT_EQ(plan.sequential_total, 4254);
  EXPECT_NEAR(plan.days, 21.27, 0.01);
  EXPECT_EQ(plan.boundary_plan, 2502);
  EXPECT_NEAR(plan.expected_low, 2251.8, 0.1);
  EXPECT_EQ(plan_for(1250.7, 0).days, kInfinite);
  // Small ones stop later by this measure, and the boundary has a least plan.
  EXPECT_NEAR(plan_for(60, 100).expected_low, 168, 1e-9);
  EXPECT_EQ(plan_for(60, 100).boundary_plan, kLeastPlan);
  EXPECT_EQ(smaller_arm_factor(1), 1);
  EXPECT_NEAR(smaller_arm_factor(9), 5.0 / 9, 1e-12);
  EXPECT_EQ(total_of(100, 0.5), 200);
  EXPECT_NEAR(total_of(100, 0.1), 100 * 5.0 / 9 / 0.1, 1e-9);
  EXPECT_NEAR(total_of(100, 0.9), total_of(100, 0.1), 1e-9);
}

}  // namespace
}  // namespace trainer::core::stats

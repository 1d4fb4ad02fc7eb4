#include "core/stats/assignment.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "core/stats/chi_squared.h"
#include "core/stats/srm.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

constexpr int kUnits = 100000;

std::vector<std::int32_t> buckets(std::string_view experiment, std::string_view salt) {
  std::vector<std::int32_t> found;
  for (int i = 0; i < kUnits; ++i) found.push_back(bucket_of(experiment, salt, "u-" + std::to_string(i)));
  return found;
}

TEST(Assignment, FieldsThatRunTogetherMakeDifferentMessages) {
  EXPECT_NE(assignment_message({"default", "exp_4", "21", "user", "u-1"}),
            assignment_message({"default", "exp_42", "1", "user", "u-1"}));
  EXPECT_NE(namespace_message("a", "user", "u-1"), namespace_message("b", "user", "u-1"));
  EXPECT_EQ(assignment_message({"", "", "", "", ""}).size(), 6 * 4 + kAssignmentTag.size());
}

TEST(Assignment, BucketsReachFromTheFirstToTheLast) {
  Digest digest{};
  EXPECT_EQ(bucket(digest), 0);
  digest.fill(0xff);
  EXPECT_EQ(bucket(digest), kBuckets - 1);
}

TEST(Assignment, OnTheWayToAHalfEachCanaryContainsTheLastAndNobodyCrosses) {
  const auto all = buckets("exp_42", "1");
  std::vector<CanaryArm> before(all.size(), CanaryArm::outside);
  for (const std::int32_t share : {10000, 50000, 100000, 250000, 500000}) {
    int canaries = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const CanaryArm now = canary_arm(all[i], share);
      if (before[i] != CanaryArm::outside) {
        ASSERT_EQ(now, before[i]);
      }
      before[i] = now;
      canaries += now == CanaryArm::canary;
    }
    EXPECT_NEAR(canaries, share * (kUnits / 1e6), 600);
  }
  for (const CanaryArm now : before) ASSERT_NE(now, CanaryArm::outside);
}

TEST(Assignment, MoreCoverageAddsUnitsAndMovesNone) {
  const std::array<std::int32_t, 3> weights{500000, 300000, 200000};
  const auto all = buckets("exp_42", "1");
  std::vector<std::optional<int>> before(all.size());
  for (const std::int32_t coverage : {0, 10000, 333333, kBuckets}) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto now = arm(all[i], weights, coverage);
      if (before[i]) {
        ASSERT_EQ(now, before[i]);
      }
      if (coverage == 0) {
        ASSERT_FALSE(now);
      }
      before[i] = now;
    }
  }
  std::array<std::int64_t, 3> counts{};
  for (const auto& now : before) ++counts.at(static_cast<std::size_t>(now.value()));
  EXPECT_FALSE(srm(counts, std::array<double, 3>{0.5, 0.3, 0.2})->is_alarm);
}

TEST(Assignment, IsUniformAndIndependentOfOtherExperimentsAndSalts) {
  const auto first = buckets("exp_42", "1");
  for (const auto& second : {buckets("exp_43", "1"), buckets("exp_42", "2")}) {
    std::vector<std::vector<std::int64_t>> table(10, std::vector<std::int64_t>(10));
    std::vector<std::int64_t> tenths(10);
    for (std::size_t i = 0; i < first.size(); ++i) {
      ++table[static_cast<std::size_t>(first[i] / 100000)][static_cast<std::size_t>(second[i] / 100000)];
      ++tenths[static_cast<std::size_t>(second[i] / 100000)];
    }
    EXPECT_GT(independence(table)->p, 1e-4);
    EXPECT_GT(goodness_of_fit(tenths, std::vector<double>(10, 0.1))->p, 1e-4);
  }
  // The same experiment is not independent of itself: the test can fail.
  std::vector<std::vector<std::int64_t>> same(2, std::vector<std::int64_t>(2));
  for (const std::int32_t now : first) ++same[now < 500000][now < 500000];
  EXPECT_LT(independence(same)->p, 1e-4);
}

TEST(Assignment, WeightsThatDoNotSumToAMillionAreRefused) {
  EXPECT_FALSE(check_weights(std::array<std::int32_t, 2>{500000, 500000}));
  EXPECT_TRUE(check_weights(std::array<std::int32_t, 2>{500000, 500001}));
  EXPECT_TRUE(check_weights(std::array<std::int32_t, 2>{1000001, -1}));
  EXPECT_TRUE(check_weights({}));
}

TEST(Srm, NoUnitsAreNoMismatch) {
  const auto found = srm(std::array<std::int64_t, 2>{0, 0}, std::array<double, 2>{0.5, 0.5});
  ASSERT_TRUE(found.ok());
  EXPECT_NEAR(found->log_e, 0, 1e-9);
  EXPECT_FALSE(found->is_alarm);
}

TEST(Srm, AnArmThatShouldHaveNoTrafficLeaks) {
  const auto found = srm(std::array<std::int64_t, 3>{50, 50, 1}, std::array<double, 3>{0.5, 0.5, 0});
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->is_leak);
  EXPECT_TRUE(found->is_alarm);
  EXPECT_FALSE(srm(std::array<std::int64_t, 3>{50, 50, 0}, std::array<double, 3>{0.5, 0.5, 0})->is_alarm);
}

TEST(Srm, AlarmsWhereTheEValueReachesAHundred) {
  EXPECT_TRUE(srm(std::array<std::int64_t, 2>{2150, 1850}, std::array<double, 2>{0.5, 0.5})->is_alarm);
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{2050, 1950}, std::array<double, 2>{0.5, 0.5})->is_alarm);
}

TEST(Srm, EachPhaseIsHeldAgainstItsOwnWeights) {
  // Together they are far from either design, and each is exactly its own.
  const std::vector<SrmPhase> phases{{{500, 9500}, {0.05, 0.95}}, {{5000, 5000}, {0.5, 0.5}}};
  EXPECT_FALSE(srm(phases)->is_alarm);
  const std::vector<SrmPhase> wrong{{{500, 9500}, {0.05, 0.95}}, {{5300, 4700}, {0.5, 0.5}}};
  EXPECT_TRUE(srm(wrong)->is_alarm);
  const std::vector<SrmPhase> broken{{{500, 9500}, {0.05, 0.9}}};
  EXPECT_FALSE(srm(broken).ok());
}

TEST(Srm, WhatIsOutOfRangeIsRefused) {
  const std::array<double, 2> halves{0.5, 0.5};
  EXPECT_FALSE(srm(std::array<std::int64_t, 1>{5}, halves).ok());
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{5, -1}, halves).ok());
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{5, 5}, std::array<double, 2>{1, 0}).ok());
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{5, 5}, std::array<double, 2>{0.5, kNotANumber}).ok());
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{5, 5}, std::array<double, 2>{0.5, 0.4}).ok());
  EXPECT_FALSE(srm(std::array<std::int64_t, 2>{5, 5}, halves, 0).ok());
}

TEST(ChiSquared, WhatIsOutOfRangeIsRefusedAndEmptyCellsCountForNothing) {
  EXPECT_FALSE(goodness_of_fit(std::array<std::int64_t, 1>{5}, std::array<double, 2>{0.5, 0.5}).ok());
  EXPECT_FALSE(goodness_of_fit(std::array<std::int64_t, 2>{5, -1}, std::array<double, 2>{0.5, 0.5}).ok());
  EXPECT_FALSE(goodness_of_fit(std::array<std::int64_t, 2>{5, 5}, std::array<double, 2>{1, 0}).ok());
  EXPECT_FALSE(goodness_of_fit(std::array<std::int64_t, 2>{5, 5}, std::array<double, 2>{0.5, 0.6}).ok());
  EXPECT_EQ(goodness_of_fit(std::array<std::int64_t, 2>{0, 0}, std::array<double, 2>{0.5, 0.5})->p, 1);
  EXPECT_EQ(independence({{5, 0, 5}, {5, 0, 5}})->df, 1);
  EXPECT_EQ(independence({})->p, 1);
  EXPECT_FALSE(independence({{1, 2}, {1}}).ok());
  EXPECT_FALSE(independence({{1, -2}, {1, 3}}).ok());
}

}  // namespace
}  // namespace trainer::core::stats

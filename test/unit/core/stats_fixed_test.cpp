#include "core/stats/fixed.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "core/stats/multiplicity.h"
#include "core/stats/proportions.h"
#include "core/stats/ranks.h"
#include "core/stats/thompson.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

using Numbers = std::vector<double>;

TEST(Proportions, NoSuccessAndNothingElseReachTheirEdges) {
  for (const auto& interval : {wilson, clopper_pearson, proportion_sequence}) {
    EXPECT_NEAR(interval({0, 30}, 0.05)->low, 0, 1e-15);
    EXPECT_NEAR(interval({30, 30}, 0.05)->high, 1, 1e-15);
    EXPECT_LT(interval({0, 30}, 0.05)->high, 0.5);
  }
}

TEST(Proportions, WhatIsValidAtAllTimesIsWiderThanAtOne) {
  const Count count{70, 100};
  EXPECT_LT(proportion_sequence(count, 0.05)->low, clopper_pearson(count, 0.05)->low);
  EXPECT_GT(proportion_sequence(count, 0.05)->high, clopper_pearson(count, 0.05)->high);
}

TEST(Proportions, WhatIsNoCountIsRefused) {
  for (const Count& count : {Count{1, 0}, Count{-1, 5}, Count{6, 5}, Count{kNotANumber, 5}, Count{1, kNotANumber}}) {
    EXPECT_FALSE(wilson(count, 0.05).ok());
    EXPECT_FALSE(clopper_pearson(count, 0.05).ok());
    EXPECT_FALSE(jeffreys(count, 0.05).ok());
    EXPECT_FALSE(agresti_coull(count, 0.05).ok());
    EXPECT_FALSE(proportion_sequence(count, 0.05).ok());
    EXPECT_FALSE(difference_newcombe(count, {1, 2}, 0.05).ok());
    EXPECT_FALSE(difference_agresti_caffo({1, 2}, count, 0.05).ok());
    EXPECT_FALSE(log_e_equal_proportions(count, {1, 2}).ok());
    EXPECT_FALSE(two_proportions(count, {1, 2}).ok());
    EXPECT_FALSE(two_proportions_yates(count, {1, 2}).ok());
  }
  EXPECT_FALSE(wilson({1, 2}, 0).ok());
}

TEST(Fixed, NothingThatVariesIsNoEvidence) {
  EXPECT_EQ(two_proportions({50, 50}, {50, 50})->p_two_sided, 1);
  EXPECT_EQ(two_proportions_yates({0, 50}, {0, 50})->p, 1);
  EXPECT_EQ(welch(from_sums(5, 5, 5), from_sums(5, 5, 5))->p, 1);
  EXPECT_EQ(welch(from_sums(5, 5, 5), from_sums(5, 0, 0))->p, 0);
  EXPECT_EQ(one_sample(from_sums(5, 0, 0))->t, 0);
}

TEST(Fixed, TwoValuesAreTheLeast) {
  EXPECT_FALSE(welch(from_sums(1, 1, 1), from_sums(5, 2, 2)).ok());
  EXPECT_FALSE(one_sample({}).ok());
  EXPECT_FALSE(welch({5, kNotANumber, 1}, from_sums(5, 2, 2)).ok());
  EXPECT_FALSE(one_sample(from_sums(5, 2, 2), 1).ok());
  EXPECT_FALSE(mcnemar(-1, 2).ok());
  EXPECT_EQ(*mcnemar(0, 0), 1);
}

TEST(Fixed, AHybridRejectsEarlyOrOnceAtTheEnd) {
  HybridSettings settings;
  settings.planned_total = 2000;
  const auto arm = [](std::int64_t n, double k) { return from_sums(n, k, k); };
  EXPECT_TRUE(hybrid(arm(200, 180), arm(200, 100), settings)->rejects);
  const auto before = hybrid(arm(999, 749), arm(1000, 700), settings);
  EXPECT_FALSE(before->is_final);
  EXPECT_FALSE(before->rejects);
  const auto at_the_end = hybrid(arm(1000, 750), arm(1000, 700), settings);
  EXPECT_TRUE(at_the_end->is_final);
  EXPECT_FALSE(at_the_end->running.rejects());
  EXPECT_TRUE(at_the_end->rejects);
  EXPECT_FALSE(hybrid(arm(1000, 720), arm(1000, 700), settings)->rejects);
  settings.is_proportion = false;
  EXPECT_NEAR(hybrid(arm(1000, 750), arm(1000, 700), settings)->final_p, at_the_end->final_p, 1e-3);
  settings.planned_total = 0;
  EXPECT_FALSE(hybrid(arm(1000, 750), arm(1000, 700), settings).ok());
}

TEST(GroupSequential, OneLookIsTheFixedTest) {
  for (const Spending spending : {Spending::pocock, Spending::obrien_fleming, Spending::lan_demets}) {
    EXPECT_NEAR(group_sequential(1, 0.025, spending)->at(0), 1.959963984540054, 1e-6);
  }
  EXPECT_FALSE(group_sequential(0, 0.025, Spending::pocock).ok());
  EXPECT_FALSE(group_sequential(5, 0.5, Spending::pocock).ok());
}

TEST(Ranks, TiesShareTheirMean) {
  EXPECT_EQ(ranks(Numbers{3, 1, 3, 2}), (Numbers{3.5, 1, 3.5, 2}));
  EXPECT_TRUE(ranks({}).empty());
}

TEST(Ranks, QuantilesOfOneValueAreIt) {
  for (const double p : {0.0, 0.5, 1.0}) {
    EXPECT_EQ(*quantile({7}, p), 7);
    EXPECT_EQ(*quantile_discrete({7}, p), 7);
  }
  EXPECT_EQ(*quantile({1, 2, 3, 4}, 0.5), 2.5);
  EXPECT_EQ(*quantile_discrete({4, 3, 2, 1}, 0.5), 2);
  EXPECT_EQ(*quantile_discrete(Numbers(200, 1), 1), 1);
}

TEST(Ranks, WhatIsOutOfRangeIsRefused) {
  EXPECT_FALSE(quantile({}, 0.5).ok());
  EXPECT_FALSE(quantile({1, kNotANumber}, 0.5).ok());
  EXPECT_FALSE(quantile_discrete({1}, 1.1).ok());
  EXPECT_FALSE(quantile_ranks(0, 0.5, 0.05).ok());
  EXPECT_FALSE(quantile_ranks(10, 1, 0.05).ok());
  EXPECT_FALSE(mann_whitney(Numbers{}, Numbers{1}).ok());
  EXPECT_FALSE(mann_whitney(Numbers{1}, Numbers{kInfinite}).ok());
  EXPECT_FALSE(signed_rank(Numbers{}).ok());
  EXPECT_FALSE(kolmogorov_smirnov({}, {1}).ok());
  EXPECT_FALSE(kolmogorov_smirnov({1}, {kNotANumber}).ok());
}

TEST(Ranks, AllEqualIsNoEvidence) {
  const Numbers same(10, 3);
  EXPECT_EQ(mann_whitney(same, same)->p_normal, 1);
  EXPECT_EQ(mann_whitney(same, same)->superiority, 0.5);
  EXPECT_EQ(signed_rank(Numbers(10, 0))->p, 1);
  EXPECT_EQ(kolmogorov_smirnov(same, same)->p, 1);
  EXPECT_EQ(kolmogorov_smirnov(same, same)->p_exact, 1);
}

TEST(Ranks, TheExactDistributionsCountAllOrders) {
  // Of the six orders of two and two values, one has all of x above y.
  const auto apart = mann_whitney(Numbers{3, 4}, Numbers{1, 2});
  ASSERT_TRUE(apart->is_exact);
  EXPECT_NEAR(apart->p_exact, 2.0 / 6, 1e-12);
  EXPECT_NEAR(kolmogorov_smirnov({3, 4}, {1, 2})->p_exact, 2.0 / 6, 1e-12);
  EXPECT_FALSE(mann_whitney(Numbers{1, 2}, Numbers{2, 3})->is_exact);
}

TEST(Multiplicity, KeepsTheOrderOfWhatItWasGiven) {
  const Numbers p{0.04, 0.01, 0.03};
  EXPECT_EQ(*holm(p), (Numbers{0.06, 0.03, 0.06}));
  EXPECT_EQ(*benjamini_hochberg(p), (Numbers{0.04, 0.03, 0.04}));
  EXPECT_EQ(*bonferroni(Numbers{0.5, 0.01}), (Numbers{1, 0.02}));
  EXPECT_TRUE(holm(Numbers{})->empty());
  EXPECT_FALSE(holm(Numbers{1.1}).ok());
  EXPECT_FALSE(benjamini_hochberg(Numbers{kNotANumber}).ok());
  EXPECT_FALSE(bonferroni(Numbers{-0.1}).ok());
}

TEST(Multiplicity, AnEValueThatIsJustEnoughIsRejected) {
  // K / (k alpha) is 20 for the larger of two at 0.1, and 10 for both.
  EXPECT_EQ(*e_benjamini_hochberg(Numbers{std::log(10), std::log(20)}, 0.1), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(*e_benjamini_hochberg(Numbers{std::log(9.9), std::log(20)}, 0.1), (std::vector<std::size_t>{1}));
  EXPECT_TRUE(e_benjamini_hochberg(Numbers{std::log(9.9), std::log(19.9)}, 0.1)->empty());
  EXPECT_FALSE(e_benjamini_hochberg(Numbers{kNotANumber}, 0.1).ok());
}

TEST(Multiplicity, TheBestBeatsEveryOtherOne) {
  EXPECT_TRUE(*is_best(Numbers{std::log(41), std::log(21)}, 0.05));
  EXPECT_FALSE(*is_best(Numbers{std::log(39), std::log(21)}, 0.05));
  EXPECT_FALSE(*is_best(Numbers{std::log(1000), std::log(19)}, 0.05));
  EXPECT_FALSE(*is_best({}, 0.05));
  EXPECT_FALSE(is_best(Numbers{1}, 0).ok());
}

TEST(Thompson, ArmsThatAreTheSameAreAsLikelyBest) {
  EXPECT_NEAR(choose_arm1({0, 0}, {0, 0})->p_best, 0.5, 1e-12);
  EXPECT_NEAR(choose_arm1({30, 50}, {30, 50})->p_best, 0.5, 1e-9);
  const std::array<Count, 3> same{Count{7, 10}, Count{7, 10}, Count{7, 10}};
  const auto best = probabilities_of_best(same);
  for (const double p : *best) EXPECT_NEAR(p, 1.0 / 3, 1e-9);
}

TEST(Thompson, TheSumAndTheIntegralAgree) {
  const std::array<Count, 2> arms{Count{700, 1000}, Count{75, 100}};
  EXPECT_NEAR(probabilities_of_best(arms)->at(1), choose_arm1(arms[1], arms[0])->p_best, 1e-8);
  // What choosing either one costs differs by the difference of the means.
  const double apart = 76.0 / 102 - 701.0 / 1002;
  EXPECT_NEAR(choose_arm1(arms[0], arms[1])->expected_loss - choose_arm1(arms[1], arms[0])->expected_loss, apart, 1e-9);
}

TEST(Thompson, NoArmFallsBelowTheFloor) {
  const auto shares = with_floor(Numbers{1, 0, 0});
  EXPECT_NEAR(shares->at(1), kThompsonFloor, 1e-12);
  EXPECT_NEAR(std::accumulate(shares->begin(), shares->end(), 0.0), 1, 1e-12);
  EXPECT_FALSE(with_floor(Numbers{0.5, 0.5}, 0.6).ok());
  EXPECT_FALSE(with_floor(Numbers{0.5, 0.4}).ok());
  EXPECT_FALSE(with_floor(Numbers{1.5, -0.5}).ok());
  EXPECT_FALSE(choose_arm1({1.5, 2}, {1, 2}).ok());
  EXPECT_FALSE(choose_arm1({3, 2}, {1, 2}).ok());
  EXPECT_FALSE(probabilities_of_best(std::array<Count, 1>{Count{1, 2}}).ok());
  EXPECT_FALSE(probabilities_of_best(std::array<Count, 2>{Count{1, 2}, Count{3, 2}}).ok());
}

}  // namespace
}  // namespace trainer::core::stats

#include "core/stats/special.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

TEST(Special, QuantilesInvertTheirDistributions) {
  for (const double p : {1e-9, 0.001, 0.3, 0.5, 0.9, 0.9999}) {
    EXPECT_NEAR(normal_cdf(normal_quantile(p)), p, 1e-12);
    EXPECT_NEAR(1 - student_t_sf(student_t_quantile(p, 7), 7), p, 1e-12);
    EXPECT_NEAR(1 - chi_squared_sf(chi_squared_quantile(p, 9), 9), p, 1e-12);
    EXPECT_NEAR(beta_cdf(beta_quantile(p, 3, 5), 3, 5), p, 1e-12);
  }
}

TEST(Special, TheEdgesOfADistributionAreItsEdges) {
  EXPECT_EQ(normal_quantile(0), -kInfinite);
  EXPECT_EQ(normal_quantile(1), kInfinite);
  EXPECT_EQ(student_t_sf(kInfinite, 3), 0);
  EXPECT_EQ(student_t_quantile(0, 3), -kInfinite);
  EXPECT_EQ(chi_squared_sf(0, 3), 1);
  EXPECT_EQ(chi_squared_sf(kInfinite, 3), 0);
  EXPECT_EQ(chi_squared_quantile(1, 3), kInfinite);
  EXPECT_EQ(binomial_cdf(-1, 10, 0.5), 0);
  EXPECT_EQ(binomial_cdf(10, 10, 0.5), 1);
  EXPECT_EQ(log_sum_exp({}), -kInfinite);
}

TEST(Special, WhatHasNoValueIsNotANumberAndThrowsNothing) {
  EXPECT_TRUE(std::isnan(normal_quantile(-0.1)));
  EXPECT_TRUE(std::isnan(normal_quantile(kNotANumber)));
  EXPECT_TRUE(std::isnan(log_gamma(0)));
  EXPECT_TRUE(std::isnan(log_choose(3, 4)));
  EXPECT_TRUE(std::isnan(gamma_p(-1, 2)));
  EXPECT_TRUE(std::isnan(beta_cdf(1.5, 1, 1)));
  EXPECT_TRUE(std::isnan(beta_quantile(0.5, 0, 1)));
  EXPECT_TRUE(std::isnan(log_beta_density(-1, 1, 1)));
  EXPECT_TRUE(std::isnan(chi_squared_sf(1, 0)));
  EXPECT_TRUE(std::isnan(chi_squared_quantile(2, 1)));
  EXPECT_TRUE(std::isnan(student_t_sf(kNotANumber, 1)));
  EXPECT_TRUE(std::isnan(student_t_quantile(0.5, -1)));
  EXPECT_TRUE(std::isnan(noncentral_t_sf(1, -1, 0)));
  EXPECT_TRUE(std::isnan(binomial_cdf(1, 2, 1.5)));
  EXPECT_TRUE(std::isnan(binomial_quantile(0.5, 2, kNotANumber)));
  EXPECT_TRUE(std::isnan(kolmogorov_sf(kNotANumber)));
}

TEST(Special, BothSeriesOfKolmogorovMeet) {
  EXPECT_NEAR(kolmogorov_sf(std::nextafter(1.0, 0.0)), kolmogorov_sf(1), 1e-13);
  EXPECT_EQ(kolmogorov_sf(0), 1);
}

TEST(Special, BinomialQuantilesAreTheLeastThatReach) {
  for (const double q : {0.025, 0.5, 0.975}) {
    const double k = binomial_quantile(q, 200, 0.95);
    EXPECT_GE(binomial_cdf(k, 200, 0.95), q);
    EXPECT_LT(binomial_cdf(k - 1, 200, 0.95), q);
  }
}

TEST(Special, ChoicesAreCounted) {
  EXPECT_NEAR(std::exp(log_choose(10, 3)), 120, 1e-9);
}

TEST(Special, SumsOfLargeExponentsDoNotOverflow) {
  EXPECT_NEAR(log_sum_exp(std::array<double, 2>{1000, 1000}), 1000 + std::log(2), 1e-12);
  EXPECT_NEAR(log_sum_exp(std::array<double, 2>{-1000, -kInfinite}), -1000, 1e-12);
}

}  // namespace
}  // namespace trainer::core::stats

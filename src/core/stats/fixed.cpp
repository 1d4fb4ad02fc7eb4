#include "core/stats/fixed.h"

#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

std::optional<Error> check_two(const Moments& values) {
  if (auto error = check_moments("the sample", values)) return error;
  if (values.n < 2) return invalid("the number of values", "be 2 or more");
  return std::nullopt;
}

// 0/0 is no evidence.
double ratio(double difference, double se) {
  if (se > 0) return difference / se;
  if (difference == 0) return 0;
  return difference > 0 ? kInfinity : -kInfinity;
}

TTest tested(double difference, double se, double df, double alpha) {
  TTest test;
  test.t = ratio(difference, se);
  test.df = df;
  test.p = std::min(1.0, 2 * student_t_sf(std::fabs(test.t), df));
  const double reach = se > 0 ? student_t_quantile(1 - alpha / 2, df) * se : 0;
  test.low = difference - reach;
  test.high = difference + reach;
  return test;
}

}  // namespace

Result<ZTest> two_proportions(const Count& arm1, const Count& arm0) {
  // The interval refuses what is no count.
  if (const auto checked = difference_wald(arm1, arm0, 0.05); !checked) return checked.error();
  const double pooled = (arm1.k + arm0.k) / (arm1.n + arm0.n);
  ZTest test;
  test.difference = arm1.rate() - arm0.rate();
  test.z = ratio(test.difference, std::sqrt(pooled * (1 - pooled) * (1 / arm1.n + 1 / arm0.n)));
  test.p_two_sided = std::min(1.0, 2 * normal_sf(std::fabs(test.z)));
  test.p_greater = normal_sf(test.z);
  return test;
}

Result<ChiSquared> two_proportions_yates(const Count& arm1, const Count& arm0) {
  if (const auto checked = difference_wald(arm1, arm0, 0.05); !checked) return checked.error();
  const double pooled = (arm1.k + arm0.k) / (arm1.n + arm0.n);
  const double distance = std::fabs(arm1.k - arm1.n * pooled);
  const double corrected = distance - std::min(0.5, distance);
  double sum = 0;
  for (const Count& arm : {arm1, arm0}) {
    for (const double rate : {pooled, 1 - pooled}) sum += rate > 0 ? 1 / (arm.n * rate) : 0;
  }
  const double statistic = corrected * corrected * sum;
  return ChiSquared{statistic, 1, chi_squared_sf(statistic, 1)};
}

Result<TTest> welch(const Moments& arm1, const Moments& arm0, double alpha) {
  if (auto error = first_error(check_two(arm1), check_two(arm0), check_probability("alpha", alpha))) {
    return *std::move(error);
  }
  const auto n1 = static_cast<double>(arm1.n);
  const auto n0 = static_cast<double>(arm0.n);
  const double v1 = arm1.variance() / n1;
  const double v0 = arm0.variance() / n0;
  const double sum = v1 + v0;
  const double df = sum > 0 ? sum * sum / (v1 * v1 / (n1 - 1) + v0 * v0 / (n0 - 1)) : n1 + n0 - 2;
  return tested(arm1.mean - arm0.mean, std::sqrt(sum), df, alpha);
}

Result<TTest> one_sample(const Moments& values, double alpha) {
  if (auto error = first_error(check_two(values), check_probability("alpha", alpha))) return *std::move(error);
  const auto n = static_cast<double>(values.n);
  return tested(values.mean, std::sqrt(values.variance() / n), n - 1, alpha);
}

Result<double> mcnemar(std::int64_t b, std::int64_t c) {
  if (b < 0 || c < 0) return invalid("a count", "be 0 or more");
  return std::min(1.0, 2 * binomial_cdf(static_cast<double>(std::min(b, c)), static_cast<double>(b + c), 0.5));
}

Result<Hybrid> hybrid(const Moments& arm1, const Moments& arm0, const HybridSettings& settings) {
  if (auto error = first_error(check_positive("the planned total", settings.planned_total),
                               check_probability("the final alpha", settings.final_alpha))) {
    return *std::move(error);
  }
  const AcsSettings running{settings.running_alpha, plan_of(settings.planned_total), settings.least,
                            settings.pseudo_deviation};
  auto sequence = acs(arm1, arm0, running);
  if (!sequence) return sequence.error();
  Hybrid found;
  found.running = *sequence;
  found.is_final = static_cast<double>(arm1.n + arm0.n) >= settings.planned_total && std::min(arm1.n, arm0.n) >= 2;
  if (found.is_final && settings.is_proportion) {
    const auto count = [](const Moments& arm) { return Count{arm.sum(), static_cast<double>(arm.n)}; };
    const auto test = two_proportions(count(arm1), count(arm0));
    if (!test) return test.error();
    found.final_p = test->p_two_sided;
  } else if (found.is_final) {
    found.final_p = welch(arm1, arm0)->p;
  }
  found.rejects = sequence->rejects() || found.final_p <= settings.final_alpha;
  return found;
}

}  // namespace trainer::core::stats

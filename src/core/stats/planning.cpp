#include "core/stats/planning.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/stats/acs.h"
#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

// A test that needs fewer stops later than others by this measure, since plan and least number are for larger ones.
constexpr double kSmallTotal = 300;

std::optional<Error> check(const Power& power) {
  return first_error(check_probability("alpha", power.alpha), check_probability("the power", power.power));
}

std::optional<Error> check_effect(double delta) {
  if (delta != 0 && std::isfinite(delta)) return std::nullopt;
  return invalid("the difference", "be finite, and not 0");
}

std::optional<Error> check_proportions(double p0, double p1, const Power& power) {
  return first_error(check(power), check_probability("the proportion", p0), check_probability("the proportion", p1),
                     check_effect(p1 - p0));
}

double z_two_sided(const Power& power) {
  return normal_quantile(1 - power.alpha / 2);
}

double z_power(const Power& power) {
  return normal_quantile(power.power);
}

double squared(double x) {
  return x * x;
}

double bernoulli_variance(double p) {
  return p * (1 - p);
}

// Where a function that is negative at `low`, and grows, crosses 0.
template <class Function>
double root(double low, const Function& function) {
  double high = 2 * low;
  while (function(high) < 0 && high < 1e18) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-13 * high; ++i) {
    const double middle = (low + high) / 2;
    (function(middle) < 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Result<double> proportions_per_arm(double p0, double p1, const Power& power) {
  if (auto error = check_proportions(p0, p1, power)) return *std::move(error);
  const double under_null = std::sqrt(2 * bernoulli_variance((p0 + p1) / 2));
  const double under_effect = std::sqrt(bernoulli_variance(p0) + bernoulli_variance(p1));
  return squared((z_two_sided(power) * under_null + z_power(power) * under_effect) / (p1 - p0));
}

Result<double> proportions_per_arm_unpooled(double p0, double p1, const Power& power) {
  if (auto error = check_proportions(p0, p1, power)) return *std::move(error);
  const double variances = bernoulli_variance(p0) + bernoulli_variance(p1);
  return squared((z_two_sided(power) + z_power(power)) / (p1 - p0)) * variances;
}

Result<double> proportions_per_arm_arcsine(double p0, double p1, const Power& power) {
  if (auto error = check_proportions(p0, p1, power)) return *std::move(error);
  const double h = 2 * std::asin(std::sqrt(p1)) - 2 * std::asin(std::sqrt(p0));
  return 2 * squared((z_two_sided(power) + z_power(power)) / h);
}

Result<double> means_per_arm(double delta, double sd, const Power& power) {
  if (auto error = first_error(check(power), check_effect(delta), check_positive("the deviation", sd))) {
    return *std::move(error);
  }
  return 2 * squared((z_two_sided(power) + z_power(power)) * sd / delta);
}

Result<double> means_per_arm_t(double delta, double sd, const Power& power) {
  if (auto error = first_error(check(power), check_effect(delta), check_positive("the deviation", sd))) {
    return *std::move(error);
  }
  // The other tail of a two-sided test is left out, as it is everywhere: it would be an error in the right direction.
  return root(1.0 + 1e-9, [&](double n) {
    const double df = 2 * (n - 1);
    const double critical = student_t_quantile(1 - power.alpha / 2, df);
    if (std::isinf(critical)) return -power.power;
    return noncentral_t_sf(critical, df, std::sqrt(n / 2) * std::fabs(delta) / sd) - power.power;
  });
}

Result<double> non_inferiority_per_arm(double v1, double v0, double margin, const Power& power) {
  if (auto error =
          first_error(check(power), check_positive("the margin", margin), check_positive("the variance", v1 + v0))) {
    return *std::move(error);
  }
  return squared((normal_quantile(1 - power.alpha) + z_power(power)) / margin) * (v1 + v0);
}

Result<double> sequential_per_arm(double v1, double v0, double delta, double plan, const Power& power) {
  if (auto error = first_error(check(power), check_effect(delta), check_positive("the variance", v1 + v0),
                               check_positive("the planned number of units", plan))) {
    return *std::move(error);
  }
  return root(1e-3, [&](double n) {
    const double reach = two_sided_boundary(2 * n, power.alpha, plan) + z_power(power);
    return std::fabs(delta) - reach * std::sqrt((v0 + v1) / n);
  });
}

double smaller_arm_factor(double ratio) {
  return (1 + 1 / ratio) / 2;
}

double total_of(double per_arm, double traffic) {
  const double smaller = std::min(traffic, 1 - traffic);
  return per_arm * smaller_arm_factor((1 - smaller) / smaller) / smaller;
}

Plan plan_for(double fixed_per_arm, double units_per_day) {
  Plan plan;
  plan.fixed_total = 2 * std::ceil(fixed_per_arm);
  plan.sequential_total = std::ceil(1.7 * plan.fixed_total);
  const bool is_small = plan.fixed_total < kSmallTotal;
  plan.expected_low = (is_small ? 1.4 : 0.9) * plan.fixed_total;
  plan.expected_high = (is_small ? 1.6 : 1.1) * plan.fixed_total;
  plan.days = units_per_day > 0 ? plan.sequential_total / units_per_day : std::numeric_limits<double>::infinity();
  plan.boundary_plan = plan_of(plan.fixed_total);
  return plan;
}

}  // namespace trainer::core::stats

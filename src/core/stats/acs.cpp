#include "core/stats/acs.h"

#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

std::optional<Error> check(const Moments& arm1, const Moments& arm0, const AcsSettings& settings) {
  if (!(settings.alpha > 0 && settings.alpha < 0.5)) return invalid("alpha", "lie between 0 and 0.5, without them");
  if (!(settings.plan >= kLeastPlan && settings.plan <= kMostPlan)) {
    return invalid("the planned number of units", "lie between 200 and 1000000");
  }
  if (settings.least < 1) return invalid("the least number of units", "be 1 or more");
  return first_error(check_positive("the pseudo deviation", settings.pseudo_deviation),
                     check_moments("the first arm", arm1), check_moments("the second arm", arm0));
}

}  // namespace

double mixture_precision(double alpha, double plan) {
  const double log_term = 2 * std::log(1 / alpha);
  return (log_term + std::log1p(log_term)) / plan;
}

double two_sided_boundary(double n, double alpha, double plan) {
  if (n <= 0) return kInfinity;
  const double k = n * mixture_precision(alpha, plan);
  return std::sqrt((1 + 1 / k) * (2 * std::log(1 / alpha) + std::log1p(k)));
}

double one_sided_boundary(double n, double alpha, double plan) {
  if (n <= 0) return kInfinity;
  const double k = n * mixture_precision(2 * alpha, plan);
  return std::sqrt((1 + 1 / k) * 2 * std::log1p(std::sqrt(1 + k) / (2 * alpha)));
}

double log_e_of_z(double z, double n, double alpha, double plan) {
  if (n <= 0) return 0;
  const double k = n * mixture_precision(alpha, plan);
  return z * z * k / (2 * (1 + k)) - 0.5 * std::log1p(k);
}

double anytime_p(double log_e) {
  return std::exp(std::min(0.0, -log_e));
}

Difference difference(const Moments& arm1, const Moments& arm0, double pseudo_deviation) {
  const auto n1 = static_cast<double>(arm1.n);
  const auto n0 = static_cast<double>(arm0.n);
  Moments both = arm1;
  both.merge(arm0);
  Difference found;
  found.n = n1 + n0;
  found.value = arm1.mean - arm0.mean;
  found.se_unpooled = std::sqrt((arm1.m2 + pseudo_deviation) / (n1 * n1) + (arm0.m2 + pseudo_deviation) / (n0 * n0));
  found.se_pooled = std::sqrt((both.m2 + pseudo_deviation) / found.n * (1 / n1 + 1 / n0));
  found.se = std::max(found.se_unpooled, found.se_pooled);
  return found;
}

Result<Acs> acs(const Moments& arm1, const Moments& arm0, const AcsSettings& settings) {
  if (auto error = check(arm1, arm0, settings)) return *std::move(error);
  Acs found;
  if (arm1.n == 0 || arm0.n == 0) {
    found.boundary = kInfinity;
    found.low = found.one_sided_low = -kInfinity;
    found.high = found.one_sided_high = kInfinity;
    return found;
  }
  found.difference = difference(arm1, arm0, settings.pseudo_deviation);
  const double value = found.difference.value;
  const double se = found.difference.se;
  const double n = found.difference.n;
  found.z = value / se;
  found.boundary = two_sided_boundary(n, settings.alpha, settings.plan);
  const double one_sided = one_sided_boundary(n, settings.alpha, settings.plan);
  found.low = value - found.boundary * se;
  found.high = value + found.boundary * se;
  found.one_sided_low = value - one_sided * se;
  found.one_sided_high = value + one_sided * se;
  found.log_e = log_e_of_z(found.z, n, settings.alpha, settings.plan);
  found.p = anytime_p(found.log_e);
  found.is_reported = std::min(arm1.n, arm0.n) >= settings.least;
  return found;
}

double plan_of(double units) {
  return std::clamp(units, kLeastPlan, kMostPlan);
}

}  // namespace trainer::core::stats

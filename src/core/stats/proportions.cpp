#include "core/stats/proportions.h"

#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

std::optional<Error> check(const Count& count) {
  if (count.n >= 1 && count.k >= 0 && count.k <= count.n && std::isfinite(count.n)) return std::nullopt;
  return invalid("the count", "be of one unit or more, with no more successes than units");
}

std::optional<Error> check(const Count& count, double alpha) {
  return first_error(check(count), check_probability("alpha", alpha));
}

std::optional<Error> check(const Count& arm1, const Count& arm0, double alpha) {
  return first_error(check(arm1), check(arm0), check_probability("alpha", alpha));
}

double z_of(double alpha) {
  return normal_quantile(1 - alpha / 2);
}

Interval normal_interval(double middle, double variance, double z) {
  const double reach = z * std::sqrt(variance);
  return {middle - reach, middle + reach};
}

double rate_variance(double rate, double n) {
  return rate * (1 - rate) / n;
}

// x ln y, which is 0 at 0 ln 0.
double times_log(double x, double y) {
  return x == 0 ? 0 : x * std::log(y);
}

// Where a function that is positive at `out` and not at `in` changes its sign.
template <class Function>
double crossing(double out, double in, const Function& function) {
  for (int i = 0; i < 200; ++i) {
    const double middle = (out + in) / 2;
    (function(middle) > 0 ? out : in) = middle;
  }
  return (out + in) / 2;
}

}  // namespace

Result<Interval> wilson(const Count& count, double alpha) {
  if (auto error = check(count, alpha)) return *std::move(error);
  const double z = z_of(alpha);
  const double n = count.n;
  const double middle = (count.k + z * z / 2) / (n + z * z);
  const double reach = z / (n + z * z) * std::sqrt(n * count.rate() * (1 - count.rate()) + z * z / 4);
  return Interval{std::max(0.0, middle - reach), std::min(1.0, middle + reach)};
}

Result<Interval> clopper_pearson(const Count& count, double alpha) {
  if (auto error = check(count, alpha)) return *std::move(error);
  const double low = count.k == 0 ? 0 : beta_quantile(alpha / 2, count.k, count.n - count.k + 1);
  const double high = count.k == count.n ? 1 : beta_quantile(1 - alpha / 2, count.k + 1, count.n - count.k);
  return Interval{low, high};
}

Result<Interval> jeffreys(const Count& count, double alpha) {
  if (auto error = check(count, alpha)) return *std::move(error);
  const double a = count.k + 0.5;
  const double b = count.n - count.k + 0.5;
  return Interval{beta_quantile(alpha / 2, a, b), beta_quantile(1 - alpha / 2, a, b)};
}

Result<Interval> agresti_coull(const Count& count, double alpha) {
  if (auto error = check(count, alpha)) return *std::move(error);
  const double z = z_of(alpha);
  const double n = count.n + z * z;
  const double rate = (count.k + z * z / 2) / n;
  return normal_interval(rate, rate_variance(rate, n), z);
}

Result<Interval> proportion_sequence(const Count& count, double alpha) {
  if (auto error = check(count, alpha)) return *std::move(error);
  const double misses = count.n - count.k;
  const double mixture = log_beta(count.k + 0.5, misses + 0.5) - log_beta(0.5, 0.5);
  const auto excess = [&](double p) {
    return mixture - times_log(count.k, p) - times_log(misses, 1 - p) - std::log(1 / alpha);
  };
  const double low = count.k == 0 ? 0 : crossing(0, count.rate(), excess);
  const double high = misses == 0 ? 1 : crossing(1, count.rate(), excess);
  return Interval{low, high};
}

Result<Interval> difference_wald(const Count& arm1, const Count& arm0, double alpha) {
  if (auto error = check(arm1, arm0, alpha)) return *std::move(error);
  const double variance = rate_variance(arm1.rate(), arm1.n) + rate_variance(arm0.rate(), arm0.n);
  return normal_interval(arm1.rate() - arm0.rate(), variance, z_of(alpha));
}

Result<Interval> difference_agresti_caffo(const Count& arm1, const Count& arm0, double alpha) {
  if (auto error = check(arm1, arm0, alpha)) return *std::move(error);
  return difference_wald({arm1.k + 1, arm1.n + 2}, {arm0.k + 1, arm0.n + 2}, alpha);
}

Result<Interval> difference_newcombe(const Count& arm1, const Count& arm0, double alpha) {
  if (auto error = check(arm1, arm0, alpha)) return *std::move(error);
  const Interval of1 = *wilson(arm1, alpha);
  const Interval of0 = *wilson(arm0, alpha);
  const double difference = arm1.rate() - arm0.rate();
  return Interval{difference - std::hypot(arm1.rate() - of1.low, of0.high - arm0.rate()),
                  difference + std::hypot(of1.high - arm1.rate(), arm0.rate() - of0.low)};
}

Result<double> log_e_equal_proportions(const Count& arm1, const Count& arm0) {
  if (auto error = first_error(check(arm1), check(arm0))) return *std::move(error);
  const auto marginal = [](const Count& count) { return log_beta(count.k + 1, count.n - count.k + 1); };
  const double k = arm1.k + arm0.k;
  const double n = arm1.n + arm0.n;
  const double likelihood = times_log(k, k / n) + times_log(n - k, 1 - k / n);
  return marginal(arm1) + marginal(arm0) - likelihood;
}

}  // namespace trainer::core::stats

#include "core/stats/special.h"

#include <algorithm>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <numbers>

namespace trainer::core::stats {
namespace {

namespace bm = boost::math;

// An argument out of its domain is a NaN and an overflow an infinity: nothing is thrown through the server. Doubles
// are not promoted: long doubles would double the time for digits that nobody asks for.
using Quiet = bm::policies::policy<bm::policies::domain_error<bm::policies::ignore_error>,
                                   bm::policies::pole_error<bm::policies::ignore_error>,
                                   bm::policies::overflow_error<bm::policies::ignore_error>,
                                   bm::policies::evaluation_error<bm::policies::ignore_error>,
                                   bm::policies::rounding_error<bm::policies::ignore_error>,
                                   bm::policies::indeterminate_result_error<bm::policies::ignore_error>,
                                   bm::policies::promote_double<false>, bm::policies::promote_float<false>>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool is_probability(double p) {
  return p >= 0 && p <= 1;
}

bool is_positive(double x) {
  return x > 0 && x < kInfinity;
}

}  // namespace

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double normal_sf(double x) {
  return 0.5 * std::erfc(x / std::numbers::sqrt2);
}

double normal_quantile(double p) {
  if (!is_probability(p)) return kNaN;
  if (p == 0 || p == 1) return p == 0 ? -kInfinity : kInfinity;
  return -std::numbers::sqrt2 * bm::erfc_inv(2 * p, Quiet());
}

double log_gamma(double x) {
  return is_positive(x) ? bm::lgamma(x, Quiet()) : kNaN;
}

double log_beta(double a, double b) {
  return log_gamma(a) + log_gamma(b) - log_gamma(a + b);
}

double log_choose(double n, double k) {
  if (!(k >= 0 && k <= n)) return kNaN;
  return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1);
}

double gamma_p(double a, double x) {
  return is_positive(a) && x >= 0 ? bm::gamma_p(a, x, Quiet()) : kNaN;
}

double beta_cdf(double x, double a, double b) {
  if (!is_probability(x) || !is_positive(a) || !is_positive(b)) return kNaN;
  return bm::ibeta(a, b, x, Quiet());
}

double beta_quantile(double p, double a, double b) {
  if (!is_probability(p) || !is_positive(a) || !is_positive(b)) return kNaN;
  return bm::ibeta_inv(a, b, p, Quiet());
}

double log_beta_density(double x, double a, double b) {
  if (!is_probability(x)) return kNaN;
  // 0 ln 0 is 0 here: a density that does not vanish at its edge.
  const double left = a == 1 ? 0 : (a - 1) * std::log(x);
  const double right = b == 1 ? 0 : (b - 1) * std::log1p(-x);
  return left + right - log_beta(a, b);
}

double chi_squared_sf(double x, double df) {
  if (!is_positive(df) || std::isnan(x)) return kNaN;
  if (x <= 0) return 1;
  return x == kInfinity ? 0 : bm::gamma_q(df / 2, x / 2, Quiet());
}

double chi_squared_quantile(double p, double df) {
  if (!is_probability(p) || !is_positive(df)) return kNaN;
  return p == 1 ? kInfinity : 2 * bm::gamma_p_inv(df / 2, p, Quiet());
}

double student_t_sf(double t, double df) {
  if (!is_positive(df) || std::isnan(t)) return kNaN;
  if (std::isinf(t)) return t > 0 ? 0 : 1;
  return bm::cdf(bm::complement(bm::students_t_distribution<double, Quiet>(df), t));
}

double student_t_quantile(double p, double df) {
  if (!is_probability(p) || !is_positive(df)) return kNaN;
  if (p == 0 || p == 1) return p == 0 ? -kInfinity : kInfinity;
  return bm::quantile(bm::students_t_distribution<double, Quiet>(df), p);
}

double noncentral_t_sf(double t, double df, double ncp) {
  if (!is_positive(df) || !std::isfinite(t) || !std::isfinite(ncp)) return kNaN;
  return bm::cdf(bm::complement(bm::non_central_t_distribution<double, Quiet>(df, ncp), t));
}

double binomial_cdf(double k, double n, double p) {
  if (!is_probability(p) || !(n >= 0) || std::isnan(k)) return kNaN;
  k = std::floor(k);
  if (k < 0) return 0;
  return k >= n ? 1 : beta_cdf(1 - p, n - k, k + 1);
}

double binomial_quantile(double q, double n, double p) {
  if (!is_probability(q) || !is_probability(p) || !(n >= 0)) return kNaN;
  double low = -1;  // P(X <= low) < q, unless q is 0
  double high = n;
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (binomial_cdf(middle, n, p) >= q ? high : low) = middle;
  }
  return high;
}

double kolmogorov_sf(double x) {
  if (std::isnan(x)) return kNaN;
  if (x <= 0) return 1;
  double sum = 0;
  if (x < 1) {
    // The series above converges slowly here; Jacobi's theta transformation of it, for the complement, does not.
    const double scale = std::numbers::pi * std::numbers::pi / (8 * x * x);
    for (int k = 1; k <= 19; k += 2) sum += std::exp(-k * k * scale);
    return 1 - std::sqrt(2 * std::numbers::pi) / x * sum;
  }
  for (int k = 10; k >= 1; --k) sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return sum;
}

double log_sum_exp(std::span<const double> values) {
  double most = -kInfinity;
  for (const double value : values) most = std::max(most, value);
  if (std::isinf(most)) return most;
  double sum = 0;
  for (const double value : values) sum += std::exp(value - most);
  return most + std::log(sum);
}

}  // namespace trainer::core::stats

// The special functions and distributions that the methods of stats need, in doubles. Outside its domain each returns
// NaN, and none of them throws. The functions are Boost.Math's (docs/dependencies.md); no header of ours includes it.
#pragma once

#include <limits>
#include <span>

namespace trainer::core::stats {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The standard normal distribution: P(Z <= x), P(Z > x), and the x with P(Z <= x) = p, infinite at 0 and 1.
double normal_cdf(double x);
double normal_sf(double x);
double normal_quantile(double p);

// ln Gamma(x), x > 0; ln B(a, b), a and b > 0; ln C(n, k), 0 <= k <= n.
double log_gamma(double x);
double log_beta(double a, double b);
double log_choose(double n, double k);

// The regularised incomplete gamma function P(a, x); a > 0, x >= 0.
double gamma_p(double a, double x);

// The beta distribution: the regularised incomplete beta function I_x(a, b), its inverse in x, and the density's
// logarithm; a and b > 0, x and p in [0, 1].
double beta_cdf(double x, double a, double b);
double beta_quantile(double p, double a, double b);
double log_beta_density(double x, double a, double b);

// P(X > x) and the x with P(X <= x) = p; df > 0.
double chi_squared_sf(double x, double df);
double chi_squared_quantile(double p, double df);

// P(T > t), the t with P(T <= t) = p, and P(T > t) where T has the non-centrality `ncp`; df > 0.
double student_t_sf(double t, double df);
double student_t_quantile(double p, double df);
double noncentral_t_sf(double t, double df, double ncp);

// P(X <= k) of n trials with success p, and the least k with P(X <= k) >= q.
double binomial_cdf(double k, double n, double p);
double binomial_quantile(double q, double n, double p);

// Kolmogorov's Q(x) = 2 sum (-1)^(k-1) exp(-2 k^2 x^2): what sqrt(n) D exceeds with that probability in the limit.
// 1 for x <= 0.
double kolmogorov_sf(double x);

// ln sum exp(values) without overflow; -infinity for none.
double log_sum_exp(std::span<const double> values);

}  // namespace trainer::core::stats

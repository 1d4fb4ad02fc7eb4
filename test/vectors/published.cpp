#include "published.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/stats/acs.h"
#include "core/stats/special.h"

namespace vectors {
namespace {

namespace stats = trainer::core::stats;

// confseq's rho for a variance process that is v_opt where the bound is tightest.
double best_rho(double v_opt, double alpha) {
  return 1 / stats::mixture_precision(alpha, v_opt);
}

double bisect(double low, double high, const std::function<double(double)>& function) {
  const bool rises = function(low) < 0;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    ((function(middle) < 0) == rises ? low : high) = middle;
  }
  return (low + high) / 2;
}

// ln of the supermartingale for success probability p after k of n.
double log_beta_binomial(double p, double k, double n, double t_opt, double alpha_opt) {
  const double q = 1 - p;
  const double r = std::max(best_rho(p * q * t_opt, alpha_opt) - p * q, 1e-3 * p * q);
  const double a = r / p;
  const double b = r / q;
  return stats::log_beta(a + n - k, b + k) - stats::log_beta(a, b) - k * std::log(p) - (n - k) * std::log(q);
}

// The bets of the predictable mixture: sqrt(2 ln(1/alpha) / (t ln(1 + t) sigma^2)), before each value is seen.
std::vector<double> mixture_bets(const std::vector<double>& x, double alpha) {
  std::vector<double> bets;
  double sum = 0.5;
  double squares = 0.25;
  double variance = 0.25;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto t = static_cast<double>(i + 1);
    bets.push_back(std::sqrt(2 * std::log(1 / alpha) / (t * std::log(1 + t) * variance)));
    sum += x[i];
    const double mean = std::min(1.0, sum / (t + 1));
    squares += (x[i] - mean) * (x[i] - mean);
    variance = squares / (t + 1);
  }
  return bets;
}

std::vector<double> mirrored(std::vector<double> x) {
  for (double& value : x) value = 1 - value;
  return x;
}

double empirical_bernstein_low(const std::vector<double>& x, double alpha) {
  const std::vector<double> bets = mixture_bets(x, alpha);
  double sum = 0;
  double weight = 0;
  double weighted = 0;
  double penalty = std::log(1 / alpha);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double bet = std::min(bets[i], 0.5);
    const double apart = x[i] - (i == 0 ? 0 : sum / static_cast<double>(i));
    weight += bet;
    weighted += bet * x[i];
    penalty += apart * apart * (-std::log1p(-bet) - bet);
    sum += x[i];
  }
  return std::min(1.0, (weighted - penalty) / weight);
}

double hoeffding_low(const std::vector<double>& x, double alpha) {
  double weight = 0;
  double weighted = 0;
  double penalty = std::log(1 / alpha);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto t = static_cast<double>(i + 1);
    const double bet = std::min(1.0, std::sqrt(8 * std::log(1 / alpha) / (t * std::log(1 + t))));
    weight += bet;
    weighted += bet * x[i];
    penalty += bet * bet / 8;
  }
  return std::min(1.0, (weighted - penalty) / weight);
}

// A bet without bound on what cannot happen: 0 x infinity is nothing won or lost.
double won(double bet, double apart) {
  return apart == 0 ? 1 : 1 + bet * apart;
}

// The capital after all values; each side bets at half the level.
double hedged(const std::vector<double>& x, const std::vector<double>& bets, double m) {
  double above = 1;
  double below = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    above *= won(std::min(bets[i], 0.5 / m), x[i] - m);
    below *= won(-std::min(bets[i], 0.5 / (1 - m)), x[i] - m);
  }
  return std::max(above / 2, below / 2);
}

}  // namespace

Interval beta_binomial_sequence(double k, double n, double alpha, double t_opt, double alpha_opt) {
  const auto excess = [&](double p) { return log_beta_binomial(p, k, n, t_opt, alpha_opt) + std::log(alpha); };
  const double edge = 1e-15;
  return {k > 0 ? bisect(edge, k / n, excess) : 0, k < n ? bisect(k / n, 1 - edge, excess) : 1};
}

GammaExponential::GammaExponential(double v_opt, double alpha_opt, double c)
    : rho_(best_rho(v_opt, 2 * alpha_opt)), c_(c) {
  const double scaled = rho_ / (c_ * c_);
  constant_ = scaled * std::log(scaled) - stats::log_gamma(scaled) - std::log(stats::gamma_p(scaled, scaled));
}

double GammaExponential::log_mixture(double s, double v) const {
  const double squared = c_ * c_;
  const double shape = (v + rho_) / squared;
  const double moved = (c_ * s + v) / squared;
  const double rate = moved + rho_ / squared;
  return constant_ + stats::log_gamma(shape) + std::log(stats::gamma_p(shape, rate)) - shape * std::log(rate) + moved;
}

double GammaExponential::bound(double v, double alpha) const {
  double high = std::max(v, 1.0);
  while (log_mixture(high, v) < std::log(1 / alpha)) high *= 2;
  return bisect(0, high, [&](double s) { return log_mixture(s, v) + std::log(alpha); });
}

double hedged_capital(const std::vector<double>& x, double m, double alpha) {
  return hedged(x, mixture_bets(x, alpha / 2), m);
}

Interval hedged_sequence(const std::vector<double>& x, double alpha, int breaks) {
  const std::vector<double> bets = mixture_bets(x, alpha / 2);
  double low = 1;
  double high = 0;
  for (int i = 0; i <= breaks; ++i) {
    const double m = static_cast<double>(i) / breaks;
    if (!(hedged(x, bets, m) <= 1 / alpha)) continue;
    low = std::min(low, m);
    high = std::max(high, m);
  }
  return low > high ? Interval{0, 1} : Interval{std::max(0.0, low - 1.0 / breaks), std::min(1.0, high + 1.0 / breaks)};
}

Interval predictable_empirical_bernstein(const std::vector<double>& x, double alpha) {
  return {empirical_bernstein_low(x, alpha / 2), 1 - empirical_bernstein_low(mirrored(x), alpha / 2)};
}

Interval predictable_hoeffding(const std::vector<double>& x, double alpha) {
  return {hoeffding_low(x, alpha / 2), 1 - hoeffding_low(mirrored(x), alpha / 2)};
}

double log_msprt(double n, double difference, double v, double tau2) {
  const double total = v + n * tau2;
  return 0.5 * std::log(v / total) + n * n * tau2 * difference * difference / (2 * v * total);
}

GlrStop glr_stop(double mean1, double var1, double n1, double mean0, double var0, double n0, double epsilon,
                 double delta) {
  const double gap = std::fabs(mean1 - mean0) + epsilon;
  return {gap * gap / (2 * (var1 / n1 + var0 / n0)), std::log((1 + std::log(n1 + n0)) / delta)};
}

std::uint32_t fnv1a(std::string_view bytes) {
  std::uint32_t hash = 2166136261u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace vectors

#include "core/stats/thompson.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

constexpr int kSimpsonIntervals = 2000;  // even, for Simpson's rule

struct Beta {
  double a = 1;
  double b = 1;

  double mean() const { return a / (a + b); }
};

Beta posterior(const Count& count) {
  return {1 + count.k, 1 + count.n - count.k};
}

std::optional<Error> check_count(const Count& count) {
  const bool is_whole = std::floor(count.k) == count.k && std::floor(count.n) == count.n;
  if (is_whole && count.k >= 0 && count.k <= count.n && std::isfinite(count.n)) return std::nullopt;
  return invalid("the count", "be whole, with no more successes than units");
}

// P(X > Y), for whole a of X: sum over i < a of B(a_y + i, b_x + b_y) / ((b_x + i) B(1 + i, b_x) B(a_y, b_y))
// (E. Miller, "Formulas for Bayesian A/B Testing"), each term from the one before.
double probability_above(const Beta& x, const Beta& y) {
  double log_term = log_beta(y.a, x.b + y.b) - log_beta(y.a, y.b);
  double sum = 0;
  for (double i = 0; i < x.a; ++i) {
    sum += std::exp(log_term);
    log_term += std::log((y.a + i) / (y.a + i + x.b + y.b) * ((x.b + i) / (1 + i)));
  }
  return std::clamp(sum, 0.0, 1.0);
}

double best_integral(std::span<const Beta> arms, std::size_t best) {
  const Beta& arm = arms[best];
  const double low = beta_quantile(1e-13, arm.a, arm.b);
  const double high = beta_quantile(1 - 1e-13, arm.a, arm.b);
  const double step = (high - low) / kSimpsonIntervals;
  double sum = 0;
  for (int i = 0; i <= kSimpsonIntervals; ++i) {
    const double x = std::min(1.0, low + i * step);
    double value = std::exp(log_beta_density(x, arm.a, arm.b));
    for (std::size_t other = 0; other < arms.size(); ++other) {
      if (other != best) value *= beta_cdf(x, arms[other].a, arms[other].b);
    }
    sum += (i == 0 || i == kSimpsonIntervals ? 1 : i % 2 == 1 ? 4 : 2) * value;
  }
  return sum * step / 3;
}

}  // namespace

Result<Choice> choose_arm1(const Count& arm1, const Count& arm0) {
  if (auto error = first_error(check_count(arm1), check_count(arm0))) return *std::move(error);
  const Beta x = posterior(arm1);
  const Beta y = posterior(arm0);
  Choice choice;
  choice.p_best = probability_above(x, y);
  // E max(Y - X, 0) = E[Y] P(Y+ > X) - E[X] P(Y > X+), where a + 1 makes X+ and Y+.
  const double gained = y.mean() * probability_above({y.a + 1, y.b}, x);
  const double lost = x.mean() * probability_above(y, {x.a + 1, x.b});
  choice.expected_loss = std::max(0.0, gained - lost);
  return choice;
}

Result<std::vector<double>> probabilities_of_best(std::span<const Count> arms) {
  if (arms.size() < 2) return invalid("the number of arms", "be 2 or more");
  std::vector<Beta> posteriors;
  for (const Count& arm : arms) {
    if (auto error = check_count(arm)) return *std::move(error);
    posteriors.push_back(posterior(arm));
  }
  std::vector<double> found;
  for (std::size_t i = 0; i < posteriors.size(); ++i) found.push_back(best_integral(posteriors, i));
  const double total = std::accumulate(found.begin(), found.end(), 0.0);
  for (double& probability : found) probability /= total;
  return found;
}

Result<std::vector<double>> with_floor(std::span<const double> weights, double floor) {
  const auto k = static_cast<double>(weights.size());
  if (!(floor >= 0 && k * floor <= 1)) return invalid("the floor", "lie between 0 and one over the number of arms");
  double total = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) return invalid("a weight", "be 0 or more");
    total += weight;
  }
  if (!(std::fabs(total - 1) < 1e-6)) return invalid("the sum of the weights", "be 1");
  std::vector<double> shares;
  for (const double weight : weights) shares.push_back(floor + (1 - k * floor) * weight);
  return shares;
}

}  // namespace trainer::core::stats

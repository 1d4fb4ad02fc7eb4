#include "core/stats/srm.h"

#include <algorithm>
#include <cmath>

#include "core/stats/acs.h"
#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

std::optional<Error> check(std::span<const std::int64_t> observed, std::span<const double> weights, double alpha) {
  if (observed.size() != weights.size()) return invalid("the number of weights", "be the number of arms");
  if (std::any_of(observed.begin(), observed.end(), [](std::int64_t count) { return count < 0; })) {
    return invalid("a count", "be 0 or more");
  }
  double total = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) return invalid("a weight", "be 0 or more");
    total += weight;
  }
  if (!(std::fabs(total - 1) < 1e-6)) return invalid("the sum of the weights", "be 1");
  if (std::count_if(weights.begin(), weights.end(), [](double weight) { return weight > 0; }) < 2) {
    return invalid("the number of arms with traffic", "be 2 or more");
  }
  return check_probability("alpha", alpha);
}

double log_bayes_factor(std::span<const std::int64_t> observed, std::span<const double> weights, double concentration) {
  double total = 0;
  double sum = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    if (weights[i] == 0) continue;
    const auto count = static_cast<double>(observed[i]);
    const double prior = concentration * weights[i];
    total += count;
    sum += log_gamma(prior + count) - log_gamma(prior) - count * std::log(weights[i]);
  }
  return sum + log_gamma(concentration) - log_gamma(concentration + total);
}

void conclude(Srm& found, double alpha) {
  found.p = anytime_p(found.log_e);
  found.is_alarm = found.is_leak || found.log_e >= std::log(1 / alpha);
}

}  // namespace

Result<Srm> srm(std::span<const std::int64_t> observed, std::span<const double> weights, double alpha) {
  if (auto error = check(observed, weights, alpha)) return *std::move(error);
  Srm found;
  for (std::size_t i = 0; i < observed.size(); ++i) found.is_leak |= weights[i] == 0 && observed[i] > 0;
  for (std::size_t i = 0; i < kConcentrations.size(); ++i) {
    found.log_bayes_factors[i] = log_bayes_factor(observed, weights, kConcentrations[i]);
  }
  found.log_e = log_sum_exp(found.log_bayes_factors) - std::log(static_cast<double>(kConcentrations.size()));
  conclude(found, alpha);
  return found;
}

Result<Srm> srm(std::span<const SrmPhase> phases, double alpha) {
  Srm product;
  for (const SrmPhase& phase : phases) {
    auto of_phase = srm(phase.observed, phase.weights, alpha);
    if (!of_phase) return of_phase.error();
    for (std::size_t i = 0; i < kConcentrations.size(); ++i) {
      product.log_bayes_factors[i] += of_phase->log_bayes_factors[i];
    }
    product.log_e += of_phase->log_e;
    product.is_leak |= of_phase->is_leak;
  }
  conclude(product, alpha);
  return product;
}

}  // namespace trainer::core::stats

// Sample-ratio mismatch: do the arms get the traffic that they were designed to get? The sequential test is a
// Dirichlet-multinomial Bayes factor (Lindon and Malek, arXiv:2011.03567), averaged over four concentrations so that
// large imbalances are found early and small ones at all; valid however often it is looked at.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"

namespace trainer::core::stats {

constexpr std::array<double, 4> kConcentrations{10, 100, 1000, 10000};
constexpr double kSrmAlpha = 0.01;

struct Srm {
  std::array<double, kConcentrations.size()> log_bayes_factors{};
  double log_e = 0;
  double p = 1;
  bool is_leak = false;   // an arm of weight 0 has units
  bool is_alarm = false;  // a leak, or e >= 1/alpha
};

// Counts of units an arm, and the probabilities with which units were sent there, which sum to 1. Holdouts are in
// neither. Errors: sizes that differ or fewer than two arms of positive weight, negative values, weights of another
// sum.
Result<Srm> srm(std::span<const std::int64_t> observed, std::span<const double> weights, double alpha = kSrmAlpha);

// Where the weights have changed: each phase by its own, and the product of the e-values.
struct SrmPhase {
  std::vector<std::int64_t> observed;
  std::vector<double> weights;
};
Result<Srm> srm(std::span<const SrmPhase> phases, double alpha = kSrmAlpha);

}  // namespace trainer::core::stats

// Thompson allocation among arms with outcomes 0 and 1, from uniform priors, and what it says of them: descriptive, for
// inference is left to the exact bets, which stay valid when the shares change.
#pragma once

#include <span>
#include <vector>

#include "core/result.h"
#include "core/stats/proportions.h"

namespace trainer::core::stats {

// P(p1 > p0) of the posteriors Beta(1 + k, 1 + n - k), by the exact sum over whole k, and E max(p0 - p1, 0), what
// choosing arm 1 is expected to cost. Errors: counts that are none or not whole; n may be 0.
struct Choice {
  double p_best = 0.5;
  double expected_loss = 0;
};
Result<Choice> choose_arm1(const Count& arm1, const Count& arm0);

// P(each arm is the best), by quadrature; sums to 1. Errors as above, or fewer than two arms.
Result<std::vector<double>> probabilities_of_best(std::span<const Count> arms);

// The shares of the next batch, none less than the floor: p_i = floor + (1 - k floor) w_i. Errors: weights that are
// negative or do not sum to 1, a floor not in [0, 1/k].
constexpr double kThompsonFloor = 0.1;
Result<std::vector<double>> with_floor(std::span<const double> weights, double floor = kThompsonFloor);

}  // namespace trainer::core::stats

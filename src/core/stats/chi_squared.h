// Pearson's chi-squared tests of counts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"

namespace trainer::core::stats {

struct ChiSquared {
  double statistic = 0;
  double df = 0;
  double p = 1;
};

// Goodness of fit to weights that sum to 1; df = cells - 1. No count at all fits perfectly. Errors: sizes that differ,
// a weight that is not positive, a negative count.
Result<ChiSquared> goodness_of_fit(std::span<const std::int64_t> observed, std::span<const double> weights);

// Independence of rows and columns of a table, or homogeneity of its rows. Rows and columns without any count are left
// out. Errors: rows of different lengths, a negative count.
Result<ChiSquared> independence(const std::vector<std::vector<std::int64_t>>& table);

}  // namespace trainer::core::stats

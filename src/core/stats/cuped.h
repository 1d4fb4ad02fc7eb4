// CUPED (Deng et al., WSDM 2013): what was known of a unit before it was assigned explains a part of its outcome, and
// taking that part away leaves less variance. For the confidence sequence only, not for the exact test.
#pragma once

#include <span>

#include "core/result.h"

namespace trainer::core::stats {

struct Cuped {
  double theta = 0;  // cov(x, y) / var(x), of both arms together
  double mean_x = 0;
  double variance_reduction = 0;  // the squared correlation
  double adjusted_variance = 0;   // of y - theta (x - mean_x), with n - 1

  double adjusted(double x, double y) const { return y - theta * (x - mean_x); }
};

// A covariate that does not vary explains nothing: theta is 0. Errors: lengths that differ, fewer than two units, a
// value that is not finite.
Result<Cuped> cuped(std::span<const double> x, std::span<const double> y);

}  // namespace trainer::core::stats

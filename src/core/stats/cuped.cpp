#include "core/stats/cuped.h"

#include <cmath>

#include "core/stats/check.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

Result<Cuped> cuped(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) return invalid("the number of covariates", "be the number of outcomes");
  if (x.size() < 2) return invalid("the number of units", "be 2 or more");
  Moments of_x;
  Moments of_y;
  double products = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return invalid("a value", "be finite");
    const double apart = x[i] - of_x.mean;
    of_x.add(x[i]);
    of_y.add(y[i]);
    products += apart * (y[i] - of_y.mean);
  }
  Cuped found;
  found.mean_x = of_x.mean;
  const bool is_explained = of_x.m2 > 0 && of_y.m2 > 0;
  found.theta = of_x.m2 > 0 ? products / of_x.m2 : 0;
  found.variance_reduction = is_explained ? products * products / (of_x.m2 * of_y.m2) : 0;
  found.adjusted_variance = of_y.variance() * (1 - found.variance_reduction);
  return found;
}

}  // namespace trainer::core::stats

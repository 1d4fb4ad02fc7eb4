#include "core/stats/page_hinkley.h"

#include <algorithm>

namespace trainer::core::stats {

bool PageHinkley::add(double x) {
  ++n;
  mean += (x - mean) / static_cast<double>(n);
  statistic = std::max(0.0, forgetting * statistic + side * (x - mean) - delta);
  if (n + 1 < least || statistic < threshold) return false;
  n = 0;
  mean = 0;
  statistic = 0;
  return true;
}

}  // namespace trainer::core::stats

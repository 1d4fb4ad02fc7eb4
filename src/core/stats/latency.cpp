#include "core/stats/latency.h"

#include <algorithm>
#include <cmath>

namespace trainer::core::stats {

double log_latency(double milliseconds) {
  return std::log(std::max(milliseconds, 1.0));
}

double exceedance(double milliseconds, double limit) {
  return milliseconds > limit ? 1 : 0;
}

}  // namespace trainer::core::stats

// The test of Page and Hinkley (Biometrika 41, 1954), as river has it, to compare with other systems. Its threshold has
// no meaning that is free of units, so it decides nothing here.
#pragma once

#include <cstdint>

namespace trainer::core::stats {

struct PageHinkley {
  double delta = 0.005;
  double threshold = 50;       // lambda
  double forgetting = 0.9999;  // alpha
  std::int64_t least = 30;     // alarms from the value before this one on, as river counts
  int side = 1;                // 1: rises, -1: falls; both are two instances

  std::int64_t n = 0;
  double mean = 0;
  double statistic = 0;

  // True when the value raises an alarm, after which it starts afresh.
  bool add(double x);
};

}  // namespace trainer::core::stats

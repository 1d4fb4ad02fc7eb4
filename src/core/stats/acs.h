// The asymptotic confidence sequence for a difference of means ("ACS"): the one boundary for what is shown and decided.
// It is the normal mixture of Robbins (1970), as Waudby-Smith et al. (arXiv:2103.06476) apply it to means; the
// sequential tests of GrowthBook, Eppo and Statsig and the mSPRT of Johari et al. are the same function with other
// tunings. Valid however often it is looked at, asymptotically: the level that is simulated is the evidence
// (docs/statistics.md). Driven by the moments of each arm alone, in whatever order the values came.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

// Where the boundary is tightest: the planned total of both arms, within these bounds.
constexpr double kLeastPlan = 200;
constexpr double kMostPlan = 1e6;

// One pseudo squared deviation an arm, without which two equal first values would have no variance at all.
constexpr double kPseudoDeviation = 0.25;    // of values in [0, 1]
constexpr double kPseudoDeviationLog = 1.0;  // of log-latencies

struct AcsSettings {
  double alpha = 0.05;      // in (0, 0.5); of both sides, or of the one side that is read
  double plan = 2000;       // N*, units of both arms; in [kLeastPlan, kMostPlan]
  std::int64_t least = 50;  // n_min, units an arm before anything is reported
  double pseudo_deviation = kPseudoDeviation;
};

// rho^2 = (2 ln(1/alpha) + ln(1 + 2 ln(1/alpha))) / plan.
double mixture_precision(double alpha, double plan);

// What |estimate / SE| is compared with after n units of both arms. Two-sided:
//   sqrt((1 + 1/(n rho^2)) (2 ln(1/alpha) + ln(1 + n rho^2)))
// One-sided, in closed form, with rho^2 of 2 alpha; slightly above the exact root of the one-sided mixture:
//   sqrt((1 + 1/(n rho^2)) 2 ln(1 + sqrt(1 + n rho^2) / (2 alpha)))
// Preconditions: 0 < alpha < 1 (one-sided 1/2), plan > 0. Infinite for n <= 0.
double two_sided_boundary(double n, double alpha, double plan);
double one_sided_boundary(double n, double alpha, double plan);

// The logarithm of the e-value of z after n units; two_sided_boundary is where it is ln(1/alpha).
double log_e_of_z(double z, double n, double alpha, double plan);

// p = min(1, 1/e), from the logarithm of e.
double anytime_p(double log_e);

struct Difference {
  double value = 0;  // mean of arm 1 - mean of arm 0
  double se_unpooled = 0;
  double se_pooled = 0;
  double se = 0;  // the larger one: with unequal arms and rare events either alone is too small
  double n = 0;   // units of both arms
};
// Precondition: n of both arms > 0.
Difference difference(const Moments& arm1, const Moments& arm0, double pseudo_deviation);

struct Acs {
  Difference difference;
  double z = 0;
  double boundary = 0;
  double low = 0;  // two-sided
  double high = 0;
  double one_sided_low = 0;  // each at alpha
  double one_sided_high = 0;
  double log_e = 0;  // two-sided, against no difference
  double p = 1;
  // Both arms have `least` units. Until then the bounds are computed all the same, and nobody is to be shown them.
  bool is_reported = false;

  bool rejects() const { return is_reported && (low > 0 || high < 0); }
};
// Errors: settings or moments out of their range. An arm without values makes the bounds infinite, and e 1.
Result<Acs> acs(const Moments& arm1, const Moments& arm0, const AcsSettings& settings);

// The plan that settings may have, nearest to `units` of both arms.
double plan_of(double units);

}  // namespace trainer::core::stats

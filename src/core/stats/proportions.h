// Proportions: intervals for one, the exact confidence sequence of one arm, and intervals for the difference of two.
#pragma once

#include "core/result.h"

namespace trainer::core::stats {

struct Interval {
  double low = 0;
  double high = 0;
};

// k successes of n. Errors (of all of these): n < 1, k not in [0, n], alpha not in (0, 1).
struct Count {
  double k = 0;
  double n = 0;

  double rate() const { return k / n; }
};

// At one fixed n (Brown, Cai and DasGupta, Statistical Science 16, 2001). Jeffreys is the equal-tailed interval of
// Beta(k + 1/2, n - k + 1/2), unchanged at the edges; Agresti-Coull may leave [0, 1].
Result<Interval> wilson(const Count& count, double alpha);
Result<Interval> clopper_pearson(const Count& count, double alpha);
Result<Interval> jeffreys(const Count& count, double alpha);
Result<Interval> agresti_coull(const Count& count, double alpha);

// Valid at all n together: the p for which the Beta(1/2, 1/2) mixture over the likelihood stays below 1/alpha.
Result<Interval> proportion_sequence(const Count& count, double alpha);

// For p1 - p0 at one fixed n. Newcombe's hybrid of two score intervals (Statistics in Medicine 17, 1998) is the one
// that is shown.
Result<Interval> difference_wald(const Count& arm1, const Count& arm0, double alpha);
Result<Interval> difference_agresti_caffo(const Count& arm1, const Count& arm0, double alpha);
Result<Interval> difference_newcombe(const Count& arm1, const Count& arm0, double alpha);

// ln of an exact e-value against p1 = p0 that needs no order of units: uniform priors of each arm over the largest
// likelihood of both together. Conservative, a check of the bets and not their replacement.
Result<double> log_e_equal_proportions(const Count& arm1, const Count& arm0);

}  // namespace trainer::core::stats

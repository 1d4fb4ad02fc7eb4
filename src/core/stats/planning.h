// How many units an experiment needs, before it starts. All numbers of units are exact solutions: whoever shows one
// rounds it up. Formulas: Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", ch. 4; Cohen (1988)
// for the arcsine; the sequential ones are the boundary of acs.h solved for n.
#pragma once

#include "core/result.h"

namespace trainer::core::stats {

struct Power {
  double alpha = 0.05;  // two-sided, but where a function says otherwise
  double power = 0.8;
};

// Units an arm, of two equal arms, that tell p1 from p0. Errors (of all of these): a probability out of (0, 1), no
// difference, a deviation that is not positive.
//   pooled, the default:  ((z_a sqrt(2 pb (1-pb)) + z_b sqrt(p0 q0 + p1 q1)) / (p1-p0))^2, pb = (p0+p1)/2
//   unpooled:             (z_a + z_b)^2 (p0 q0 + p1 q1) / (p1-p0)^2
//   arcsine:              2 ((z_a + z_b) / h)^2, h = 2 asin sqrt(p1) - 2 asin sqrt(p0)
Result<double> proportions_per_arm(double p0, double p1, const Power& power);
Result<double> proportions_per_arm_unpooled(double p0, double p1, const Power& power);
Result<double> proportions_per_arm_arcsine(double p0, double p1, const Power& power);

// For means that are `delta` apart, of values with the standard deviation `sd`: 2 (z_a + z_b)^2 sd^2 / delta^2, and the
// exact number for the two-sample t test, by the non-central t distribution.
Result<double> means_per_arm(double delta, double sd, const Power& power);
Result<double> means_per_arm_t(double delta, double sd, const Power& power);

// That show that arm 1 is at most `margin` worse when there is no difference, with variances v1 and v0; alpha is
// one-sided: (z_a + z_b)^2 (v1 + v0) / margin^2.
Result<double> non_inferiority_per_arm(double v1, double v0, double margin, const Power& power);

// That the confidence sequence excludes 0 at that one number of units, with this power: an upper bound, since it may
// stop earlier. Solves (boundary(2n) + z_b) sqrt((v0 + v1) / n) = |delta|.
Result<double> sequential_per_arm(double v1, double v0, double delta, double plan, const Power& power);

// What the number an arm of equal arms is multiplied with for the smaller arm, when the other one is `ratio` (>= 1)
// times as large: (1 + 1/ratio) / 2.
double smaller_arm_factor(double ratio);

// Units of both arms together where one gets the share `traffic`, in (0, 1), of them and equal arms would need
// `per_arm` each: the smaller arm is what counts.
double total_of(double per_arm, double traffic);

// What a person is shown before the start. Simulated (docs/statistics.md): at 1.7 times the fixed total four in five
// sequential experiments have decided, half of them by 0.9 to 1.1 times the fixed total.
struct Plan {
  double fixed_total = 0;       // both arms, when looked at once
  double sequential_total = 0;  // 1.7 times as many
  double expected_low = 0;      // the median stop lies between these two,
  double expected_high = 0;     // for an effect as large as was planned for
  double days = 0;              // for sequential_total, at the volume; infinite without any
  double boundary_plan = 0;     // N* of the boundary
};
// `units_per_day` that enter the experiment. Precondition: fixed_per_arm > 0.
Plan plan_for(double fixed_per_arm, double units_per_day);

}  // namespace trainer::core::stats

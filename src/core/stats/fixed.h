// Tests at one number of units that was fixed before the start: for who wants them, as the second part of the hybrid
// and the group-sequential modes, and for display. Looked at more than once, each of them is wrong.
#pragma once

#include <cstdint>
#include <vector>

#include "core/result.h"
#include "core/stats/acs.h"
#include "core/stats/chi_squared.h"
#include "core/stats/moments.h"
#include "core/stats/proportions.h"

namespace trainer::core::stats {

struct ZTest {
  double difference = 0;
  double z = 0;
  double p_two_sided = 1;
  double p_greater = 0.5;  // against: arm 1 is no better
};
// The pooled test of two proportions. No variance at all is no evidence: z 0, p 1. Errors as of proportions.h.
Result<ZTest> two_proportions(const Count& arm1, const Count& arm0);
// The same as a chi-squared test with Yates' correction, by at most the distance itself.
Result<ChiSquared> two_proportions_yates(const Count& arm1, const Count& arm0);

struct TTest {
  double t = 0;
  double df = 0;
  double p = 1;  // two-sided
  double low = 0;
  double high = 0;
};
// Welch's test of two means (Biometrika 34, 1947), and Student's of one against 0. Where nothing varies, t is 0 without
// and infinite with a difference. Errors: fewer than two values, alpha not in (0, 1).
Result<TTest> welch(const Moments& arm1, const Moments& arm0, double alpha = 0.05);
Result<TTest> one_sample(const Moments& values, double alpha = 0.05);

// Of pairs in which only one of two succeeded, b and c: exact, two-sided. Errors: negative counts.
Result<double> mcnemar(std::int64_t b, std::int64_t c);

// Sequential while it runs and a fixed test at the planned end, with the errors shared by a union bound.
struct HybridSettings {
  double planned_total = 0;  // both arms
  double running_alpha = 0.01;
  double final_alpha = 0.04;
  std::int64_t least = 50;
  double pseudo_deviation = kPseudoDeviation;
  bool is_proportion = true;  // the final test is of two proportions, else Welch's
};
struct Hybrid {
  Acs running;
  bool is_final = false;  // the planned total is there, or more
  double final_p = 1;     // when it is final
  bool rejects = false;
};
// The final test is to be made once, of the first planned_total units: whoever calls keeps what it said.
Result<Hybrid> hybrid(const Moments& arm1, const Moments& arm0, const HybridSettings& settings);

// Critical values of |z| for looks that are scheduled in advance at equal distances, of the one-sided level alpha
// (Jennison and Turnbull, 2000, with Armitage's recursion): constant, as O'Brien and Fleming have it, and as Lan and
// DeMets spend alpha in their manner. Errors: looks not in [1, 50], alpha not in (0, 0.5).
enum class Spending { pocock, obrien_fleming, lan_demets };
Result<std::vector<double>> group_sequential(int looks, double alpha, Spending spending);

}  // namespace trainer::core::stats

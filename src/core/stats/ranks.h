// What depends on the order of values alone: quantiles, rank tests, and the distance of two distributions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"
#include "core/stats/proportions.h"

namespace trainer::core::stats {

// Errors of everything here: no values, a value that is not finite, a probability out of its range.

// Linear between order statistics, as percentile_cont() has it (type 7 of Hyndman and Fan, 1996), and the order
// statistic itself, as percentile_disc() (type 1). p in [0, 1].
Result<double> quantile(std::vector<double> values, double p);
Result<double> quantile_discrete(std::vector<double> values, double p);

// The ranks, from 1, of the order statistics between which the quantile lies with at least 1 - alpha, whatever the
// distribution; 0 stands for minus infinity and n + 1 for infinity.
struct RankInterval {
  std::int64_t low = 0;
  std::int64_t high = 0;
  double coverage = 0;
};
Result<RankInterval> quantile_ranks(std::int64_t n, double p, double alpha);

// Ranks from 1, the mean of them among ties.
std::vector<double> ranks(std::span<const double> values);

// The Mann-Whitney test that x tends to be larger than y or smaller, and the shift of Hodges and Lehmann. Holds all
// pairs: for samples of some thousands.
struct MannWhitney {
  double u = 0;                   // pairs in which x is larger, ties counted half
  double superiority = 0.5;       // u over all pairs
  double shift = 0;               // the median of x - y
  double p_normal = 1;            // two-sided, variance corrected for ties
  double p_normal_corrected = 1;  // and for continuity
  bool is_exact = false;          // no ties, and fewer than 50 values each
  double p_exact = 1;
  Interval shift_exact;  // at 1 - alpha
};
Result<MannWhitney> mann_whitney(std::span<const double> x, std::span<const double> y, double alpha = 0.05);

// Wilcoxon's signed-rank test by the normal approximation, corrected for ties and continuity; zeros are left out.
struct SignedRank {
  double v = 0;  // the sum of the ranks of positive differences
  double p = 1;  // two-sided
};
Result<SignedRank> signed_rank(std::span<const double> differences);

// Kolmogorov and Smirnov's test of two samples.
struct KolmogorovSmirnov {
  double d = 0;
  double p = 1;        // in the limit: Q(sqrt(nm/(n+m)) d)
  double p_exact = 1;  // of all orders with these ties; computed where n m <= kMostExact, else as p
};
constexpr double kMostExact = 10000;
Result<KolmogorovSmirnov> kolmogorov_smirnov(std::vector<double> x, std::vector<double> y);

}  // namespace trainer::core::stats

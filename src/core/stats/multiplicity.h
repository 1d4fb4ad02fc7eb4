// Several comparisons at once.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/result.h"

namespace trainer::core::stats {

// Adjusted p-values, in the order of those given. Holm's (1979) holds the familywise error under any dependence, and on
// anytime p-values at any stopping time; Benjamini and Hochberg's (1995) the false discovery rate of independent tests.
// Errors: a p that is not in [0, 1].
Result<std::vector<double>> holm(std::span<const double> p);
Result<std::vector<double>> benjamini_hochberg(std::span<const double> p);
Result<std::vector<double>> bonferroni(std::span<const double> p);

// e-BH (Wang and Ramdas, JRSS B 2022): which of K e-values are rejected, in rising order of their places, so that the
// false discovery rate is at most alpha under any dependence: the k largest, k the most with e_(k) >= K/(k alpha).
// Takes logarithms. Errors: NaN, alpha not in (0, 1).
Result<std::vector<std::size_t>> e_benjamini_hochberg(std::span<const double> log_e, double alpha);

// May it be said that one arm is the best? It must beat every other one, each given as ln of its e-value, at a
// familywise alpha. False without others. Errors as above.
Result<bool> is_best(std::span<const double> log_e_against_others, double alpha);

}  // namespace trainer::core::stats

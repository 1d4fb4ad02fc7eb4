// Do the inputs still look as they did? A frozen reference window beside the current one: categories and lengths by PSI
// with a threshold that knows how many there were, tokens by documents, numbers by Kolmogorov and Smirnov (ranks.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace trainer::core::stats {

struct DriftSettings {
  double alpha = 0.001;    // one over the windows without a change per false alarm; divided by the features looked at
  double smoothing = 0.5;  // added to every cell for PSI
  double least_psi = 0.1;  // what is smaller is no alarm however certain it is
  double major_psi = 0.25;
};

struct Drift {
  double psi = 0;
  double js = 0;  // nats, equal weights, not smoothed
  double js_distance = 0;
  double df = 0;
  double chi_squared = 0;
  double p_chi_squared = 1;
  double g = 0;  // 2 (n + m) times the divergence weighted by the sizes
  double p_g = 1;
  double critical_psi = 0;  // (1/n + 1/m) chi2_{df, 1 - alpha}: what PSI exceeds without a change with alpha
  bool is_alarm = false;    // psi > max(least_psi, critical_psi), and p_chi_squared < alpha
  bool is_major = false;
};

// Of counts per cell as they are. Errors: lengths that differ, negative counts, a window without any, settings out of
// their range. One cell alone never drifts.
Result<Drift> compare(std::span<const std::int64_t> reference, std::span<const std::int64_t> current,
                      const DriftSettings& settings = {});

// Cells of which either window is expected to hold fewer than five are merged into one, and that one with the smallest
// of the others while it is still too small: for so few, chi-squared is no approximation.
struct Cells {
  std::vector<std::int64_t> reference;
  std::vector<std::int64_t> current;
};
constexpr double kLeastExpected = 5;
// Precondition: equal lengths.
Cells merged(const Cells& cells);

// The bin of a text's length: floor(log2(1 + characters)), at most 16.
constexpr int kLengthBins = 17;
int length_bin(std::uint64_t characters);

// The upper edges of all but the last of ten bins that hold as much of the reference each, and the bin of a value.
// Errors: no values, or one that is not finite.
Result<std::vector<double>> decile_edges(const std::vector<double>& reference);
int bin_of(double value, std::span<const double> edges);

// The words of one document, hashed into 256 buckets: a bit each. Words are split at space and ASCII punctuation, in
// lower case as far as ASCII goes.
using TokenSet = std::array<std::uint64_t, 4>;
TokenSet tokens_of(std::string_view text);

// How likely are document frequencies as different as these when documents are dealt out at random? Tokens of one
// document depend on each other, so documents are permuted and not tokens. The same seed (the window's id) gives the
// same p, in [1/(permutations + 1), 1]. Errors: a window without documents, no permutation.
constexpr int kPermutations = 199;
Result<double> token_permutation_p(std::span<const TokenSet> reference, std::span<const TokenSet> current,
                                   std::uint64_t seed, int permutations = kPermutations);

// The same for a level that so few permutations cannot reach: where none of them is as far, as many are dealt out as
// alpha needs. Errors: those, and an alpha not in [0.0001, 1).
Result<double> vocabulary_p(std::span<const TokenSet> reference, std::span<const TokenSet> current, double alpha,
                            std::uint64_t seed);

}  // namespace trainer::core::stats

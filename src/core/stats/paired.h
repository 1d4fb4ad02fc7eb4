// Is a new model better than the old one on the same prompts? Differences of two scores in [0, 1], in a random order
// that was fixed in advance; looked at as often as one likes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/result.h"
#include "core/stats/acs.h"
#include "core/stats/betting.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

struct PairedSettings {
  double alpha = 0.05;      // one-sided, in (0, 0.5)
  double plan = 500;        // N*, prompts
  std::int64_t least = 50;  // prompts before anything is concluded
  double improvement = 0;   // what the mean difference must exceed to be one
  double margin = 0.02;     // the loss that is acceptable
  double pseudo_deviation = kPseudoDeviation;
};

struct Paired {
  double mean = 0;
  double se = 0;
  double boundary = 0;
  double low = 0;  // one-sided
  bool is_improved = false;
  bool is_not_worse = false;
};
// The one-sided confidence sequence of acs.h for one sample. Without differences the bound is infinite. Errors:
// settings or moments out of their range.
Result<Paired> paired(const Moments& differences, const PairedSettings& settings);

// Exact at every n: bets that the mean difference is above `null`, in (-1, 1).
struct PairedBetting {
  static constexpr std::array<double, 6> kParts{0.02, 0.05, 0.1, 0.2, 0.45, 0.9};

  double null = 0;
  std::int64_t n = 0;
  Wealth wealth{};

  // Precondition: check_difference() finds nothing.
  void add(double difference);
  double log_e() const { return stats::log_e(wealth); }
  bool operator==(const PairedBetting&) const = default;
};
// In [-1, 1].
std::optional<Error> check_difference(double difference);

}  // namespace trainer::core::stats

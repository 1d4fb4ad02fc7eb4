// The exact e-process for a difference of means in [0, 1]: bets on centred inverse-probability scores, with a fixed
// grid of stakes (Waudby-Smith and Ramdas, JRSS B 2024; Karampatziakis et al., 2021 for the scores). It decides what
// happens by itself, and small samples. P(e ever reaches 1/alpha) <= alpha under the null at every n, whatever the
// distribution, however the rates drift and the units depend on each other: all that is assumed is that the coin was
// really thrown. Plain data, advanced one unit after another in the order of assignment.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/error.h"

namespace trainer::core::stats {

// Stakes as parts of the largest one that cannot lose more than there is.
constexpr std::array<double, 6> kStakes{0.02, 0.04, 0.08, 0.16, 0.32, 0.64};
using Wealth = std::array<double, kStakes.size()>;  // logarithms, one a stake

// The shares of traffic for which scores stay bounded well enough.
constexpr double kLeastShare = 0.01;
constexpr double kMostShare = 0.99;

struct Observation {
  bool is_arm1 = false;
  double value = 0;    // in [0, 1]
  double share = 0.5;  // the probability with which this unit was sent to arm 1, in [kLeastShare, kMostShare]
};
// Errors: a value or a share out of its range, NaN among them.
std::optional<Error> check(const Observation& observation);

// The running mean of both arms, before the next unit: what scores are centred at.
struct Centre {
  std::int64_t n = 0;
  double sum = 0;

  double value() const { return (0.5 + sum) / (1 + static_cast<double>(n)); }
  void add(double y);
  bool operator==(const Centre&) const = default;
};

// g, of which the expectation given the past is the effect, and B, which |g| does not exceed.
struct Score {
  double value = 0;
  double bound = 1;
};
Score score(const Observation& observation, const Centre& before);

// Multiplies the wealth of those who bet that the effect is above `null`, or below it.
void bet_above(Wealth& wealth, const Score& score, double null);
void bet_below(Wealth& wealth, const Score& score, double null);
// ln of the mean wealth: the e-value.
double log_e(const Wealth& wealth);

// Both sides of one null, in (-1, 1).
struct Betting {
  double null = 0;
  Centre centre;
  Wealth above{};
  Wealth below{};

  // Precondition: check() finds nothing.
  void add(const Observation& observation);
  double log_e_above() const { return log_e(above); }  // against: effect <= null
  double log_e_below() const { return log_e(below); }  // against: effect >= null
  double log_e_both() const;                           // against: effect = null
  bool operator==(const Betting&) const = default;
};

// What a guardrail keeps: is it worse, is it at most `margin` worse, is it better. A value of which less is better goes
// in as 1 - value.
struct Guard {
  double margin = 0;  // >= 0
  Centre centre;
  Wealth harm{};             // against: effect >= 0
  Wealth non_inferiority{};  // against: effect <= -margin
  Wealth superiority{};      // against: effect <= 0

  // Precondition: check() finds nothing.
  void add(const Observation& observation);
  bool operator==(const Guard&) const = default;
};

// All of it again, from the first unit on: equals the state that was kept, in the same order of units.
Guard replay(double margin, std::span<const Observation> observations);

}  // namespace trainer::core::stats

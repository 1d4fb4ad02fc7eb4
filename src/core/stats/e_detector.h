// Has a stream become worse than its own accepted baseline? The mixture Shiryaev-Roberts e-detector (Shin, Ramdas and
// Rinaldo, New England Journal of Statistics in Data Science 2024): while every conditional mean stays on the good side
// of m0, the mean time to a false alarm is `threshold` observations or more, for any values in [0, 1]. Plain data,
// advanced in the order in which units matured.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/result.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

enum class Side { drop, rise };

struct EDetector {
  static constexpr std::array<double, 6> kParts{0.02, 0.05, 0.1, 0.2, 0.4, 0.8};

  double m0 = 0.5;  // the boundary of what is acceptable, in (0, 1)
  Side side = Side::drop;
  std::array<double, kParts.size()> masses{};

  // M_f <- (M_f + 1/6) (1 + lambda_f side (x - m0)). Precondition: x in [0, 1].
  void add(double x);
  double mass() const;
  // Alarms when the mass reaches the threshold; whoever was told resets it.
  void reset() { masses = {}; }
  bool operator==(const EDetector&) const = default;
};

// The threshold of a stream of which a false alarm may come every so many days, in the mean. 10,000 by default.
constexpr double kDetectorThreshold = 10000;
double detector_threshold(double false_alarm_every_days, double units_per_day);

// The least tolerances, which matter for baselines of some thousand units: their own error is smaller.
constexpr double kQualityTolerance = 0.02;
constexpr double kApprovalTolerance = 0.03;
constexpr double kExceedanceTolerance = 0.02;

// A detector of a baseline with this mean and standard error: m0 is max(tolerance, 2 standard errors) away, for without
// that half of all detectors would alarm by the error of the baseline alone. Errors: a mean not in [0, 1], negative
// values, m0 not in (0, 1): the baseline is so near the edge that nothing on that side is a change.
Result<EDetector> detector_of(Side side, double mean, double standard_error, double tolerance);

// All of it again, from a detector without masses.
EDetector replay(EDetector fresh, std::span<const double> values);

// Where the change that an alarm speaks of began, by maximum likelihood for the stake of the largest mass: the place of
// its first value in those since the last reset.
std::size_t change_begins(const EDetector& detector, std::span<const double> values);

// Both at once, for a stream that may drift either way: the drop's masses, then the rise's. A mean so near the edge
// that m0 is not in (0, 1) has no detector on that side, whose masses stay 0.
using DriftMasses = std::array<double, 2 * EDetector::kParts.size()>;
// The masses after those values, and each detector's sum. Errors: those of detector_of() but for m0,
// fewer than two values in the reference, a value that is not in [0, 1], masses that are negative or infinite.
struct MeanDrift {
  DriftMasses masses{};
  double drop = 0;
  double rise = 0;
};
Result<MeanDrift> mean_drift(const Moments& reference, double tolerance, DriftMasses masses,
                             std::span<const double> values);

}  // namespace trainer::core::stats

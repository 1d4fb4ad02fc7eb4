#include "core/stats/e_detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/check.h"

namespace trainer::core::stats {
namespace {

// Nobody resets a detector that nobody listens to, and an infinite mass would become NaN.
constexpr double kMostMass = 1e300;

double sign(Side side) {
  return side == Side::drop ? -1 : 1;
}

double factor(const EDetector& detector, std::size_t i, double x) {
  const double bound = detector.side == Side::drop ? 1 - detector.m0 : detector.m0;
  return 1 + EDetector::kParts[i] / bound * sign(detector.side) * (x - detector.m0);
}

}  // namespace

void EDetector::add(double x) {
  constexpr double share = 1.0 / kParts.size();
  for (std::size_t i = 0; i < masses.size(); ++i) {
    masses[i] = std::min(kMostMass, (masses[i] + share) * factor(*this, i, x));
  }
}

double EDetector::mass() const {
  return std::accumulate(masses.begin(), masses.end(), 0.0);
}

double detector_threshold(double false_alarm_every_days, double units_per_day) {
  return std::max(1.0, false_alarm_every_days * units_per_day);
}

Result<EDetector> detector_of(Side side, double mean, double standard_error, double tolerance) {
  if (!(standard_error >= 0) || !(tolerance >= 0)) return invalid("the tolerance", "be 0 or more");
  if (auto error = check_unit_interval("the mean", mean)) return *std::move(error);
  EDetector detector;
  detector.side = side;
  detector.m0 = mean + sign(side) * std::max(tolerance, 2 * standard_error);
  if (auto error = check_probability("the boundary of the detector", detector.m0)) return *std::move(error);
  return detector;
}

EDetector replay(EDetector fresh, std::span<const double> values) {
  for (const double x : values) fresh.add(x);
  return fresh;
}

std::size_t change_begins(const EDetector& detector, std::span<const double> values) {
  const auto& masses = detector.masses;
  const auto largest = static_cast<std::size_t>(std::max_element(masses.begin(), masses.end()) - masses.begin());
  double log_likelihood = 0;
  double least = 0;
  std::size_t begins = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    log_likelihood += std::log(factor(detector, largest, values[i]));
    if (log_likelihood > least) continue;
    least = log_likelihood;
    begins = i + 1;
  }
  return begins;
}

Result<MeanDrift> mean_drift(const Moments& reference, double tolerance, DriftMasses masses,
                             std::span<const double> values) {
  if (auto error = check_moments("the reference", reference)) return *std::move(error);
  if (reference.n < 2) return invalid("the number of values in the reference", "be 2 or more");
  if (auto error = first_error(check_unit_interval("the mean of the reference", reference.mean),
                               check_unit_interval("the tolerance", tolerance))) {
    return *std::move(error);
  }
  for (const double mass : masses) {
    if (!(mass >= 0 && mass <= kMostMass)) return invalid("a mass", "be 0 or more, and finite");
  }
  for (const double value : values) {
    if (auto error = check_unit_interval("a value", value)) return *std::move(error);
  }
  const double standard_error = std::sqrt(reference.variance() / static_cast<double>(reference.n));
  MeanDrift found;
  std::size_t at = 0;
  for (const Side side : {Side::drop, Side::rise}) {
    const auto fresh = detector_of(side, reference.mean, standard_error, tolerance);
    if (fresh) {
      EDetector detector = *fresh;
      for (std::size_t i = 0; i < detector.masses.size(); ++i) detector.masses[i] = masses[at + i];
      detector = replay(detector, values);
      for (std::size_t i = 0; i < detector.masses.size(); ++i) found.masses[at + i] = detector.masses[i];
      (side == Side::drop ? found.drop : found.rise) = detector.mass();
    }
    at += EDetector::kParts.size();
  }
  return found;
}

}  // namespace trainer::core::stats

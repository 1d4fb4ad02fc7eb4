#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/stats/check.h"
#include "core/stats/fixed.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

// Below this many standard deviations there is nothing that would ever cross.
constexpr double kFloor = -8;
constexpr int kIntervals = 400;  // even, for Simpson's rule

double normal_density(double x) {
  return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
}

// The sum of scores after each look, of equal and independent increments of variance 1, as long as no bound was
// crossed: its density on a grid up to the bound.
class Walk {
 public:
  // The probability of crossing at the next look for the first time, where z must exceed `critical`.
  double crossing(double critical) const {
    const double bound = critical * std::sqrt(look_ + 1.0);
    if (look_ == 0) return normal_sf(bound);
    double sum = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) sum += weights_[i] * normal_sf(bound - points_[i]);
    return sum;
  }

  void pass(double critical) {
    const double deviation = std::sqrt(look_ + 1.0);
    const double low = kFloor * deviation;
    // A bound far above everything would only make the grid coarse.
    const double high = std::clamp(critical, kFloor, -kFloor) * deviation;
    const double step = (high - low) / kIntervals;
    std::vector<double> points, weights;
    for (int i = 0; i <= kIntervals; ++i) {
      const double x = low + i * step;
      const double simpson = (i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2) * step / 3;
      points.push_back(x);
      weights.push_back(simpson * density(x));
    }
    points_ = std::move(points);
    weights_ = std::move(weights);
    ++look_;
  }

 private:
  double density(double x) const {
    if (look_ == 0) return normal_density(x);
    double sum = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) sum += weights_[i] * normal_density(x - points_[i]);
    return sum;
  }

  int look_ = 0;
  std::vector<double> points_;
  std::vector<double> weights_;  // of the density times its integration weight
};

// Where a falling function crosses 0, between bounds that hold for every level that is used.
template <class Function>
double root(const Function& function) {
  double low = 0;
  double high = 40;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (function(middle) > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::vector<double> shaped(int looks, double scale, Spending spending) {
  std::vector<double> critical;
  for (int look = 1; look <= looks; ++look) {
    critical.push_back(spending == Spending::pocock ? scale : scale * std::sqrt(static_cast<double>(looks) / look));
  }
  return critical;
}

double crossing_of(const std::vector<double>& critical) {
  Walk walk;
  double sum = 0;
  for (const double at : critical) {
    sum += walk.crossing(at);
    walk.pass(at);
  }
  return sum;
}

std::vector<double> spent(int looks, double alpha) {
  const auto spent_by = [&](int look) {
    return 2 * normal_sf(normal_quantile(1 - alpha / 2) / std::sqrt(static_cast<double>(look) / looks));
  };
  Walk walk;
  std::vector<double> critical;
  for (int look = 1; look <= looks; ++look) {
    const double part = spent_by(look) - (look == 1 ? 0 : spent_by(look - 1));
    critical.push_back(root([&](double at) { return walk.crossing(at) - part; }));
    walk.pass(critical.back());
  }
  return critical;
}

}  // namespace

Result<std::vector<double>> group_sequential(int looks, double alpha, Spending spending) {
  if (looks < 1 || looks > 50) return invalid("the number of looks", "lie between 1 and 50");
  if (!(alpha > 0 && alpha < 0.5)) return invalid("alpha", "lie between 0 and 0.5, without them");
  if (spending == Spending::lan_demets) return spent(looks, alpha);
  const double scale = root([&](double at) { return crossing_of(shaped(looks, at, spending)) - alpha; });
  return shaped(looks, scale, spending);
}

}  // namespace trainer::core::stats

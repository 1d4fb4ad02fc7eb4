#include "core/stats/paired.h"

#include <cmath>
#include <limits>

#include "core/stats/check.h"

namespace trainer::core::stats {

Result<Paired> paired(const Moments& differences, const PairedSettings& settings) {
  if (!(settings.alpha > 0 && settings.alpha < 0.5)) return invalid("alpha", "lie between 0 and 0.5, without them");
  if (settings.least < 1) return invalid("the least number of prompts", "be 1 or more");
  if (auto error =
          first_error(check_positive("the planned number of prompts", settings.plan),
                      check_positive("the pseudo deviation", settings.pseudo_deviation),
                      check_finite("the improvement", settings.improvement),
                      check_finite("the margin", settings.margin), check_moments("the differences", differences))) {
    return *std::move(error);
  }
  Paired found;
  const auto n = static_cast<double>(differences.n);
  found.mean = differences.mean;
  found.boundary = one_sided_boundary(n, settings.alpha, settings.plan);
  if (differences.n == 0) {
    found.se = std::numeric_limits<double>::infinity();
    found.low = -found.se;
    return found;
  }
  found.se = std::sqrt((differences.m2 + settings.pseudo_deviation) / n) / std::sqrt(n);
  found.low = found.mean - found.boundary * found.se;
  const bool is_enough = differences.n >= settings.least;
  found.is_improved = is_enough && found.low > settings.improvement;
  found.is_not_worse = is_enough && found.low > -settings.margin;
  return found;
}

void PairedBetting::add(double difference) {
  ++n;
  // No difference is below -1: of what there is, no more than the part can be lost.
  for (std::size_t i = 0; i < kParts.size(); ++i) wealth[i] += std::log1p(kParts[i] / (1 + null) * (difference - null));
}

std::optional<Error> check_difference(double difference) {
  if (difference >= -1 && difference <= 1) return std::nullopt;
  return invalid("the difference", "lie between -1 and 1");
}

}  // namespace trainer::core::stats

// What the methods of stats refuse of their arguments, in the same words everywhere.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

Error invalid(std::string_view name, std::string_view must);

// 0 < value < 1, as an error probability must be.
std::optional<Error> check_probability(std::string_view name, double value);
// 0 < value < infinity.
std::optional<Error> check_positive(std::string_view name, double value);
// 0 <= value <= 1, a score or an outcome.
std::optional<Error> check_unit_interval(std::string_view name, double value);
// Neither NaN nor infinite.
std::optional<Error> check_finite(std::string_view name, double value);
// Neither a negative count, nor values that no sample has.
std::optional<Error> check_moments(std::string_view name, const Moments& moments);

// The first of them that is an error.
template <class... Checks>
std::optional<Error> first_error(Checks... checks) {
  std::optional<Error> found;
  ((found || !checks ? void() : void(found = std::move(checks))), ...);
  return found;
}

}  // namespace trainer::core::stats

#include "core/stats/check.h"

#include <cmath>
#include <string>

namespace trainer::core::stats {
namespace {

std::optional<Error> unless(bool is_valid, std::string_view name, std::string_view must) {
  if (is_valid) return std::nullopt;
  return invalid(name, must);
}

}  // namespace

Error invalid(std::string_view name, std::string_view must) {
  return {Condition::invalid_argument, std::string(name) + " is out of its range", "It must " + std::string(must) + ".",
          ""};
}

std::optional<Error> check_probability(std::string_view name, double value) {
  return unless(value > 0 && value < 1, name, "lie between 0 and 1, without them");
}

std::optional<Error> check_positive(std::string_view name, double value) {
  return unless(value > 0 && std::isfinite(value), name, "be positive and finite");
}

std::optional<Error> check_unit_interval(std::string_view name, double value) {
  return unless(value >= 0 && value <= 1, name, "lie between 0 and 1");
}

std::optional<Error> check_finite(std::string_view name, double value) {
  return unless(std::isfinite(value), name, "be finite");
}

std::optional<Error> check_moments(std::string_view name, const Moments& moments) {
  return unless(moments.n >= 0 && std::isfinite(moments.mean) && std::isfinite(moments.m2) && moments.m2 >= 0, name,
                "be the moments of finite values");
}

}  // namespace trainer::core::stats

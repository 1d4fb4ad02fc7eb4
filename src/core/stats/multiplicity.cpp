#include "core/stats/multiplicity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/acs.h"
#include "core/stats/check.h"

namespace trainer::core::stats {
namespace {

std::optional<Error> check_all(std::span<const double> p) {
  for (const double value : p) {
    if (auto error = check_unit_interval("a p-value", value)) return error;
  }
  return std::nullopt;
}

std::optional<Error> check_e_values(std::span<const double> log_e, double alpha) {
  if (std::any_of(log_e.begin(), log_e.end(), [](double value) { return std::isnan(value); })) {
    return invalid("an e-value", "be a number");
  }
  return check_probability("alpha", alpha);
}

std::vector<std::size_t> places_by(std::span<const double> values, bool is_falling) {
  std::vector<std::size_t> places(values.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
    return is_falling ? values[a] > values[b] : values[a] < values[b];
  });
  return places;
}

}  // namespace

Result<std::vector<double>> holm(std::span<const double> p) {
  if (auto error = check_all(p)) return *std::move(error);
  std::vector<double> adjusted(p.size());
  double most = 0;
  std::size_t left = p.size();
  for (const std::size_t place : places_by(p, false)) {
    most = std::max(most, std::min(1.0, static_cast<double>(left--) * p[place]));
    adjusted[place] = most;
  }
  return adjusted;
}

Result<std::vector<double>> benjamini_hochberg(std::span<const double> p) {
  if (auto error = check_all(p)) return *std::move(error);
  std::vector<double> adjusted(p.size());
  double least = 1;
  std::size_t rank = p.size();
  for (const std::size_t place : places_by(p, true)) {
    least = std::min(least, p[place] * static_cast<double>(p.size()) / static_cast<double>(rank--));
    adjusted[place] = least;
  }
  return adjusted;
}

Result<std::vector<double>> bonferroni(std::span<const double> p) {
  if (auto error = check_all(p)) return *std::move(error);
  std::vector<double> adjusted;
  for (const double value : p) adjusted.push_back(std::min(1.0, value * static_cast<double>(p.size())));
  return adjusted;
}

Result<std::vector<std::size_t>> e_benjamini_hochberg(std::span<const double> log_e, double alpha) {
  if (auto error = check_e_values(log_e, alpha)) return *std::move(error);
  std::vector<std::size_t> places = places_by(log_e, true);
  std::size_t rejected = 0;
  for (std::size_t k = 1; k <= places.size(); ++k) {
    const double needed = std::log(static_cast<double>(places.size()) / (static_cast<double>(k) * alpha));
    // Where an e-value is exactly what is needed, its logarithm may fall short by its last digit.
    if (log_e[places[k - 1]] >= needed - 1e-12) rejected = k;
  }
  places.resize(rejected);
  std::sort(places.begin(), places.end());
  return places;
}

Result<bool> is_best(std::span<const double> log_e_against_others, double alpha) {
  if (auto error = check_e_values(log_e_against_others, alpha)) return *std::move(error);
  std::vector<double> p;
  for (const double log_e : log_e_against_others) p.push_back(anytime_p(log_e));
  const auto adjusted = holm(p);
  return !p.empty() && std::all_of(adjusted->begin(), adjusted->end(), [&](double value) { return value <= alpha; });
}

}  // namespace trainer::core::stats

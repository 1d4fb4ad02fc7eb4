#include "core/stats/chi_squared.h"

#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

ChiSquared tested(double statistic, double df) {
  if (df <= 0) return {0, 0, 1};
  return {statistic, df, chi_squared_sf(statistic, df)};
}

bool is_used(double count) {
  return count > 0;
}

}  // namespace

Result<ChiSquared> goodness_of_fit(std::span<const std::int64_t> observed, std::span<const double> weights) {
  if (observed.size() != weights.size()) return invalid("the number of weights", "be the number of counts");
  double total = 0;
  double total_weight = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    if (observed[i] < 0) return invalid("a count", "be 0 or more");
    if (!(weights[i] > 0)) return invalid("a weight", "be positive");
    total += static_cast<double>(observed[i]);
    total_weight += weights[i];
  }
  if (!(std::fabs(total_weight - 1) < 1e-6)) return invalid("the sum of the weights", "be 1");
  if (total == 0) return tested(0, static_cast<double>(observed.size()) - 1);
  double statistic = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const double expected = total * weights[i];
    const double apart = static_cast<double>(observed[i]) - expected;
    statistic += apart * apart / expected;
  }
  return tested(statistic, static_cast<double>(observed.size()) - 1);
}

Result<ChiSquared> independence(const std::vector<std::vector<std::int64_t>>& table) {
  const std::size_t width = table.empty() ? 0 : table.front().size();
  std::vector<double> row_sums(table.size());
  std::vector<double> column_sums(width);
  double total = 0;
  for (std::size_t row = 0; row < table.size(); ++row) {
    if (table[row].size() != width) return invalid("the length of a row", "be that of the others");
    for (std::size_t column = 0; column < width; ++column) {
      if (table[row][column] < 0) return invalid("a count", "be 0 or more");
      const auto count = static_cast<double>(table[row][column]);
      row_sums[row] += count;
      column_sums[column] += count;
      total += count;
    }
  }
  double statistic = 0;
  for (std::size_t row = 0; row < table.size(); ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      const double expected = row_sums[row] * column_sums[column] / total;
      if (!(expected > 0)) continue;
      const double apart = static_cast<double>(table[row][column]) - expected;
      statistic += apart * apart / expected;
    }
  }
  const auto rows = static_cast<double>(std::count_if(row_sums.begin(), row_sums.end(), is_used));
  const auto columns = static_cast<double>(std::count_if(column_sums.begin(), column_sums.end(), is_used));
  return tested(statistic, (rows - 1) * (columns - 1));
}

}  // namespace trainer::core::stats

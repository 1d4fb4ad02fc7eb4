// Count, mean and sum of squared deviations of a sample: all that most methods read of an arm. Plain data, so that an
// aggregate can keep it.
#pragma once

#include <cstdint>

namespace trainer::core::stats {

// Welford's recursion (Technometrics 4, 1962) and its merge (Chan, Golub and LeVeque, 1979): an offset of a billion
// costs no digits, where a sum of squares would have none left.
struct Moments {
  std::int64_t n = 0;
  double mean = 0;
  double m2 = 0;  // sum (x - mean)^2

  void add(double x);
  void merge(const Moments& other);

  double sum() const { return static_cast<double>(n) * mean; }
  double sum_of_squares() const { return m2 + static_cast<double>(n) * mean * mean; }
  // With n - 1, and NaN of fewer than two.
  double variance() const;

  bool operator==(const Moments&) const = default;
};

// From n, sum x and sum x^2. What rounding would make a negative sum of squared deviations is 0.
Moments from_sums(std::int64_t n, double sum, double sum_of_squares);

// -x of every x, which turns a metric of which less is better; with `offset`, offset - x.
Moments mirrored(const Moments& moments, double offset = 0);

}  // namespace trainer::core::stats

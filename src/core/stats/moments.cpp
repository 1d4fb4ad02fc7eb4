#include "core/stats/moments.h"

#include <algorithm>
#include <limits>

namespace trainer::core::stats {

void Moments::add(double x) {
  ++n;
  const double deviation = x - mean;
  mean += deviation / static_cast<double>(n);
  m2 += deviation * (x - mean);
}

void Moments::merge(const Moments& other) {
  if (other.n == 0) return;
  if (n == 0) {
    *this = other;
    return;
  }
  const auto ours = static_cast<double>(n);
  const auto theirs = static_cast<double>(other.n);
  const double total = ours + theirs;
  const double apart = other.mean - mean;
  mean += apart * theirs / total;
  m2 += other.m2 + apart * apart * ours * theirs / total;
  n += other.n;
}

double Moments::variance() const {
  return n < 2 ? std::numeric_limits<double>::quiet_NaN() : m2 / static_cast<double>(n - 1);
}

Moments from_sums(std::int64_t n, double sum, double sum_of_squares) {
  if (n == 0) return {};
  const double mean = sum / static_cast<double>(n);
  return {n, mean, std::max(0.0, sum_of_squares - sum * mean)};
}

Moments mirrored(const Moments& moments, double offset) {
  if (moments.n == 0) return {};
  return {moments.n, offset - moments.mean, moments.m2};
}

}  // namespace trainer::core::stats

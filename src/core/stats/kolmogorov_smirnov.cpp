#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/ranks.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

// After each value of both samples together: has it been the last of its ties?
std::vector<bool> ends_of_ties(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> both(x);
  both.insert(both.end(), y.begin(), y.end());
  std::sort(both.begin(), both.end());
  std::vector<bool> ends(both.size(), true);
  for (std::size_t i = 0; i + 1 < both.size(); ++i) ends[i] = both[i] != both[i + 1];
  return ends;
}

// The probability that the distance is d or more when all orders of the values are equally likely: one less the share
// of the lattice paths from (0, 0) to (n, m) that stay nearer to the diagonal (Schroeer and Trenkler, 1995, for ties).
double exact_sf(double d, std::size_t n, std::size_t m, const std::vector<bool>& ends) {
  const auto rows = static_cast<double>(n);
  const auto columns = static_cast<double>(m);
  // Distances are whole multiples of 1/(nm); half of one between this and the next lower one keeps rounding out.
  const double limit = (std::floor(d * rows * columns - 1e-7) + 0.5) / (rows * columns);
  // paths[j]: the probability that a random path to (i, j) has stayed inside.
  std::vector<double> paths(m + 1);
  for (std::size_t i = 0; i <= n; ++i) {
    for (std::size_t j = 0; j <= m; ++j) {
      const auto x = static_cast<double>(i);
      const auto y = static_cast<double>(j);
      if (i + j == 0) {
        paths[j] = 1;
        continue;
      }
      const double from_x = i > 0 ? x * paths[j] : 0;
      const double from_y = j > 0 ? y * paths[j - 1] : 0;
      const bool is_inside = !ends[i + j - 1] || std::fabs(x / rows - y / columns) <= limit;
      paths[j] = is_inside ? (from_x + from_y) / (x + y) : 0;
    }
  }
  return std::clamp(1 - paths[m], 0.0, 1.0);
}

double distance(const std::vector<double>& x, const std::vector<double>& y) {
  double most = 0;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < x.size() && j < y.size()) {
    const double at = std::min(x[i], y[j]);
    while (i < x.size() && x[i] == at) ++i;
    while (j < y.size() && y[j] == at) ++j;
    const double apart =
        static_cast<double>(i) / static_cast<double>(x.size()) - static_cast<double>(j) / static_cast<double>(y.size());
    most = std::max(most, std::fabs(apart));
  }
  return most;
}

}  // namespace

Result<KolmogorovSmirnov> kolmogorov_smirnov(std::vector<double> x, std::vector<double> y) {
  for (const auto* values : {&x, &y}) {
    if (values->empty()) return invalid("the number of values", "be 1 or more");
    for (const double value : *values) {
      if (auto error = check_finite("a value", value)) return *std::move(error);
    }
  }
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  KolmogorovSmirnov found;
  found.d = distance(x, y);
  const auto n = static_cast<double>(x.size());
  const auto m = static_cast<double>(y.size());
  found.p = kolmogorov_sf(std::sqrt(n * m / (n + m)) * found.d);
  found.p_exact = n * m <= kMostExact ? exact_sf(found.d, x.size(), y.size(), ends_of_ties(x, y)) : found.p;
  return found;
}

}  // namespace trainer::core::stats

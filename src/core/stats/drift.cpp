#include "core/stats/drift.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/stats/check.h"
#include "core/stats/chi_squared.h"
#include "core/stats/ranks.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

double sum(std::span<const std::int64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

double psi(std::span<const std::int64_t> reference, std::span<const std::int64_t> current, double smoothing) {
  const double cells = smoothing * static_cast<double>(reference.size());
  const double n = sum(reference) + cells;
  const double m = sum(current) + cells;
  double found = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = (static_cast<double>(reference[i]) + smoothing) / n;
    const double q = (static_cast<double>(current[i]) + smoothing) / m;
    // Without smoothing, a cell that is empty in both says nothing.
    if (p > 0 || q > 0) found += (q - p) * std::log(q / p);
  }
  return found;
}

double divergence_term(double p, double mixture) {
  return p > 0 ? p * std::log(p / mixture) : 0;
}

// The Jensen-Shannon divergence with the weight of the reference.
double divergence(std::span<const std::int64_t> reference, std::span<const std::int64_t> current, double weight) {
  const double n = sum(reference);
  const double m = sum(current);
  double found = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = static_cast<double>(reference[i]) / n;
    const double q = static_cast<double>(current[i]) / m;
    const double mixture = weight * p + (1 - weight) * q;
    found += weight * divergence_term(p, mixture) + (1 - weight) * divergence_term(q, mixture);
  }
  return std::max(0.0, found);
}

// The cell with the fewest counts of both.
std::size_t smallest(const Cells& cells) {
  std::size_t found = 0;
  for (std::size_t i = 1; i < cells.current.size(); ++i) {
    if (cells.reference[i] + cells.current[i] < cells.reference[found] + cells.current[found]) found = i;
  }
  return found;
}

void erase(Cells& cells, std::size_t at) {
  cells.reference.erase(cells.reference.begin() + static_cast<std::ptrdiff_t>(at));
  cells.current.erase(cells.current.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Result<Drift> compare(std::span<const std::int64_t> reference, std::span<const std::int64_t> current,
                      const DriftSettings& settings) {
  if (reference.size() != current.size()) return invalid("the number of cells", "be that of the reference");
  if (!(settings.smoothing >= 0)) return invalid("the smoothing", "be 0 or more");
  if (auto error = check_probability("alpha", settings.alpha)) return *std::move(error);
  const auto test = independence({{reference.begin(), reference.end()}, {current.begin(), current.end()}});
  if (!test) return test.error();
  const double n = sum(reference);
  const double m = sum(current);
  if (n == 0 || m == 0) return invalid("the number of rows in a window", "be 1 or more");
  Drift found;
  found.psi = psi(reference, current, settings.smoothing);
  found.js = divergence(reference, current, 0.5);
  found.js_distance = std::sqrt(found.js);
  found.df = test->df;
  found.chi_squared = test->statistic;
  found.p_chi_squared = test->p;
  if (found.df == 0) return found;
  found.g = 2 * (n + m) * divergence(reference, current, n / (n + m));
  found.p_g = chi_squared_sf(found.g, found.df);
  found.critical_psi = (1 / n + 1 / m) * chi_squared_quantile(1 - settings.alpha, found.df);
  found.is_alarm = found.psi > std::max(settings.least_psi, found.critical_psi) && found.p_chi_squared < settings.alpha;
  found.is_major = found.is_alarm && found.psi >= settings.major_psi;
  return found;
}

Cells merged(const Cells& cells) {
  const double n = sum(cells.reference);
  const double m = sum(cells.current);
  const double smaller_part = std::min(n, m) / (n + m);
  const auto is_large = [&](std::int64_t both) { return static_cast<double>(both) * smaller_part >= kLeastExpected; };
  Cells kept;
  std::int64_t reference = 0;
  std::int64_t current = 0;
  for (std::size_t i = 0; i < cells.reference.size(); ++i) {
    if (is_large(cells.reference[i] + cells.current[i])) {
      kept.reference.push_back(cells.reference[i]);
      kept.current.push_back(cells.current[i]);
    } else {
      reference += cells.reference[i];
      current += cells.current[i];
    }
  }
  while (reference + current > 0 && !is_large(reference + current) && !kept.current.empty()) {
    const std::size_t taken = smallest(kept);
    reference += kept.reference[taken];
    current += kept.current[taken];
    erase(kept, taken);
  }
  if (reference + current > 0) {
    kept.reference.push_back(reference);
    kept.current.push_back(current);
  }
  return kept;
}

int length_bin(std::uint64_t characters) {
  constexpr std::uint64_t last = (std::uint64_t{1} << (kLengthBins - 1)) - 1;
  return static_cast<int>(std::bit_width(std::min(characters, last) + 1)) - 1;
}

Result<std::vector<double>> decile_edges(const std::vector<double>& reference) {
  std::vector<double> edges;
  for (int tenth = 1; tenth < 10; ++tenth) {
    const auto edge = quantile(reference, tenth / 10.0);
    if (!edge) return edge.error();
    edges.push_back(*edge);
  }
  return edges;
}

int bin_of(double value, std::span<const double> edges) {
  return static_cast<int>(std::lower_bound(edges.begin(), edges.end(), value) - edges.begin());
}

}  // namespace trainer::core::stats

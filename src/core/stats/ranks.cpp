#include "core/stats/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

constexpr std::size_t kExactSize = 50;  // as in R: below, the distribution of U is counted out

std::optional<Error> check_values(std::span<const double> values) {
  if (values.empty()) return invalid("the number of values", "be 1 or more");
  if (std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) return std::nullopt;
  return invalid("a value", "be finite");
}

// sum t^3 - t over groups of t equal values.
double tie_sum(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (auto at = values.begin(); at != values.end();) {
    const auto end = std::upper_bound(at, values.end(), *at);
    const auto ties = static_cast<double>(end - at);
    sum += ties * ties * ties - ties;
    at = end;
  }
  return sum;
}

double two_sided(double apart, double variance) {
  return variance > 0 ? std::min(1.0, 2 * normal_sf(std::fabs(apart) / std::sqrt(variance))) : 1;
}

double towards_zero(double apart) {
  return std::copysign(std::max(0.0, std::fabs(apart) - 0.5), apart);
}

// P(U <= u) for u = 0 .. nm when all orders are equally likely: the number of orders with U = u is a coefficient of the
// Gaussian binomial, the product of (1 - q^(m+i)) / (1 - q^i).
std::vector<double> distribution_of_u(std::size_t n, std::size_t m) {
  std::vector<double> counts(n * m + 1);
  counts[0] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    for (std::size_t u = counts.size(); u-- > m + i;) counts[u] -= counts[u - m - i];
    for (std::size_t u = i; u < counts.size(); ++u) counts[u] += counts[u - i];
  }
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  const double total = counts.back();
  for (double& count : counts) count /= total;
  return counts;
}

void add_exact(MannWhitney& found, const std::vector<double>& shifts, std::size_t n, std::size_t m, double alpha) {
  const std::vector<double> cdf = distribution_of_u(n, m);
  const auto u = static_cast<std::size_t>(found.u);
  // The distribution is symmetric, and its lower tail has no rounding.
  found.is_exact = true;
  found.p_exact = std::min(1.0, 2 * cdf[std::min(u, n * m - u)]);
  const auto first = std::lower_bound(cdf.begin(), cdf.end(), alpha / 2) - cdf.begin();
  const auto rank = static_cast<std::size_t>(std::max<std::ptrdiff_t>(first, 1));
  found.shift_exact = {shifts[rank - 1], shifts[n * m - rank]};
}

}  // namespace

Result<double> quantile(std::vector<double> values, double p) {
  if (auto error = first_error(check_values(values), check_unit_interval("the probability", p))) {
    return *std::move(error);
  }
  std::sort(values.begin(), values.end());
  const double at = static_cast<double>(values.size() - 1) * p;
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

Result<double> quantile_discrete(std::vector<double> values, double p) {
  if (auto error = first_error(check_values(values), check_unit_interval("the probability", p))) {
    return *std::move(error);
  }
  std::sort(values.begin(), values.end());
  // A product that is a whole number but for its rounding means that number.
  const auto n = static_cast<double>(values.size());
  const double rank = std::clamp(std::ceil(n * p - 4e-15 * n), 1.0, n);
  return values[static_cast<std::size_t>(rank) - 1];
}

Result<RankInterval> quantile_ranks(std::int64_t n, double p, double alpha) {
  if (n < 1) return invalid("the number of values", "be 1 or more");
  if (auto error = first_error(check_probability("the probability", p), check_probability("alpha", alpha))) {
    return *std::move(error);
  }
  const auto size = static_cast<double>(n);
  RankInterval found;
  found.low = static_cast<std::int64_t>(binomial_quantile(alpha / 2, size, p));
  found.high = static_cast<std::int64_t>(binomial_quantile(1 - alpha / 2, size, p)) + 1;
  found.coverage = binomial_cdf(static_cast<double>(found.high - 1), size, p) -
                   binomial_cdf(static_cast<double>(found.low - 1), size, p);
  return found;
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> found(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t tie = i; tie < end; ++tie) found[order[tie]] = static_cast<double>(i + end + 1) / 2;
    i = end;
  }
  return found;
}

Result<MannWhitney> mann_whitney(std::span<const double> x, std::span<const double> y, double alpha) {
  if (auto error = first_error(check_values(x), check_values(y), check_probability("alpha", alpha))) {
    return *std::move(error);
  }
  std::vector<double> both(x.begin(), x.end());
  both.insert(both.end(), y.begin(), y.end());
  const std::vector<double> ranked = ranks(both);
  const auto n = static_cast<double>(x.size());
  const auto m = static_cast<double>(y.size());
  MannWhitney found;
  found.u = -n * (n + 1) / 2;
  for (std::size_t i = 0; i < x.size(); ++i) found.u += ranked[i];
  found.superiority = found.u / (n * m);
  const double ties = tie_sum(both);
  const double variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)));
  const double apart = found.u - n * m / 2;
  found.p_normal = two_sided(apart, variance);
  found.p_normal_corrected = two_sided(towards_zero(apart), variance);
  std::vector<double> shifts;
  shifts.reserve(x.size() * y.size());
  for (const double a : x) {
    for (const double b : y) shifts.push_back(a - b);
  }
  std::sort(shifts.begin(), shifts.end());
  found.shift = *quantile(shifts, 0.5);
  if (ties == 0 && x.size() < kExactSize && y.size() < kExactSize) {
    add_exact(found, shifts, x.size(), y.size(), alpha);
  }
  return found;
}

Result<SignedRank> signed_rank(std::span<const double> differences) {
  if (auto error = check_values(differences)) return *std::move(error);
  std::vector<double> sizes;
  std::vector<bool> is_positive;
  for (const double difference : differences) {
    if (difference == 0) continue;
    sizes.push_back(std::fabs(difference));
    is_positive.push_back(difference > 0);
  }
  const std::vector<double> ranked = ranks(sizes);
  SignedRank found;
  for (std::size_t i = 0; i < ranked.size(); ++i) found.v += is_positive[i] ? ranked[i] : 0;
  const auto n = static_cast<double>(sizes.size());
  const double variance = n * (n + 1) * (2 * n + 1) / 24 - tie_sum(sizes) / 48;
  found.p = two_sided(towards_zero(found.v - n * (n + 1) / 4), variance);
  return found;
}

}  // namespace trainer::core::stats

// What watches beside the experiments: the ratio of the arms, streams of outcomes, inputs, and the assignment itself.
#include <openssl/sha.h>

#include <array>
#include <cmath>
#include <numeric>

#include "core/stats/assignment.h"
#include "core/stats/chi_squared.h"
#include "core/stats/drift.h"
#include "core/stats/e_detector.h"
#include "core/stats/srm.h"
#include "simulation.h"

namespace simulation {
namespace {

namespace stats = trainer::core::stats;

// --- the ratio ------------------------------------------------------------------------------------------------------

// The unit at which the alarm came, looked at after each; 0: not within `units`.
int ratio_alarm(Random& random, double share, int units) {
  std::array<std::int64_t, 2> counts{};
  for (int t = 1; t <= units; ++t) {
    ++counts[random.coin(share)];
    if (stats::srm(counts, std::array<double, 2>{0.5, 0.5})->is_alarm) return t;
  }
  return 0;
}

// --- detectors ------------------------------------------------------------------------------------------------------

constexpr int kMostRun = 1000000;
constexpr int kChangeAt = 2000;

double mean_run_length(const Values& values, double m0, int runs, std::uint64_t seed) {
  const auto lengths = repeated<int>(runs, seed, [&](int, Random& random) {
    stats::EDetector detector;
    detector.m0 = m0;
    int t = 0;
    while (detector.mass() < stats::kDetectorThreshold && t < kMostRun) {
      detector.add(values.draw(random));
      ++t;
    }
    return t;
  });
  return std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(runs);
}

double median_delay(const Values& before, const Values& after, const stats::EDetector& fresh, int runs,
                    std::uint64_t seed) {
  return median(repeated<int>(runs, seed, [&](int, Random& random) {
    stats::EDetector detector = fresh;
    for (int t = 0; t < kChangeAt; ++t) {
      detector.add(before.draw(random));
      // A false alarm before the change is told, and over.
      if (detector.mass() >= stats::kDetectorThreshold) detector.reset();
    }
    int delay = 0;
    while (detector.mass() < stats::kDetectorThreshold && delay < kMostRun) {
      detector.add(after.draw(random));
      ++delay;
    }
    return delay;
  }));
}

// --- inputs ---------------------------------------------------------------------------------------------------------

using Shares = std::vector<double>;

// A few common categories and many rare ones.
Shares categories(int bins) {
  Shares shares;
  for (int bin = 0; bin < bins; ++bin) shares.push_back(1.0 / (bin + 3));
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= total;
  return shares;
}

Shares tilted(const Shares& shares, double slope) {
  Shares found;
  for (std::size_t i = 0; i < shares.size(); ++i) found.push_back(shares[i] * std::exp(slope * static_cast<double>(i)));
  const double total = std::accumulate(found.begin(), found.end(), 0.0);
  for (double& share : found) share /= total;
  return found;
}

double psi(const Shares& p, const Shares& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += (q[i] - p[i]) * std::log(q[i] / p[i]);
  return sum;
}

// Tilted so far that the true PSI is this.
Shares drifted(const Shares& shares, double wanted) {
  double low = 0;
  double high = 5;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (psi(shares, tilted(shares, middle)) < wanted ? low : high) = middle;
  }
  return tilted(shares, high);
}

std::vector<std::int64_t> drawn(const Shares& shares, int rows, Random& random) {
  Shares sums(shares.size());
  std::partial_sum(shares.begin(), shares.end(), sums.begin());
  sums.back() = 1;
  std::vector<std::int64_t> counts(shares.size());
  for (int i = 0; i < rows; ++i) {
    ++counts[static_cast<std::size_t>(std::upper_bound(sums.begin(), sums.end(), random.uniform()) - sums.begin())];
  }
  return counts;
}

double alarms(const Shares& before, const Shares& now, int n, int m, int windows, std::uint64_t seed) {
  return percent(repeated<char>(windows, seed,
                                [&](int, Random& random) {
                                  const auto reference = drawn(before, n, random);
                                  const stats::Cells cells = stats::merged({reference, drawn(now, m, random)});
                                  return static_cast<char>(stats::compare(cells.reference, cells.current)->is_alarm);
                                }),
                 [](char is_alarm) { return is_alarm != 0; });
}

struct Sizes {
  int n = 0;
  int m = 0;
};
constexpr std::array<Sizes, 5> kSizes{{{1000, 100}, {1000, 300}, {1000, 1000}, {5000, 300}, {5000, 1000}}};

// The largest rate of alarms without a change, over 20 settings.
double worst_false_alarms(int windows) {
  double worst = 0;
  std::uint64_t seed = 20740;
  for (const int bins : {5, 10, 20, 50}) {
    const Shares shares = categories(bins);
    for (const auto& [n, m] : kSizes) worst = std::max(worst, alarms(shares, shares, n, m, windows, ++seed));
  }
  return worst;
}

// Of documents whose 20 words come from one of ten topics for the most part: words of one document depend on each
// other.
stats::TokenSet document(Random& random) {
  constexpr int words = 400;
  constexpr int topics = 10;
  const std::uint64_t topic = random.word() % topics;
  stats::TokenSet set{};
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t word =
        random.coin(0.5) ? random.word() % words : topic * (words / topics) + random.word() % (words / topics);
    const std::uint64_t bit = trainer::core::mix64(word) % 256;
    set[bit / 64] |= std::uint64_t{1} << bit % 64;
  }
  return set;
}

double token_false_alarms(int runs) {
  return percent(
      repeated<char>(runs, 20840,
                     [](int run, Random& random) {
                       std::vector<stats::TokenSet> reference(300), current(300);
                       for (auto& set : reference) set = document(random);
                       for (auto& set : current) set = document(random);
                       const auto seed = static_cast<std::uint64_t>(run);
                       return static_cast<char>(*stats::token_permutation_p(reference, current, seed) <= 0.05);
                     }),
      [](char is_alarm) { return is_alarm != 0; });
}

// --- assignment -----------------------------------------------------------------------------------------------------

std::int32_t bucket_of(std::string_view experiment, std::string_view unit) {
  const std::string message = stats::assignment_message({"default", experiment, "1", "user", unit});
  stats::Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data());
  return stats::bucket(digest);
}

constexpr std::size_t kTenths = 10;
constexpr std::size_t kThousand = 1000;

// Of one part of the units: how many fell into each thousandth of the buckets, and into each pair of tenths of two
// experiments; and how many changed their arm while a canary grew.
struct Assigned {
  std::vector<std::int64_t> thousandths = std::vector<std::int64_t>(kThousand);
  std::vector<std::int64_t> pairs = std::vector<std::int64_t>(kTenths * kTenths);
  int crossed = 0;
};

bool crosses(std::int32_t bucket) {
  stats::CanaryArm before = stats::CanaryArm::outside;
  for (const std::int32_t share : {10000, 50000, 100000, 250000, 500000}) {
    const stats::CanaryArm now = stats::canary_arm(bucket, share);
    if (before != stats::CanaryArm::outside && now != before) return true;
    before = now;
  }
  return before == stats::CanaryArm::outside;
}

Assigned assign(int first, int units) {
  Assigned found;
  for (int i = first; i < first + units; ++i) {
    const std::string unit = "u-" + std::to_string(i);
    const std::int32_t one = bucket_of("exp_42", unit);
    const std::int32_t two = bucket_of("exp_43", unit);
    ++found.thousandths[static_cast<std::size_t>(one) / 1000];
    ++found.pairs[static_cast<std::size_t>(one) / 100000 * kTenths + static_cast<std::size_t>(two) / 100000];
    found.crossed += crosses(one);
  }
  return found;
}

}  // namespace

void measure_ratio(Report& report, const Effort& effort) {
  report.heading("Ratio of the arms: 1:1, looked at after every unit; 4,000 runs, 2,000 with an imbalance");
  const auto without =
      repeated<int>(effort.runs(4000), 20540, [](int, Random& random) { return ratio_alarm(random, 0.5, 5000); });
  report.add(at_most("5",
                     shown("no mismatch: false alarms within 5,000 units",
                           percent(without, [](int alarm) { return alarm > 0; }), 2, " %", ".35-.45 %"),
                     1));
  auto with =
      repeated<int>(effort.runs(2000), 20541, [](int, Random& random) { return ratio_alarm(random, 0.55, 10000); });
  for (int& alarm : with) alarm = alarm == 0 ? 10000 : alarm;
  report.add(at_most("5", shown("+5 pp: units until it is found, median", median(with), 0, "", "1,258"), 1400));
}

void measure_detectors(Report& report, const Effort& effort) {
  const int runs = effort.runs(4000);
  const Table good = Table::quality(0.75);
  const Table bad = Table::quality(0.65);
  report.heading("e-detector: threshold 10,000; 4,000 runs, changes after 2,000 values");
  report.add(at_least("6",
                      shown("quality at m0 (.75): mean values to a false alarm",
                            mean_run_length(Values::of(good), 0.75, runs, 20640), 0, "", "12,600"),
                      stats::kDetectorThreshold));
  report.add(at_least("6",
                      shown("approval at m0 (.80): mean values to a false alarm",
                            mean_run_length(Values::bernoulli(0.8), 0.8, runs, 20641), 0, "", ""),
                      stats::kDetectorThreshold));
  const auto of_quality = *stats::detector_of(stats::Side::drop, 0.75, 0, stats::kQualityTolerance);
  const auto of_approval = *stats::detector_of(stats::Side::drop, 0.8, 0, stats::kApprovalTolerance);
  report.add(at_most("6",
                     shown("quality -.10, tolerance .02: values until it is found, median",
                           median_delay(Values::of(good), Values::of(bad), of_quality, runs, 20642), 0, "", "57"),
                     70));
  report.add(at_most(
      "6",
      shown("approval -10 pp, tolerance .03: values until it is found, median",
            median_delay(Values::bernoulli(0.8), Values::bernoulli(0.7), of_approval, runs, 20643), 0, "", "293"),
      330));
}

void measure_drift(Report& report, const Effort& effort) {
  report.heading("Drift of inputs: windows beside a reference");
  report.add(at_most("7",
                     shown("no drift, worst of 20 (bins, n, m): alarms a window, 10,000 windows each",
                           worst_false_alarms(effort.runs(10000)), 2, " %", "<= .13 %"),
                     0.3));
  const Shares shares = categories(10);
  const Shares changed = drifted(shares, 0.25);
  std::uint64_t seed = 20780;
  double least = 100;
  for (const auto& [n, m] : kSizes) {
    if (m >= 300) least = std::min(least, alarms(shares, changed, n, m, effort.runs(4000), ++seed));
  }
  report.add(at_least(
      "7", shown("PSI .25 in 10 bins, worst of 4 sizes from 1,000/300 on: found", least, 2, " %", "99.8-100 %"), 99));
  report.add(shown("tokens of documents on topics, p <= .05 by permutation, 1,000 windows",
                   token_false_alarms(effort.runs(1000)), 1, " %", "5.0 %"));
}

void measure_assignment(Report& report, const Effort& effort) {
  constexpr int parts = 100;
  const int units = effort.runs(10000000) / parts;
  const auto found = repeated<Assigned>(parts, 0, [&](int part, Random&) { return assign(part * units, units); });
  Assigned all;
  for (const Assigned& part : found) {
    for (std::size_t i = 0; i < kThousand; ++i) all.thousandths[i] += part.thousandths[i];
    for (std::size_t i = 0; i < all.pairs.size(); ++i) all.pairs[i] += part.pairs[i];
    all.crossed += part.crossed;
  }
  std::vector<std::vector<std::int64_t>> table;
  for (std::size_t i = 0; i < kTenths; ++i) {
    table.emplace_back(all.pairs.begin() + static_cast<std::ptrdiff_t>(i * kTenths),
                       all.pairs.begin() + static_cast<std::ptrdiff_t>((i + 1) * kTenths));
  }
  const auto uniform = stats::goodness_of_fit(all.thousandths, std::vector<double>(kThousand, 1.0 / kThousand));
  report.heading("Assignment: 10,000,000 units");
  report.add(at_least("8", shown("uniform over 1,000 parts of the buckets: p", uniform->p, 4, "", ""), 1e-4));
  report.add(at_least(
      "8",
      shown("independent of another experiment, 10 x 10 parts: p", stats::independence(table)->p, 4, "", "> .0001"),
      1e-4));
  report.add(at_most(
      "8", shown("units that change their arm, or have none, while a canary grows to 50 %", all.crossed, 0, "", "0"),
      0));
}

}  // namespace simulation

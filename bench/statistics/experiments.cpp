// Experiments that are read after every observation: false positives without a difference, and power with one.
#include <array>
#include <cmath>

#include "core/stats/acs.h"
#include "core/stats/betting.h"
#include "simulation.h"

namespace simulation {
namespace {

namespace stats = trainer::core::stats;

constexpr int kObservations = 10000;
constexpr double kAlpha = 0.05;
constexpr std::int64_t kNaiveLeast = 10;  // of each arm, before the naive test is read for the first time
constexpr double kNaiveZ = 1.959963984540054;

// The observation at which each one first said that there is a difference; 0: never.
struct Stops {
  int sequence = 0;
  int bets = 0;
  int naive = 0;
  bool is_found_at_end = false;  // by the naive test, read once
};

struct Setting {
  std::string name;
  Values arm1;
  Values arm0;
  double share = 0.5;
  double pseudo_deviation = stats::kPseudoDeviation;
  bool is_bounded = true;  // in [0, 1], as the bets need it
};

// The boundary depends on n alone.
const std::vector<double>& boundaries() {
  static const std::vector<double> all = [] {
    std::vector<double> values;
    for (int n = 0; n <= kObservations; ++n) values.push_back(stats::two_sided_boundary(n, kAlpha, 2000));
    return values;
  }();
  return all;
}

bool naive_rejects(const stats::Moments& arm1, const stats::Moments& arm0) {
  if (arm1.n < kNaiveLeast || arm0.n < kNaiveLeast) return false;
  const double variance = arm1.variance() / static_cast<double>(arm1.n) + arm0.variance() / static_cast<double>(arm0.n);
  return std::fabs(arm1.mean - arm0.mean) > kNaiveZ * std::sqrt(variance);
}

// The mean of wealths is at most the largest: only then are they added up.
bool bets_reject(const stats::Betting& betting) {
  const double threshold = std::log(1 / kAlpha);
  const auto reaches = [&](const stats::Wealth& wealth) {
    return *std::max_element(wealth.begin(), wealth.end()) > threshold;
  };
  return (reaches(betting.above) || reaches(betting.below)) && betting.log_e_both() > threshold;
}

bool sequence_rejects(const stats::Moments& arm1, const stats::Moments& arm0, double pseudo_deviation) {
  if (std::min(arm1.n, arm0.n) < stats::AcsSettings{}.least) return false;
  const stats::Difference found = stats::difference(arm1, arm0, pseudo_deviation);
  return std::fabs(found.value) > boundaries()[static_cast<std::size_t>(arm1.n + arm0.n)] * found.se;
}

Stops experiment(const Setting& setting, Random& random, bool is_to_the_end) {
  Stops stops;
  std::array<stats::Moments, 2> arms;
  stats::Betting betting;
  for (int t = 1; t <= kObservations; ++t) {
    const bool is_arm1 = random.coin(setting.share);
    const double y = (is_arm1 ? setting.arm1 : setting.arm0).draw(random);
    arms[is_arm1].add(y);
    if (setting.is_bounded && stops.bets == 0) {
      betting.add({is_arm1, y, setting.share});
      if (bets_reject(betting)) stops.bets = t;
    }
    if (stops.sequence == 0 && sequence_rejects(arms[1], arms[0], setting.pseudo_deviation)) stops.sequence = t;
    if (stops.naive == 0 && naive_rejects(arms[1], arms[0])) stops.naive = t;
    const bool is_decided = stops.sequence > 0 && (stops.bets > 0 || !setting.is_bounded);
    if (is_decided && !is_to_the_end) break;
  }
  stops.is_found_at_end = naive_rejects(arms[1], arms[0]);
  return stops;
}

struct Reference {
  std::string naive, sequence, bets;
};

void add_false_positives(Report& report, const Setting& setting, int runs, const Reference& reference) {
  static std::uint64_t seed = 20240;
  const auto stops =
      repeated<Stops>(runs, ++seed, [&](int, Random& random) { return experiment(setting, random, true); });
  const auto row = [&](const std::string& what, const std::string& of, auto is_counted) {
    return shown(setting.name + ", " + what, percent(stops, is_counted), 2, " %", of);
  };
  report.add(at_least(
      "2", row("naive z, every observation", reference.naive, [](const Stops& stop) { return stop.naive > 0; }), 35));
  report.add(row("naive z, once at the end", "", [](const Stops& stop) { return stop.is_found_at_end; }));
  report.add(at_most(
      "2", row("confidence sequence", reference.sequence, [](const Stops& stop) { return stop.sequence > 0; }), 4.5));
  if (!setting.is_bounded) return;
  report.add(at_most("2", row("exact bets", reference.bets, [](const Stops& stop) { return stop.bets > 0; }), 4.5));
}

Setting approvals(double p, double share) {
  const std::string name =
      "approval ." + std::to_string(static_cast<int>(std::lround(p * 100))) + (share < 0.5 ? ", 10 %" : ", 50 %");
  return {name, Values::bernoulli(p), Values::bernoulli(p), share};
}

// By `horizon` in percent; the median and the mean observation of the stop, where those that never stop count as the
// last.
struct Decided {
  double by_horizon = 0;
  double median_stop = 0;
  double mean_stop = 0;
};

template <class Stop>
Decided decided(const std::vector<Stops>& stops, int horizon, const Stop& stop) {
  std::vector<int> times;
  for (const Stops& found : stops) times.push_back(stop(found) == 0 ? kObservations : stop(found));
  Decided result;
  result.by_horizon = percent(stops, [&](const Stops& found) { return stop(found) > 0 && stop(found) <= horizon; });
  result.median_stop = median(times);
  for (const int time : times) result.mean_stop += static_cast<double>(time) / static_cast<double>(times.size());
  return result;
}

struct Wanted {
  int horizon = 0;
  double least = 0;  // 0: no goal
  std::string by_horizon, median_stop, bets;
};

void add_power(Report& report, const Setting& setting, int runs, const Wanted& wanted) {
  static std::uint64_t seed = 20340;
  const auto stops =
      repeated<Stops>(runs, ++seed, [&](int, Random& random) { return experiment(setting, random, false); });
  const Decided sequence = decided(stops, wanted.horizon, [](const Stops& stop) { return stop.sequence; });
  const std::string by = ", by " + std::to_string(wanted.horizon);
  const Row power = shown(setting.name + by, sequence.by_horizon, 1, " %", wanted.by_horizon);
  report.add(wanted.least > 0 ? at_least("3", power, wanted.least) : power);
  report.add(shown(setting.name + ", median stop", sequence.median_stop, 0, "", wanted.median_stop));
  report.add(shown(setting.name + ", mean stop (never: 10,000)", sequence.mean_stop, 0, "", ""));
  if (!setting.is_bounded) return;
  const Decided bets = decided(stops, 5000, [](const Stops& stop) { return stop.bets; });
  report.add(shown(setting.name + ", exact bets by 5,000", bets.by_horizon, 1, " %", wanted.bets));
  report.add(shown(setting.name + ", exact bets, median stop", bets.median_stop, 0, "", ""));
}

}  // namespace

void measure_false_positives(Report& report, const Effort& effort) {
  const int many = effort.runs(10000);
  const int some = effort.runs(2000);
  const Table quality = Table::quality(0.75);
  const Table latency = Table::normal(0, 0.6);
  report.heading(
      "False positives: no difference, 10,000 observations, looked at after each; 10,000 runs (10 %: 2,000)");
  add_false_positives(report, approvals(0.5, 0.5), many, {"53.3 %", "2.89 %", "2.93 %"});
  add_false_positives(report, approvals(0.7, 0.5), many, {"53.7 %", "3.09 %", "3.20 %"});
  add_false_positives(report, approvals(0.9, 0.5), many, {"51.1 %", "3.19 %", "2.73 %"});
  add_false_positives(report, approvals(0.98, 0.5), many, {"43.4 %", "2.46 %", "2.02 %"});
  add_false_positives(report, {"quality, 50 %", Values::of(quality), Values::of(quality)}, many,
                      {"53.9 %", "3.21 %", "2.10 %"});
  add_false_positives(report, approvals(0.5, 0.1), some, {"", "", ""});
  add_false_positives(report, approvals(0.7, 0.1), some, {"43.7 %", "2.25 %", "1.95 %"});
  add_false_positives(report, approvals(0.9, 0.1), some, {"", "", ""});
  add_false_positives(report, approvals(0.98, 0.1), some, {"35.2 %", "0.14 %", "0.53 %"});
  add_false_positives(report, {"quality, 10 %", Values::of(quality), Values::of(quality), 0.1}, some,
                      {"44.8 %", "2.11 %", "0.55 %"});
  Setting log_latency{"log-latency, 50 %", Values::of(latency), Values::of(latency)};
  log_latency.pseudo_deviation = stats::kPseudoDeviationLog;
  log_latency.is_bounded = false;
  add_false_positives(report, log_latency, some, {"54.7 %", "3.06 %", ""});
}

void measure_power(Report& report, const Effort& effort) {
  const int runs = effort.runs(4000);
  const Values base = Values::bernoulli(0.7);
  const Table quality = Table::quality(0.75);
  const Table little = Table::quality(0.77);
  const Table much = Table::quality(0.8);
  const Table latency = Table::normal(0, 0.6);
  const Table slower = Table::normal(std::log(1.1), 0.6);
  report.heading("Power and stopping times, 4,000 runs of at most 10,000 observations of both arms");
  add_power(report, {"approval .70 -> .73", Values::bernoulli(0.73), base}, runs,
            {5000, 0, "37.6 %", "6,647", "31.3 %"});
  add_power(report, {"approval .70 -> .75", Values::bernoulli(0.75), base}, runs,
            {5000, 86, "88.9 %", "2,262", "85.2 %"});
  add_power(report, {"approval .70 -> .80", Values::bernoulli(0.8), base}, runs, {2000, 98, "99.3 %", "646", "100 %"});
  add_power(report, {"quality .75 -> .77", Values::of(little), Values::of(quality)}, runs,
            {2000, 63, "66.2 %", "1,520", "97.9 %"});
  add_power(report, {"quality .75 -> .80", Values::of(much), Values::of(quality)}, runs,
            {1000, 99, "99.8 %", "357", "100 %"});
  Setting log_latency{"latency x1.10", Values::of(slower), Values::of(latency)};
  log_latency.pseudo_deviation = stats::kPseudoDeviationLog;
  log_latency.is_bounded = false;
  add_power(report, log_latency, runs, {2000, 77, "80.0 %", "1,218", ""});
}

}  // namespace simulation

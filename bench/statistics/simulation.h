// The simulations of docs/statistics.md: what they share, and what each measures.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "random.h"

namespace simulation {

// A share of the runs, for a look at whether everything works.
struct Effort {
  int divisor = 1;
  int runs(int all) const { return std::max(1, all / divisor); }
};

// One row of the table. `reference` is what other code (in numpy) measured for the same design.
struct Row {
  std::string goal;
  std::string what;
  double measured = 0;
  int decimals = 0;
  std::string unit;
  std::string reference;
  double most = 0;   // the goal: at most, or at least
  double least = 0;  // neither: a row to be looked at
  bool has_most = false;
  bool has_least = false;

  bool is_met() const { return (!has_most || measured <= most) && (!has_least || measured >= least); }
};
Row shown(std::string what, double measured, int decimals, std::string unit, std::string reference);
Row at_most(std::string goal, Row row, double most);
Row at_least(std::string goal, Row row, double least);

class Report {
 public:
  void heading(const std::string& text);
  void add(const Row& row);
  bool is_met() const { return missed_ == 0; }
  int missed() const { return missed_; }

 private:
  int missed_ = 0;
};

// run(i, random) for i < runs over all processors, each with a generator of its own: the results do not depend on how
// many there are.
template <class Result, class Run>
std::vector<Result> repeated(int runs, std::uint64_t seed, const Run& run) {
  std::vector<Result> results(static_cast<std::size_t>(runs));
  const auto workers = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      for (int i = worker; i < runs; i += workers) {
        Random random(trainer::core::mix64(seed) + static_cast<std::uint64_t>(i));
        results[static_cast<std::size_t>(i)] = run(i, random);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

// In percent, of those for which `is_counted`.
template <class Result, class Predicate>
double percent(const std::vector<Result>& results, const Predicate& is_counted) {
  const auto counted = std::count_if(results.begin(), results.end(), is_counted);
  return 100.0 * static_cast<double>(counted) / static_cast<double>(results.size());
}

template <class Number>
double median(std::vector<Number> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return static_cast<double>(*middle);
}

void measure_false_positives(Report& report, const Effort& effort);
void measure_power(Report& report, const Effort& effort);
void measure_canary(Report& report, const Effort& effort);
void measure_ratio(Report& report, const Effort& effort);
void measure_detectors(Report& report, const Effort& effort);
void measure_drift(Report& report, const Effort& effort);
void measure_assignment(Report& report, const Effort& effort);

}  // namespace simulation

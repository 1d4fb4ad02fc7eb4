// statistics-simulation [--quick]: what the methods of src/core/stats do in the long run, beside the goals. Seeded: the
// same figures every time. Exit status 1 when a goal is missed; with --quick, which makes few runs, never.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "simulation.h"

namespace simulation {

Row shown(std::string what, double measured, int decimals, std::string unit, std::string reference) {
  Row row;
  row.what = std::move(what);
  row.measured = measured;
  row.decimals = decimals;
  row.unit = std::move(unit);
  row.reference = std::move(reference);
  return row;
}

Row at_most(std::string goal, Row row, double most) {
  row.goal = std::move(goal);
  row.most = most;
  row.has_most = true;
  return row;
}

Row at_least(std::string goal, Row row, double least) {
  row.goal = std::move(goal);
  row.least = least;
  row.has_least = true;
  return row;
}

namespace {

std::string number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string trimmed(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

void print(const std::string& goal, const std::string& what, const std::string& measured, const std::string& reference,
           const std::string& wanted, const std::string& verdict) {
  std::printf("%-4s %-72s %12s %16s %12s %s\n", goal.c_str(), what.c_str(), measured.c_str(), reference.c_str(),
              wanted.c_str(), verdict.c_str());
  std::fflush(stdout);
}

}  // namespace

void Report::heading(const std::string& text) {
  std::printf("\n%s\n\n", text.c_str());
  print("goal", "what", "measured", "reference", "wanted", "");
}

void Report::add(const Row& row) {
  const bool is_goal = row.has_most || row.has_least;
  missed_ += is_goal && !row.is_met();
  const std::string wanted = row.has_most ? "<= " + trimmed(row.most) : row.has_least ? ">= " + trimmed(row.least) : "";
  print(row.goal, row.what, number(row.measured, row.decimals) + row.unit, row.reference, wanted,
        !is_goal       ? ""
        : row.is_met() ? "met"
                       : "missed");
}

}  // namespace simulation

int main(int argc, char** argv) {
  using namespace std::chrono;
  simulation::Effort effort;
  if (argc == 2 && std::strcmp(argv[1], "--quick") == 0) {
    effort.divisor = 50;
  } else if (argc > 1) {
    std::fprintf(stderr, "usage: statistics-simulation [--quick]\n");
    return 2;
  }
  const auto started = steady_clock::now();
  simulation::Report report;
  simulation::measure_false_positives(report, effort);
  simulation::measure_power(report, effort);
  simulation::measure_canary(report, effort);
  simulation::measure_ratio(report, effort);
  simulation::measure_detectors(report, effort);
  simulation::measure_drift(report, effort);
  simulation::measure_assignment(report, effort);
  const auto taken = duration_cast<seconds>(steady_clock::now() - started).count();
  std::printf("\n%d goals missed, %lld s\n", report.missed(), static_cast<long long>(taken));
  if (effort.divisor > 1) {
    std::printf("--quick: these figures show that it runs, and no more\n");
    return 0;
  }
  return report.is_met() ? 0 : 1;
}

// Whole rollouts, from the first step to their end: what becomes of good and bad versions, and what it costs.
#include <array>
#include <cmath>

#include "core/stats/betting.h"
#include "core/stats/canary.h"
#include "core/stats/srm.h"
#include "simulation.h"

namespace simulation {
namespace {

namespace stats = trainer::core::stats;

constexpr int kMostUnits = 10000;  // analysed, of both arms
constexpr int kUnitsALook = 20;
constexpr double kQualityMargin = 0.03;
constexpr double kApprovalMargin = 0.05;
const double kLatencyMargin = std::log(1.15);

struct Truth {
  std::string name;
  double quality = 0;   // what the new version adds to the mean score
  double approval = 0;  // to the rate
  double latency = 1;   // the factor
};

enum class End { open, promoted, rolled_back };

struct Rollout {
  End end = End::open;
  int analysed = 0;
  int canaries = 0;
};

// The versions' values; tables take a while to make.
struct Versions {
  explicit Versions(const Truth& truth)
      : quality{Table::quality(0.75), Table::quality(0.75 + truth.quality)},
        latency{Table::normal(7, 0.5), Table::normal(7 + std::log(truth.latency), 0.5)},
        approval{0.7, 0.7 + truth.approval} {}

  std::array<Table, 2> quality;
  std::array<Table, 2> latency;
  std::array<double, 2> approval;
};

class Process {
 public:
  void add(const Versions& versions, Random& random) {
    const bool is_canary = random.coin(0.5);
    const double quality = versions.quality[is_canary].draw(random);
    const double approval = random.coin(versions.approval[is_canary]) ? 1 : 0;
    ++counts_[is_canary];
    quality_[is_canary].add(quality);
    approval_[is_canary].add(approval);
    latency_[is_canary].add(versions.latency[is_canary].draw(random));
    quality_bets_.add({is_canary, quality, 0.5});
    approval_bets_.add({is_canary, approval, 0.5});
  }

  int canaries() const { return static_cast<int>(counts_[1]); }

  stats::CanaryEvidence evidence(std::size_t step) const {
    stats::CanaryEvidence found;
    found.step = stats::default_ladder()[step];
    found.is_last_step = step + 1 == stats::default_ladder().size();
    found.in_step = found.step.bake;
    found.is_srm_alarm = stats::srm(counts_, std::array<double, 2>{0.5, 0.5})->is_alarm;
    found.guardrails = {guardrail("quality", kQualityMargin, quality_, &quality_bets_),
                        guardrail("approval", kApprovalMargin, approval_, &approval_bets_),
                        guardrail("log_latency", kLatencyMargin, latency_, nullptr)};
    return found;
  }

 private:
  using Arms = std::array<stats::Moments, 2>;

  static stats::Guardrail guardrail(const char* name, double margin, const Arms& arms, const stats::Guard* bets) {
    stats::Guardrail found;
    found.name = name;
    found.margin = margin;
    found.canary = arms[1];
    found.control = arms[0];
    found.is_higher_better = bets != nullptr;
    if (bets != nullptr) {
      found.log_e_harm = stats::log_e(bets->harm);
    } else {
      found.pseudo_deviation = stats::kPseudoDeviationLog;
    }
    return found;
  }

  std::array<std::int64_t, 2> counts_{};
  Arms quality_, approval_, latency_;
  stats::Guard quality_bets_{kQualityMargin, {}, {}, {}, {}};
  stats::Guard approval_bets_{kApprovalMargin, {}, {}, {}, {}};
};

Rollout roll_out(const Versions& versions, Random& random) {
  Process process;
  std::size_t step = 0;
  Rollout rollout;
  while (rollout.analysed < kMostUnits && rollout.end == End::open) {
    for (int i = 0; i < kUnitsALook; ++i) process.add(versions, random);
    rollout.analysed += kUnitsALook;
    const auto decision = stats::decide(process.evidence(step), {});
    if (decision->action == stats::CanaryAction::advance) ++step;
    if (decision->action == stats::CanaryAction::promote) rollout.end = End::promoted;
    if (decision->action == stats::CanaryAction::rollback) rollout.end = End::rolled_back;
  }
  rollout.canaries = process.canaries();
  return rollout;
}

struct Summary {
  double promoted = 0;
  double rolled_back = 0;
  double analysed = 0;
  double canaries = 0;
};

Summary simulate(const Truth& truth, int runs) {
  static std::uint64_t seed = 20440;
  const Versions versions(truth);
  const auto rollouts =
      repeated<Rollout>(runs, ++seed, [&](int, Random& random) { return roll_out(versions, random); });
  Summary summary;
  summary.promoted = percent(rollouts, [](const Rollout& rollout) { return rollout.end == End::promoted; });
  summary.rolled_back = percent(rollouts, [](const Rollout& rollout) { return rollout.end == End::rolled_back; });
  std::vector<int> analysed, canaries;
  for (const Rollout& rollout : rollouts) {
    analysed.push_back(rollout.analysed);
    canaries.push_back(rollout.canaries);
  }
  summary.analysed = median(analysed);
  summary.canaries = median(canaries);
  return summary;
}

Row promoted(const Truth& truth, const Summary& summary, const std::string& reference) {
  return shown(truth.name + ": promoted", summary.promoted, 2, " %", reference);
}

Row rolled_back(const Truth& truth, const Summary& summary, const std::string& reference) {
  return shown(truth.name + ": rolled back", summary.rolled_back, 2, " %", reference);
}

Row canaries(const Truth& truth, const Summary& summary, const std::string& reference) {
  return shown(truth.name + ": replies by the canary, median", summary.canaries, 0, "", reference);
}

Row analysed(const Truth& truth, const Summary& summary, const std::string& reference) {
  return shown(truth.name + ": units analysed, median", summary.analysed, 0, "", reference);
}

void add_margin(Report& report, const Truth& truth, int runs, const char* promote, const char* rollback,
                const char* exposure) {
  const Summary summary = simulate(truth, runs);
  report.add(at_most("4", promoted(truth, summary, promote), 4));
  report.add(rolled_back(truth, summary, rollback));
  report.add(canaries(truth, summary, exposure));
}

void add_bad(Report& report, const Truth& truth, int runs, const char* rollback, const char* exposure, bool is_goal) {
  const Summary summary = simulate(truth, runs);
  const Row share = rolled_back(truth, summary, rollback);
  const Row cost = canaries(truth, summary, exposure);
  report.add(is_goal ? at_least("4", share, 99.5) : share);
  report.add(is_goal ? at_most("4", cost, 500) : cost);
}

}  // namespace

void measure_canary(Report& report, const Effort& effort) {
  const int many = effort.runs(10000);
  const int some = effort.runs(2000);
  report.heading(
      "Canary: the default ladder, a look every 20 units; 10,000 runs without a difference and at a margin, else "
      "2,000");
  const Truth same{"no difference"};
  const Summary summary = simulate(same, many);
  report.add(at_most("4", rolled_back(same, summary, "1.71 %"), 3));
  report.add(at_least("4", promoted(same, summary, "98.2 %"), 96));
  report.add(analysed(same, summary, "2,100"));
  report.add(canaries(same, summary, "1,058"));
  const Truth better{"better (+.03 quality, +5 pp)", 0.03, 0.05};
  const Summary of_better = simulate(better, some);
  report.add(promoted(better, of_better, "99.7 %"));
  report.add(analysed(better, of_better, "840"));
  add_margin(report, {"approval at the margin (-5 pp)", 0, -0.05}, many, "2.06 %", "97.4 %", "1,493");
  add_margin(report, {"quality at the margin (-.03)", -0.03}, many, "0.59 %", "99.4 %", "481");
  add_margin(report, {"latency at the margin (x1.15)", 0, 0, 1.15}, many, "0.20 %", "99.8 %", "279");
  add_bad(report, {"approval -10 pp", 0, -0.1}, some, "100 %", "436", true);
  add_bad(report, {"approval -20 pp", 0, -0.2}, some, "100 %", "155", false);
  add_bad(report, {"quality -.10", -0.1}, some, "100 %", "93", false);
  add_bad(report, {"latency x1.3", 0, 0, 1.3}, some, "100 %", "115", false);
}

}  // namespace simulation

#include "worker/experiments.h"

#include <algorithm>
#include <optional>

#include "pg/experiments.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// Of the worker's time no more than a tenth, however many replies a test has; and no more at once than this and the
// one look that it began with.
constexpr int kExperimentShare = 10;
constexpr milliseconds kExperimentTime{500};

}  // namespace

milliseconds Experiments::until_due() const {
  return std::chrono::ceil<milliseconds>(next_ - Clock::now());
}

void Experiments::step(milliseconds interval) {
  const auto start = Clock::now();
  do {
    std::optional<pg::LiveExperiment> next;
    auto problem = store([&] { next = pg::next_experiment(cursor_); });
    if (problem) log_problem("trainer worker could not find an experiment to look at", *problem);
    cursor_ = next ? next->id : std::string();
    if (!next) break;
    problem = store([&] { pg::look_at_experiment(*next); });
    if (problem) log_problem("trainer worker could not look at an experiment", *problem);
  } while (Clock::now() < start + kExperimentTime);
  if (cursor_.empty()) drift_.step();
  const auto now = Clock::now();
  const auto pause = kExperimentShare * (now - start);
  next_ = now + (cursor_.empty() ? std::max<Clock::duration>(interval, pause) : pause);
}

}  // namespace trainer::worker

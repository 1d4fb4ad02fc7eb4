#include "worker/experiments.h"

#include <algorithm>
#include <vector>

#include "pg/experiments.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// Of the worker's time no more than a tenth, however many replies a test has.
constexpr int kShare = 10;

}  // namespace

milliseconds Experiments::until_due() const {
  return std::chrono::ceil<milliseconds>(next_ - Clock::now());
}

void Experiments::step(milliseconds interval) {
  const auto start = Clock::now();
  std::vector<pg::LiveExperiment> live;
  auto problem = store([&] { live = pg::live_experiments(); });
  if (problem) log_problem("trainer worker could not list the experiments", *problem);
  for (const pg::LiveExperiment& experiment : live) {
    problem = store([&] { pg::look_at_experiment(experiment); });
    if (problem) log_problem("trainer worker could not look at an experiment", *problem);
  }
  drift_.step();
  const auto now = Clock::now();
  next_ = now + std::max<Clock::duration>(interval, kShare * (now - start));
}

}  // namespace trainer::worker

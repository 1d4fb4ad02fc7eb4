// A/B tests and rollouts: the worker looks at those that run, writes down what it sees, goes on with them and ends
// them.
#pragma once

#include <chrono>
#include <string>

#include "worker/drift.h"

namespace trainer::worker {

class Experiments {
 public:
  bool is_due() const { return Clock::now() >= next_; }
  std::chrono::milliseconds until_due() const;
  // One after the other, each in a transaction of its own, and then at what may have drifted; again after `interval`,
  // or soon when the time was up before the last one.
  void step(std::chrono::milliseconds interval);

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_ = Clock::now();
  std::string cursor_;  // the last one that was looked at in this round
  Drift drift_;
};

}  // namespace trainer::worker

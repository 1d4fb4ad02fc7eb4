// Retrainings: the worker decides about them when they are due, and judges new versions.
#pragma once

#include <chrono>

namespace trainer::worker {

class Retraining {
 public:
  // Something may have become due.
  void look() { next_ = Clock::now(); }
  bool is_due() const { return Clock::now() >= next_; }
  std::chrono::milliseconds until_due() const;
  // One of them.
  void step();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_ = Clock::now();
};

}  // namespace trainer::worker

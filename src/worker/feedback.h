// Feedback: the worker adds it up while sessions write, soon after it comes and never all the time; and trains anew
// what has had enough of it.
#pragma once

#include <chrono>

#include "worker/retraining.h"

namespace trainer::worker {

class Feedback {
 public:
  // What is due of both.
  void mind();
  std::chrono::milliseconds until_due() const;
  // A retraining may have been asked for.
  void look() { retraining_.look(); }

 private:
  using Clock = std::chrono::steady_clock;
  bool has_come();
  void roll_up();

  bool has_come_ = true;  // while nobody was there to be told
  Clock::time_point next_ = Clock::now();
  Clock::time_point next_look_ = Clock::now();
  Retraining retraining_;
};

}  // namespace trainer::worker

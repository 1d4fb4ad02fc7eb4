// How many calls the provider lets us make. A limit on one request is a limit on all: until it is over, nothing new is
// started, and then a few at a time, since all at once would bring the limit back. Each round that is answered well
// makes room for one more, as TCP does it behind a loss (additive increase, RFC 5681): twice as many a round would be
// back at the limit at once.
#pragma once

#include <chrono>
#include <limits>

#include "core/operation.h"

namespace trainer::worker {

class Gate {
 public:
  using Clock = std::chrono::steady_clock;

  void note(const core::Outcome& outcome);
  // There is a new key.
  void open() { *this = {}; }

  bool is_shut() const { return Clock::now() < opens_; }
  Clock::time_point opens() const { return opens_; }
  // Calls under way at a time.
  int limit() const { return limit_; }
  bool key_is_refused() const { return key_is_refused_; }

 private:
  static constexpr int kUnlimited = std::numeric_limits<int>::max();

  Clock::time_point opens_{};
  int limit_ = kUnlimited;
  int answered_ = 0;  // well, in this round
  bool key_is_refused_ = false;
};

}  // namespace trainer::worker

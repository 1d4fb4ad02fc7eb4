// Replies that were asked for in the background, on their way through the worker: claimed beside the operations, called
// for by the same transport, written into the app's table.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/reply.h"
#include "pg/settings.h"
#include "worker/calls.h"

namespace trainer::worker {

class Replies {
 public:
  Replies(Calls& calls, const pg::Settings& settings, const core::Random& random)
      : calls_(calls), settings_(settings), random_(random) {}

  // Requests that may be claimed now, of what operations have left: never more than half of the calls are replies, so
  // that no training waits behind them. Capacity: calls at a time, as the provider lets us.
  int room(int calls, int capacity) const;

  // In the transaction of the worker's claim. How many.
  int claim(std::int64_t epoch, int count, std::chrono::milliseconds lease);
  std::optional<std::chrono::milliseconds> until_next() const { return until_next_; }
  // Outside of it: begins what was claimed.
  void begin();

  void record(Finished finished);

  // Writes replies into the app's table until a moment is over: the app's code has its say there, and trainings do not
  // wait for it.
  void write_some();
  bool has_unwritten() const { return !unwritten_.empty(); }

 private:
  struct Unwritten {
    core::Reply reply;
    std::optional<Finished> answer;  // until it is kept
  };
  bool renew(const core::Reply& claimed);
  void ask(core::Reply reply);
  void write(const Unwritten& unwritten);
  void keep_unwritten();

  Calls& calls_;
  const pg::Settings& settings_;
  const core::Random& random_;
  std::string cursor_;
  std::vector<core::Reply> claimed_;
  std::deque<Unwritten> unwritten_;
  std::optional<std::chrono::milliseconds> until_next_;
};

}  // namespace trainer::worker

// Replies that were asked for in the background, on their way through the worker: claimed beside the operations, called
// for by the same transport, written into the app's table.
#pragma once

#include <chrono>
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

 private:
  void ask(core::Reply reply);
  void write(const core::Reply& reply, const std::optional<Finished>& answer);

  Calls& calls_;
  const pg::Settings& settings_;
  const core::Random& random_;
  std::string cursor_;
  std::vector<core::Reply> claimed_;
  std::optional<std::chrono::milliseconds> until_next_;
};

}  // namespace trainer::worker

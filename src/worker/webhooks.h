// Notifications on their way to the app: claimed, signed, sent by the same transport as everything else, in
// transactions and with a number of connections of their own, so that no training waits for an app.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/retry.h"
#include "core/webhook.h"
#include "pg/settings.h"
#include "worker/calls.h"

namespace trainer::worker {

class Webhooks {
 public:
  Webhooks(Calls& calls, const pg::Settings& settings, const core::Random& random)
      : calls_(calls), settings_(settings), random_(random) {}

  bool is_due() const { return Clock::now() >= next_; }
  std::chrono::milliseconds until_due() const;
  // Something may have come: soon.
  void look();
  // Claims what is due and begins to send it.
  void step(std::int64_t epoch);

  void record(const core::Webhook& webhook, const core::Outcome& outcome);

 private:
  using Clock = std::chrono::steady_clock;

  Calls& calls_;
  const pg::Settings& settings_;
  const core::Random& random_;
  Clock::time_point last_ = Clock::now();
  Clock::time_point next_ = Clock::now();
};

}  // namespace trainer::worker

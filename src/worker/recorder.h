// Writes down what calls came to, and keeps what cannot be written yet because somebody has it locked.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/decide.h"
#include "core/retry.h"
#include "pg/installation.h"
#include "pg/operations.h"
#include "pg/transaction.h"

namespace trainer::worker {

// A transaction over the extension's tables, which are those that this library knows.
template <class Body>
std::optional<pg::Problem> store(Body body) {
  return pg::in_transaction([&] {
    pg::require_own_version();
    body();
  });
}

class Recorder {
 public:
  // Between two tries to record what a lock kept from being recorded.
  static constexpr std::chrono::milliseconds kPause{1000};

  Recorder(std::function<core::Policy()> policy, const core::Random& random)
      : policy_(std::move(policy)), random_(random) {}

  // All at once; where that fails, each by itself, so that one bad row does not hold up the others.
  void write(std::vector<pg::Recorded> outcomes);
  // What was kept, once its time has come.
  void write_kept();
  bool has_kept() const { return !kept_.empty(); }

  // An operation that could not even be begun waits, and shows why.
  void postpone(const core::Operation& operation, bool was_sent, const pg::Problem& problem);

  // True once after the extension was found dropped or updated under us.
  bool take_lost() { return std::exchange(lost_, false); }

 private:
  void write_one(pg::Recorded outcome);
  void keep(pg::Recorded outcome);

  std::function<core::Policy()> policy_;
  const core::Random& random_;
  std::vector<pg::Recorded> kept_;
  std::chrono::steady_clock::time_point next_try_{};
  bool lost_ = false;
};

}  // namespace trainer::worker

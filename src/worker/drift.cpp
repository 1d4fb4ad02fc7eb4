#include "worker/drift.h"

#include <chrono>

#include "pg/as_role.h"
#include "pg/drift.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

// The worker has other work.
constexpr std::chrono::milliseconds kDriftTime{500};

}  // namespace

void Drift::step() {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + kDriftTime;
  do {
    // Before anything is done: one that cannot be looked at does not keep the others from it.
    auto problem = store([&] { cursor_ = pg::next_to_look_at(cursor_); });
    if (problem) log_problem("trainer worker could not find an organization to look at", *problem);
    if (problem || cursor_.empty()) return;
    problem = store([&] { pg::look_at_drift(cursor_); });
    pg::release_session_locks();
    if (problem) log_problem("trainer worker could not look for drift", *problem);
  } while (Clock::now() < end);
}

}  // namespace trainer::worker

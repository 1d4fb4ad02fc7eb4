#include "worker/retraining.h"

#include <algorithm>
#include <optional>
#include <string>

#include "pg/as_role.h"
#include "pg/retraining.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// Between two looks when nothing is known to come; after an error.
constexpr milliseconds kRetrainingLook{10000};
// Between two decisions: the worker has other work.
constexpr milliseconds kRetrainingBreath{100};

}  // namespace

milliseconds Retraining::until_due() const {
  return std::chrono::ceil<milliseconds>(next_ - Clock::now());
}

void Retraining::step() {
  std::string id;
  std::optional<milliseconds> until;
  auto problem = store([&] {
    pg::carry_out_retraining(id);
    until = pg::until_next_retraining();
  });
  pg::release_session_locks();
  if (problem) {
    log_problem("trainer worker could not decide about a retraining", *problem);
    // Somebody who is in the way will be gone soon.
    if (!id.empty() && !problem->is_contention()) store([&] { pg::put_off_retraining(id, problem->message); });
  }
  const milliseconds wait =
      problem ? kRetrainingLook : std::clamp(until.value_or(kRetrainingLook), kRetrainingBreath, kRetrainingLook);
  next_ = Clock::now() + wait;
}

}  // namespace trainer::worker

#include "worker/own_slot.h"

#include <chrono>
#include <map>
#include <string_view>
#include <utility>

#include "pg/installation.h"

extern "C" {
#include <storage/ipc.h>
#include <utils/timestamp.h>
}

namespace trainer::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSilence{60};
// What waits for a lock tries again within this.
constexpr std::chrono::seconds kNextTry{15};

int my_slot = -1;

// Has the last try of the same met a lock too, just now?
bool met_lock_again(std::string_view what) {
  static std::map<std::string_view, Clock::time_point> met;
  const auto last = std::exchange(met[what], Clock::now());
  return Clock::now() - last < kNextTry;
}

// Runs at every end of the process but a signal's, after which the postmaster clears all shared memory.
void leave_slot(int, Datum) {
  with_lock(LW_EXCLUSIVE, [](Shared& s) {
    slot().state = SlotState::left;
    slot().latch = nullptr;
    if (s.launcher != nullptr) SetLatch(s.launcher);
  });
}

}  // namespace

Slot& slot() {
  return shared()->slots[my_slot];
}

void show_turn(int in_flight, TimestampTz answered_at) {
  TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&](Shared&) {
    slot().heartbeat = now;
    slot().in_flight = in_flight;
    slot().answered_at = answered_at;
  });
}

void show_pause(bool paused, const std::string& reason) {
  const char* text = reason.c_str();
  with_lock(LW_EXCLUSIVE, [&](Shared&) {
    slot().paused = paused;
    strlcpy(slot().paused_reason, text, sizeof(slot().paused_reason));
  });
}

void report(const std::string& problem) {
  const char* text = problem.c_str();
  with_lock(LW_EXCLUSIVE, [&](Shared&) {
    strlcpy(slot().error, text, sizeof(slot().error));
    slot().error_at = problem.empty() ? 0 : GetCurrentTimestamp();
  });
}

bool has_lost_extension() {
  bool is_lost = false;
  pg::in_transaction([&] { is_lost = pg::installed_version() != TRAINER_VERSION; });
  return is_lost;
}

void log_problem(const char* what, const pg::Problem& problem) {
  if (has_lost_extension() || (problem.is_contention() && !met_lock_again(what))) return;
  static std::string last;
  static Clock::time_point last_at;
  report(problem.message);
  std::string line = what + problem.message;
  if (line == last && Clock::now() - last_at < kSilence) return;
  last = std::move(line);
  last_at = Clock::now();
  const char* text = problem.message.c_str();
  pg::guarded([&] { ereport(LOG, (errmsg("%s", what), errdetail_internal("%s", text), errhidestmt(true))); });
}

Oid enter_slot(int index) {
  my_slot = index;
  Oid database = InvalidOid;
  with_lock(LW_EXCLUSIVE, [&](Shared&) {
    if (slot().state != SlotState::starting) return;
    slot().state = SlotState::running;
    slot().pid = MyProcPid;
    slot().latch = MyLatch;
    slot().heartbeat = GetCurrentTimestamp();
    database = slot().database;
  });
  if (OidIsValid(database)) pg::guarded([] { before_shmem_exit(leave_slot, Datum{0}); });
  return database;
}

}  // namespace trainer::worker

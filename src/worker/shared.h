// Shared memory: who works for which database, and what a person may want to know of it. Holds nothing that belongs to
// one process but its pid and its latch.
#pragma once

#include <cstddef>

#include "core/serving.h"
#include "pg/postgres.h"
#include "worker/counters.h"

extern "C" {
#include <storage/latch.h>
#include <storage/lwlock.h>
}

namespace trainer::worker {

enum class SlotState {
  free,
  starting,  // registered by the launcher
  running,   // the worker has taken it
  left,      // the worker has ended; the launcher reads why, and frees it
};

enum class Exit {
  failed,         // an error, or a request to end: start it again after a while
  not_installed,  // the database has no extension: not before somebody creates it
};

struct Slot {
  SlotState state;
  Exit exit;
  Oid database;
  pid_t pid;
  Latch* latch;  // of the process; latches of processes are in shared memory
  TimestampTz started_at;
  TimestampTz heartbeat;
  TimestampTz answered_at;  // last complete answer of the provider
  TimestampTz error_at;
  int in_flight;
  bool settled;   // the worker has found the extension: it stays
  bool woken;     // since the worker last looked whether there is an extension
  bool feedback;  // has come since the worker last added it up
  bool paused;
  char paused_reason[128];
  char error[512];
};

// A custom model that has failed lately: src/worker/breakers.h.
struct BreakerSlot {
  Oid database;  // InvalidOid: free
  char model[37];
  core::Breaker breaker;
};
constexpr int kBreakerSlots = 256;

struct Shared {
  LWLock* lock;
  Latch* launcher;  // null while there is none
  bool rescan;      // an extension was created: databases without one are looked at again
  bool shortage;    // the last worker that was wanted could not be started
  BreakerSlot breakers[kBreakerSlots];
  CounterSlot counters[kCounterSlots];
  int slot_count;
  Slot slots[FLEXIBLE_ARRAY_MEMBER];
};

// Called by _PG_init while libraries are preloaded.
void request_shared_memory();

// Null where the library is not preloaded.
Shared* shared();

// Runs body(Slot&) under the lock. Precondition: shared() != nullptr. The body must not raise errors.
template <class Body>
void with_lock(LWLockMode mode, Body body) {
  LWLockAcquire(shared()->lock, mode);
  body(*shared());
  LWLockRelease(shared()->lock);
}

// The slot of a database's worker, or null. The caller holds the lock.
Slot* find_slot(Oid database);

// When the current transaction commits, the database's worker is woken; the launcher, when there is no worker.
void wake_worker_at_commit();

// When the current transaction commits, the database's worker, if there is one, is told of new feedback.
void tell_of_feedback_at_commit();

}  // namespace trainer::worker

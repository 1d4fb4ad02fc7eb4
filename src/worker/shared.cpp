#include "worker/shared.h"

#include <cstring>

#include "pg/fault_point.h"
#include "pg/guard.h"
#include "pg/in_flight.h"
#include "pg/settings.h"

extern "C" {
#include <access/xact.h>
#include <storage/ipc.h>
#include <storage/shmem.h>
}

namespace trainer::worker {
namespace {

constexpr const char* kName = "trainer";

Shared* memory = nullptr;
shmem_startup_hook_type previous_startup = nullptr;
#if TRAINER_HAS_SHMEM_REQUEST_HOOK
shmem_request_hook_type previous_request = nullptr;
#endif

Size memory_size() {
  return add_size(offsetof(Shared, slots), mul_size(static_cast<Size>(pg::max_workers_setting()), sizeof(Slot)));
}

void request() {
#if TRAINER_HAS_SHMEM_REQUEST_HOOK
  if (previous_request != nullptr) previous_request();
#endif
  RequestAddinShmemSpace(add_size(memory_size(), pg::in_flight_memory()));
  RequestNamedLWLockTranche(kName, 2);
}

void startup() {
  if (previous_startup != nullptr) previous_startup();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found = false;
  memory = static_cast<Shared*>(ShmemInitStruct(kName, memory_size(), &found));
  if (!found) {
    std::memset(static_cast<void*>(memory), 0, memory_size());
    memory->lock = &GetNamedLWLockTranche(kName)->lock;
    memory->slot_count = pg::max_workers_setting();
    init_counters(memory->counters);
  }
  pg::make_in_flight(&GetNamedLWLockTranche(kName)[1].lock);
  LWLockRelease(AddinShmemInitLock);
}

bool wake_wanted = false;
bool feedback_given = false;

void wake_worker() {
  with_lock(LW_EXCLUSIVE, [](Shared& s) {
    Slot* slot = find_slot(MyDatabaseId);
    if (slot != nullptr) slot->woken = true;
    if (slot != nullptr && slot->state == SlotState::running) {
      SetLatch(slot->latch);
    } else {
      s.rescan = true;
      if (s.launcher != nullptr) SetLatch(s.launcher);
    }
  });
}

// Of many sessions that give feedback only the first one since the worker looked has anything to do.
void tell_of_feedback() {
  bool is_news = false;
  with_lock(LW_SHARED, [&](Shared&) {
    const Slot* slot = find_slot(MyDatabaseId);
    is_news = slot != nullptr && !slot->feedback;
  });
  if (!is_news) return;
  with_lock(LW_EXCLUSIVE, [](Shared&) {
    Slot* slot = find_slot(MyDatabaseId);
    if (slot == nullptr) return;
    slot->feedback = true;
    if (slot->state == SlotState::running) SetLatch(slot->latch);
  });
}

void at_transaction_end(XactEvent event, void*) {
  if (!wake_wanted && !feedback_given) return;
  if (event == XACT_EVENT_COMMIT && wake_wanted) TRAINER_FAULT_POINT("submitted");
  if (event == XACT_EVENT_COMMIT && memory != nullptr) {
    if (wake_wanted) wake_worker();
    if (feedback_given) tell_of_feedback();
  }
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) {
    wake_wanted = feedback_given = false;
  }
}

void listen_to_transaction_ends() {
  static bool registered = false;
  if (registered) return;
  pg::guarded([] { RegisterXactCallback(at_transaction_end, nullptr); });
  registered = true;
}

}  // namespace

void request_shared_memory() {
#if TRAINER_HAS_SHMEM_REQUEST_HOOK
  previous_request = shmem_request_hook;
  shmem_request_hook = request;
#else
  request();
#endif
  previous_startup = shmem_startup_hook;
  shmem_startup_hook = startup;
}

Shared* shared() {
  return memory;
}

Slot* find_slot(Oid database) {
  for (int i = 0; i < memory->slot_count; ++i) {
    Slot& slot = memory->slots[i];
    if (slot.database == database && (slot.state == SlotState::starting || slot.state == SlotState::running))
      return &slot;
  }
  return nullptr;
}

void wake_worker_at_commit() {
  TRAINER_FAULT_POINT("submitting");
  listen_to_transaction_ends();
  wake_wanted = true;
}

void tell_of_feedback_at_commit() {
  listen_to_transaction_ends();
  feedback_given = true;
}

}  // namespace trainer::worker

#include "worker/launcher.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pg/fault_point.h"
#include "pg/guard.h"
#include "pg/settings.h"
#include "worker/process.h"
#include "worker/shared.h"
#include "worker/worker.h"

extern "C" {
#include <access/heapam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <access/tableam.h>
#include <catalog/pg_database.h>
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>

PGDLLEXPORT void trainer_launcher_main(Datum argument);
}

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// Databases appear without a sign to us (CREATE DATABASE ... TEMPLATE), so the list is read again now and then.
constexpr milliseconds kRescan{60000};
constexpr int kRestartMs = 5000;
// The wait after failed starts in a row doubles up to 5 s << 6, some five minutes.
constexpr int kMostDoublings = 6;

struct Database {
  Oid oid;
  std::string name;
};

// What is remembered of a database that has no worker.
struct Absence {
  bool not_installed = false;
  int failures = 0;  // in a row, without a worker that found its extension
  TimestampTz next_try = 0;
};

struct Entry {
  Oid oid;
  NameData name;
  Entry* next;
};

// pg_database by a plain scan, as the autovacuum launcher does: a process without a database has no SQL. May raise
// errors.
Entry* scan_databases_unsafe() {
  MemoryContext caller = CurrentMemoryContext;
  Entry* first = nullptr;
  StartTransactionCommand();
  (void)GetTransactionSnapshot();
  Relation catalog = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(catalog, 0, nullptr);
  for (HeapTuple tuple; HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection));) {
    auto* row = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    // -2: an interrupted DROP DATABASE, to which nobody can connect.
    if (!row->datallowconn || row->datistemplate || row->datconnlimit == -2) continue;
    auto* entry = static_cast<Entry*>(MemoryContextAlloc(caller, sizeof(Entry)));
    *entry = {row->oid, row->datname, first};
    first = entry;
  }
  table_endscan(scan);
  table_close(catalog, AccessShareLock);
  CommitTransactionCommand();
  MemoryContextSwitchTo(caller);
  return first;
}

std::vector<Database> wanted_databases() {
  std::vector<Database> wanted;
  for (Entry* entry = pg::guarded([] { return scan_databases_unsafe(); }); entry != nullptr; entry = entry->next) {
    std::string name = NameStr(entry->name);
    if (pg::database_is_wanted(name)) wanted.push_back({entry->oid, std::move(name)});
  }
  return wanted;
}

class Launcher {
 public:
  // One look at everything; returns how long to wait until the next.
  milliseconds turn() {
    collect_ended();
    milliseconds wait = kRescan;
    for (const Database& database : wanted_databases()) {
      bool has_worker = false;
      with_lock(LW_SHARED, [&](Shared&) { has_worker = find_slot(database.oid) != nullptr; });
      if (has_worker) continue;
      const Absence& absence = absent_[database.oid];
      if (absence.not_installed) continue;
      TimestampTz now = GetCurrentTimestamp();
      if (absence.next_try <= now) {
        start(database);
      } else {
        wait = std::min(wait, milliseconds(TimestampDifferenceMilliseconds(now, absence.next_try) + 1));
      }
    }
    return wait;
  }

 private:
  struct Ended {
    Oid database;
    Exit exit;
    bool settled;
  };

  void collect_ended() {
    TimestampTz now = GetCurrentTimestamp();
    bool rescan = false;
    // The list is copied out of the lock: nothing may be allocated under it.
    std::vector<Ended> ended;
    ended.reserve(static_cast<std::size_t>(shared()->slot_count));
    with_lock(LW_EXCLUSIVE, [&](Shared& s) {
      rescan = std::exchange(s.rescan, false);
      for (int i = 0; i < s.slot_count; ++i) {
        Slot& slot = s.slots[i];
        // A worker that never came to take its slot could not be started at all.
        bool lost = slot.state == SlotState::starting && TimestampDifferenceExceeds(slot.started_at, now, 30000);
        if (slot.state != SlotState::left && !lost) continue;
        ended.push_back({slot.database, slot.exit, slot.settled});
        std::memset(static_cast<void*>(&slot), 0, sizeof(slot));
      }
    });
    for (const Ended& end : ended) {
      Absence& absence = absent_[end.database];
      absence.not_installed = end.exit == Exit::not_installed;
      absence.failures = end.settled ? 0 : std::min(absence.failures + 1, kMostDoublings);
      absence.next_try = TimestampTzPlusMilliseconds(now, kRestartMs << std::max(absence.failures - 1, 0));
    }
    // Whoever asked may just have created the extension.
    if (rescan) std::erase_if(absent_, [](const auto& item) { return item.second.not_installed; });
  }

  // The index of a slot that is the database's from now on; -1 when there is none. `all_settled`: nor will there be
  // soon.
  static int take_slot(Oid database, bool& all_settled) {
    int index = -1;
    all_settled = true;
    with_lock(LW_EXCLUSIVE, [&](Shared& s) {
      for (int i = 0; i < s.slot_count && index < 0; ++i) {
        Slot& slot = s.slots[i];
        all_settled = all_settled && slot.settled;
        if (slot.state != SlotState::free) continue;
        slot.state = SlotState::starting;
        slot.database = database;
        slot.started_at = GetCurrentTimestamp();
        index = i;
      }
    });
    return index;
  }

  void start(const Database& database) {
    TRAINER_FAULT_POINT("launching");
    bool all_settled = false;
    int index = take_slot(database.oid, all_settled);
    // Slots of workers that are still looking for their extension come free in a moment, and we are woken by it.
    if (index < 0 && !all_settled) return;
    bool registered = index >= 0 && register_worker(index, database.name);
    bool told = false;
    with_lock(LW_EXCLUSIVE, [&](Shared& s) { told = std::exchange(s.shortage, !registered); });
    if (registered) return;
    if (index >= 0) {
      with_lock(LW_EXCLUSIVE, [&](Shared& s) { std::memset(static_cast<void*>(&s.slots[index]), 0, sizeof(Slot)); });
    }
    absent_[database.oid].next_try = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kRestartMs);
    // Once per shortage, not once per try.
    if (!told) tell_shortage(index >= 0 ? "max_worker_processes" : "trainer.max_workers", database.name);
  }

  static bool register_worker(int index, const std::string& database) {
    BackgroundWorker worker = {};
    const char* name = database.c_str();
    return pg::guarded([&] {
      strlcpy(worker.bgw_library_name, "trainer", BGW_MAXLEN);
      strlcpy(worker.bgw_function_name, "trainer_worker_main", BGW_MAXLEN);
      snprintf(worker.bgw_name, BGW_MAXLEN, "trainer worker for database %s", name);
      strlcpy(worker.bgw_type, "trainer worker", BGW_MAXLEN);
      worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
      worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
      worker.bgw_restart_time = BGW_NEVER_RESTART;  // the launcher decides
      worker.bgw_main_arg = Int32GetDatum(index);
      worker.bgw_notify_pid = MyProcPid;
      return RegisterDynamicBackgroundWorker(&worker, nullptr);
    });
  }

  static void tell_shortage(const char* setting, const std::string& database) {
    const char* name = database.c_str();
    pg::guarded([&] {
      ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                        errmsg("could not start the trainer worker for database \"%s\"", name),
                        errdetail("No worker slot is left."), errhint("Raise %s.", setting)));
    });
  }

  std::map<Oid, Absence> absent_;
};

void leave(int, Datum) {
  with_lock(LW_EXCLUSIVE, [](Shared& s) { s.launcher = nullptr; });
}

int run_launcher() {
  pg::guarded([] {
    before_shmem_exit(leave, Datum{0});
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  });
  with_lock(LW_EXCLUSIVE, [](Shared& s) { s.launcher = MyLatch; });
  MemoryContext turn_memory = pg::guarded(
      [] { return AllocSetContextCreate(TopMemoryContext, "trainer launcher turn", ALLOCSET_DEFAULT_SIZES); });
  Launcher launcher;
  while (true) {
    MemoryContextSwitchTo(turn_memory);
    milliseconds next = launcher.turn();
    MemoryContextReset(turn_memory);
    wait(next, -1);
    take_reload();
  }
}

}  // namespace

void register_launcher() {
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  request_shared_memory();
  BackgroundWorker worker = {};
  strlcpy(worker.bgw_library_name, "trainer", BGW_MAXLEN);
  strlcpy(worker.bgw_function_name, "trainer_launcher_main", BGW_MAXLEN);
  strlcpy(worker.bgw_name, "trainer launcher", BGW_MAXLEN);
  strlcpy(worker.bgw_type, "trainer launcher", BGW_MAXLEN);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;  // not on a standby, and after its promotion
  worker.bgw_restart_time = kRestartMs / 1000;
  RegisterBackgroundWorker(&worker);
}

}  // namespace trainer::worker

extern "C" void trainer_launcher_main(Datum) {
  trainer::worker::install_signal_handlers();
  trainer::worker::run_process([] { return trainer::worker::run_launcher(); });
}

#include "worker/process.h"

#include <algorithm>
#include <utility>

extern "C" {
#include <access/xact.h>
#include <pgstat.h>
#include <postmaster/bgworker.h>
#include <postmaster/interrupt.h>
#include <storage/ipc.h>
#include <storage/latch.h>
#include <tcop/tcopprot.h>
}

namespace trainer::worker {
namespace {

// A claim that is not on disk when its request is sent could be made twice.
void keep_commits_synchronous() {
  if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF) {
    SetConfigOption("synchronous_commit", "on", PGC_SUSET, PGC_S_OVERRIDE);
  }
}

}  // namespace

void install_signal_handlers() {
  pqsignal(SIGTERM, die);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
}

void override_settings() {
  static constexpr std::pair<const char*, const char*> kFixed[] = {
      {"search_path", "pg_catalog, pg_temp"},
      {"role", "none"},
      {"default_transaction_read_only", "off"},
      {"default_transaction_isolation", "read committed"},
      {"default_transaction_deferrable", "off"},
      {"session_replication_role", "origin"},
      {"row_security", "on"},
      {"statement_timeout", "0"},
      {"idle_in_transaction_session_timeout", "0"},
      // What a session has locked is tried again later: the others must not wait for it.
      {"lock_timeout", "200ms"},
      {"jit", "off"},
      // Every statement of the worker goes by keys. Its plans are made once, perhaps while the tables are empty, and a
      // scan that was cheap then would be made for each of thousands of operations.
      {"enable_indexscan", "on"},
      {"enable_seqscan", "off"},
      {"enable_bitmapscan", "off"},
      {"enable_hashjoin", "off"},
      {"enable_mergejoin", "off"},
      // One plan is left to choose: to make it anew for each execution took longer than to claim a few rows.
      {"plan_cache_mode", "force_generic_plan"},
  };
  pg::guarded([] {
    for (const auto& [name, value] : kFixed) SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
    keep_commits_synchronous();
    // Servers from 17 on have it.
    if (GetConfigOption("transaction_timeout", true, false) != nullptr) {
      SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
    }
  });
}

bool take_reload() {
  if (!ConfigReloadPending) return false;
  ConfigReloadPending = false;
  pg::guarded([] {
    ProcessConfigFile(PGC_SIGHUP);
    keep_commits_synchronous();
  });
  return true;
}

bool wait(std::chrono::milliseconds timeout, int fd) {
  long ms = static_cast<long>(std::max<std::int64_t>(timeout.count(), 0));
  return pg::guarded([&] {
    int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
    int happened = fd >= 0 ? WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, fd, ms, PG_WAIT_EXTENSION)
                           : WaitLatch(MyLatch, events, ms, PG_WAIT_EXTENSION);
    if ((happened & WL_LATCH_SET) != 0) ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    return (happened & WL_LATCH_SET) != 0;
  });
}

}  // namespace trainer::worker

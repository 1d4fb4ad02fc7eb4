#include "worker/process.h"

#include <algorithm>

extern "C" {
#include <pgstat.h>
#include <postmaster/bgworker.h>
#include <postmaster/interrupt.h>
#include <storage/ipc.h>
#include <storage/latch.h>
#include <tcop/tcopprot.h>
}

namespace trainer::worker {

void install_signal_handlers() {
  pqsignal(SIGTERM, die);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
}

bool take_reload() {
  if (!ConfigReloadPending) return false;
  ConfigReloadPending = false;
  pg::guarded([] { ProcessConfigFile(PGC_SIGHUP); });
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

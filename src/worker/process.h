// What the launcher and the workers have in common as processes: signals, waiting, and how they end.
#pragma once

#include <chrono>

#include "pg/guard.h"

extern "C" {
#include <storage/ipc.h>
}

namespace trainer::worker {

// Signal handlers of a background worker. The default SIGTERM handler raises FATAL inside the handler; die() waits for
// the next CHECK_FOR_INTERRUPTS. SIGHUP only sets a flag, which take_reload() reads.
void install_signal_handlers();

// Overrides, once connected, the settings that the owner of a database could plant with ALTER DATABASE, and that would
// change what our statements mean or do.
void override_settings();

// True once after each reload; the configuration has been read again.
bool take_reload();

// Waits for the latch, the deadline or, when fd >= 0, for the descriptor to be readable; handles interrupts. Ends the
// process when the postmaster is gone. An SQL error (a cancel) comes out
// as pg::Error. True when the latch was set.
bool wait(std::chrono::milliseconds timeout, int fd);

// Runs the process's body, which returns when there is nothing more to do, and ends the process with its result; an
// exception that comes out is reported as an error, which ends the process with 1. The launcher never returns: the
// postmaster would forget a static worker that ends with 0.
template <class Body>
[[noreturn]] void run_process(Body body) {
  int status = 1;
  pg::entry_void([&] { status = body(); });
  proc_exit(status);
}

}  // namespace trainer::worker

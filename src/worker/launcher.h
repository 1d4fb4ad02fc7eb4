// The launcher: one process a server, which sees to it that every database with the extension has its worker.
#pragma once

namespace trainer::worker {

// Called by _PG_init: shared memory and the launcher's registration, where the library is preloaded; else nothing.
void register_launcher();

}  // namespace trainer::worker

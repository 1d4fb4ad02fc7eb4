// What a worker tells of itself: its slot in shared memory, and its problems there and in the log.
#pragma once

#include <string>

#include "pg/transaction.h"
#include "worker/shared.h"

extern "C" {
#include <datatype/timestamp.h>
}

namespace trainer::worker {

// Takes the slot that the launcher has prepared; it is left again at the end of the process. The database, or
// InvalidOid when the slot is not meant for us any more.
Oid enter_slot(int index);
// The slot of this process. Precondition: enter_slot() was called; the caller holds the lock.
Slot& slot();

// What trainer_worker_status() shows of a turn, and of a pause.
void show_turn(int in_flight, TimestampTz answered_at);
void show_pause(bool paused, const std::string& reason);

// The problem as trainer_worker_status() shows it; an empty one takes the last away.
void report(const std::string& problem);

// Has the extension been dropped, or become another version? What fails then under a turn is no problem: the claim that
// follows draws the consequences.
bool has_lost_extension();

// One line in the log a problem, not one a try: what goes on is told again after a while only. The status has it in any
// case. None where the extension was lost, nor of a lock that the next try does not meet any more.
void log_problem(const char* what, const pg::Problem& problem);

}  // namespace trainer::worker

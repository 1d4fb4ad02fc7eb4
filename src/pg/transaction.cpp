#include "pg/transaction.h"

extern "C" {
#include <pgstat.h>
#include <utils/snapmgr.h>
}

namespace trainer::pg {

bool Problem::is_contention() const {
  return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED ||
         sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE || sqlstate == ERRCODE_QUERY_CANCELED;
}

bool Problem::is_unique_violation() const {
  return sqlstate == ERRCODE_UNIQUE_VIOLATION;
}

void begin_transaction() {
  guarded([] {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, "recording");
  });
}

void commit_transaction() {
  guarded([] {
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_stat(true);
    pgstat_report_activity(STATE_IDLE, nullptr);
  });
}

void abort_transaction() noexcept {
  AbortCurrentTransaction();
  pgstat_report_activity(STATE_IDLE, nullptr);
}

}  // namespace trainer::pg

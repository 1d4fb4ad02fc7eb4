#include "pg/transaction.h"

extern "C" {
#include <pgstat.h>
#include <utils/snapmgr.h>
}

namespace trainer::pg {

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

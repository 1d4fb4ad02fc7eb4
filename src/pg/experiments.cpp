#include "pg/experiments.h"

#include "pg/fault_point.h"
#include "pg/spi.h"
#include "pg/turns.h"

extern "C" {
#include <common/hashfn.h>
#include <storage/lmgr.h>
#include <utils/snapmgr.h>
#include <utils/uuid.h>
}

namespace trainer::pg {
namespace {

// Until the end of the transaction one of an organization at a time. The lock of an object, which nobody can take by
// SQL, as they could an advisory lock; two organizations of one hash wait for each other, no more.
void lock_experiments_unsafe(Oid table, const pg_uuid_t* organization) {
  const Oid key = DatumGetUInt32(hash_any(organization->data, UUID_LEN));
  LockDatabaseObject(table, key, 0, ExclusiveLock);
}

}  // namespace

std::optional<LiveExperiment> next_experiment(const std::string& cursor) {
  constexpr const char* kNext =
      "SELECT e.id, e.is_rollout FROM (SELECT t.id, false AS is_rollout FROM @extschema@.ab_tests t"
      "   WHERE t.status IN ('running', 'maturing') AND t.id > $1::uuid" NOT_PAUSED
      " UNION ALL SELECT r.id, true FROM @extschema@.trainer_rollouts r"
      "   WHERE r.state = 'running' AND r.id > $1::uuid" NOT_PAUSED ") e ORDER BY e.id LIMIT 1";
  Rows next = execute(kNext, std::move(Args().text(cursor.empty() ? kFirstTurn : cursor)));
  if (next.empty()) return std::nullopt;
  return LiveExperiment{next.text(0, 0), next.boolean(0, 1)};
}

void look_at_experiment(const LiveExperiment& experiment) {
  if (experiment.is_rollout) {
    execute("SELECT @extschema@.trainer_look_at_rollout($1::uuid)", std::move(Args().text(experiment.id)));
  } else {
    execute("SELECT @extschema@.trainer_look_at_ab_test($1::uuid)", std::move(Args().text(experiment.id)));
  }
  TRAINER_FAULT_POINT("experiment-seen");
}

}  // namespace trainer::pg

// Under a snapshot of its own, younger than the lock: that of a REPEATABLE READ transaction would not show who was
// first.
TRAINER_FUNCTION(trainer_lock_experiments) {
  namespace pg = trainer::pg;
  const Datum organization = PG_GETARG_DATUM(0);
  std::string running;
  {
    pg::Spi spi;
    const auto table = static_cast<Oid>(pg::execute("SELECT '@extschema@.ab_tests'::regclass::bigint").bigint(0, 0));
    pg::guarded([&] {
      pg::lock_experiments_unsafe(table, DatumGetUUIDP(organization));
      PushActiveSnapshot(GetLatestSnapshot());
    });
    running = pg::execute("SELECT @extschema@.trainer_running_experiment($1)",
                          std::move(pg::Args().datum(UUIDOID, organization)), pg::Snapshot::statement)
                  .text(0, 0);
    pg::guarded([] { PopActiveSnapshot(); });
  }
  if (running.empty()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(pg::to_text(running));
}

#include "pg/retraining.h"

#include <algorithm>

#include "pg/as_role.h"
#include "pg/fault_point.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {
namespace {

// A dataset is built in it, out of the app's tables.
constexpr std::chrono::milliseconds kRetrainingTimeout{60000};

constexpr const char* kNextRetraining =
    "SELECT d.id, d.decision = 'comparing', b.attached_by::oid::bigint, d.organization_id,"
    "  @extschema@.trainer_role_search_path(b.attached_by)"
    " FROM @extschema@.trainer_retraining_decisions d LEFT JOIN @extschema@.trainer_bindings b ON b.role = 'responses'"
    " WHERE d.due_at <= now()" NOT_PAUSED " ORDER BY d.due_at LIMIT 1";

constexpr const char* kPutOff =
    "SELECT @extschema@.trainer_put_off_retraining($1::uuid, $2, now() + interval '1 hour')";

void decide(const Rows& next) {
  AsAttached attached(static_cast<Oid>(next.bigint(0, 2)), next.text(0, 4), next.text(0, 3));
  StatementTimeout timeout(kRetrainingTimeout);
  execute("SELECT @extschema@.trainer_retrain($1::uuid)", std::move(Args().text(next.text(0, 0))));
}

}  // namespace

bool carry_out_retraining(std::string& id) {
  Rows next = execute(kNextRetraining);
  if (next.empty()) return false;
  id = next.text(0, 0);
  if (next.boolean(0, 1)) {
    execute("SELECT @extschema@.trainer_finish_comparison($1::uuid)", std::move(Args().text(id)));
  } else if (next.is_null(0, 2)) {
    put_off_retraining(id, "the extension is not bound to the app's tables");
  } else {
    decide(next);
  }
  TRAINER_FAULT_POINT("retraining");
  return true;
}

void put_off_retraining(const std::string& id, const std::string& reason) {
  execute(kPutOff, std::move(Args().text(id).text(reason)));
}

std::optional<std::chrono::milliseconds> until_next_retraining() {
  Rows rows = execute(
      "SELECT ceil(extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::bigint"
      " FROM @extschema@.trainer_retraining_decisions WHERE due_at IS NOT NULL");
  if (rows.is_null(0, 0)) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(rows.bigint(0, 0), 0));
}

}  // namespace trainer::pg

#include <algorithm>

#include "pg/operations.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {
namespace {

// The live states, as the partial indexes spell them.
#define LIVE_OPERATIONS "state IN ('ready', 'sending', 'reconcile', 'checking')"

// Before anything is read: to ask for the table after its indexes deadlocks with a REINDEX, which goes the other way.
constexpr const char* kLockTable = "LOCK TABLE @extschema@.trainer_operations IN ROW EXCLUSIVE MODE";

// How much is due: more than there is room for, or not.
constexpr const char* kCountUpTo =
    "SELECT count(*) FROM (SELECT FROM @extschema@.trainer_operations"
    " WHERE " LIVE_OPERATIONS " AND due_at <= now() ORDER BY due_at LIMIT $1) due";

// Claims the rows at the addresses in `chosen`. What is claimed anew while it was being sent may have arrived: a paid
// call is looked for before it is sent again.
#define CLAIM_CHOSEN                                                                                                  \
  " UPDATE @extschema@.trainer_operations o SET"                                                                      \
  "  state = CASE WHEN o.kind = 'poll_job' THEN 'ready'"                                                              \
  "               WHEN o.kind NOT IN ('upload_training_file', 'upload_validation_file', 'create_job') THEN 'sending'" \
  "               WHEN o.state = 'ready' THEN 'sending' ELSE 'checking' END,"                                         \
  "  sent_at = CASE WHEN o.state IN ('ready', 'sending') AND o.kind <> 'poll_job' THEN now() ELSE o.sent_at END,"     \
  "  due_at = now() + CASE WHEN o.kind = 'poll_job' THEN $4 * (0.9 + 0.2 * random()) ELSE $3 END * interval '1 ms',"  \
  "  attempt = o.attempt + 1, epoch = $2"                                                                             \
  " FROM @extschema@.custom_models m"                                                                                 \
  "  LEFT JOIN @extschema@.training_datasets d ON d.id = m.training_dataset_id"                                       \
  " WHERE o.ctid = ANY (ARRAY(SELECT address FROM chosen)) AND m.id = o.custom_model_id" NOT_PAUSED                   \
  " RETURNING o.id, o.kind, o.state, o.attempt, o.misses, o.argument,"                                                \
  "  (extract(epoch FROM now() - o.created_at) * 1000)::bigint, (extract(epoch FROM now() - o.sent_at) * "            \
  "1000)::bigint,"                                                                                                    \
  "  m.id, m.organization_id, m.status, m.base_model, m.suffix,"                                                      \
  "  coalesce(d.training_params->>'method', 'supervised'), d.training_params->>'epochs', m.learning_rate_multiplier," \
  "  d.training_params->>'batch_size', d.training_params->>'seed', m.training_file_id, m.validation_file_id,"         \
  "  coalesce(d.validation_count, 0) > 0, m.provider_job_id, m.provider_status,"                                      \
  "  extract(epoch FROM m.estimated_finish)::bigint, m.fine_tuned_model_id, m.retries,"                               \
  "  m.cancel_requested_at IS NOT NULL, (SELECT id FROM @extschema@.trainer_installation),"                           \
  "  CASE WHEN o.kind IN ('poll_job', 'fetch_result') THEN"                                                           \
  "   (SELECT e.id FROM @extschema@.trainer_provider_events e WHERE e.organization_id = m.organization_id"            \
  "    AND e.custom_model_id = m.id ORDER BY e.seq DESC LIMIT 1) END,"                                                \
  "  m.training_dataset_id, d.training_params->>'beta',"                                                              \
  "  CASE WHEN o.kind IN ('poll_job', 'sweep_duplicates') THEN @extschema@.trainer_operation_id(m.id, 'create_job') " \
  "END"

// All that is due, when there is room for it: nobody has to take turns.
constexpr const char* kClaimAll =
    "WITH chosen AS MATERIALIZED (SELECT o.ctid AS address FROM @extschema@.trainer_operations o"
    " WHERE o." LIVE_OPERATIONS
    " AND o.due_at <= now() ORDER BY o.due_at LIMIT $1 FOR UPDATE SKIP LOCKED)" CLAIM_CHOSEN;

constexpr const char* kClaimInTurn =
    CHOSEN_IN_TURN("@extschema@.trainer_operations", LIVE_OPERATIONS, "$5") CLAIM_CHOSEN;

// What was being sent may have been on its way until just now.
constexpr const char* kTakeOver =
    "UPDATE @extschema@.trainer_operations SET due_at = least(due_at, now()),"
    " sent_at = CASE state WHEN 'sending' THEN now() ELSE sent_at END"
    " WHERE state IN ('sending', 'checking') AND epoch < $1";

constexpr const char* kRelease =
    "UPDATE @extschema@.trainer_operations SET due_at = now()"
    " WHERE state IN ('ready', 'reconcile') AND due_at > now() AND last_http_status = 401";

constexpr const char* kNextDue =
    "SELECT ceil(extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::bigint"
    " FROM @extschema@.trainer_operations WHERE " LIVE_OPERATIONS;

constexpr const char* kCountDue =
    "SELECT count(*) FROM @extschema@.trainer_operations WHERE " LIVE_OPERATIONS " AND due_at <= now()";

constexpr const char* kPostpone =
    "UPDATE @extschema@.trainer_operations SET last_error = $4, due_at = now() + $5 * interval '1 ms',"
    " sent_at = CASE state WHEN 'sending' THEN now() ELSE sent_at END,"
    " state = CASE state WHEN 'sending' THEN $6 WHEN 'checking' THEN 'reconcile' ELSE state END"
    " WHERE id = $1::uuid AND attempt = $2 AND epoch = $3 AND " LIVE_OPERATIONS;

core::Work read_work(const Rows& rows, std::uint64_t row, std::int64_t epoch) {
  core::Work work;
  int column = 0;
  auto text = [&] { return rows.text(row, column++); };
  auto number = [&](std::int64_t otherwise = 0) { return rows.bigint(row, column++, otherwise); };

  core::Operation& operation = work.operation;
  operation.id = text();
  operation.kind = core::operation_kind(text()).value();
  operation.state = core::operation_state(text()).value();
  operation.epoch = epoch;
  operation.attempt = static_cast<int>(number());
  operation.misses = static_cast<int>(number());
  operation.argument = text();
  operation.age = std::chrono::milliseconds(number());
  operation.since_sent = std::chrono::milliseconds(number());

  core::Model& model = work.model;
  model.id = text();
  model.organization_id = text();
  model.status = text();
  model.base_model = text();
  model.suffix = text();
  model.method = text();
  model.epochs = static_cast<int>(number());
  model.learning_rate_multiplier = rows.number(row, column++);
  model.batch_size = static_cast<int>(number());
  model.seed = number(-1);
  model.training_file_id = text();
  model.validation_file_id = text();
  model.has_validation = rows.boolean(row, column++);
  model.provider_job_id = text();
  model.provider_status = text();
  model.estimated_finish = number();
  model.fine_tuned_model_id = text();
  model.retries = static_cast<int>(number());
  model.cancel_requested = rows.boolean(row, column++);
  work.installation = text();
  model.last_event_id = text();
  work.dataset_id = text();
  model.beta = rows.number(row, column++);
  model.job_token = text();
  if (operation.kind == core::OperationKind::fetch_result && !operation.argument.empty()) {
    model.result_files.push_back(operation.argument);
  }
  return work;
}

}  // namespace

std::vector<core::Work> claim_operations(const ClaimLimits& limits, std::string& cursor) {
  std::vector<core::Work> claimed;
  auto claim = [&](const char* statement, std::int64_t room, bool in_turn) {
    Args args;
    args.bigint(room)
        .bigint(limits.epoch)
        .number(static_cast<double>(limits.lease.count()))
        .number(static_cast<double>(limits.poll_interval.count()));
    if (in_turn) args.text(cursor.empty() ? kFirstTurn : cursor);
    Rows rows = execute(statement, std::move(args));
    for (std::uint64_t row = 0; row < rows.size(); ++row) claimed.push_back(read_work(rows, row, limits.epoch));
  };

  execute(kLockTable);
  const std::int64_t due = execute(kCountUpTo, Args().bigint(limits.count + 1)).bigint(0, 0);
  if (due == 0) return claimed;
  if (due <= limits.count) {
    claim(kClaimAll, limits.count, false);
    return claimed;
  }
  take_turns(
      limits.count, cursor, claimed, [&](std::int64_t room) { claim(kClaimInTurn, room, true); },
      [](const core::Work& work) { return work.model.organization_id; });
  return claimed;
}

void take_over_operations(std::int64_t epoch) {
  execute(kTakeOver, Args().bigint(epoch));
}

void release_refused_operations() {
  execute(kRelease);
}

std::optional<std::chrono::milliseconds> until_next_operation() {
  Rows rows = execute(kNextDue);
  if (rows.is_null(0, 0)) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(rows.bigint(0, 0), 0));
}

std::int64_t count_due_operations() {
  return execute(kCountDue).bigint(0, 0);
}

void postpone_operation(const core::Operation& operation, bool was_sent, const std::string& error,
                        std::chrono::milliseconds wait) {
  execute(kPostpone, Args()
                         .text(operation.id)
                         .bigint(operation.attempt)
                         .bigint(operation.epoch)
                         .text(error)
                         .number(static_cast<double>(wait.count()))
                         .text(was_sent && core::is_paid(operation.kind) ? "reconcile" : "ready"));
}

}  // namespace trainer::pg

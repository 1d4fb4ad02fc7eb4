// The recording half of the outbox: a decision, written down.
#include <cstdio>
#include <string>
#include <type_traits>

#include "pg/fault_point.h"
#include "pg/operations.h"
#include "pg/spi.h"
#include "pg/sqlstate.h"

namespace trainer::pg {
namespace {

// Compare-and-set: only the claim that made the call may record it.
constexpr const char* kFinishCall =
    "UPDATE @extschema@.trainer_operations SET state = $4, due_at = now() + $5 * interval '1 ms', misses = $6,"
    // The quiet period begins when the request has ended, not when it was claimed.
    " sent_at = CASE WHEN $4 = 'reconcile' AND $7 = 'unknown' THEN now() ELSE sent_at END,"
    " last_delivery = $7, last_http_status = $8, last_code = $9, last_error = $10, last_request_id = $11,"
    " finished_at = CASE WHEN $4 IN ('done', 'failed', 'cancelled') THEN now() END"
    " WHERE id = $1::uuid AND attempt = $2 AND epoch = $3 AND state IN ('ready', 'sending', 'checking')"
    " RETURNING 1";

// What was asked about a job that the model has left meanwhile says nothing any more, and a model whose training has
// ended adopts none: the operation asks again, and sees what there is now.
constexpr const char* kAskAgain =
    "UPDATE @extschema@.trainer_operations o SET state = 'ready', due_at = now() FROM @extschema@.custom_models m"
    " WHERE o.id = $1::uuid AND o.attempt = $2 AND o.epoch = $3 AND o.state IN ('ready', 'sending')"
    "  AND m.id = o.custom_model_id"
    "  AND (coalesce(m.provider_job_id, '') <> $4 OR $5 AND m.training_completed_at IS NOT NULL)"
    " RETURNING 1";

constexpr const char* kChangeModel =
    "UPDATE @extschema@.custom_models m SET"
    // Which model serves is decided by people and by trainer_activate_model(), not by what comes late.
    "  status = CASE WHEN status IN ('deployed', 'retired') THEN status ELSE coalesce($2, status) END,"
    "  provider_status = nullif(coalesce($3, provider_status), ''),"
    "  provider_job_id = nullif(coalesce($4, provider_job_id), ''),"
    "  training_file_id = coalesce($5, training_file_id),"
    "  validation_file_id = coalesce($6, validation_file_id),"
    "  fine_tuned_model_id = nullif(coalesce($7, fine_tuned_model_id), ''),"
    "  learning_rate_multiplier = coalesce($8, learning_rate_multiplier),"
    "  trained_tokens = coalesce($9, trained_tokens),"
    "  training_cost_cents = CASE WHEN $9 IS NULL THEN training_cost_cents"
    "    ELSE @extschema@.trainer_training_cost_cents(base_model, $9) END,"
    "  estimated_finish = CASE WHEN NOT $18 THEN coalesce(to_timestamp($10), estimated_finish) END,"
    // The provider's clock tells whole seconds and is not ours: a short training must not end before it began.
    "  training_completed_at = CASE WHEN $18 THEN NULL"
    "    WHEN $19 THEN greatest(coalesce(to_timestamp($11), now()), training_started_at)"
    "    ELSE training_completed_at END,"
    "  current_step = CASE WHEN NOT $18 THEN coalesce($12, current_step) END,"
    "  total_steps = CASE WHEN NOT $18 THEN coalesce($13, total_steps) END,"
    "  training_loss = CASE WHEN NOT $18 THEN coalesce($14::numeric, training_loss) END,"
    "  validation_loss = CASE WHEN NOT $18 THEN coalesce($15::numeric, validation_loss) END,"
    "  error_sqlstate = CASE WHEN $18 THEN NULL ELSE coalesce($16, error_sqlstate) END,"
    "  error_code = CASE WHEN $18 THEN NULL WHEN $16 IS NULL THEN error_code ELSE $17 END,"
    "  error_message = CASE WHEN $18 THEN NULL WHEN $16 IS NULL THEN error_message ELSE $20 END,"
    "  retries = retries + CASE WHEN $18 THEN 1 ELSE 0 END,"
    "  training_started_at = CASE WHEN $21 THEN coalesce(training_started_at, now()) ELSE training_started_at END,"
    "  training_duration_seconds = CASE WHEN $19 AND NOT $18 THEN least(2147483647, greatest(0, round(extract(epoch "
    "FROM"
    "    coalesce(to_timestamp($11), now()) - training_started_at))))::integer ELSE training_duration_seconds END,"
    "  verified_at = CASE WHEN $22 THEN now() ELSE verified_at END,"
    "  updated_at = now()"
    " WHERE id = $1::uuid";

// The dataset goes along with the model that is trained from it.
constexpr const char* kChangeDataset =
    "UPDATE @extschema@.training_datasets d SET status = v.status, updated_at = now()"
    " FROM @extschema@.custom_models m,"
    "  LATERAL (SELECT CASE $2 WHEN 'evaluating' THEN 'completed' WHEN 'failed' THEN 'failed'"
    "                          WHEN 'cancelled' THEN 'ready' END AS status) v"
    " WHERE m.id = $1::uuid AND d.id = m.training_dataset_id AND v.status IS NOT NULL AND d.status = 'training'";

constexpr const char* kNextOperation =
    "INSERT INTO @extschema@.trainer_operations (id, organization_id, custom_model_id, kind, argument, due_at)"
    " VALUES (@extschema@.trainer_operation_id($2::uuid, $3), $1::uuid, $2::uuid, $3, $4, now() + $5 * interval '1 ms')"
    " ON CONFLICT (custom_model_id, kind, coalesce(argument, ''))"
    "  WHERE state IN ('ready', 'sending', 'reconcile', 'checking')"
    // A poll is hastened; whatever else is under way already keeps its own pace.
    " DO UPDATE SET due_at = CASE WHEN trainer_operations.state = 'ready' AND trainer_operations.kind = 'poll_job'"
    "   THEN least(trainer_operations.due_at, excluded.due_at) ELSE trainer_operations.due_at END";

constexpr const char* kOfferExemplars = "SELECT @extschema@.trainer_offer_exemplars($1::uuid)";

constexpr const char* kNotice = "SELECT @extschema@.trainer_log_event($1::uuid, $2::uuid, $3, jsonb_object($4, $5))";

constexpr const char* kActivate = "SELECT @extschema@.trainer_activate_model($1::uuid, $2)";

// News of many jobs at once; the poll's own row has been moved to its next turn by the claim.
constexpr const char* kProgress =
    "UPDATE @extschema@.custom_models m SET"
    "  status = coalesce(n.status, m.status), provider_status = coalesce(n.provider_status, m.provider_status),"
    "  estimated_finish = coalesce(to_timestamp(n.estimated_finish), m.estimated_finish),"
    "  current_step = coalesce(n.current_step, m.current_step), total_steps = coalesce(n.total_steps, m.total_steps),"
    "  training_loss = coalesce(n.train_loss, m.training_loss),"
    "  validation_loss = coalesce(n.valid_loss, m.validation_loss), updated_at = now()"
    " FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::int[],"
    "   $9::numeric[], $10::numeric[], $11::text[]) AS n(operation, attempt, model, status, provider_status,"
    "   estimated_finish, current_step, total_steps, train_loss, valid_loss, job), @extschema@.trainer_operations o"
    " WHERE m.id = n.model AND o.id = n.operation AND o.attempt = n.attempt AND o.epoch = $12 AND o.state = 'ready'"
    "  AND m.provider_job_id = n.job";

constexpr const char* kProviderEvents =
    "INSERT INTO @extschema@.trainer_provider_events"
    " (id, organization_id, custom_model_id, provider_created_at, level, type, message)"
    " SELECT n.id, m.organization_id, m.id, to_timestamp(n.created_at), n.level, n.type, n.message"
    " FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY"
    "   AS n(id, model, created_at, level, type, message, place)"
    " JOIN @extschema@.custom_models m ON m.id = n.model ORDER BY n.place"
    " ON CONFLICT (custom_model_id, id) DO NOTHING";

constexpr const char* kMetrics =
    "INSERT INTO @extschema@.trainer_training_metrics AS old"
    " (organization_id, custom_model_id, provider_job_id, step, train_loss, train_accuracy, valid_loss, valid_accuracy,"
    "  full_valid_loss)"
    " SELECT DISTINCT ON (n.model, n.job, n.step) m.organization_id, m.id, n.job, n.step, n.train_loss,"
    "  n.train_accuracy, n.valid_loss, n.valid_accuracy, n.full_valid_loss"
    " FROM unnest($1::uuid[], $2::text[], $3::int[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],"
    "   $8::float8[]) WITH ORDINALITY AS n(model, job, step, train_loss, train_accuracy, valid_loss, valid_accuracy,"
    "   full_valid_loss, place)"
    " JOIN @extschema@.custom_models m ON m.id = n.model ORDER BY n.model, n.job, n.step, n.place DESC"
    " ON CONFLICT (custom_model_id, provider_job_id, step) DO UPDATE SET"
    "  train_loss = coalesce(excluded.train_loss, old.train_loss),"
    "  train_accuracy = coalesce(excluded.train_accuracy, old.train_accuracy),"
    "  valid_loss = coalesce(excluded.valid_loss, old.valid_loss),"
    "  valid_accuracy = coalesce(excluded.valid_accuracy, old.valid_accuracy),"
    "  full_valid_loss = coalesce(excluded.full_valid_loss, old.full_valid_loss)";

constexpr const char* kCheckpoint =
    "INSERT INTO @extschema@.trainer_checkpoints"
    " (id, organization_id, custom_model_id, model, step, train_loss, valid_loss, full_valid_loss)"
    " VALUES ($1, $2::uuid, $3::uuid, $4, $5, $6, $7, $8) ON CONFLICT (custom_model_id, id) DO NOTHING";

#define LOCK_TABLES                                                                                            \
  "LOCK TABLE @extschema@.trainer_operations, @extschema@.custom_models, @extschema@.training_datasets,"       \
  " @extschema@.trainer_event_log, @extschema@.trainer_provider_events, @extschema@.trainer_training_metrics," \
  " @extschema@.trainer_checkpoints, @extschema@.trainer_ledger, @extschema@.trainer_notifications,"           \
  " @extschema@.trainer_webhook_deliveries IN ROW EXCLUSIVE MODE"

// Before anything is read. A foreign key's check locks an index of custom_models, and to ask for the table afterwards
// deadlocks with a REINDEX that has it and waits for the index.
constexpr const char* kLockTables = LOCK_TABLES;
constexpr const char* kTryTables = LOCK_TABLES " NOWAIT";

template <class T>
std::string number_text(const std::optional<T>& value) {
  if (!value) return {};
  if constexpr (std::is_integral_v<T>) {
    return std::to_string(*value);
  } else {
    char digits[40];
    std::snprintf(digits, sizeof(digits), "%.17g", *value);
    return digits;
  }
}

std::optional<std::int64_t> widen(const std::optional<int>& value) {
  return value;
}

// A sweep that only cancels says something of every job but the model's.
bool speaks_of_the_job(const Recorded& r) {
  switch (r.work.operation.kind) {
    case core::OperationKind::poll_job:
    case core::OperationKind::cancel_job:
    case core::OperationKind::pause_job:
    case core::OperationKind::resume_job:
      return true;
    case core::OperationKind::sweep_duplicates:
      return r.decision.model.provider_job_id.has_value();
    default:
      return false;
  }
}

bool is_to_ask_again(const Recorded& r) {
  if (!speaks_of_the_job(r)) return false;
  Rows rows = execute(kAskAgain, Args()
                                     .text(r.work.operation.id)
                                     .bigint(r.work.operation.attempt)
                                     .bigint(r.work.operation.epoch)
                                     .text(r.work.model.provider_job_id)
                                     .boolean(r.decision.model.provider_job_id.has_value()));
  return !rows.empty();
}

bool finish_call(const Recorded& r) {
  const core::Failure& failure = r.outcome.failure;
  Rows rows = execute(kFinishCall, Args()
                                       .text(r.work.operation.id)
                                       .bigint(r.work.operation.attempt)
                                       .bigint(r.work.operation.epoch)
                                       .text(core::name(r.decision.state))
                                       .number(static_cast<double>(r.decision.due_in.count()))
                                       .bigint(r.decision.misses)
                                       .text(core::name(r.outcome.delivery))
                                       .bigint(failure.http_status)
                                       .text_or_null(failure.code)
                                       .text_or_null(failure.message)
                                       .text_or_null(failure.request_id));
  return !rows.empty();
}

void change_model(const Recorded& r) {
  const core::ModelChange& c = r.decision.model;
  if (c.empty()) return;
  bool ended = c.status && (*c.status == "evaluating" || *c.status == "failed" || *c.status == "cancelled");
  execute(kChangeModel, Args()
                            .text(r.work.model.id)
                            .text_if(c.status)
                            .text_if(c.provider_status)
                            .text_if(c.provider_job_id)
                            .text_if(c.training_file_id)
                            .text_if(c.validation_file_id)
                            .text_if(c.fine_tuned_model_id)
                            .number(c.learning_rate_multiplier)
                            .bigint(c.trained_tokens)
                            .bigint(c.estimated_finish)
                            .bigint(c.completed_at)
                            .bigint(widen(c.current_step))
                            .bigint(widen(c.total_steps))
                            .number(c.train_loss)
                            .number(c.valid_loss)
                            .text_if(c.error ? std::optional(sqlstate_text(*c.error)) : std::nullopt)
                            .text_or_null(c.error_code)
                            .boolean(c.retried)
                            .boolean(ended)
                            .text_or_null(c.error_message)
                            .boolean(c.started)
                            .boolean(c.verified));
  if (c.status) execute(kChangeDataset, Args().text(r.work.model.id).text(*c.status));
  if (c.error == core::Condition::training_not_available) execute(kOfferExemplars, Args().text(r.work.model.id));
}

// By itself a model does not push a newer version out; somebody who asked for it may.
void activate(const Recorded& r) {
  bool was_asked_for = r.work.operation.argument == core::kDeployArgument;
  execute(kActivate, Args().text(r.work.model.id).boolean(!was_asked_for));
}

void add_next(const Recorded& r) {
  const core::Model& model = r.work.model;
  for (const auto& next : r.decision.next) {
    execute(kNextOperation, Args()
                                .text(model.organization_id)
                                .text(model.id)
                                .text(core::name(next.kind))
                                .text_or_null(next.argument)
                                .number(static_cast<double>(next.due_in.count())));
  }
}

void tell(const Recorded& r) {
  for (const auto& notice : r.decision.notices) {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    for (const auto& [key, value] : notice.detail) {
      keys.push_back(key);
      values.push_back(value);
    }
    execute(kNotice, Args()
                         .text(r.work.model.organization_id)
                         .text(r.work.model.id)
                         .text(notice.kind)
                         .texts(keys)
                         .texts_or_nulls(values));
  }
}

void store_checkpoints(const Recorded& r) {
  for (const auto& checkpoint : r.outcome.checkpoints) {
    execute(kCheckpoint, Args()
                             .text(checkpoint.id)
                             .text(r.work.model.organization_id)
                             .text(r.work.model.id)
                             .text(checkpoint.model)
                             .bigint(checkpoint.step)
                             .number(checkpoint.metrics.train_loss)
                             .number(checkpoint.metrics.valid_loss)
                             .number(checkpoint.metrics.full_valid_loss));
  }
}

// Columns of the statements that take many rows at once.
class Metrics {
 public:
  void add(const core::Work& work, const core::StepMetrics& metrics) {
    if (!metrics.step || work.model.provider_job_id.empty()) return;
    model_.push_back(work.model.id);
    job_.push_back(work.model.provider_job_id);
    step_.push_back(number_text(metrics.step));
    const std::optional<double>* values[] = {&metrics.train_loss, &metrics.train_accuracy, &metrics.valid_loss,
                                             &metrics.valid_accuracy, &metrics.full_valid_loss};
    for (std::size_t i = 0; i < std::size(values); ++i) values_[i].push_back(number_text(*values[i]));
  }
  void store() const {
    if (model_.empty()) return;
    Args args;
    args.texts(model_).texts(job_).texts(step_);
    for (const auto& column : values_) args.texts_or_nulls(column);
    execute(kMetrics, std::move(args));
  }

 private:
  std::vector<std::string> model_, job_, step_;
  std::vector<std::string> values_[5];
};

class ProviderEvents {
 public:
  void add(const core::Work& work, const core::RemoteEvent& event) {
    columns_[0].push_back(event.id);
    columns_[1].push_back(work.model.id);
    columns_[2].push_back(std::to_string(event.created_at));
    columns_[3].push_back(event.level);
    columns_[4].push_back(event.type);
    columns_[5].push_back(event.message);
  }
  void store() const {
    if (columns_[0].empty()) return;
    Args args;
    for (const auto& column : columns_) args.texts_or_nulls(column);
    execute(kProviderEvents, std::move(args));
  }

 private:
  std::vector<std::string> columns_[6];
};

class Progress {
 public:
  void add(const Recorded& r) {
    const core::ModelChange& c = r.decision.model;
    if (c.empty()) return;
    epoch_ = r.work.operation.epoch;
    const std::string row[] = {r.work.operation.id,
                               std::to_string(r.work.operation.attempt),
                               r.work.model.id,
                               c.status.value_or(""),
                               c.provider_status.value_or(""),
                               number_text(c.estimated_finish),
                               number_text(c.current_step),
                               number_text(c.total_steps),
                               number_text(c.train_loss),
                               number_text(c.valid_loss),
                               r.work.model.provider_job_id};
    for (std::size_t i = 0; i < std::size(row); ++i) columns_[i].push_back(row[i]);
  }
  void store() const {
    if (columns_[0].empty()) return;
    Args args;
    for (const auto& column : columns_) args.texts_or_nulls(column);
    args.bigint(epoch_);
    execute(kProgress, std::move(args));
  }

 private:
  std::vector<std::string> columns_[11];
  std::int64_t epoch_ = 0;
};

}  // namespace

void record_outcomes(const std::vector<const Recorded*>& outcomes) {
  execute(kLockTables);
  Progress progress;
  ProviderEvents events;
  Metrics metrics;
  for (const Recorded* r : outcomes) {
    if (core::is_progress(r->work, r->outcome, r->decision)) {
      progress.add(*r);
    } else {
      if (is_to_ask_again(*r) || !finish_call(*r)) continue;
      change_model(*r);
      add_next(*r);
      tell(*r);
      if (r->decision.model.deploy) activate(*r);
      store_checkpoints(*r);
    }
    for (const auto& event : r->outcome.events) {
      events.add(r->work, event);
      if (event.metrics) metrics.add(r->work, *event.metrics);
    }
    for (const auto& row : r->outcome.result) metrics.add(r->work, row);
    TRAINER_FAULT_POINT("recording", core::name(r->work.operation.kind));
  }
  progress.store();
  events.store();
  metrics.store();
}

void require_unlocked_tables() {
  execute(kTryTables);
}

}  // namespace trainer::pg

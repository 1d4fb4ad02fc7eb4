#include "pg/notifications.h"

#include <algorithm>

#include "core/url.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {
namespace {

// As the partial index spells it.
#define LIVE_MESSAGES "state IN ('ready', 'sending')"

constexpr const char* kClaimMessages =
    "WITH chosen AS MATERIALIZED (SELECT w.id AS webhook_id, due.address FROM @extschema@.trainer_webhooks w"
    "  CROSS JOIN LATERAL (SELECT d.ctid AS address FROM @extschema@.trainer_webhook_deliveries d"
    "   WHERE d.webhook_id = w.id AND d." LIVE_MESSAGES
    " AND d.due_at <= now() ORDER BY d.due_at LIMIT 1) due"
    "  WHERE w.enabled AND w.free_at <= now()" NOT_PAUSED
    "   AND EXISTS (SELECT FROM @extschema@.trainer_installation WHERE epoch = $2)"
    "  ORDER BY w.free_at LIMIT $1 FOR NO KEY UPDATE OF w SKIP LOCKED),"
    " held AS (UPDATE @extschema@.trainer_webhooks w SET free_at = now() + $3 * interval '1 ms'"
    "  FROM chosen WHERE w.id = chosen.webhook_id)"
    " UPDATE @extschema@.trainer_webhook_deliveries d SET state = 'sending', attempt = d.attempt + 1, epoch = $2,"
    "  due_at = now() + $3 * interval '1 ms'"
    " FROM @extschema@.trainer_webhooks w, @extschema@.trainer_notifications n"
    " WHERE d.ctid = ANY (ARRAY(SELECT address FROM chosen)) AND d." LIVE_MESSAGES
    " AND w.id = d.webhook_id AND n.id = d.notification_id"
    " RETURNING d.id, n.organization_id, w.url, n.payload, d.attempt,"
    "  (extract(epoch FROM now() - d.created_at) * 1000)::bigint, w.failures";

// The webhooks' rows first, as whoever disables one has it; so does kRecord.
constexpr const char* kTakeOverMessages =
    "WITH hooks AS MATERIALIZED (SELECT w.id FROM @extschema@.trainer_webhooks w"
    "  WHERE w.id IN (SELECT webhook_id FROM @extschema@.trainer_webhook_deliveries"
    "                 WHERE state = 'sending' AND epoch < $1)"
    "  ORDER BY w.id FOR NO KEY UPDATE),"
    " lost AS (UPDATE @extschema@.trainer_webhook_deliveries"
    "  SET due_at = now() + attempt * interval '1 s'"
    "  WHERE webhook_id IN (SELECT id FROM hooks) AND state = 'sending' AND epoch < $1 RETURNING webhook_id)"
    " UPDATE @extschema@.trainer_webhooks w SET free_at = now() FROM lost WHERE w.id = lost.webhook_id";

constexpr const char* kNextMessageDue =
    "SELECT ceil(extract(epoch FROM min(greatest(w.free_at, due.due_at)) - clock_timestamp()) * 1000)::bigint"
    " FROM @extschema@.trainer_webhooks w CROSS JOIN LATERAL"
    "  (SELECT d.due_at FROM @extschema@.trainer_webhook_deliveries d"
    "   WHERE d.webhook_id = w.id AND d." LIVE_MESSAGES
    " ORDER BY d.due_at LIMIT 1) due"
    // Nearly always nothing waits, however many webhooks there are.
    " WHERE w.enabled AND EXISTS (SELECT FROM @extschema@.trainer_webhook_deliveries WHERE " LIVE_MESSAGES ")";

constexpr const char* kRecord =
    "WITH hook AS MATERIALIZED (SELECT w.id FROM @extschema@.trainer_webhooks w"
    "  WHERE w.id = (SELECT webhook_id FROM @extschema@.trainer_webhook_deliveries WHERE id = $1::uuid)"
    "  FOR NO KEY UPDATE),"
    " mine AS (UPDATE @extschema@.trainer_webhook_deliveries SET state = $4, due_at = now() + $5 * interval '1 ms',"
    "  last_http_status = $6::integer, last_error = $7, finished_at = CASE WHEN $4 <> 'ready' THEN now() END"
    "  WHERE id = $1::uuid AND webhook_id = (SELECT id FROM hook) AND attempt = $2 AND epoch = $3 AND state = 'sending'"
    "  RETURNING webhook_id)"
    // Another URL has been set meanwhile: what the former one says, or does not, does not count.
    " UPDATE @extschema@.trainer_webhooks w SET"
    "  free_at = now() + CASE WHEN w.url = $11 THEN $8 ELSE 0 END * interval '1 ms',"
    "  failures = CASE WHEN w.url = $11 THEN $9::integer ELSE 0 END,"
    "  enabled = w.enabled AND NOT ($10 AND w.url = $11),"
    "  disabled_because = CASE WHEN $10 AND w.url = $11 THEN $7 ELSE w.disabled_because END"
    " FROM mine WHERE w.id = mine.webhook_id RETURNING w.id";

constexpr const char* kTell =
    "SELECT @extschema@.trainer_log_event($1::uuid, NULL, $2, jsonb_build_object('webhook_id', $3::uuid, 'message', "
    "$4::uuid,"
    " 'error', $5))";

}  // namespace

std::vector<core::Webhook> claim_webhooks(std::int64_t epoch, int count, std::chrono::milliseconds lease) {
  Rows rows =
      execute(kClaimMessages, std::move(Args().bigint(count).bigint(epoch).number(static_cast<double>(lease.count()))));
  std::vector<core::Webhook> claimed;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    core::Webhook webhook;
    webhook.id = rows.text(row, 0);
    webhook.organization_id = rows.text(row, 1);
    webhook.url = rows.text(row, 2);
    webhook.body = rows.text(row, 3);
    webhook.attempt = static_cast<int>(rows.bigint(row, 4));
    webhook.epoch = epoch;
    webhook.age = std::chrono::milliseconds(rows.bigint(row, 5));
    webhook.failures = static_cast<int>(rows.bigint(row, 6));
    claimed.push_back(std::move(webhook));
  }
  return claimed;
}

void take_over_webhooks(std::int64_t epoch) {
  execute(kTakeOverMessages, std::move(Args().bigint(epoch)));
}

std::optional<std::chrono::milliseconds> until_next_webhook() {
  Rows rows = execute(kNextMessageDue);
  if (rows.is_null(0, 0)) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(rows.bigint(0, 0), 0));
}

void record_webhook(const core::Webhook& webhook, const core::WebhookDecision& decision, const core::Outcome& outcome) {
  const core::Failure& failure = outcome.failure;
  const std::optional<std::int64_t> status =
      failure.http_status == 0 ? std::nullopt : std::optional<std::int64_t>(failure.http_status);
  Rows rows = execute(kRecord, std::move(Args()
                                             .text(webhook.id)
                                             .bigint(webhook.attempt)
                                             .bigint(webhook.epoch)
                                             .text(core::name(decision.state))
                                             .number(static_cast<double>(decision.due_in.count()))
                                             .bigint(status)
                                             .text_or_null(failure.message)
                                             .number(static_cast<double>(decision.rest.count()))
                                             .bigint(decision.failures)
                                             .boolean(decision.disable)
                                             .text(webhook.url)));
  if (rows.empty() || !(decision.disable || decision.given_up)) return;
  execute(kTell, std::move(Args()
                               .text(webhook.organization_id)
                               .text(decision.disable ? "webhook_disabled" : "webhook_given_up")
                               .text(rows.text(0, 0))
                               .text(webhook.id)
                               .text(failure.message)));
}

}  // namespace trainer::pg

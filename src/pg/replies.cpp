#include "pg/replies.h"

#include "pg/as_role.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {
namespace {

// The live states, as the partial index spells them.
#define LIVE_REQUESTS "state IN ('ready', 'sending', 'writing')"

// The app's code is given so long to let a reply in: the worker waits for it.
constexpr std::chrono::milliseconds kWriteTimeout{5000};

constexpr const char* kAdd =
    "INSERT INTO @extschema@.trainer_generation_requests (organization_id, comment_id, response_id, requested_by,"
    "  role_oid, temperature, max_tokens, reason, experiment_id, arm, unit, rungs)"
    " SELECT $1::uuid, $2, coalesce($3::uuid, gen_random_uuid()), r.rolname, r.oid, $5, $6::int, $7,"
    "  $12::uuid, $13, $14::uuid, (SELECT json_agg(json_build_object('rung', l.rung, 'model', l.model, "
    "'custom_model_id', l.custom_model_id,"
    "                                     'messages', l.messages::json) ORDER BY l.place)"
    "   FROM unnest($8::text[], $9::text[], $10::text[], $11::text[]) WITH ORDINALITY"
    "     AS l(rung, model, custom_model_id, messages, place))"
    " FROM pg_roles r WHERE r.oid = $4 RETURNING id";

constexpr const char* kClaimReplies =
    CHOSEN_IN_TURN("@extschema@.trainer_generation_requests", LIVE_REQUESTS, "$4")
    " UPDATE @extschema@.trainer_generation_requests q SET"
    "  state = CASE q.state WHEN 'writing' THEN 'writing' ELSE 'sending' END,"
    "  due_at = now() + $3 * interval '1 ms', attempt = q.attempt + 1, epoch = $2,"
    "  lost = q.lost + CASE q.state WHEN 'sending' THEN 1 ELSE 0 END"
    " WHERE q.ctid = ANY (ARRAY(SELECT address FROM chosen))" NOT_PAUSED
    " RETURNING q.id, q.state, q.attempt, q.organization_id, q.comment_id,"
    "  (extract(epoch FROM now() - q.created_at) * 1000)::bigint, json_array_length(q.rungs), q.rung,"
    "  q.first_rung, q.tries, q.reason,"
    "  q.rungs -> q.rung ->> 'rung', q.rungs -> q.rung ->> 'custom_model_id', q.rungs -> q.rung ->> 'model',"
    "  q.rungs -> q.rung -> 'messages', q.temperature, q.max_tokens, q.lost,"
    "  EXISTS (SELECT FROM pg_roles r WHERE r.oid = q.role_oid AND r.rolname = q.requested_by)";

constexpr const char* kTakeOverReplies =
    "UPDATE @extschema@.trainer_generation_requests SET due_at = now()"
    " WHERE state IN ('sending', 'writing') AND epoch < $1 AND due_at > now()";

constexpr const char* kReleaseReplies =
    "UPDATE @extschema@.trainer_generation_requests SET due_at = now() WHERE state = 'ready' AND due_at > now()";

constexpr const char* kNextReplyDue =
    "SELECT ceil(extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::bigint"
    " FROM @extschema@.trainer_generation_requests WHERE " LIVE_REQUESTS;

constexpr const char* kNoReply =
    "UPDATE @extschema@.trainer_generation_requests SET state = $4, due_at = now() + $5 * interval '1 ms', rung = "
    "$6::int,"
    "  first_rung = $10::int, tries = $7::int, reason = $8, last_error = $9, finished_at = CASE WHEN $4 = 'failed' "
    "THEN now() END,"
    "  rungs = CASE WHEN $4 <> 'failed' THEN rungs END"
    " WHERE id = $1::uuid AND attempt = $2 AND epoch = $3 AND state = 'sending'";

constexpr const char* kClaimed =
    "SELECT comment_id, experiment_id, arm, unit, reserved_cents IS NOT NULL FROM "
    "@extschema@.trainer_generation_requests"
    " WHERE id = $1::uuid AND attempt = $2 AND epoch = $3 AND state = 'sending' FOR UPDATE";

// What was reserved for the request covers it. An answer that does not say what it used makes the sum unknown, whatever
// the answers before and after it say.
constexpr const char* kSpend =
    "WITH made AS (UPDATE @extschema@.trainer_generations SET reserved = true WHERE id = $2 RETURNING cost_cents)"
    " UPDATE @extschema@.trainer_generation_requests q"
    "  SET spent_cents = q.spent_cents + made.cost_cents FROM made WHERE q.id = $1::uuid";

constexpr const char* kKeep =
    "UPDATE @extschema@.trainer_generation_requests SET state = 'writing', tries = 0, response_text = $2,"
    "  generation_id = $3, last_error = NULL, rungs = NULL WHERE id = $1::uuid";

constexpr const char* kKept =
    "SELECT q.response_id, q.organization_id, q.comment_id, q.response_text, q.requested_by, r.oid,"
    "  @extschema@.trainer_role_search_path(r.oid),"
    "  CASE WHEN q.comparison_id IS NULL THEN @extschema@.trainer_response_statement() END"
    " FROM @extschema@.trainer_generation_requests q"
    " LEFT JOIN pg_roles r ON r.oid = q.role_oid AND r.rolname = q.requested_by"
    " WHERE q.id = $1::uuid AND q.attempt = $2 AND q.epoch = $3 AND q.state = 'writing' FOR UPDATE OF q";

constexpr const char* kDone =
    "WITH done AS (UPDATE @extschema@.trainer_generation_requests SET state = 'done', finished_at = now(),"
    "   response_text = NULL, last_error = NULL WHERE id = $1::uuid RETURNING generation_id, response_id, "
    "comparison_id)"
    " UPDATE @extschema@.trainer_generations g SET response_id = done.response_id FROM done"
    " WHERE g.id = done.generation_id AND done.comparison_id IS NULL";

constexpr const char* kCompared =
    "SELECT @extschema@.trainer_score_comparison(q.comparison_id, q.response_text)"
    " FROM @extschema@.trainer_generation_requests q WHERE q.id = $1::uuid";

constexpr const char* kPostponeReply =
    "UPDATE @extschema@.trainer_generation_requests SET state = $4, tries = tries + 1, last_error = $5,"
    "  due_at = now() + $6 * interval '1 ms', finished_at = CASE WHEN $4 = 'failed' THEN now() END"
    " WHERE id = $1::uuid AND attempt = $2 AND epoch = $3 AND state = 'writing'";

Args claim_of(const core::Reply& reply) {
  Args args;
  args.text(reply.id).bigint(reply.attempt).bigint(reply.epoch);
  return args;
}

core::Reply read_reply(const Rows& rows, std::uint64_t row, std::int64_t epoch) {
  core::Reply reply;
  int column = 0;
  auto text = [&] { return rows.text(row, column++); };
  auto number = [&] { return static_cast<int>(rows.bigint(row, column++)); };
  reply.id = text();
  reply.state = core::reply_state(text()).value();
  reply.attempt = number();
  reply.epoch = epoch;
  reply.organization_id = text();
  reply.comment_id = text();
  reply.age = std::chrono::milliseconds(rows.bigint(row, column++));
  reply.rungs = number();
  reply.rung = number();
  reply.first_rung = number();
  reply.tries = number();
  reply.why = text();
  reply.kind = core::rung(text()).value_or(core::Rung::base);
  reply.custom_model_id = text();
  reply.request.model = text();
  reply.request.messages = text();
  reply.request.temperature = rows.number(row, column++);
  reply.request.max_tokens = number();
  reply.lost = number();
  reply.has_role = rows.boolean(row, column++);
  return reply;
}

}  // namespace

Datum add_request(const NewRequest& request) {
  std::vector<std::string> columns[4];
  for (const RequestedRung& rung : request.rungs) {
    columns[0].push_back(rung.name);
    columns[1].push_back(rung.model);
    columns[2].push_back(rung.custom_model_id);
    columns[3].push_back(rung.messages);
  }
  Args args;
  args.text(request.organization_id)
      .datum(UUIDOID, request.comment_id)
      .text_or_null(request.response_id)
      .datum(OIDOID, ObjectIdGetDatum(GetUserId()))
      .number(request.temperature)
      .bigint(request.max_tokens)
      .text(request.why);
  args.texts(columns[0]).texts(columns[1]).texts_or_nulls(columns[2]).texts(columns[3]);
  args.text_or_null(request.assignment.experiment_id)
      .text_or_null(request.assignment.arm)
      .text_or_null(request.assignment.unit);
  AsRole owner(owner_of_extension_table("trainer_generation_requests"), SECURITY_LOCAL_USERID_CHANGE);
  Rows added = execute(kAdd, std::move(args));
  bool null = false;
  Datum id = added.datum(0, 0, &null);
  execute("SELECT @extschema@.trainer_reserve_requests($1::uuid, ARRAY[$2])",
          std::move(Args().text(request.organization_id).datum(UUIDOID, id)));
  execute("SELECT @extschema@.trainer_call_worker()");
  return id;
}

RequestOptions read_request_options(Datum options) {
  Rows row = execute("SELECT response_id, rung, temperature, max_tokens FROM @extschema@.trainer_request_options($1)",
                     std::move(Args().datum(JSONBOID, options)));
  return {{row.text(0, 0), row.text(0, 1)}, row.number(0, 2), static_cast<int>(row.bigint(0, 3))};
}

std::vector<core::Reply> claim_replies(const ReplyLimits& limits, std::string& cursor) {
  execute("LOCK TABLE @extschema@.trainer_generation_requests IN ROW EXCLUSIVE MODE");  // as claim_operations() does
  std::vector<core::Reply> claimed;
  take_turns(
      limits.count, cursor, claimed,
      [&](std::int64_t room) {
        Rows rows = execute(kClaimReplies, std::move(Args()
                                                         .bigint(room)
                                                         .bigint(limits.epoch)
                                                         .number(static_cast<double>(limits.lease.count()))
                                                         .text(cursor.empty() ? kFirstTurn : cursor)));
        for (std::uint64_t row = 0; row < rows.size(); ++row) claimed.push_back(read_reply(rows, row, limits.epoch));
      },
      [](const core::Reply& reply) { return reply.organization_id; });
  return claimed;
}

void take_over_replies(std::int64_t epoch) {
  execute(kTakeOverReplies, std::move(Args().bigint(epoch)));
}

void release_replies() {
  execute(kReleaseReplies);
}

std::optional<std::chrono::milliseconds> until_next_reply() {
  Rows rows = execute(kNextReplyDue);
  if (rows.is_null(0, 0)) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(rows.bigint(0, 0), 0));
}

void record_no_reply(const core::Reply& reply, const core::ReplyDecision& decision, const std::string& error) {
  execute(kNoReply, std::move(claim_of(reply)
                                  .text(core::name(decision.state))
                                  .number(static_cast<double>(decision.due_in.count()))
                                  .bigint(decision.rung)
                                  .bigint(decision.tries)
                                  .text(decision.why)
                                  .text_or_null(error)
                                  .bigint(decision.first_rung)));
}

namespace {

// nullopt when the request is not this claim's any more.
std::optional<RecordedGeneration> record_generation_of(const core::Reply& reply, const core::Completion& completion,
                                                       std::chrono::milliseconds took, Generation made) {
  Rows claimed = execute(kClaimed, claim_of(reply));
  if (claimed.empty()) return std::nullopt;
  bool null = false;
  made.organization_id = reply.organization_id;
  made.comment_id = claimed.datum(0, 0, &null);
  made.assignment = {claimed.text(0, 1), claimed.text(0, 2), claimed.text(0, 3)};
  made.custom_model_id = reply.custom_model_id;
  made.rung = reply.kind;
  made.model = reply.request.model;
  made.completion = completion;
  made.response_time_ms = took.count();
  const RecordedGeneration recorded = record_generation(made);
  if (claimed.boolean(0, 4)) execute(kSpend, std::move(Args().text(reply.id).datum(UUIDOID, recorded.id)));
  return recorded;
}

}  // namespace

std::optional<double> record_withheld(const core::Reply& reply, const core::Completion& completion,
                                      std::chrono::milliseconds took, const std::string& reason) {
  Generation made;
  made.reason = reason;
  made.withheld = true;
  const auto recorded = record_generation_of(reply, completion, took, std::move(made));
  return recorded ? std::optional(recorded->cost) : std::nullopt;
}

std::optional<double> keep_reply(const core::Reply& reply, const core::Completion& completion,
                                 std::chrono::milliseconds took) {
  Generation made;
  made.reason = reply.why.empty() ? "active model" : reply.why;
  const auto recorded = record_generation_of(reply, completion, took, std::move(made));
  if (!recorded) return std::nullopt;
  execute(kKeep, std::move(Args().text(reply.id).text(completion.text).datum(UUIDOID, recorded->id)));
  return recorded->cost;
}

namespace {

// Into the app's table, with the rights of who asked. `kept`: a row of kKept.
void write_response(const Rows& kept) {
  if (kept.is_null(0, 5)) {
    fail(
        {core::Condition::wrong_state, "role \"" + kept.text(0, 4) + "\", which asked for the reply, is gone", "", ""});
  }
  bool null = false;
  Args args;
  for (int id = 0; id < 3; ++id) args.datum(UUIDOID, kept.datum(0, id, &null));
  args.text(kept.text(0, 3));
  // What is deferred would be fired at the commit, with the worker's rights: in a restricted operation the server
  // refuses.
  execute_once("SET CONSTRAINTS ALL IMMEDIATE");
  AsRole asked(static_cast<Oid>(kept.bigint(0, 5)), SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
  asked.set("search_path", kept.text(0, 6));
  asked.set("trainer.organization_id", kept.text(0, 1));
  StatementTimeout timeout(kWriteTimeout);
  execute_once(kept.text(0, 7), std::move(args));
}

}  // namespace

void write_reply(const core::Reply& reply) {
  Rows kept = execute(kKept, claim_of(reply));
  if (kept.empty()) return;
  if (kept.is_null(0, 7)) {
    execute(kCompared, std::move(Args().text(reply.id)));
  } else {
    write_response(kept);
  }
  execute(kDone, std::move(Args().text(reply.id)));
}

void postpone_reply(const core::Reply& reply, core::ReplyState state, std::chrono::milliseconds wait,
                    const std::string& error) {
  execute(kPostponeReply,
          std::move(claim_of(reply).text(core::name(state)).text(error).number(static_cast<double>(wait.count()))));
}

}  // namespace trainer::pg

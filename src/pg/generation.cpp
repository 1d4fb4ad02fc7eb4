#include "pg/generation.h"

#include "pg/kept_statement.h"
#include "pg/trigger.h"

extern "C" {
#include <utils/fmgrprotos.h>
#include <utils/inval.h>
}

namespace trainer::pg {
namespace {

bool plan_includes_models(const std::string& plan) {
  return execute("SELECT $1 = ANY (@extschema@.trainer_plans())", std::move(Args().text(plan))).boolean(0, 0);
}

}  // namespace

std::optional<Comment> read_comment(Datum comment_id) {
  static KeptStatement statement("SELECT @extschema@.trainer_comment_statement()");
  const Rows row = statement.run(std::move(Args().datum(UUIDOID, comment_id))).value();
  if (row.empty()) return std::nullopt;
  Comment comment;
  comment.id = guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, comment_id)); });
  comment.organization_id = row.text(0, 0);
  comment.plan = row.text(0, 1);
  // An app without plans binds none.
  comment.has_custom_models = row.is_null(0, 1) || plan_includes_models(comment.plan);
  comment.text = row.text(0, 2);
  comment.platform = row.text(0, 3);
  comment.user = row.text(0, 4);
  comment.persona = {row.text(0, 5), row.text(0, 6), row.text(0, 7), row.text(0, 8), row.text(0, 9)};
  return comment;
}

void require_recordable(const std::string& organization_id, Datum comment_id, const std::string& response_id) {
  // Nearly always nothing can be in the way.
  if (response_id.empty() &&
      !execute("SELECT row_security_active('@extschema@.trainer_generations'::regclass)").boolean(0, 0)) {
    return;
  }
  execute("SELECT @extschema@.trainer_require_recordable($1::uuid, $2, $3::uuid)",
          std::move(Args().text(organization_id).datum(UUIDOID, comment_id).text_or_null(response_id)));
}

namespace {

std::vector<core::Turn> turns_of(const Rows& rows) {
  std::vector<core::Turn> turns;
  for (std::uint64_t row = rows.size(); row-- > 0;) turns.push_back({rows.text(row, 0), rows.text(row, 1)});
  return turns;
}

}  // namespace

std::vector<core::Turn> exemplars(const std::string& custom_model_id, std::string_view comment, int most) {
  return turns_of(execute("SELECT prompt, reply FROM @extschema@.trainer_exemplar_matches($1::uuid, $2, $3::int)",
                          std::move(Args().text(custom_model_id).text(comment).bigint(most))));
}

std::vector<core::Turn> references(const std::string& organization_id, std::string_view comment, int most) {
  return turns_of(
      execute("SELECT comment, roast FROM @extschema@.trainer_reference_matches($2, NULL, $1::uuid, $3::int)",
              std::move(Args().text(organization_id).text(comment).bigint(most))));
}

GenerationOptions read_generation_options(Datum options) {
  Rows row = execute("SELECT response_id, rung FROM @extschema@.trainer_generation_options($1)",
                     std::move(Args().datum(JSONBOID, options)));
  return {row.text(0, 0), row.text(0, 1)};
}

RecordedGeneration record_generation(const Generation& g) {
  constexpr const char* kRecord =
      // A model that is gone by now has answered all the same.
      "WITH price AS MATERIALIZED (SELECT @extschema@.trainer_inference_cost_cents($7, $8::int, $9::int, $10::int) AS "
      "cents,"
      "   (SELECT m.id FROM @extschema@.custom_models m WHERE m.organization_id = $1::uuid AND m.id = $4::uuid) AS "
      "model),"
      " made AS (INSERT INTO @extschema@.trainer_generations"
      "   (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, prompt_tokens,"
      "    cached_tokens, completion_tokens, cost_cents, response_time_ms, withheld, experiment_id, arm, unit)"
      "   SELECT $1::uuid, $2, $3::uuid, price.model, $5, $6, $7, $8, $9, $10, cents, $11, $12, $13::uuid, $14, "
      "$15::uuid"
      "   FROM price"
      "   RETURNING id, cost_cents),"
      " counted AS (INSERT INTO @extschema@.trainer_model_usage"
      "   (organization_id, custom_model_id, replies, time_ms, priced, cost_cents)"
      "   SELECT $1::uuid, price.model, 1, $11, CASE WHEN cents IS NULL THEN 0 ELSE 1 END, coalesce(cents, 0) FROM "
      "price"
      "   WHERE price.model IS NOT NULL)"
      " SELECT id, cost_cents FROM made";
  auto wide = [](const std::optional<int>& value) { return std::optional<std::int64_t>(value); };
  Args args;
  args.text(g.organization_id)
      .datum(UUIDOID, g.comment_id)
      .text_or_null(g.response_id)
      .text_or_null(g.custom_model_id)
      .text(core::name(g.rung))
      .text(g.reason)
      .text(g.model)
      .bigint(wide(g.completion.prompt_tokens))
      .bigint(wide(g.completion.cached_tokens))
      .bigint(wide(g.completion.completion_tokens))
      .bigint(g.response_time_ms)
      .boolean(g.withheld)
      .text_or_null(g.assignment.experiment_id)
      .text_or_null(g.assignment.arm)
      .text_or_null(g.assignment.unit);
  Rows row = execute(kRecord, std::move(args));
  bool null = false;
  RecordedGeneration recorded{};
  recorded.id = row.datum(0, 0, &null);
  recorded.cost_cents = row.datum(0, 1, &null);
  recorded.has_cost = !null;
  recorded.cost = row.number(0, 1);
  return recorded;
}

void fold_usage() {
  execute("SELECT @extschema@.trainer_fold_usage(), @extschema@.trainer_fold_metrics()");
}

void sum_up_spending() {
  execute("SELECT @extschema@.trainer_sum_up_spending()");
}

}  // namespace trainer::pg

// Tells every session that what it keeps of the table's rows is out of date, when the transaction commits.
TRAINER_FUNCTION(trainer_tell_sessions) {
  TriggerData* data = trainer::pg::trigger_data(fcinfo);
  trainer::pg::guarded([&] { CacheInvalidateRelcache(data->tg_relation); });
  return PointerGetDatum(nullptr);
}

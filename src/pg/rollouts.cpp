// trainer_decide_rollout(): the evidence of a rollout, as rows, to core/stats/canary.h and back.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "core/stats/assignment.h"
#include "core/stats/betting.h"
#include "core/stats/canary.h"
#include "pg/datums.h"
#include "pg/guard.h"
#include "pg/spi.h"

namespace trainer::pg {
namespace {

namespace stats = core::stats;
using std::chrono::seconds;

constexpr const char* kRollout =
    "SELECT (s ->> 'share')::float8, (s ->> 'units')::bigint, (s ->> 'margins')::float8, (s ->> 'seconds')::float8,"
    "  r.step + 1 = jsonb_array_length(r.steps), x.is_broken,"
    "  extract(epoch FROM clock_timestamp() - r.step_started_at)::float8,"
    "  extract(epoch FROM clock_timestamp() - r.started_at)::float8, (r.policy ->> 'alpha_rollback')::float8,"
    "  (r.policy ->> 'alpha_promote')::float8, (r.policy ->> 'planned_units')::float8,"
    "  r.policy ->> 'promote_on' = 'no_harm', r.policy ->> 'on_deadline' = 'rollback',"
    "  (r.policy ->> 'deadline')::float8, (r.policy ->> 'no_data_after')::float8"
    " FROM @extschema@.trainer_rollouts r CROSS JOIN LATERAL (SELECT r.steps -> r.step AS s) AS now"
    " CROSS JOIN LATERAL @extschema@.trainer_experiment_ratio(r.id, r.organization_id, 0.5) AS x WHERE r.id = $1";

constexpr const char* kGuardrails =
    "SELECT e.metric, e.is_higher_better, e.margin, e.tolerance, e.on_harm = 'hold', e.custom_n, e.custom_sum,"
    "  e.custom_squares, e.control_n, e.control_sum, e.control_squares, e.arms, e.outcomes,"
    "  extract(epoch FROM clock_timestamp() - e.last_unit)::float8"
    " FROM @extschema@.trainer_rollout_evidence($1) AS e";

seconds whole(double value) {
  return seconds(static_cast<std::int64_t>(std::clamp(value, 0.0, 1e12)));
}

// The exact test, over all units from the first on: a state that is kept could be lost, or moved on twice.
std::optional<double> log_e_harm(const Rows& rows, std::uint64_t row, double margin) {
  if (rows.is_null(row, 11)) return std::nullopt;
  bool null = false;
  const std::vector<Datum> arms = elements_of(rows.datum(row, 11, &null), BOOLOID);
  const std::vector<Datum> outcomes = elements_of(rows.datum(row, 12, &null), FLOAT8OID);
  stats::Guard guard;
  guard.margin = margin;
  for (std::size_t unit = 0; unit < arms.size(); ++unit) {
    const stats::Observation observation{DatumGetBool(arms[unit]), DatumGetFloat8(outcomes[unit]), 0.5};
    if (auto error = stats::check(observation)) fail(std::move(*error));
    guard.add(observation);
  }
  return stats::log_e(guard.harm);
}

stats::Guardrail guardrail_of(const Rows& rows, std::uint64_t row) {
  stats::Guardrail guardrail;
  guardrail.name = rows.text(row, 0);
  guardrail.is_higher_better = rows.boolean(row, 1);
  guardrail.margin = rows.number(row, 2);
  guardrail.tolerance = rows.number(row, 3);
  guardrail.on_harm = rows.boolean(row, 4) ? stats::OnHarm::hold : stats::OnHarm::rollback;
  guardrail.pseudo_deviation = guardrail.is_higher_better ? stats::kPseudoDeviation : stats::kPseudoDeviationLog;
  guardrail.canary = stats::from_sums(rows.bigint(row, 5), rows.number(row, 6), rows.number(row, 7));
  guardrail.control = stats::from_sums(rows.bigint(row, 8), rows.number(row, 9), rows.number(row, 10));
  guardrail.log_e_harm = log_e_harm(rows, row, guardrail.margin);
  return guardrail;
}

// What is infinite or none is null.
std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string evidence_of(const std::vector<stats::Guardrail>& guardrails, const stats::CanaryDecision& decision) {
  std::string json = "[";
  for (std::size_t n = 0; n < decision.readings.size(); ++n) {
    const stats::Guardrail& guardrail = guardrails[n];
    const stats::GuardrailReading& reading = decision.readings[n];
    // Of logarithms it would say nothing to anybody.
    const auto mean = [&](const stats::Moments& arm) {
      return json_number(guardrail.log_e_harm && arm.n > 0 ? arm.mean : NAN);
    };
    if (n > 0) json += ", ";
    json += "{\"metric\": \"" + guardrail.name + "\", \"canary_n\": " + std::to_string(guardrail.canary.n) +
            ", \"control_n\": " + std::to_string(guardrail.control.n) + ", \"canary_mean\": " + mean(guardrail.canary) +
            ", \"control_mean\": " + mean(guardrail.control) + ", \"effect\": " + json_number(reading.effect) +
            ", \"lower\": " + json_number(reading.lower) + ", \"limit\": " + json_number(reading.limit) +
            ", \"harm_upper\": " + json_number(reading.harm_upper) +
            ", \"e_harm\": " + json_number(guardrail.log_e_harm ? std::exp(*guardrail.log_e_harm) : NAN) +
            ", \"harmed\": " + (reading.is_harmed ? "true" : "false") +
            ", \"safe\": " + (reading.is_safe ? "true" : "false") + "}";
  }
  return json + "]";
}

struct Decided {
  std::string action;
  std::string reason;
  std::string evidence;
};

Decided decide_rollout(Datum id) {
  Spi spi;
  const Rows now = execute(kRollout, std::move(Args().datum(UUIDOID, id)), Snapshot::statement);
  if (now.empty()) fail({core::Condition::not_found, "the rollout does not exist", "", ""});
  const Rows rows = execute(kGuardrails, std::move(Args().datum(UUIDOID, id)), Snapshot::statement);
  stats::CanaryEvidence evidence;
  evidence.step = {static_cast<std::int32_t>(std::lround(now.number(0, 0) * stats::kBuckets)), now.bigint(0, 1),
                   now.number(0, 2), whole(now.number(0, 3))};
  evidence.is_last_step = now.boolean(0, 4);
  evidence.is_srm_alarm = now.boolean(0, 5);
  evidence.in_step = whole(now.number(0, 6));
  evidence.in_rollout = whole(now.number(0, 7));
  evidence.since_last_unit = evidence.in_rollout;
  stats::CanaryPolicy policy;
  policy.alpha_rollback = now.number(0, 8);
  policy.alpha_promote = now.number(0, 9);
  policy.plan = now.number(0, 10);
  policy.promote_on = now.boolean(0, 11) ? stats::PromoteOn::no_harm : stats::PromoteOn::non_inferior;
  policy.on_deadline = now.boolean(0, 12) ? stats::OnDeadline::rollback : stats::OnDeadline::hold;
  policy.deadline = whole(now.number(0, 13));
  policy.no_data_after = whole(now.number(0, 14));
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    evidence.guardrails.push_back(guardrail_of(rows, row));
    if (!rows.is_null(row, 13))
      evidence.since_last_unit = std::min(evidence.since_last_unit, whole(rows.number(row, 13)));
  }
  const auto decided = stats::decide(evidence, policy);
  if (!decided.ok()) fail(decided.error());
  return {std::string(stats::name(decided->action)), std::string(stats::name(decided->reason)),
          evidence_of(evidence.guardrails, *decided)};
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_decide_rollout) {
  namespace pg = trainer::pg;
  const pg::Decided decided = pg::decide_rollout(PG_GETARG_DATUM(0));
  return pg::row_of(fcinfo, {PointerGetDatum(pg::to_text(decided.action)), PointerGetDatum(pg::to_text(decided.reason)),
                             pg::jsonb_of(decided.evidence)});
}

// The steps of a rollout that nobody has given any.
TRAINER_FUNCTION(trainer_canary_ladder) {
  namespace pg = trainer::pg;
  namespace stats = trainer::core::stats;
  std::string json;
  for (const stats::CanaryStep& step : PG_GETARG_BOOL(0) ? stats::default_ladder() : stats::low_volume_ladder()) {
    json += (json.empty() ? "[" : ", ");
    json += "{\"share\": " + pg::json_number(step.share / double{stats::kBuckets}) +
            ", \"units\": " + std::to_string(step.least) + ", \"margins\": " + pg::json_number(step.margin_multiplier) +
            ", \"seconds\": " + std::to_string(step.bake.count()) + "}";
  }
  return pg::jsonb_of(json + "]");
}

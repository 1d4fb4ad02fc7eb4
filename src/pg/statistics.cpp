// The methods of core/stats, for SQL. All depend on their arguments alone.
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/stats/acs.h"
#include "core/stats/planning.h"
#include "core/stats/proportions.h"
#include "core/stats/srm.h"
#include "pg/datums.h"
#include "pg/guard.h"

namespace trainer::pg {
namespace {

namespace stats = core::stats;

stats::Moments moments_at(FunctionCallInfo fcinfo, int first) {
  return stats::from_sums(PG_GETARG_INT64(first), PG_GETARG_FLOAT8(first + 1), PG_GETARG_FLOAT8(first + 2));
}

Datum mean_difference(FunctionCallInfo fcinfo) {
  stats::AcsSettings settings;
  settings.alpha = PG_GETARG_FLOAT8(6);
  settings.plan = PG_GETARG_FLOAT8(7);
  settings.pseudo_deviation = PG_GETARG_FLOAT8(8);
  const stats::Acs acs = value_or_fail(stats::acs(moments_at(fcinfo, 0), moments_at(fcinfo, 3), settings));
  // An interval that is not to be shown is not given.
  auto shown = [&](double value) { return acs.is_reported ? number_of(value) : std::nullopt; };
  return row_of(fcinfo, {acs.difference.n > 0 && std::isfinite(acs.difference.value) ? number_of(acs.difference.value)
                                                                                     : std::nullopt,
                         shown(acs.low), shown(acs.high), number_of(acs.is_reported ? acs.p : 1)});
}

// Of no units nothing is known.
Datum proportion_interval(FunctionCallInfo fcinfo) {
  const stats::Count count{static_cast<double>(PG_GETARG_INT64(0)), static_cast<double>(PG_GETARG_INT64(1))};
  if (count.k == 0 && count.n == 0) return row_of(fcinfo, {std::nullopt, std::nullopt});
  const stats::Interval interval = value_or_fail(stats::wilson(count, PG_GETARG_FLOAT8(2)));
  return row_of(fcinfo, {number_of(interval.low), number_of(interval.high)});
}

Datum sample_ratio(FunctionCallInfo fcinfo) {
  std::vector<std::int64_t> observed;
  for (Datum count : elements_of(PG_GETARG_DATUM(0), INT8OID)) observed.push_back(DatumGetInt64(count));
  std::vector<double> weights;
  for (Datum share : elements_of(PG_GETARG_DATUM(1), FLOAT8OID)) weights.push_back(DatumGetFloat8(share));
  const stats::Srm srm = value_or_fail(stats::srm(observed, weights));
  const double e = srm.is_leak ? std::numeric_limits<double>::infinity() : std::exp(std::min(srm.log_e, 700.0));
  return row_of(fcinfo, {number_of(e), number_of(srm.p)});
}

Datum sample_size(FunctionCallInfo fcinfo) {
  const double effect = PG_GETARG_FLOAT8(0);
  const double baseline = PG_GETARG_FLOAT8(1);
  const double deviation = PG_GETARG_FLOAT8(2);
  const double traffic = PG_GETARG_FLOAT8(3);
  const stats::Power power{PG_GETARG_FLOAT8(4), PG_GETARG_FLOAT8(5)};
  if (!(traffic > 0 && traffic < 1))
    fail({core::Condition::invalid_argument, "traffic is out of range", "It must be between 0 and 1.", ""});
  const double per_arm = value_or_fail(deviation > 0 ? stats::means_per_arm(effect, deviation, power)
                                                     : stats::proportions_per_arm(baseline, baseline + effect, power));
  const double total = stats::total_of(per_arm, traffic);
  const stats::Plan plan = stats::plan_for(total / 2, PG_GETARG_FLOAT8(6));
  auto units = [](double value) -> std::optional<Datum> {
    if (!(value < 9e18)) return std::nullopt;
    return Int64GetDatum(static_cast<std::int64_t>(std::ceil(value)));
  };
  return row_of(fcinfo, {units(plan.fixed_total), units(plan.sequential_total), units(plan.expected_high),
                         std::isfinite(plan.days) ? number_of(plan.days) : std::nullopt});
}

Datum proportion_sequence(FunctionCallInfo fcinfo) {
  if (PG_GETARG_INT64(0) == 0 && PG_GETARG_INT64(1) == 0) return row_of(fcinfo, {std::nullopt, std::nullopt});
  const stats::Count count{static_cast<double>(PG_GETARG_INT64(0)), static_cast<double>(PG_GETARG_INT64(1))};
  const stats::Interval interval = value_or_fail(stats::proportion_sequence(count, PG_GETARG_FLOAT8(2)));
  return row_of(fcinfo, {number_of(interval.low), number_of(interval.high)});
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_mean_difference) {
  return trainer::pg::mean_difference(fcinfo);
}

TRAINER_FUNCTION(trainer_proportion_interval) {
  return trainer::pg::proportion_interval(fcinfo);
}

TRAINER_FUNCTION(trainer_sample_ratio) {
  return trainer::pg::sample_ratio(fcinfo);
}

TRAINER_FUNCTION(trainer_sample_size) {
  return trainer::pg::sample_size(fcinfo);
}

TRAINER_FUNCTION(trainer_proportion_sequence) {
  return trainer::pg::proportion_sequence(fcinfo);
}

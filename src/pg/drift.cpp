#include "pg/drift.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/stats/drift.h"
#include "core/stats/e_detector.h"
#include "pg/as_role.h"
#include "pg/datums.h"
#include "pg/fault_point.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {
namespace {

namespace stats = core::stats;

// Two windows of a thousand comments of the app are read in it at most.
constexpr std::chrono::milliseconds kDriftTimeout{10000};

constexpr const char* kNextDrift =
    "SELECT g.organization_id FROM @extschema@.trainer_generations g WHERE g.organization_id > $1::uuid" NOT_PAUSED
    "  AND EXISTS (SELECT FROM @extschema@.trainer_bindings b WHERE b.role = 'responses')"
    " ORDER BY g.organization_id LIMIT 1";

constexpr const char* kAttached =
    "SELECT b.attached_by::oid::bigint, @extschema@.trainer_role_search_path(b.attached_by)"
    " FROM @extschema@.trainer_bindings b WHERE b.role = 'responses'";

}  // namespace

std::string next_to_look_at(const std::string& cursor) {
  Rows next = execute(kNextDrift, std::move(Args().text(cursor.empty() ? kFirstTurn : cursor)));
  return next.empty() ? std::string() : next.text(0, 0);
}

void look_at_drift(const std::string& organization_id) {
  Rows attached = execute(kAttached);
  if (attached.empty()) return;
  AsAttached role(static_cast<Oid>(attached.bigint(0, 0)), attached.text(0, 1), organization_id);
  StatementTimeout timeout(kDriftTimeout);
  Rows told = execute("SELECT @extschema@.trainer_look_at_drift($1::uuid)", std::move(Args().text(organization_id)));
  if (told.bigint(0, 0) > 0) TRAINER_FAULT_POINT("drift-told");
}

namespace {

Datum score_drift(FunctionCallInfo fcinfo) {
  const stats::Moments reference = stats::from_sums(PG_GETARG_INT64(0), PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));
  const std::vector<Datum> before = elements_of(PG_GETARG_DATUM(5), FLOAT8OID);
  stats::DriftMasses masses{};
  if (!before.empty() && before.size() != masses.size()) {
    fail({core::Condition::invalid_argument, "the number of masses is out of range", "There are twelve, or none.", ""});
  }
  for (std::size_t n = 0; n < before.size(); ++n) masses[n] = DatumGetFloat8(before[n]);
  std::vector<double> values;
  for (Datum value : elements_of(PG_GETARG_DATUM(4), FLOAT8OID)) values.push_back(DatumGetFloat8(value));
  const stats::MeanDrift drift = value_or_fail(stats::mean_drift(reference, PG_GETARG_FLOAT8(3), masses, values));
  return row_of(fcinfo, {array_of({drift.masses.begin(), drift.masses.end()}), number_of(drift.drop),
                         number_of(drift.rise), number_of(stats::kDetectorThreshold)});
}

std::vector<std::int64_t> counts_at(FunctionCallInfo fcinfo, int argument) {
  std::vector<std::int64_t> counts;
  for (Datum count : elements_of(PG_GETARG_DATUM(argument), INT8OID)) counts.push_back(DatumGetInt64(count));
  return counts;
}

Datum category_drift(FunctionCallInfo fcinfo) {
  stats::Cells cells{counts_at(fcinfo, 0), counts_at(fcinfo, 1)};
  stats::DriftSettings settings;
  settings.alpha = PG_GETARG_FLOAT8(2);
  // What is no pair of windows is refused before cells of it are merged.
  value_or_fail(stats::compare(cells.reference, cells.current, settings));
  cells = stats::merged(cells);
  const stats::Drift drift = value_or_fail(stats::compare(cells.reference, cells.current, settings));
  return row_of(fcinfo, {number_of(drift.psi), number_of(std::max(settings.least_psi, drift.critical_psi)),
                         number_of(drift.p_chi_squared), BoolGetDatum(drift.is_alarm)});
}

std::vector<stats::TokenSet> word_sets_at(FunctionCallInfo fcinfo, int argument) {
  Datum value = PG_GETARG_DATUM(argument);
  bytea* bytes = guarded([&] { return DatumGetByteaPP(value); });
  const std::size_t size = VARSIZE_ANY_EXHDR(bytes);
  if (size % sizeof(stats::TokenSet) != 0) {
    fail({core::Condition::invalid_argument, "the word sets are cut off", "Each has 32 bytes.", ""});
  }
  std::vector<stats::TokenSet> sets(size / sizeof(stats::TokenSet));
  if (size > 0) std::memcpy(sets.data(), VARDATA_ANY(bytes), size);
  return sets;
}

Datum vocabulary_drift(FunctionCallInfo fcinfo) {
  const double alpha = PG_GETARG_FLOAT8(2);
  const double p = value_or_fail(stats::vocabulary_p(word_sets_at(fcinfo, 0), word_sets_at(fcinfo, 1), alpha,
                                                     static_cast<std::uint64_t>(PG_GETARG_INT64(3))));
  // p is a whole number of so many permutations: rounding must not keep it from its own level.
  return row_of(fcinfo, {number_of(1 / p), number_of(1 / alpha), BoolGetDatum(p <= alpha * (1 + 1e-9))});
}

Datum word_set(FunctionCallInfo fcinfo) {
  Datum value = PG_GETARG_DATUM(0);
  text* given = guarded([&] { return DatumGetTextPP(value); });
  const stats::TokenSet words = stats::tokens_of({VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)});
  bytea* bytes = guarded([] { return static_cast<bytea*>(palloc(VARHDRSZ + sizeof(stats::TokenSet))); });
  SET_VARSIZE(bytes, VARHDRSZ + sizeof(stats::TokenSet));
  std::memcpy(VARDATA(bytes), words.data(), sizeof(stats::TokenSet));
  return PointerGetDatum(bytes);
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_score_drift) {
  return trainer::pg::score_drift(fcinfo);
}

TRAINER_FUNCTION(trainer_category_drift) {
  return trainer::pg::category_drift(fcinfo);
}

TRAINER_FUNCTION(trainer_vocabulary_drift) {
  return trainer::pg::vocabulary_drift(fcinfo);
}

TRAINER_FUNCTION(trainer_word_set) {
  return trainer::pg::word_set(fcinfo);
}

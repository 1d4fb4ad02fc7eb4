// What is kept is committed, and seen by every role that shares it:
//
//   - Nothing is kept by a transaction that has written anything: it may be rolled back. It sees its own changes, which
//     make it forget what was kept before.
//   - Nothing is kept or taken under a snapshot that is older than the statement (REPEATABLE READ, SERIALIZABLE).
//   - Each role has entries of its own, and one under row-level security has none: its policies may ask anything.
//   - An entry is stored when nothing has changed since before it was read; a commit is visible before it is told.
//
// The active model alone is read without SPI where nothing may be kept.
//
// Told are changes of rows by the triggers trainer_tell_sessions*, and by the server itself DDL and privileges of
// tables, membership in roles and their attributes. Which table or role it was does not matter: such changes are rare.
#include "pg/serving.h"

#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "pg/changes.h"
#include "pg/guard.h"
#include "pg/spi.h"

extern "C" {
#include <access/genam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <utils/acl.h>
#include <utils/fmgroids.h>
#include <utils/fmgrprotos.h>
#include <utils/inval.h>
#include <utils/rel.h>
#include <utils/rls.h>
#include <utils/snapmgr.h>
}

namespace trainer::pg {
namespace {

struct ServedKey {
  Oid role;
  pg_uuid_t organization;
  bool operator==(const ServedKey& other) const {
    return role == other.role && std::memcmp(&organization, &other.organization, sizeof organization) == 0;
  }
};

struct Hash {
  std::size_t operator()(const ServedKey& key) const {
    auto* bytes = reinterpret_cast<const char*>(&key.organization);
    return std::hash<std::string_view>{}({bytes, sizeof key.organization}) ^ key.role;
  }
};

// Some 200 bytes each; when there are more, all go.
constexpr std::size_t kMaxKept = 4096;

std::unordered_map<ServedKey, ServingModels, Hash> kept;
std::uint64_t kept_as_of = 0;   // of changes_told()
Oid unrestricted = InvalidOid;  // the role that was last found to see every row

// Where the active model is found.
struct Place {
  Oid models = InvalidOid;
  Oid index = InvalidOid;
  AttrNumber organization = 0;
  AttrNumber id = 0;
  AttrNumber is_active = 0;
  Oid reader = InvalidOid;  // the role that was last found to see every row of it
};
Place place;

void forget_what_changed() {
  if (kept_as_of == changes_told()) return;
  kept.clear();
  unrestricted = InvalidOid;
  place = {};
  kept_as_of = changes_told();
}

const ServingModels* find_kept(const ServedKey& key) {
  // A statement that has its locks already would hear of nothing.
  guarded([] { AcceptInvalidationMessages(); });
  forget_what_changed();
  if (IsolationUsesXactSnapshot()) return nullptr;
  auto found = kept.find(key);
  return found == kept.end() ? nullptr : &found->second;
}

bool may_keep() {
  return !IsolationUsesXactSnapshot() && !TransactionIdIsValid(GetTopTransactionIdIfAny());
}

bool sees_every_row(Oid role) {
  if (unrestricted == role) return true;
  Rows rows = execute(
      "SELECT pg_catalog.row_security_active('@extschema@.custom_models'::regclass)"
      " OR pg_catalog.row_security_active('@extschema@.training_datasets'::regclass)"
      " OR pg_catalog.row_security_active('@extschema@.ab_tests'::regclass)"
      " OR pg_catalog.row_security_active('@extschema@.trainer_rollouts'::regclass)");
  if (rows.boolean(0, 0)) return false;
  unrestricted = role;
  return true;
}

pg_uuid_t to_uuid(const std::string& text) {
  const char* digits = text.c_str();
  return guarded([&] { return *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(digits))); });
}

// A model that has gone takes no traffic, and without it there is nothing to compare.
std::optional<Experiment> read_experiment(const ServedKey& key) {
  constexpr const char* kRunning =
      "SELECT t.id, t.salt, t.unit = 'user', (t.share * 1000000)::bigint, t.control IS NULL, m.id = t.custom, m.kind,"
      "  m.id, CASE m.kind WHEN 'exemplar' THEN m.base_model ELSE m.fine_tuned_model_id END,"
      "  coalesce(d.include_persona, true), coalesce(d.include_platform_context, true), t.is_rollout"
      " FROM (SELECT a.id, a.salt, a.unit, a.traffic AS share, a.custom_model_id AS custom, a.control_model_id AS "
      "control,"
      "     false AS is_rollout FROM @extschema@.ab_tests a WHERE a.organization_id = $1 AND a.status = 'running'"
      "   UNION ALL SELECT r.id, r.salt, r.unit, (r.steps -> r.step ->> 'share')::numeric, r.custom_model_id,"
      "     r.former_model_id, true FROM @extschema@.trainer_rollouts r"
      "     WHERE r.organization_id = $1 AND r.state = 'running' LIMIT 1) t"
      " JOIN @extschema@.custom_models m ON m.organization_id = $1 AND m.id IN (t.custom, t.control)"
      " LEFT JOIN @extschema@.training_datasets d"
      "   ON d.organization_id = m.organization_id AND d.id = m.training_dataset_id"
      " WHERE m.erased_at IS NULL";
  Rows rows = execute(kRunning, std::move(Args().datum(UUIDOID, UUIDPGetDatum(&key.organization))));
  if (rows.empty()) return std::nullopt;
  Experiment experiment;
  experiment.id = rows.text(0, 0);
  experiment.salt = rows.text(0, 1);
  experiment.is_by_user = rows.boolean(0, 2);
  experiment.traffic = static_cast<std::int32_t>(rows.bigint(0, 3));
  experiment.is_rollout = rows.boolean(0, 11);
  const bool is_against_base = rows.boolean(0, 4);
  bool has_custom = false;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    ArmModel arm{core::rung(rows.text(row, 6)).value_or(core::Rung::fine_tuned),
                 {rows.text(row, 7), rows.text(row, 8), rows.boolean(row, 9), rows.boolean(row, 10)}};
    if (rows.boolean(row, 5)) {
      experiment.custom = std::move(arm);
      has_custom = true;
    } else {
      experiment.control = std::move(arm);
    }
  }
  if (!has_custom || experiment.control.has_value() == is_against_base) return std::nullopt;
  return experiment;
}

ServingModels read_models(const ServedKey& key) {
  // The active model, and the newest exemplar model: what stands below a tuned one on the ladder.
  constexpr const char* kServing =
      "SELECT m.kind, m.id, CASE m.kind WHEN 'exemplar' THEN m.base_model ELSE m.fine_tuned_model_id END,"
      "  coalesce(d.include_persona, true), coalesce(d.include_platform_context, true), m.is_active"
      " FROM (SELECT * FROM @extschema@.custom_models WHERE organization_id = $1 AND is_active"
      "   UNION ALL (SELECT * FROM @extschema@.custom_models WHERE organization_id = $1 AND kind = 'exemplar'"
      "     AND NOT is_active AND verified_at IS NOT NULL ORDER BY version DESC LIMIT 1)) m"
      " LEFT JOIN @extschema@.training_datasets d"
      "   ON d.organization_id = m.organization_id AND d.id = m.training_dataset_id"
      " ORDER BY m.is_active DESC";
  Rows rows = execute(kServing, std::move(Args().datum(UUIDOID, UUIDPGetDatum(&key.organization))));
  ServingModels models;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    auto& model = rows.text(row, 0) == "exemplar" ? models.exemplar : models.fine_tuned;
    if (!model) model = {rows.text(row, 1), rows.text(row, 2), rows.boolean(row, 3), rows.boolean(row, 4)};
    if (rows.boolean(row, 5)) models.active = to_uuid(rows.text(row, 1));
  }
  models.experiment = read_experiment(key);
  return models;
}

ServingModels read_and_keep(const ServedKey& key) {
  forget_what_changed();
  const std::uint64_t before = changes_told();
  const bool keep = may_keep() && sees_every_row(key.role);
  ServingModels models = read_models(key);
  if (!keep || changes_told() != before) return models;
  if (kept.size() >= kMaxKept) kept.clear();
  kept.insert_or_assign(key, models);
  return models;
}

// False when there is no such index, or not for every snapshot.
bool find_place() {
  if (OidIsValid(place.models)) return true;
  forget_what_changed();
  Spi spi;
  Rows rows = execute(
      "SELECT i.indrelid::bigint, i.indexrelid::bigint, o.attnum, m.attnum, a.attnum FROM pg_catalog.pg_index AS i"
      " JOIN pg_catalog.pg_attribute AS o ON o.attrelid = i.indrelid AND o.attname = 'organization_id'"
      " JOIN pg_catalog.pg_attribute AS m ON m.attrelid = i.indrelid AND m.attname = 'id'"
      " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = 'is_active'"
      " WHERE i.indexrelid = '@extschema@.custom_models_one_active'::regclass"
      "   AND i.indisvalid AND NOT i.indcheckxmin");
  if (rows.empty()) return false;
  auto oid = [&](int n) { return static_cast<Oid>(rows.bigint(0, n)); };
  auto column = [&](int n) { return static_cast<AttrNumber>(rows.bigint(0, n)); };
  place = {oid(0), oid(1), column(2), column(3), column(4), InvalidOid};
  return true;
}

// False when only SQL can tell, or refuse.
bool may_scan(Oid role) {
  if (!find_place()) return false;
  if (place.reader == role) return true;
  const bool sees_all = guarded([&] {
    return pg_class_aclcheck(place.models, role, ACL_SELECT) == ACLCHECK_OK &&
           check_enable_rls(place.models, InvalidOid, true) != RLS_ENABLED;
  });
  if (sees_all) place.reader = role;
  return sees_all;
}

// The row's id into `id`, seen as a statement that begins now would see it.
bool scan_unsafe(const Place& at, const pg_uuid_t& organization, pg_uuid_t& id) {
  CommandCounterIncrement();
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation models = table_open(at.models, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, at.organization, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&organization));
  SysScanDesc scan = systable_beginscan(models, at.index, true, GetActiveSnapshot(), 1, &key);
  bool found = false;
  bool null = false;
  // A server that ignores indexes finds the others, too.
  for (HeapTuple row; !found && HeapTupleIsValid(row = systable_getnext(scan));) {
    if (!DatumGetBool(heap_getattr(row, at.is_active, RelationGetDescr(models), &null))) continue;
    id = *DatumGetUUIDP(heap_getattr(row, at.id, RelationGetDescr(models), &null));
    found = true;
  }
  systable_endscan(scan);
  table_close(models, NoLock);
  PopActiveSnapshot();
  return found;
}

std::optional<pg_uuid_t> active_model(const ServedKey& key) {
  if (const ServingModels* models = find_kept(key)) return models->active;
  if (!may_keep() && may_scan(key.role)) {
    pg_uuid_t id;
    if (!guarded([&] { return scan_unsafe(place, key.organization, id); })) return std::nullopt;
    return id;
  }
  Spi spi;
  return read_and_keep(key).active;
}

}  // namespace

ServingModels serving_models(const std::string& organization_id) {
  const ServedKey key{GetUserId(), to_uuid(organization_id)};
  const ServingModels* models = find_kept(key);
  return models != nullptr ? *models : read_and_keep(key);
}

}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_active_model) {
  namespace pg = trainer::pg;
  const pg::ServedKey key{GetUserId(), *PG_GETARG_UUID_P(0)};
  const std::optional<pg_uuid_t> active = pg::active_model(key);
  if (!active) PG_RETURN_NULL();
  return pg::guarded([&] {
    auto* id = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *id = *active;
    return UUIDPGetDatum(id);
  });
}

#include "pg/installation.h"

#include "pg/spi.h"

extern "C" {
#include <access/genam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <access/xlog.h>
#include <catalog/indexing.h>
#include <catalog/pg_extension.h>
#include <commands/dbcommands.h>
#include <utils/fmgroids.h>
#include <utils/lsyscache.h>  // get_database_name() moves here in newer servers
#include <utils/rel.h>
}

namespace trainer::pg {
namespace {

// Neither a dump that is being restored nor a pause that is being asked for comes in between.
constexpr const char* kLock = "LOCK TABLE @extschema@.trainer_installation IN SHARE ROW EXCLUSIVE MODE";

constexpr const char* kBegin =
    "WITH known AS ("
    "  UPDATE @extschema@.trainer_installation i SET epoch = i.epoch + 1,"
    "   paused = i.paused OR (i.system_identifier, i.database_oid, i.instance_name) IS DISTINCT FROM ($1, $2::oid, $3),"
    "   paused_reason = CASE"
    "    WHEN i.paused THEN i.paused_reason"
    "    WHEN i.system_identifier IS DISTINCT FROM $1 THEN 'the database was copied from another cluster'"
    "    WHEN i.database_oid IS DISTINCT FROM $2::oid THEN 'the database was copied from another database'"
    "    WHEN i.instance_name IS DISTINCT FROM $3 THEN 'trainer.instance_name has changed'"
    "    ELSE i.paused_reason END"
    "  RETURNING epoch, paused, paused_reason),"
    " first AS ("
    "  INSERT INTO @extschema@.trainer_installation (system_identifier, database_oid, instance_name, epoch)"
    "   SELECT $1, $2::oid, $3, 1 WHERE NOT EXISTS (SELECT FROM known)"
    "  RETURNING epoch, paused, paused_reason)"
    " SELECT * FROM known UNION ALL SELECT * FROM first";

constexpr const char* kRead = "SELECT epoch, paused, paused_reason FROM @extschema@.trainer_installation";

Installation read(const Rows& rows) {
  Installation installation;
  if (rows.empty()) return installation;
  installation.epoch = rows.bigint(0, 0);
  installation.paused = rows.boolean(0, 1);
  installation.paused_reason = rows.text(0, 2);
  return installation;
}

// By a plain scan: it is asked with every transaction of the worker, and of SQL objects of any version. Null: none.
char* installed_version_unsafe() {
  char* version = nullptr;
  Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("trainer"));
  SysScanDesc scan = systable_beginscan(catalog, ExtensionNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    bool null = false;  // the column is not
    version = TextDatumGetCString(heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(catalog), &null));
  }
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return version;
}

}  // namespace

std::string current_database_name() {
  const char* name = guarded([] { return get_database_name(MyDatabaseId); });
  return name == nullptr ? std::string() : std::string(name);
}

std::string installed_version() {
  const char* version = guarded([] { return installed_version_unsafe(); });
  return version == nullptr ? std::string() : std::string(version);
}

std::string version_problem(const std::string& installed) {
  if (installed == TRAINER_VERSION) return {};
  return "the extension is version " + installed + ", its library version " TRAINER_VERSION;
}

void require_own_version() {
  std::string problem = version_problem(installed_version());
  if (!problem.empty()) fail({core::Condition::wrong_state, std::move(problem), "", kVersionHint});
}

Installation begin_incarnation(const std::string& instance_name) {
  execute(kLock);
  return read(execute(kBegin, Args()
                                  .bigint(static_cast<std::int64_t>(GetSystemIdentifier()))
                                  .bigint(static_cast<std::int64_t>(MyDatabaseId))
                                  .text(instance_name)));
}

Installation read_installation() {
  return read(execute(kRead));
}

}  // namespace trainer::pg

#include "pg/feedback.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "pg/as_role.h"
#include "pg/feedback_row.h"
#include "pg/kept_statement.h"
#include "pg/spi.h"

extern "C" {
#include <access/genam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <utils/fmgroids.h>
#include <utils/fmgrprotos.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
#include <utils/varlena.h>
#include <utils/xid8.h>
}

namespace trainer::pg {
namespace {

// Of longer texts the beginnings are compared: the time of a comparison grows with the product of the lengths.
constexpr int kComparedCharacters = 1000;

std::optional<Datum> value(const Rows& rows, int column) {
  bool null = false;
  Datum datum = rows.datum(0, column, &null);
  return null ? std::nullopt : std::optional<Datum>(datum);
}

// The first row with these two keys in a table of ours, of which `column` is wanted, as the statement sees it (or,
// where the transaction has one snapshot for all, as it is committed at this moment), and by an index. Without SPI,
// whose share in an INSERT would be felt.
struct Found {
  bool row = false;
  bool null = true;
  pg_uuid_t value{};
};

Found find_unsafe(Oid schema, const char* table, const char* index, const char* const (&keys)[2],
                  const Datum (&values)[2], const char* column) {
  Relation relation = table_open(get_relname_relid(table, schema), AccessShareLock);
  const Oid id = RelationGetRelid(relation);
  const Oid by = get_relname_relid(index, schema);
  ScanKeyData scan_keys[2];
  for (int key = 0; key < 2; ++key) {
    ScanKeyInit(&scan_keys[key], get_attnum(id, keys[key]), BTEqualStrategyNumber, F_UUID_EQ, values[key]);
  }
  ::Snapshot snapshot = RegisterSnapshot(IsolationUsesXactSnapshot() ? GetLatestSnapshot() : GetActiveSnapshot());
  SysScanDesc scan = systable_beginscan(relation, by, OidIsValid(by), snapshot, 2, scan_keys);
  Found found;
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    found.row = true;
    Datum value = heap_getattr(tuple, get_attnum(id, column), RelationGetDescr(relation), &found.null);
    if (!found.null) found.value = *DatumGetUUIDP(value);
  }
  systable_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, AccessShareLock);
  return found;
}

// The reply that became the response: `value` is its model.
Found generation_of(Oid schema, Datum organization, Datum response) {
  return guarded([&] {
    return find_unsafe(schema, "trainer_generations", "trainer_generations_response",
                       {"organization_id", "response_id"}, {organization, response}, "custom_model_id");
  });
}

// A foreign key would have every writer lock the row of the one model; trainer_keep_judged_model() is its other half.
void require_model(Oid schema, Datum organization, Datum model) {
  guarded([&] {
    Found found = find_unsafe(schema, "custom_models", "custom_models_organization_id_id_key",
                              {"organization_id", "id"}, {organization, model}, "id");
    if (found.row) return;
    ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                    errmsg("custom model %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, model))),
                    errdetail("Organization %s has no such model.",
                              DatumGetCString(DirectFunctionCall1(uuid_out, organization)))));
  });
}

// A foreign key to the app's table knows nothing of tenants, and its error would tell that another tenant's response
// exists.
[[noreturn]] void refuse(Datum response, Datum organization) {
  guarded([&] {
    ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                    errmsg("response %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, response))),
                    errdetail("Organization %s has no such response.",
                              DatumGetCString(DirectFunctionCall1(uuid_out, organization)))));
  });
  pg_unreachable();
}

// Text and score of the response, as the session may see them; nullopt where nothing is bound.
// The connection to SPI is made when it is needed: many a row needs none.
std::optional<Rows> look_up(std::optional<Spi>& spi, Datum organization, Datum response) {
  if (!spi) spi.emplace();
  static KeptStatement statement("SELECT @extschema@.trainer_feedback_statement()");
  AsRole pinned(GetUserId(), 0);
  pinned.set("search_path", "pg_catalog, pg_temp");
  std::optional<Rows> rows = statement.run(std::move(Args().datum(UUIDOID, organization).datum(UUIDOID, response)));
  if (rows && rows->empty()) refuse(response, organization);
  return rows;
}

struct Text {
  const char* bytes;
  int size;
};

Text beginning_of(Datum value) {
  text* unpacked = guarded([&] { return DatumGetTextPP(value); });
  const char* bytes = VARDATA_ANY(unpacked);
  const int size = static_cast<int>(VARSIZE_ANY_EXHDR(unpacked));
  return {bytes, guarded([&] { return pg_mbcharcliplen(bytes, size, kComparedCharacters); })};
}

// Levenshtein's distance by the length of the longer text: 0 is the same text, 1 another one altogether.
Datum edit_distance(Datum original, Datum edited) {
  const Text from = beginning_of(original);
  const Text to = beginning_of(edited);
  const double distance = guarded([&]() -> double {
    const int longer = Max(pg_mbstrlen_with_len(from.bytes, from.size), pg_mbstrlen_with_len(to.bytes, to.size));
    if (longer == 0) return 0;
    return static_cast<double>(varstr_levenshtein(from.bytes, from.size, to.bytes, to.size, 1, 1, 1, true)) / longer;
  });
  return Float4GetDatum(static_cast<float>(distance));
}

bool is_new(const FeedbackRow& row) {
  const std::optional<Datum> created = row.get(kCreated);
  return created && DatumGetTimestampTz(*created) == GetCurrentTransactionStartTimestamp();
}

// `model` is what it points at.
void complete_new(FeedbackRow& row, pg_uuid_t& model, std::optional<Spi>& spi) {
  const std::optional<Datum> organization = row.get(kOrganization);
  const std::optional<Datum> response = row.get(kResponse);
  if (!organization) return;
  // A restored row has what it had, and perhaps the other tables are not there yet.
  if (!is_new(row)) return;
  const Found generation = response ? generation_of(row.schema(), *organization, *response) : Found();
  const std::optional<Datum> given = row.get(kModel);
  if (generation.row) {
    // The model that wrote it, whichever serves by now and whatever the row says.
    model = generation.value;
    row.set(kModel, generation.null ? std::nullopt : std::optional<Datum>(UUIDPGetDatum(&model)));
  } else if (given) {
    require_model(row.schema(), *organization, *given);
  }
  if (!response) return;
  std::optional<Datum> original = row.get(kOriginal);
  // Nothing is to be filled in, and that the response is the organization's is known: from the reply that became it.
  if (!generation.row || !original || !row.get(kQuality)) {
    const std::optional<Rows> known = look_up(spi, *organization, *response);
    if (!original && known) row.set(kOriginal, original = value(*known, 0));
    if (!row.get(kQuality) && known) row.set(kQuality, value(*known, 1));
  }
  const std::optional<Datum> edited = row.get(kEdited);
  if (original && edited && row.is_type("edited")) row.set(kEditDistance, edit_distance(*original, *edited));
}

constexpr std::array kCounted{kOrganization, kModel, kResponse, kType,         kRating,
                              kQuality,      kTone,  kHumor,    kEditDistance, kTransaction};

bool is_counted_alike(const FeedbackRow& old, const FeedbackRow& row) {
  return std::all_of(kCounted.begin(), kCounted.end(),
                     [&](FeedbackColumn column) { return row.has_same(column, old); });
}

void check_moved(const FeedbackRow& old, const FeedbackRow& row, std::optional<Spi>& spi) {
  const std::optional<Datum> organization = row.get(kOrganization);
  const std::optional<Datum> response = row.get(kResponse);
  const std::optional<Datum> model = row.get(kModel);
  if (!organization) return;
  const bool same_organization = row.has_same(kOrganization, old);
  if (model && !(same_organization && row.has_same(kModel, old))) require_model(row.schema(), *organization, *model);
  if (response && !(same_organization && row.has_same(kResponse, old))) look_up(spi, *organization, *response);
}

}  // namespace

HeapTuple complete_feedback(TriggerData* data) {
  const TriggerEvent event = data->tg_event;
  const bool is_update = TRIGGER_FIRED_BY_UPDATE(event);
  if (!TRIGGER_FIRED_BEFORE(event) || !TRIGGER_FIRED_FOR_ROW(event) || !(is_update || TRIGGER_FIRED_BY_INSERT(event))) {
    fail({core::Condition::wrong_state, "feedback is completed before a row is inserted or updated", "", ""});
  }
  FeedbackRow row(data->tg_relation, is_update ? data->tg_newtuple : data->tg_trigtuple);
  std::optional<FeedbackRow> old;
  if (is_update) old.emplace(data->tg_relation, data->tg_trigtuple);
  if (old && is_counted_alike(*old, row)) {
    if (!row.has_same(kEdited, *old)) row.require_values();
    return row.tuple();
  }
  // Whatever a row says: it is counted by when it was really written.
  row.set(kTransaction, FullTransactionIdGetDatum(guarded([] { return GetTopFullTransactionId(); })));
  MemoryContext memory = CurrentMemoryContext;
  pg_uuid_t model;
  std::optional<Spi> spi;
  // What is replicated has been completed where it came from.
  if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA) {
    if (old) {
      check_moved(*old, row, spi);
    } else {
      complete_new(row, model, spi);
    }
  }
  row.require_values();
  // Where the row outlives the connection.
  MemoryContext own = MemoryContextSwitchTo(memory);
  HeapTuple completed = row.tuple();
  MemoryContextSwitchTo(own);
  return completed;
}

RollUp roll_up_feedback() {
  const Rows row = execute("SELECT moved, waits FROM @extschema@.trainer_roll_up_feedback()");
  return {row.boolean(0, 0), row.boolean(0, 1)};
}

}  // namespace trainer::pg

// Scores that have arrived in the app's table: filled in where there was none. Arguments: the columns of the response's
// id and the score. The rows are read with the rights of whoever has written them; ours are written as their owner.
TRAINER_FUNCTION(trainer_score_arrived) {
  namespace pg = trainer::pg;
  TriggerData* data = pg::trigger_data(fcinfo);
  Trigger* trigger = data->tg_trigger;
  if (trigger->tgnargs != 2) pg::fail({trainer::core::Condition::invalid_argument, "two arguments are needed", "", ""});
  pg::Spi spi;
  pg::guarded([&] { SPI_register_trigger_data(data); });
  const char* response = pg::guarded([&] { return quote_identifier(trigger->tgargs[0]); });
  const char* score = pg::guarded([&] { return quote_identifier(trigger->tgargs[1]); });
  pg::Rows arrived = pg::execute_once(
      "SELECT array_agg(n.id), array_agg(n.score) FROM (SELECT n." + std::string(response) + "::uuid AS id, max(n." +
      score + "::numeric) AS score FROM new_rows AS n WHERE n." + score + " BETWEEN 0 AND 1 GROUP BY 1) AS n");
  if (arrived.is_null(0, 0)) return PointerGetDatum(nullptr);
  bool null = false;
  pg::Args args;
  args.datum(UUIDARRAYOID, arrived.datum(0, 0, &null)).datum(NUMERICARRAYOID, arrived.datum(0, 1, &null));
  pg::AsRole owner(pg::owner_of_extension_table("model_feedback"), SECURITY_LOCAL_USERID_CHANGE);
  pg::execute(
      "WITH arrived AS (SELECT * FROM unnest($1, $2) AS a (response_id, score)),"
      " outcome AS (UPDATE @extschema@.trainer_generations AS g SET quality_score = a.score, scored_at = now()"
      "   FROM arrived AS a"
      "   WHERE g.response_id = a.response_id AND g.experiment_id IS NOT NULL AND g.quality_score IS NULL)"
      " UPDATE @extschema@.model_feedback AS f SET quality_score = a.score FROM arrived AS a"
      " WHERE f.response_id = a.response_id AND f.quality_score IS NULL",
      std::move(args));
  return PointerGetDatum(nullptr);
}

// A reply has become a response of the app: what has been said of the response is said of its model.
TRAINER_FUNCTION(trainer_response_linked) {
  namespace pg = trainer::pg;
  TriggerData* data = pg::trigger_data(fcinfo);
  pg::Spi spi;
  pg::Args args;
  for (const char* name : {"organization_id", "response_id", "custom_model_id"}) {
    bool null = false;
    Datum value = pg::guarded([&] {
      TupleDesc description = RelationGetDescr(data->tg_relation);
      return heap_getattr(data->tg_newtuple, SPI_fnumber(description, name), description, &null);
    });
    args.datum(UUIDOID, value, null);
  }
  pg::AsRole owner(pg::owner_of_extension_table("model_feedback"), SECURITY_LOCAL_USERID_CHANGE);
  pg::execute(
      "UPDATE @extschema@.model_feedback AS f SET custom_model_id = $3"
      " WHERE f.organization_id = $1 AND f.response_id = $2"
      "   AND f.custom_model_id IS DISTINCT FROM $3",
      std::move(args));
  return PointerGetDatum(nullptr);
}

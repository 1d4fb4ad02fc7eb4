// How nobody overspends: whoever takes from a budget holds the organization's lock, for the moment that it takes, reads
// what others hold in flight, and then, with a snapshot that is younger, what is committed. What fits is held in flight
// before the lock is let go. Others give back what they hold only when their commit can be seen, so in between they
// count twice, and never not at all. No lock is held while a model is asked, or until the transaction ends.
#include "pg/budget.h"

#include <string_view>
#include <unordered_set>

#include "pg/as_role.h"
#include "pg/changes.h"
#include "pg/spi.h"
#include "pg/trigger.h"

extern "C" {
#include <access/xact.h>
#include <common/hashfn.h>
#include <storage/lmgr.h>
#include <utils/fmgrprotos.h>
#include <utils/inval.h>
#include <utils/snapmgr.h>
}

namespace trainer::pg {
namespace {

constexpr const char* kObstacle =
    "SELECT micro_cents, scope, period, left_text, limit_text, asked_text"
    " FROM @extschema@.trainer_budget_obstacle($1, $2, $3, $4, $5)";

// Of rows that are deleted, but not with their organization.
#define OF_OLD_ROWS                                                        \
  " FROM old_rows o WHERE o.organization_id IN (SELECT d.id FROM (SELECT " \
  "DISTINCT organization_id FROM old_rows) d (id)"                         \
  "  WHERE NOT @extschema@.trainer_goes_with_organization(d.id))"

// Under the transaction that wrote the reply, so that it is added up once.
constexpr const char* kKeepReplies =
    "INSERT INTO @extschema@.trainer_ledger"
    " (organization_id, kind, entry, amount_cents, generation_id, counts_at, xid)"
    " SELECT o.organization_id, 'inference', 'settled', o.cost_cents, o.id, o.created_at, o.xid" OF_OLD_ROWS
    " AND NOT o.reserved AND o.cost_cents <> 0";

// One that is on its way to the provider may be paid for, though nobody will write that down: what was reserved for it
// stays spent.
constexpr const char* kKeepRequests =
    "INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, request_id, counts_at)"
    " SELECT o.organization_id, 'inference', CASE o.spent_cents WHEN 0 THEN 'released' ELSE 'settled' END,"
    "  o.spent_cents - o.reserved_cents, o.id, o.created_at" OF_OLD_ROWS
    " AND o.state = 'ready' AND o.spent_cents <> o.reserved_cents";

// What has begun cannot be deleted (trainer_keep_live_model); of what is pending a first try may have been billed.
constexpr const char* kKeepTrainings =
    "INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, custom_model_id, counts_at)"
    " SELECT r.organization_id, 'training', CASE r.cost WHEN 0 THEN 'released' ELSE 'settled' END, r.cost - r.booked,"
    "  r.id, r.since FROM (SELECT o.organization_id, o.id, coalesce(o.training_cost_cents, 0) AS cost,"
    "    (SELECT sum(l.amount_cents) FROM @extschema@.trainer_ledger l"
    "     WHERE l.organization_id = o.organization_id AND l.custom_model_id = o.id) AS booked,"
    "    (SELECT min(l.counts_at) FROM @extschema@.trainer_ledger l"
    "     WHERE l.organization_id = o.organization_id AND l.custom_model_id = o.id) AS since" OF_OLD_ROWS
    "    AND o.status = 'pending') r WHERE r.cost <> r.booked";

// What others have committed by now, whichever snapshot the transaction has, and what this one has written itself.
Rows execute_with_latest_snapshot(const char* statement, Args args) {
  guarded([] {
    CommandCounterIncrement();
    PushActiveSnapshot(GetLatestSnapshot());
  });
  Rows rows = execute(statement, std::move(args), Snapshot::statement);
  guarded([] { PopActiveSnapshot(); });
  return rows;
}

// As the owner.
bool has_budget(const pg_uuid_t& organization, const char* kind) {
  return execute_with_latest_snapshot(
             "SELECT EXISTS (SELECT FROM @extschema@.trainer_budgets WHERE organization_id = $1 AND scope IN ($2, "
             "'all'))",
             std::move(Args().datum(UUIDOID, UUIDPGetDatum(&organization)).text(kind)))
      .boolean(0, 0);
}

// Looked up again when a table has changed. Its rights: which budgets there are does not depend on who spends.
Oid owner() {
  static Oid known = InvalidOid;
  static std::uint64_t known_as_of = 0;
  if (!OidIsValid(known) || known_as_of != changes_told()) {
    known_as_of = changes_told();
    known = owner_of_extension_table("trainer_budgets");
  }
  return known;
}

// One of an organization at a time. The lock of an object, which nobody can take by SQL; two organizations of one hash
// wait for each other, no more.
class OrganizationLock {
 public:
  explicit OrganizationLock(const pg_uuid_t& organization)
      : table_(static_cast<Oid>(execute("SELECT '@extschema@.trainer_budgets'::regclass::bigint").bigint(0, 0))),
        key_(DatumGetUInt32(hash_any(organization.data, UUID_LEN))) {
    guarded([&] { LockDatabaseObject(table_, key_, 0, ExclusiveLock); });
  }
  void release() {
    guarded([&] { UnlockDatabaseObject(table_, key_, 0, ExclusiveLock); });
  }

 private:
  Oid table_;
  Oid key_;
};

[[noreturn]] void refuse(const pg_uuid_t& organization, const Rows& obstacle) {
  const char* id =
      guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&organization))); });
  const std::string period = obstacle.text(0, 2) == "total" ? "in total" : "for the " + obstacle.text(0, 2);
  const std::string scope = obstacle.text(0, 1) == "all" ? "everything" : obstacle.text(0, 1);
  fail({core::Condition::cost_limit_exceeded, "cost limit exceeded",
        std::string("Organization ") + id + " has " + obstacle.text(0, 3) + " of " + obstacle.text(0, 4) +
            " cents left of its budget for " + scope + " " + period + "; asked for were up to " + obstacle.text(0, 5) +
            ".",
        "trainer_set_budget() sets another limit; SELECT * FROM trainer_budget_status tells what is spent and "
        "reserved."});
}

// As the owner. `kind`: training or inference.
std::size_t take(const pg_uuid_t& organization, const char* kind, Datum cents) {
  if (!has_in_flight()) {
    fail({core::Condition::wrong_state, "cannot take from a budget without shared memory",
          "The organization has a budget, and the library is not preloaded.",
          "Add trainer to shared_preload_libraries and restart the server."});
  }
  OrganizationLock lock(organization);
  const InFlight others = held_by_others(organization);
  const Rows obstacle =
      execute_with_latest_snapshot(kObstacle, std::move(Args()
                                                            .datum(UUIDOID, UUIDPGetDatum(&organization))
                                                            .text(kind)
                                                            .datum(NUMERICOID, cents)
                                                            .bigint(others.training)
                                                            .bigint(others.inference)));
  if (!obstacle.is_null(0, 1)) {
    lock.release();
    refuse(organization, obstacle);
  }
  const std::int64_t micro_cents = obstacle.bigint(0, 0);
  if (micro_cents < 0) fail({core::Condition::invalid_argument, "amount must not be negative", "", ""});
  const bool is_training = std::string_view(kind) == "training";
  const std::size_t taken =
      hold(organization, {is_training ? micro_cents : 0, is_training ? std::int64_t{0} : micro_cents});
  lock.release();
  return taken;
}

}  // namespace

bool has_reply_budget(const std::string& organization_id) {
  // As pg/serving keeps models: what is kept is committed, and read when nothing has changed.
  static std::unordered_set<std::string> without;
  static std::uint64_t without_as_of = 0;
  guarded([] { AcceptInvalidationMessages(); });
  const std::uint64_t before = changes_told();
  if (without_as_of != before || without.size() > 4096) without.clear();
  without_as_of = before;
  if (without.contains(organization_id)) return false;
  AsRole as_owner(owner(), SECURITY_LOCAL_USERID_CHANGE);
  const pg_uuid_t organization =
      guarded([&] { return *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(organization_id.c_str()))); });
  const bool has = has_budget(organization, "inference");
  const bool may_keep = !TransactionIdIsValid(GetTopTransactionIdIfAny());
  if (!has && may_keep && changes_told() == before) without.insert(organization_id);
  return has;
}

void ReplyBudget::take(const std::string& organization_id, const std::vector<std::string>& models,
                       const std::vector<std::string>& messages, int max_tokens) {
  organization_id_ = organization_id;
  AsRole as_owner(owner(), SECURITY_LOCAL_USERID_CHANGE);
  Rows most = execute("SELECT $1::uuid, @extschema@.trainer_most_cents($2, $3, $4::int)",
                      std::move(Args().text(organization_id).texts(models).texts(messages).bigint(max_tokens)));
  bool null = false;
  hold_ = pg::take(*DatumGetUUIDP(most.datum(0, 0, &null)), "inference", most.datum(0, 1, &null));
}

void ReplyBudget::settle(const std::vector<Datum>& generation_ids) {
  if (!hold_) return;
  AsRole as_owner(owner(), SECURITY_LOCAL_USERID_CHANGE);
  std::int64_t spent = 0;
  std::optional<Datum> unknown;
  for (Datum id : generation_ids) {
    Rows cost = execute("SELECT ceil(cost_cents * 1000000)::bigint FROM @extschema@.trainer_generations WHERE id = $1",
                        std::move(Args().datum(UUIDOID, id)));
    if (cost.is_null(0, 0)) {
      unknown = id;
    } else {
      spent += cost.bigint(0, 0);
    }
  }
  // An answer that does not say what it used has cost what it can have: all stays held, and is written down.
  if (unknown) {
    execute(
        "INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, generation_id)"
        " SELECT $1::uuid, 'inference', 'settled', $2::numeric / 1000000, $3",
        std::move(Args().text(organization_id_).bigint(held(*hold_).inference - spent).datum(UUIDOID, *unknown)));
    return;
  }
  change_hold(*hold_, {0, spent});
}

}  // namespace trainer::pg

namespace {

std::string kind_of(Datum kind) {
  std::string name = trainer::pg::to_utf8(DatumGetTextPP(kind));
  if (name != "training" && name != "inference") {
    trainer::pg::fail(
        {trainer::core::Condition::invalid_argument, "kind is not known", "", "The kinds are training and inference."});
  }
  return name;
}

}  // namespace

TRAINER_FUNCTION(trainer_has_budget) {
  namespace pg = trainer::pg;
  const pg_uuid_t organization = *PG_GETARG_UUID_P(0);
  const std::string kind = kind_of(PG_GETARG_DATUM(1));
  pg::Spi spi;
  pg::AsRole as_owner(pg::owner(), SECURITY_LOCAL_USERID_CHANGE);
  PG_RETURN_BOOL(pg::has_budget(organization, kind.c_str()));
}

TRAINER_FUNCTION(trainer_hold) {
  namespace pg = trainer::pg;
  const pg_uuid_t organization = *PG_GETARG_UUID_P(0);
  const std::string kind = kind_of(PG_GETARG_DATUM(1));
  {
    pg::Spi spi;
    pg::AsRole as_owner(pg::owner(), SECURITY_LOCAL_USERID_CHANGE);
    pg::take(organization, kind.c_str(), PG_GETARG_DATUM(2));
  }
  PG_RETURN_VOID();
}

// With the rights of our tables' owner: whoever deletes an organization need know nothing of its money.
TRAINER_FUNCTION(trainer_keep_spending) {
  namespace pg = trainer::pg;
  TriggerData* data = pg::trigger_data(fcinfo);
  const std::string table = RelationGetRelationName(data->tg_relation);
  const char* statement = table == "trainer_generations"           ? pg::kKeepReplies
                          : table == "trainer_generation_requests" ? pg::kKeepRequests
                                                                   : pg::kKeepTrainings;
  pg::Spi spi;
  pg::guarded([&] { SPI_register_trigger_data(data); });
  pg::AsRole as_owner(pg::owner(), SECURITY_LOCAL_USERID_CHANGE);
  pg::execute_once(statement);
  return PointerGetDatum(nullptr);
}

#include "pg/in_flight.h"

#include <cstring>
#include <string>
#include <vector>

#include "pg/guard.h"

extern "C" {
#include <access/xact.h>
#include <miscadmin.h>
#include <storage/shmem.h>
}

namespace trainer::pg {
namespace {

// An entry is there while a transaction under way holds something for the organization.
constexpr int kMostOrganizations = 4096;

struct InFlightKey {
  Oid database;
  pg_uuid_t organization;
};
static_assert(sizeof(InFlightKey) == sizeof(Oid) + UUID_LEN, "compared byte by byte");

struct InFlightEntry {
  InFlightKey key;
  InFlight amount;
};

HTAB* table = nullptr;
LWLock* lock = nullptr;

struct Hold {
  pg_uuid_t organization;
  InFlight amount;
  SubTransactionId subtransaction;
};
std::vector<Hold> own;

bool is_of(const Hold& hold, const pg_uuid_t& organization) {
  return std::memcmp(&hold.organization, &organization, sizeof organization) == 0;
}

InFlightKey key_of(const pg_uuid_t& organization) {
  return {MyDatabaseId, organization};
}

// False when there is no room for another organization.
bool add(const pg_uuid_t& organization, const InFlight& amount) {
  const InFlightKey key = key_of(organization);
  bool found = false;
  LWLockAcquire(lock, LW_EXCLUSIVE);
  auto* entry = static_cast<InFlightEntry*>(hash_search(table, &key, HASH_ENTER_NULL, &found));
  if (entry != nullptr) {
    if (!found) entry->amount = {};
    entry->amount.training += amount.training;
    entry->amount.inference += amount.inference;
    if (entry->amount.training == 0 && entry->amount.inference == 0) hash_search(table, &key, HASH_REMOVE, nullptr);
  }
  LWLockRelease(lock);
  return entry != nullptr;
}

void give_back(const Hold& hold) {
  add(hold.organization, {-hold.amount.training, -hold.amount.inference});
}

// A commit is seen by others before it is told here.
void at_transaction_end(XactEvent event, void*) {
  if (own.empty()) return;
  if (event == XACT_EVENT_PRE_PREPARE) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("cannot PREPARE a transaction that has taken from a budget"),
                    errdetail("Until it is committed, what it has taken is known to this session alone.")));
  }
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT) return;
  for (const Hold& hold : own) give_back(hold);
  own.clear();
}

void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void*) {
  if (own.empty()) return;
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    for (Hold& hold : own) {
      if (hold.subtransaction == mine) hold.subtransaction = parent;
    }
  } else if (event == SUBXACT_EVENT_ABORT_SUB) {
    // The last ones: what is older belongs to a parent.
    while (!own.empty() && own.back().subtransaction == mine) {
      give_back(own.back());
      own.pop_back();
    }
  }
}

void listen_to_transaction_ends() {
  static bool registered = false;
  if (registered) return;
  guarded([] {
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
  });
  registered = true;
}

}  // namespace

Size in_flight_memory() {
  return hash_estimate_size(kMostOrganizations, sizeof(InFlightEntry));
}

void make_in_flight(LWLock* own_lock) {
  HASHCTL control{};
  control.keysize = sizeof(InFlightKey);
  control.entrysize = sizeof(InFlightEntry);
  table = ShmemInitHash("trainer in flight", kMostOrganizations, kMostOrganizations, &control, HASH_ELEM | HASH_BLOBS);
  lock = own_lock;
}

bool has_in_flight() {
  return table != nullptr;
}

InFlight held_by_others(const pg_uuid_t& organization) {
  const InFlightKey key = key_of(organization);
  InFlight others;
  LWLockAcquire(lock, LW_SHARED);
  if (const auto* entry = static_cast<InFlightEntry*>(hash_search(table, &key, HASH_FIND, nullptr)))
    others = entry->amount;
  LWLockRelease(lock);
  for (const Hold& hold : own) {
    if (!is_of(hold, organization)) continue;
    others.training -= hold.amount.training;
    others.inference -= hold.amount.inference;
  }
  return others;
}

std::size_t hold(const pg_uuid_t& organization, const InFlight& amount) {
  listen_to_transaction_ends();
  own.reserve(own.size() + 1);
  if (!add(organization, amount)) {
    fail({core::Condition::limit_exceeded, "too many organizations spend at the same moment",
          "No more than " + std::to_string(kMostOrganizations) + " can be kept apart.", "Try again."});
  }
  own.push_back({organization, amount, GetCurrentSubTransactionId()});
  return own.size() - 1;
}

const InFlight& held(std::size_t number) {
  return own.at(number).amount;
}

void change_hold(std::size_t number, const InFlight& amount) {
  Hold& changed = own.at(number);
  add(changed.organization, {amount.training - changed.amount.training, amount.inference - changed.amount.inference});
  changed.amount = amount;
}

}  // namespace trainer::pg

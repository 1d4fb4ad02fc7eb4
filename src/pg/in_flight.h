// What transactions under way have taken from the budgets of organizations and nobody else can see yet: in shared
// memory, in millionths of a cent. It is given back when the transaction has ended, by when its rows are seen or gone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pg/postgres.h"

extern "C" {
#include <storage/lwlock.h>
#include <utils/uuid.h>
}

namespace trainer::pg {

struct InFlight {
  std::int64_t training = 0;
  std::int64_t inference = 0;
};

// While the server starts: how much shared memory, and to be made in it. `lock`: its own.
Size in_flight_memory();
void make_in_flight(LWLock* lock);

// False where the library is not preloaded: then the functions below must not be called.
bool has_in_flight();

// What other transactions of this database hold for the organization.
InFlight held_by_others(const pg_uuid_t& organization);

// Until the end of this transaction, or of the subtransaction when that is rolled back. Throws Failure when too many
// organizations hold something. What it returns is for held() and change_hold(), in the same subtransaction.
std::size_t hold(const pg_uuid_t& organization, const InFlight& amount);
const InFlight& held(std::size_t hold);
void change_hold(std::size_t hold, const InFlight& amount);

}  // namespace trainer::pg

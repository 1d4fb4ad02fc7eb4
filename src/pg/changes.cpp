#include "pg/changes.h"

#include "pg/guard.h"

extern "C" {
#include <utils/inval.h>
#include <utils/plancache.h>
#include <utils/syscache.h>
}

namespace trainer::pg {
namespace {

std::uint64_t changes = 1;

void note_relation(Datum, Oid) {
  ++changes;
}

// A plan has the policies of its role written into it, and not every server makes it anew when the role changes (15.18
// does not, 15.20 does).
void note_role(Datum, int, uint32) {
  ++changes;
  ResetPlanCache();
}

}  // namespace

std::uint64_t changes_told() {
  static bool listening = false;
  if (!listening) {
    guarded([] {
      CacheRegisterRelcacheCallback(note_relation, Datum{0});
      CacheRegisterSyscacheCallback(AUTHOID, note_role, Datum{0});
      CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_role, Datum{0});
    });
    listening = true;
  }
  return changes;
}

}  // namespace trainer::pg

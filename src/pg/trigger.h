// Trigger functions in C++.
#pragma once

#include "pg/guard.h"

extern "C" {
#include <commands/trigger.h>
}

namespace trainer::pg {

// An error unless the function was called as a trigger.
inline TriggerData* trigger_data(FunctionCallInfo fcinfo) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    guarded([] {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),  // as PL/pgSQL says it
                      errmsg("trigger functions can only be called as triggers")));
    });
  }
  return reinterpret_cast<TriggerData*>(fcinfo->context);
}

}  // namespace trainer::pg

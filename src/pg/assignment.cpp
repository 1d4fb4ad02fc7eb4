#include "pg/assignment.h"

#include <algorithm>

#include "pg/digest.h"
#include "pg/guard.h"
#include "pg/spi.h"

extern "C" {
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/uuid.h>
}

namespace trainer::pg {
core::stats::Digest unit_digest(std::string_view experiment, std::string_view salt, std::string_view unit_type,
                                std::string_view unit_id) {
  return sha256(core::stats::assignment_message({"", experiment, salt, unit_type, unit_id}));
}

std::string unit_name(const core::stats::Digest& digest) {
  pg_uuid_t half;
  static_assert(sizeof half.data == UUID_LEN && UUID_LEN * 2 == std::tuple_size_v<core::stats::Digest>);
  std::copy_n(digest.begin(), UUID_LEN, half.data);
  return guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&half))); });
}

}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_bucket) {
  namespace pg = trainer::pg;
  std::string fields[4];
  for (int n = 0; n < 4; ++n) {
    Datum value = fcinfo->args[n].value;
    fields[n] = pg::to_utf8(pg::guarded([&] { return DatumGetTextPP(value); }));
  }
  PG_RETURN_INT32(trainer::core::stats::bucket(pg::unit_digest(fields[0], fields[1], fields[2], fields[3])));
}

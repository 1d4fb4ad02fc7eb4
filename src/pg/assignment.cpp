#include "pg/assignment.h"

#include <algorithm>

#include "pg/guard.h"
#include "pg/spi.h"

extern "C" {
#include <common/cryptohash.h>
#include <common/sha2.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/uuid.h>
}

namespace trainer::pg {
namespace {

core::stats::Digest sha256(std::string_view message) {
  core::stats::Digest digest{};
  static_assert(std::tuple_size_v<core::stats::Digest> == PG_SHA256_DIGEST_LENGTH);
  guarded([&] {
    pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
    const bool ok =
        context != nullptr && pg_cryptohash_init(context) >= 0 &&
        pg_cryptohash_update(context, reinterpret_cast<const uint8*>(message.data()), message.size()) >= 0 &&
        pg_cryptohash_final(context, digest.data(), digest.size()) >= 0;
    pg_cryptohash_free(context);
    if (!ok) ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 digest")));
  });
  return digest;
}

}  // namespace

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

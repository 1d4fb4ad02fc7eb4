#include "pg/digest.h"

#include "pg/guard.h"

extern "C" {
#include <common/cryptohash.h>
#include <common/sha2.h>
}

namespace trainer::pg {

std::array<std::uint8_t, 32> sha256(std::string_view message) {
  std::array<std::uint8_t, 32> digest{};
  static_assert(digest.size() == PG_SHA256_DIGEST_LENGTH);
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

}  // namespace trainer::pg

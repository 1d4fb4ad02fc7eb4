#include "pg/hmac.h"

#include "pg/guard.h"

extern "C" {
#include <common/hmac.h>
#include <common/sha2.h>
}

namespace trainer::pg {
namespace {

const uint8* bytes(std::string_view text) {
  return reinterpret_cast<const uint8*>(text.data());
}

}  // namespace

std::array<std::uint8_t, 32> hmac_sha256(std::string_view key, std::string_view message) {
  std::array<std::uint8_t, 32> code{};
  static_assert(code.size() == PG_SHA256_DIGEST_LENGTH);
  guarded([&] {
    pg_hmac_ctx* context = pg_hmac_create(PG_SHA256);
    const bool ok = context != nullptr && pg_hmac_init(context, bytes(key), key.size()) >= 0 &&
                    pg_hmac_update(context, bytes(message), message.size()) >= 0 &&
                    pg_hmac_final(context, code.data(), code.size()) >= 0;
    pg_hmac_free(context);
    if (!ok) ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute an HMAC")));
  });
  return code;
}

}  // namespace trainer::pg

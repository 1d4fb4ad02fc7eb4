// The server's HMAC.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trainer::pg {

// HMAC-SHA256. Inside a transaction, since the server keeps account of what it allocates for it.
std::array<std::uint8_t, 32> hmac_sha256(std::string_view key, std::string_view message);

}  // namespace trainer::pg

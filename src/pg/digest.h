// The server's SHA-256.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trainer::pg {

std::array<std::uint8_t, 32> sha256(std::string_view message);

}  // namespace trainer::pg

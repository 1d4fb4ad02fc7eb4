// Base64 of RFC 4648, section 4, with its padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trainer::core {

std::string encode_base64(std::string_view bytes);
// Line breaks are skipped. nullopt when it is anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace trainer::core

// SHA-256 and base64, by OpenSSL's libcrypto.
#pragma once

#include <string>
#include <string_view>

namespace trainer::sandbox {

std::string sha256_hex(std::string_view bytes);
std::string base64(std::string_view bytes);

}  // namespace trainer::sandbox

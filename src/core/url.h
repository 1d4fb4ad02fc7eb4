// What a base URL and the name of an environment variable may look like: checked when a setting is set.
#pragma once

#include <optional>
#include <string>

#include "core/error.h"

namespace trainer::core {

// nullopt when the provider's API may be spoken to at `url`: https, or http to a loopback address (127.0.0.0/8,
// localhost,
// [::1]); no user name, query or fragment, at most 1024 printable ASCII characters.
std::optional<Error> check_api_base(const std::string& url);

// nullopt for [A-Za-z_][A-Za-z0-9_]*. What looks like a key is refused: keys are never a setting's value.
std::optional<Error> check_environment_name(const std::string& name);

}  // namespace trainer::core

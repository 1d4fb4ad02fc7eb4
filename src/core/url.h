// What a URL and the name of an environment variable may look like: checked when a setting is set.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/result.h"

namespace trainer::core {

// A URL that may be spoken to, in parts; views of the string that was read.
struct Url {
  bool is_secure = false;
  std::string_view origin;  // https://host:port, as it was written
  std::string_view host;    // in brackets where it is an IPv6 address
  std::string_view port;    // empty: the scheme's own
  std::string_view path;    // with the query; empty or begins with '/' or '?'
};

// https, or http to a loopback address (127.0.0.0/8, localhost, [::1]); a host of letters, digits, dots, dashes and
// underscores, or an address; no user name and no fragment, at most 1024 printable ASCII characters.
Result<Url> read_url(std::string_view url);

// nullopt when the provider's API may be spoken to at `url`: it can be read, and has no query.
std::optional<Error> check_api_base(const std::string& url);

// nullopt for [A-Za-z_][A-Za-z0-9_]*. What looks like a key is refused: keys are never a setting's value.
std::optional<Error> check_environment_name(const std::string& name);

}  // namespace trainer::core

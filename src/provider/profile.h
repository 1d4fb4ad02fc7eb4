// What makes one provider different from the next: data, not code. A service that speaks OpenAI's wire is one more row.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trainer::provider {

struct Profile {
  std::string name;
  std::string api_base;      // without a trailing slash, e.g. https://api.openai.com/v1
  std::string auth_header;   // "Authorization"
  std::string auth_prefix;   // "Bearer ", or empty (Azure: api-key without prefix)
  int max_suffix = 64;       // characters
  std::string ca_file = {};  // certificates that are trusted in place of the system's; empty: the system's
};

// The profile of that name with its default api_base; nullopt when there is none. "openai" is the first.
std::optional<Profile> find_profile(std::string_view name);

}  // namespace trainer::provider

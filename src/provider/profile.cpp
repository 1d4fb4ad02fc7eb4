// The providers that this version knows. Another service that speaks OpenAI's wire is another row here; what it does
// differently belongs into Profile as a field, where a second row gives the field its second value, and never into an
// `if` on the name.
#include "provider/profile.h"

namespace trainer::provider {

std::optional<Profile> find_profile(std::string_view name) {
  if (name == "openai") {
    return Profile{.name = "openai",
                   .api_base = "https://api.openai.com/v1",
                   .auth_header = "Authorization",
                   .auth_prefix = "Bearer ",
                   .max_suffix = 64};
  }
  return std::nullopt;
}

}  // namespace trainer::provider

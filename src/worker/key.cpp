#include "worker/key.h"

#include <cstdlib>

#include "core/api_key.h"

namespace trainer::worker {

core::Result<std::string> read_key(const pg::Settings& settings) {
  if (!settings.api_key_file.empty()) return core::read_key_file(settings.api_key_file);
  const char* value = settings.api_key_env.empty() ? nullptr : std::getenv(settings.api_key_env.c_str());
  if (value == nullptr) {
    return core::Error{core::Condition::invalid_argument, "no API key", "",
                       "Set trainer.api_key_file to a file that only the server's user can read."};
  }
  if (auto error = core::check_key(value)) return *error;
  return std::string(value);
}

provider::Profile profile_of(const pg::Settings& settings) {
  // The setting's check hook knows the same names.
  provider::Profile profile = provider::find_profile(settings.provider).value();
  if (!settings.api_base.empty()) profile.api_base = settings.api_base;
  profile.ca_file = settings.api_ca_file;
  while (profile.api_base.ends_with('/')) profile.api_base.pop_back();
  return profile;
}

provider::TransportLimits limits_of(const pg::Settings& settings) {
  provider::TransportLimits limits;
  limits.connect_timeout = settings.connect_timeout;
  limits.request_timeout = settings.request_timeout;
  limits.max_response_bytes = static_cast<std::size_t>(settings.max_response_kb) * 1024;
  limits.max_connections = settings.max_concurrent_requests;
  return limits;
}

}  // namespace trainer::worker

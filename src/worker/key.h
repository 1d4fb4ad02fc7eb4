// Where the provider is and with which key it is spoken to, from the settings.
#pragma once

#include <string>

#include "core/result.h"
#include "pg/settings.h"
#include "provider/profile.h"
#include "provider/transport.h"

namespace trainer::worker {

// The key from trainer.api_key_file, else from the environment variable that trainer.api_key_env names.
core::Result<std::string> read_key(const pg::Settings& settings);

provider::Profile profile_of(const pg::Settings& settings);
provider::TransportLimits limits_of(const pg::Settings& settings);

}  // namespace trainer::worker

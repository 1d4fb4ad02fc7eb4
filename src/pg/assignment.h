// Which arm of an experiment a reply is assigned to. core/stats/assignment.h has the rule; the server has the hash.
#pragma once

#include <string>
#include <string_view>

#include "core/stats/assignment.h"

namespace trainer::pg {

// What a unit is called in an experiment.
core::stats::Digest unit_digest(std::string_view experiment, std::string_view salt, std::string_view unit_type,
                                std::string_view unit_id);

// The unit as it is written down: a uuid of the digest's first half, so that no row of ours holds a user's name.
std::string unit_name(const core::stats::Digest& digest);

}  // namespace trainer::pg

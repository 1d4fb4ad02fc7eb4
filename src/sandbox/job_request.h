// The body of a job's creation, checked member by member.
#pragma once

#include <string>
#include <variant>

#include "sandbox/state.h"

namespace trainer::sandbox {

// What needs no look at the state: members, types, ranges. Whether model and files exist is create_job's to say.
std::variant<JobRequest, Reply> parse_job_request(const std::string& body);

}  // namespace trainer::sandbox

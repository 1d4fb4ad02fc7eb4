// What a session keeps of the catalogs, and of rows that tell when they change, is out of date after a change.
#pragma once

#include <cstdint>

namespace trainer::pg {

// How many changes this session has been told of since it first asked: DDL on any table and privileges of it, rows
// whose trigger is trainer_tell_sessions, the attributes and memberships of roles. Which one it was does not matter:
// such changes are rare.
std::uint64_t changes_told();

}  // namespace trainer::pg

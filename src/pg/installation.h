// The row of trainer_installation: which server this database belongs to, the worker's incarnation, and whether it is
// paused. Runs inside a transaction and an SPI connection of the caller's.
#pragma once

#include <cstdint>
#include <string>

namespace trainer::pg {

// The database that this process is connected to.
std::string current_database_name();

// The version of the extension's SQL objects in this database, or empty where there are none. The library's own is
// TRAINER_VERSION: between the installation of a new library and ALTER EXTENSION they differ.
std::string installed_version();
// How the two differ, or empty.
std::string version_problem(const std::string& installed);
// A Failure unless they are the same: the statements of a library are written for tables of its own version.
void require_own_version();

constexpr const char* kVersionHint =
    "Run ALTER EXTENSION trainer UPDATE; where the library is the older of the two, install the newer one and restart "
    "the server.";

struct Installation {
  std::int64_t epoch = 0;
  bool paused = false;
  std::string paused_reason;
};

// Begins a new incarnation. A database that was copied from elsewhere (another cluster, another database of this one,
// another instance name) is paused: two workers with the same outbox would spend the money twice.
Installation begin_incarnation(const std::string& instance_name);

// What the row says now. The epoch tells whether a younger worker has taken over.
Installation read_installation();

}  // namespace trainer::pg

// The row of trainer_installation: which server this database belongs to, the worker's incarnation, and whether it is
// paused. Runs inside a transaction and an SPI connection of the caller's.
#pragma once

#include <cstdint>
#include <string>

namespace trainer::pg {

bool extension_is_installed();
// The database that this process is connected to.
std::string current_database_name();
// The version that the catalog says is installed; the library's own is TRAINER_VERSION.
std::string installed_version();

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

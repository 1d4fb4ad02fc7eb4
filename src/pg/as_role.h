// Other rights than the process's own, for the life of an object.
#pragma once

#include <chrono>
#include <string>

#include "pg/guard.h"

extern "C" {
#include <miscadmin.h>
}

namespace trainer::pg {

// Runs what follows with the rights of `role`, and the settings that are made here, until the object ends; an error
// leaves both to the abort of the transaction. `context`: SECURITY_* of miscadmin.h.
class AsRole {
 public:
  AsRole(Oid role, int context);
  ~AsRole();
  AsRole(const AsRole&) = delete;
  AsRole& operator=(const AsRole&) = delete;

  void set(const char* name, const std::string& value);

 private:
  Oid saved_role_ = InvalidOid;
  int saved_context_ = 0;
  int nest_level_ = 0;
  int exceptions_;
};

// As the role that attached the app's tables, for one organization, in a restricted operation: none of the app's code
// runs with the worker's rights. `search_path`: trainer_role_search_path() of it.
class AsAttached : public AsRole {
 public:
  AsAttached(Oid role, const std::string& search_path, const std::string& organization_id);
};

// The server ends what runs for longer, as it does for a session's statement_timeout: the worker waits for it.
class StatementTimeout {
 public:
  explicit StatementTimeout(std::chrono::milliseconds timeout);
  ~StatementTimeout();
  StatementTimeout(const StatementTimeout&) = delete;
  StatementTimeout& operator=(const StatementTimeout&) = delete;
};

// Advisory locks that other code has taken for the session outlive its transaction, and its failure: none is ours.
void release_session_locks();

// Who owns a table of the extension.
Oid owner_of_extension_table(const char* name);

}  // namespace trainer::pg

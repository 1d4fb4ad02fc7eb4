#include "pg/as_role.h"

#include <exception>

#include "pg/spi.h"

extern "C" {
#include <storage/lock.h>
#include <utils/guc.h>
#include <utils/timeout.h>
}

namespace trainer::pg {

AsRole::AsRole(Oid role, int context) : exceptions_(std::uncaught_exceptions()) {
  GetUserIdAndSecContext(&saved_role_, &saved_context_);
  nest_level_ = guarded([] { return NewGUCNestLevel(); });
  SetUserIdAndSecContext(role, saved_context_ | context);
}

AsRole::~AsRole() {
  if (std::uncaught_exceptions() > exceptions_) return;
  AtEOXact_GUC(false, nest_level_);
  SetUserIdAndSecContext(saved_role_, saved_context_);
}

void AsRole::set(const char* name, const std::string& value) {
  const char* text = value.c_str();
  guarded([&] { set_config_option(name, text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false); });
}

namespace {

// What the worker's own statements are planned by does not fit the app's tables.
constexpr const char* kPlanSettings[] = {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"};

// What is deferred would be fired at the commit, with the worker's rights: in a restricted operation the server
// refuses.
Oid with_nothing_deferred(Oid role) {
  execute_once("SET CONSTRAINTS ALL IMMEDIATE");
  return role;
}

}  // namespace

AsAttached::AsAttached(Oid role, const std::string& search_path, const std::string& organization_id)
    : AsRole(with_nothing_deferred(role), SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION) {
  set("search_path", search_path);
  set("trainer.organization_id", organization_id);
  for (const char* name : kPlanSettings) set(name, "on");
  set("plan_cache_mode", "auto");
}

StatementTimeout::StatementTimeout(std::chrono::milliseconds timeout) {
  const int ms = static_cast<int>(timeout.count());
  guarded([&] { enable_timeout_after(STATEMENT_TIMEOUT, ms); });
}

StatementTimeout::~StatementTimeout() {
  disable_timeout(STATEMENT_TIMEOUT, false);
}

void release_session_locks() {
  guarded([] { LockReleaseAll(USER_LOCKMETHOD, true); });
}

Oid owner_of_extension_table(const char* name) {
  Rows row = execute_once(std::string("SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.") + name +
                          "'::pg_catalog.regclass");
  return static_cast<Oid>(row.bigint(0, 0));
}

}  // namespace trainer::pg

#include "pg/kept_statement.h"

#include <string>

extern "C" {
#include <utils/inval.h>
#include <utils/syscache.h>
}

namespace trainer::pg {
namespace {

std::uint64_t changes = 1;

void note_relation(Datum, Oid) {
  ++changes;
}

void note_role(Datum, int, uint32) {
  ++changes;
}

void listen_to_changes() {
  static bool listening = false;
  if (listening) return;
  guarded([] {
    CacheRegisterRelcacheCallback(note_relation, Datum{0});
    CacheRegisterSyscacheCallback(AUTHOID, note_role, Datum{0});
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_role, Datum{0});
  });
  listening = true;
}

// The same text comes again and again: after DDL that has nothing to do with it, and for other roles.
SPIPlanPtr kept_plan(const std::string& text, const Args& args) {
  static auto* plans = new std::map<std::string, SPIPlanPtr>;
  SPIPlanPtr& plan = (*plans)[text];
  if (plan == nullptr) plan = keep_plan(text, args);
  return plan;
}

}  // namespace

SPIPlanPtr KeptStatement::plan(const Args& args) {
  listen_to_changes();
  if (known_ == nullptr) known_ = new std::map<Oid, SPIPlanPtr>;
  if (known_as_of_ != changes) known_->clear();
  known_as_of_ = changes;
  const Oid role = GetUserId();
  auto known = known_->find(role);
  if (known != known_->end()) return known->second;
  const std::uint64_t before = changes;
  Rows rows = execute(source_);
  SPIPlanPtr plan = rows.empty() || rows.is_null(0, 0) ? nullptr : kept_plan(rows.text(0, 0), args);
  // What has changed meanwhile counts.
  if (changes == before) known_->emplace(role, plan);
  return plan;
}

std::optional<Rows> KeptStatement::run(Args args) {
  SPIPlanPtr kept = plan(args);
  if (kept == nullptr) return std::nullopt;
  return run_plan(kept, args);
}

}  // namespace trainer::pg

#include "pg/kept_statement.h"

#include <string>

#include "pg/changes.h"

namespace trainer::pg {
namespace {

// The same text comes again and again: after DDL that has nothing to do with it, and for other roles.
SPIPlanPtr kept_plan(const std::string& text, const Args& args) {
  static auto* plans = new std::map<std::string, SPIPlanPtr>;
  SPIPlanPtr& plan = (*plans)[text];
  if (plan == nullptr) plan = keep_plan(text, args);
  return plan;
}

}  // namespace

SPIPlanPtr KeptStatement::plan(const Args& args) {
  const std::uint64_t before = changes_told();
  if (known_ == nullptr) known_ = new std::map<Oid, SPIPlanPtr>;
  if (known_as_of_ != before) known_->clear();
  known_as_of_ = before;
  const Oid role = GetUserId();
  auto known = known_->find(role);
  if (known != known_->end()) return known->second;
  Rows rows = execute(source_);
  SPIPlanPtr plan = rows.empty() || rows.is_null(0, 0) ? nullptr : kept_plan(rows.text(0, 0), args);
  // What has changed meanwhile counts.
  if (changes_told() == before) known_->emplace(role, plan);
  return plan;
}

std::optional<Rows> KeptStatement::run(Args args) {
  SPIPlanPtr kept = plan(args);
  if (kept == nullptr) return std::nullopt;
  return run_plan(kept, args);
}

}  // namespace trainer::pg

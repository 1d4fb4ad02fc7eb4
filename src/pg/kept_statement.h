// Statements over the app's tables, which SQL functions of ours put together from the bindings.
#pragma once

#include <map>
#include <optional>

#include "pg/spi.h"

namespace trainer::pg {

// One of them: put together and planned once a role, and again after whatever may have changed it: DDL on any table and
// privileges of it, another binding (by the trigger of trainer_bindings), the attributes and memberships of roles.
class KeptStatement {
 public:
  // `source`: a query for the text, a literal with static storage.
  explicit constexpr KeptStatement(const char* source) : source_(source) {}

  // As the current role; nullopt where the query gives NULL. The arguments have the same types each time. Needs a
  // connection to SPI.
  std::optional<Rows> run(Args args);

 private:
  SPIPlanPtr plan(const Args& args);

  const char* source_;
  std::map<Oid, SPIPlanPtr>* known_ = nullptr;
  std::uint64_t known_as_of_ = 0;
};

}  // namespace trainer::pg

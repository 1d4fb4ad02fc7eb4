// The error that a user may see, as a value. Owns: the list of conditions; the SQLSTATE of each is pg's
// (src/pg/sqlstate.cpp).
#pragma once

#include <string>

namespace trainer::core {

enum class Condition {
  invalid_argument,            // the caller's value is out of its range
  not_found,                   // the row that was named does not exist
  wrong_state,                 // the row exists, and its state forbids the request
  insufficient_training_data,  // TR001
  training_job_failed,         // TR002
  model_deployment_failed,     // TR003
  plan_restriction,            // TR004
  cost_limit_exceeded,         // TR005
  training_not_available,      // TR006
  provider_unavailable,        // TR007
  not_attached,                // TR008
  limit_exceeded,              // the value is in its range, and too large to be worked on
};

struct Error {
  Condition condition;
  std::string message;          // Postgres style: lower case, no full stop
  std::string detail;           // full sentences, or empty
  std::string hint;             // full sentences, or empty
  std::string log_detail = {};  // what the server's log is told in the place of the detail; empty: the same
};

}  // namespace trainer::core

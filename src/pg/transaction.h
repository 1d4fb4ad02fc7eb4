// Transactions of the worker: one short one around a body, and what went wrong as a value. The only place where an SQL
// error ends.
#pragma once

#include <optional>
#include <string>

#include "pg/guard.h"
#include "pg/spi.h"

namespace trainer::pg {

void begin_transaction();
void commit_transaction();
// Never throws: an abort that fails ends the process (FATAL), as the server itself does.
void abort_transaction() noexcept;

// Runs body() in a transaction of its own with an SPI connection. nullopt, or the message of the error that undid it
// all.
template <class Body>
std::optional<std::string> in_transaction(Body body) {
  std::string problem;
  try {
    begin_transaction();
    {
      Spi spi;
      body();
    }
    commit_transaction();
    return std::nullopt;
  } catch (const std::exception& exception) {
    problem = exception.what();
  } catch (...) {
    problem = "an exception of unknown type was thrown";
  }
  abort_transaction();
  return problem;
}

}  // namespace trainer::pg

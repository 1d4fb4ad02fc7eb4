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

// What undid a transaction.
struct Problem {
  std::string message;
  int sqlstate = 0;  // the server's packed integer; 0 when it was no SQL error

  // Somebody held a lock, or was in the way at the same moment: worth another try soon.
  bool is_contention() const;
  bool is_unique_violation() const;
};

// Runs body() in a transaction of its own with an SPI connection. nullopt, or the error that undid it all.
template <class Body>
std::optional<Problem> in_transaction(Body body) {
  Problem problem;
  try {
    begin_transaction();
    {
      Spi spi;
      body();
    }
    commit_transaction();
    return std::nullopt;
  } catch (const Error& error) {
    problem = {error.what(), error.data() == nullptr ? 0 : error.data()->sqlerrcode};
  } catch (const std::exception& exception) {
    problem.message = exception.what();
  } catch (...) {
    problem.message = "an exception of unknown type was thrown";
  }
  abort_transaction();
  return problem;
}

}  // namespace trainer::pg

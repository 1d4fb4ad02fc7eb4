// SQL from C++: a connection, prepared statements and their rows. Owns every call of the SPI.
//
// Statements name our objects as @extschema@.x, like the install script does: the extension may live in any schema, and
// a search path is nothing to rely on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/guard.h"

namespace trainer::pg {

// A connection to SPI for the life of the object. Unwinding by an exception leaves it to the abort of the transaction.
class Spi {
 public:
  Spi();
  ~Spi();
  Spi(const Spi&) = delete;
  Spi& operator=(const Spi&) = delete;

 private:
  int exceptions_;
};

// The schema that the extension lives in, as a quoted identifier. Throws Failure when it is not installed in this
// database.
std::string extension_schema();

// Parameters of a statement, $1 first. Text is UTF-8 and is converted to the database's encoding.
class Args {
 public:
  Args& text(std::string_view value);
  Args& text_or_null(std::string_view value);              // empty is NULL
  Args& text_if(const std::optional<std::string>& value);  // nullopt is NULL
  Args& bigint(std::int64_t value);
  Args& bigint(std::optional<std::int64_t> value);
  Args& boolean(bool value);
  Args& number(std::optional<double> value);
  Args& texts(const std::vector<std::string>& values);           // text[]
  Args& texts_or_nulls(const std::vector<std::string>& values);  // text[], empty is NULL
  Args& datum(Oid type, Datum value, bool null = false);

  const std::vector<Oid>& types() const { return types_; }
  std::vector<Datum>& values() { return values_; }
  const char* nulls() const { return nulls_.c_str(); }
  int size() const { return static_cast<int>(types_.size()); }

 private:
  std::vector<Oid> types_;
  std::vector<Datum> values_;
  std::string nulls_;
};

// The rows of one statement. Valid until the Spi object ends.
class Rows {
 public:
  Rows(SPITupleTable* table, std::uint64_t count) : table_(table), count_(count) {}

  std::uint64_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Columns count from 0.
  bool is_null(std::uint64_t row, int column) const;
  std::string text(std::uint64_t row, int column) const;  // UTF-8; NULL is empty
  std::int64_t bigint(std::uint64_t row, int column, std::int64_t otherwise = 0) const;
  double number(std::uint64_t row, int column, double otherwise = 0) const;
  bool boolean(std::uint64_t row, int column) const;
  Datum datum(std::uint64_t row, int column, bool* null) const;

 private:
  struct Free {
    void operator()(char* value) const { pfree(value); }
  };
  // Freed at once: a loop over many rows must not fill the memory of the procedure.
  using Output = std::unique_ptr<char, Free>;
  Output output(std::uint64_t row, int column) const;
  SPITupleTable* table_;
  std::uint64_t count_;
};

enum class Snapshot {
  fresh,      // each statement sees what is committed by then
  statement,  // the snapshot of the calling statement; nothing may be written
};

// Runs a statement of a store file (a literal with static storage): prepared once a process, the plan is kept.
Rows execute(const char* statement, Args args = {}, Snapshot snapshot = Snapshot::fresh);

// Runs a statement that was put together at run time, e.g. over the app's tables.
Rows execute_once(const std::string& statement, Args args = {}, Snapshot snapshot = Snapshot::fresh);

// A plan that lives as long as the process, of a statement that needs no @extschema@; and its execution, as by
// Snapshot::fresh.
SPIPlanPtr keep_plan(const std::string& statement, const Args& args);
Rows run_plan(SPIPlanPtr plan, Args& args);

// Fills in @extschema@.
std::string qualified(std::string_view statement);

// Text of the server's encoding as UTF-8 (invalid bytes replaced), and back (what cannot be converted becomes '?').
std::string to_utf8(std::string_view server_text);
std::string to_utf8(const text* value);
text* to_text(std::string_view utf8);

}  // namespace trainer::pg

// Functions that misuse both gates on purpose, for the regression test "gates". In test builds only.
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "pg/spi.h"

namespace trainer::pg {
namespace {

int live = 0;
int unwound = 0;

// Has a destructor that a longjmp would skip.
class Witness {
 public:
  Witness() { ++live; }
  ~Witness() {
    --live;
    ++unwound;
  }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

 private:
  std::string owned_ = std::string(1000, 'x');
};

std::string text_argument(FunctionCallInfo fcinfo, int argument) {
  Datum value = PG_GETARG_DATUM(argument);
  const text* unpacked = guarded([&] { return DatumGetTextPP(value); });
  return to_utf8(unpacked);
}

void throw_out_of_memory() {
  volatile std::size_t size = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) - 4096;
  std::vector<char> too_much(size);
  too_much[size / 2] = 'x';
}

void throw_kind(const std::string& kind) {
  Witness witness;
  if (kind == "runtime_error") throw std::runtime_error("thrown on purpose: 100 %s");
  if (kind == "logic_error") throw std::logic_error("thrown on purpose");
  if (kind == "int") throw 42;
  if (kind == "bad_alloc") throw_out_of_memory();
  if (kind == "failure") {
    fail({core::Condition::not_attached, "failed on purpose: 100 %s", "This is the detail.", "This is the hint."});
  }
  if (kind == "long failure") {
    fail({core::Condition::wrong_state, std::string(5000, 'm'), std::string(5000, 'd'), std::string(5000, 'h')});
  }
  if (kind == "inside a guarded call") guarded([] { throw std::runtime_error("thrown through a guarded call"); });
}

std::string first_value(const std::string& sql) {
  Witness before;
  Spi spi;
  Witness after;
  Rows rows = execute_once(sql);
  return rows.empty() ? std::string() : rows.text(0, 0);
}

Datum as_datum(const std::string& value) {
  return PointerGetDatum(to_text(value));
}

}  // namespace
}  // namespace trainer::pg

// Throws what is named; returns when it is nothing known.
TRAINER_FUNCTION(trainer_test_throw) {
  trainer::pg::throw_kind(trainer::pg::text_argument(fcinfo, 0));
  PG_RETURN_VOID();
}

// Runs a statement and returns its first value.
TRAINER_FUNCTION(trainer_test_run) {
  return trainer::pg::as_datum(trainer::pg::first_value(trainer::pg::text_argument(fcinfo, 0)));
}

// Runs a statement that fails, and throws something else while its error is in flight.
TRAINER_FUNCTION(trainer_test_replace) {
  try {
    trainer::pg::first_value(trainer::pg::text_argument(fcinfo, 0));
  } catch (const trainer::pg::Error& error) {
    throw std::runtime_error(std::string("instead of: ") + error.what());
  }
  PG_RETURN_VOID();
}

// Never ends by itself.
TRAINER_FUNCTION(trainer_test_loop) {
  trainer::pg::Witness witness;
  while (true) trainer::pg::guarded([] { CHECK_FOR_INTERRUPTS(); });
}

// Objects with a destructor that are alive, and how many destructors have run.
TRAINER_FUNCTION(trainer_test_live) {
  PG_RETURN_INT32(trainer::pg::live);
}

TRAINER_FUNCTION(trainer_test_unwound) {
  PG_RETURN_INT32(trainer::pg::unwound);
}

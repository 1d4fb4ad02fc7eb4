// What core knows of tokens, for SQL. Both functions depend on their argument alone.
#include "core/dataset_parameters.h"
#include "pg/spi.h"

TRAINER_FUNCTION(trainer_max_example_tokens) {
  Datum value = PG_GETARG_DATUM(0);
  const text* model = trainer::pg::guarded([&] { return DatumGetTextPP(value); });
  PG_RETURN_INT64(trainer::core::max_example_tokens(trainer::pg::to_utf8(model)));
}

TRAINER_FUNCTION(trainer_estimated_tokens) {
  PG_RETURN_INT64(trainer::core::estimated_tokens(PG_GETARG_INT64(0)));
}

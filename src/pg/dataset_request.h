// The arguments of trainer_prepare_dataset(), checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/dataset_parameters.h"
#include "pg/spi.h"

namespace trainer::pg {

struct DatasetRequest {
  Datum organization;
  Datum name;
  bool has_name;
  Datum min_quality_score;  // numeric: the exact value is stored and compared
  double min_quality;
  std::string base_model;
  int epochs;
  Datum learning_rate_multiplier;
  double learning_rate;
  bool include_persona;
  bool include_platform_context;
  int max_examples;
  int min_examples;
  double validation_fraction;
  std::string method;
  std::int64_t seed;
  std::optional<std::int64_t> batch_size;
  std::string beta;       // a number; empty: the provider's choice
  std::string weight_by;  // rating; empty: nothing

  bool of_pairs() const { return method == core::kPreference; }
  bool by_rating() const { return !weight_by.empty(); }
};

// Throws Failure and pg::Error.
DatasetRequest read_dataset_request(FunctionCallInfo fcinfo);

}  // namespace trainer::pg

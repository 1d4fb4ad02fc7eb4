// Rows of training_examples on their way into the table: one INSERT for many, as arrays.
#pragma once

#include <optional>
#include <string_view>

#include "pg/cursor.h"

namespace trainer::pg {

class ExampleBatch {
 public:
  ExampleBatch(Datum dataset, Datum organization, bool of_pairs)
      : dataset_(dataset), organization_(organization), of_pairs_(of_pairs) {}

  // Of pairs alone: non_preferred, the JSON of the other reply.
  void add(std::optional<Datum> response_id, Datum comment_id, bool validates, std::string_view messages,
           std::string_view non_preferred);
  void flush();

 private:
  static constexpr std::size_t kRows = 1000;

  Datum array(Datum* values, bool* nulls, Oid type, int length, bool by_value, char alignment);

  Datum dataset_;
  Datum organization_;
  bool of_pairs_;
  BatchMemory memory_;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t inserted_ = 0;
  Datum responses_[kRows];
  bool no_response_[kRows];
  Datum comments_[kRows];
  Datum validates_[kRows];
  Datum messages_[kRows];
  Datum non_preferred_[kRows];
};

}  // namespace trainer::pg

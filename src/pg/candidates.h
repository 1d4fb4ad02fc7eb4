// What a dataset may be made of, read from the app's tables, newest first: responses, or pairs of replies.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pg/cursor.h"

extern "C" {
#include <utils/uuid.h>
}

namespace trainer::pg {

// The statements over the app's tables, written by trainer_dataset_statements() and trainer_pair_statements(). Throw
// pg::Error with TR008 when those are not bound or no longer fit.
struct DatasetStatements {
  std::string organization;
  std::string persona;  // empty: none is bound
  std::string candidates;
  std::string more_candidates;  // empty: the first page has them all
  std::string found;            // where they come from, in numbers
};
DatasetStatements dataset_statements(bool with_ratings);
DatasetStatements pair_statements();

// A reply and its comment. The texts are UTF-8, the ids the 16 bytes of a uuid.
struct CandidateRow {
  std::optional<Datum> response_id;  // none: a variant that nobody posted
  Datum comment_id;
  bool has_texts;
  std::string_view comment;
  std::string_view platform;
  std::string_view reply;
  std::optional<double> mean_rating;
  std::optional<std::string_view> non_preferred;  // of pairs
  bool is_variant;                                // of pairs: else it was edited
};

class Candidates {
 public:
  Candidates(const DatasetStatements& statements, Datum organization, Datum min_quality_score)
      : statements_(statements), organization_(organization), min_quality_score_(min_quality_score) {}

  // The next one; nullopt when there are no more. `wanted`: how many more the caller hopes to need, so that the planner
  // chooses for about that many. What a row views is valid until the next call.
  std::optional<CandidateRow> next(long wanted);

 private:
  bool open_page(long wanted);
  bool fetch_batch();
  CandidateRow read(HeapTuple tuple);

  const DatasetStatements& statements_;
  Datum organization_;
  Datum min_quality_score_;

  std::optional<Cursor> page_;
  long page_limit_ = 0;
  long page_rows_ = 0;  // seen of this page

  SPITupleTable* batch_ = nullptr;
  std::uint64_t batch_size_ = 0;
  std::uint64_t batch_at_ = 0;

  // Where the last page ended. created_at is of the app's own type, passed by value.
  Oid created_at_type_ = InvalidOid;
  Datum last_created_at_ = 0;
  pg_uuid_t last_id_{};

  BatchMemory memory_;
  std::size_t memory_used_ = 0;
};

}  // namespace trainer::pg

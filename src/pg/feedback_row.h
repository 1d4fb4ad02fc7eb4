// A row of model_feedback while a trigger makes it.
#pragma once

#include <optional>
#include <string_view>

#include "pg/guard.h"

extern "C" {
#include <utils/rel.h>
}

namespace trainer::pg {

// The columns that are read or filled in.
enum FeedbackColumn {
  kOrganization,
  kModel,
  kResponse,
  kType,
  kOriginal,
  kEdited,
  kRating,
  kQuality,
  kTone,
  kHumor,
  kEditDistance,
  kCreated,
  kTransaction,
  kFeedbackColumns
};

class FeedbackRow {
 public:
  // What it is made of lives in the memory context that is current now, and as long as the tuple.
  FeedbackRow(Relation table, HeapTuple tuple);

  Oid schema() const { return RelationGetNamespace(table_); }
  std::optional<Datum> get(FeedbackColumn column) const;
  bool is_type(std::string_view type) const;
  bool has_same(FeedbackColumn column, const FeedbackRow& other) const;
  void set(FeedbackColumn column, std::optional<Datum> value);

  // An error (check_violation, with the column's name) when a value is out of its range. This is what CHECK constraints
  // are for, but a statement reads and plans the text of each of them anew: docs/performance.md tells what that takes.
  void require_values() const;

  // The tuple that was given where nothing has been set to another value.
  HeapTuple tuple() const;

 private:
  bool is(int at, std::optional<Datum> value) const;
  [[noreturn]] void refuse(FeedbackColumn column, const char* message, const char* hint) const;

  Relation table_;
  HeapTuple tuple_;
  Datum* values_ = nullptr;
  bool* nulls_ = nullptr;
  bool is_changed_ = false;
};

}  // namespace trainer::pg

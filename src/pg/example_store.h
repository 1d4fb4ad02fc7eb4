// The accepted examples between the first look at a response and the insertion of all: which of them validate is known
// only when all are in. Held by a tuplestore, so that any number of them takes work_mem and goes on in temporary files.
#pragma once

#include <optional>
#include <string_view>

#include "pg/cursor.h"

extern "C" {
#include <executor/tuptable.h>
#include <utils/tuplestore.h>
}

namespace trainer::pg {

struct StoredExample {
  std::optional<Datum> response_id;
  Datum comment_id;
  std::string_view comment;  // UTF-8, as everything here
  std::string_view platform;
  std::string_view reply;
  std::string_view non_preferred;  // empty: it is no pair
};

class ExampleStore {
 public:
  ExampleStore();
  ~ExampleStore();
  ExampleStore(const ExampleStore&) = delete;
  ExampleStore& operator=(const ExampleStore&) = delete;

  void put(const StoredExample& example);
  // In the order of put(); nullopt at the end. Valid until the next call.
  std::optional<StoredExample> next();

 private:
  TupleDesc description_ = nullptr;
  Tuplestorestate* tuples_ = nullptr;
  TupleTableSlot* slot_ = nullptr;
  BatchMemory memory_;
  int exceptions_;
};

}  // namespace trainer::pg

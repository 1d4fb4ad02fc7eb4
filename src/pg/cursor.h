// A big result, read in batches: nothing of a batch outlives the next one.
#pragma once

#include <string>

#include "pg/spi.h"

namespace trainer::pg {

// Memory that is emptied between batches. What is allocated inside a guarded call while the object is current is gone
// at the next empty(). Unwinding by an exception leaves the context to the abort of the transaction.
class BatchMemory {
 public:
  BatchMemory();
  ~BatchMemory();
  BatchMemory(const BatchMemory&) = delete;
  BatchMemory& operator=(const BatchMemory&) = delete;

  void empty();
  MemoryContext context() const { return context_; }

 private:
  MemoryContext context_;
  int exceptions_;
};

// A statement that reads, under the snapshot of the calling statement.
class Cursor {
 public:
  Cursor(const std::string& statement, Args args);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // The next rows, none at the end. The batch before is gone.
  SPITupleTable* fetch(long most, std::uint64_t& count);

 private:
  Portal portal_ = nullptr;
  SPITupleTable* batch_ = nullptr;
  int exceptions_;
};

}  // namespace trainer::pg

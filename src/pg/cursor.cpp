#include "pg/cursor.h"

#include <exception>
#include <stdexcept>

namespace trainer::pg {

BatchMemory::BatchMemory() : exceptions_(std::uncaught_exceptions()) {
  context_ =
      guarded([] { return AllocSetContextCreate(CurrentMemoryContext, "trainer batch", ALLOCSET_DEFAULT_SIZES); });
}

BatchMemory::~BatchMemory() {
  if (std::uncaught_exceptions() == exceptions_) MemoryContextDelete(context_);
}

void BatchMemory::empty() {
  MemoryContextReset(context_);
}

Cursor::Cursor(const std::string& statement, Args args) : exceptions_(std::uncaught_exceptions()) {
  const std::string sql = qualified(statement);
  const char* source = sql.c_str();
  const char* nulls = args.nulls();
  Datum* values = args.values().data();
  Oid* types = const_cast<Oid*>(args.types().data());
  int count = args.size();
  portal_ = guarded([&]() -> Portal {
    // With its parameters known, the plan is made for this very limit.
    return SPI_cursor_open_with_args(nullptr, source, count, types, values, nulls, true, CURSOR_OPT_NO_SCROLL);
  });
  if (portal_ == nullptr) throw std::runtime_error("could not open a cursor");
}

Cursor::~Cursor() {
  if (std::uncaught_exceptions() != exceptions_) return;
  SPI_freetuptable(batch_);
  SPI_cursor_close(portal_);
}

SPITupleTable* Cursor::fetch(long most, std::uint64_t& count) {
  SPITupleTable* old = batch_;
  Portal portal = portal_;
  batch_ = nullptr;
  batch_ = guarded([&] {
    SPI_freetuptable(old);
    SPI_cursor_fetch(portal, true, most);
    return SPI_tuptable;
  });
  count = SPI_processed;
  return batch_;
}

}  // namespace trainer::pg

#include "pg/guard.h"

#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "pg/sqlstate.h"

namespace trainer::pg {

// The copy has a memory context of its own, under TopMemoryContext: an abort of the transaction while the exception is
// in flight must not take it away.
struct Error::Copy {
  MemoryContext context = nullptr;
  ErrorData* data = nullptr;

  Copy() = default;
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() {
    if (context != nullptr) MemoryContextDelete(context);
  }
};

Error Error::take(MemoryContext caller) {
  // Made before anything that may throw: the server's error stack must be emptied whatever happens.
  MemoryContext context = AllocSetContextCreate(TopMemoryContext, "trainer error", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(context);
  ErrorData* data = CopyErrorData();
  FlushErrorState();
  MemoryContextSwitchTo(caller);

  std::shared_ptr<Copy> copy;
  try {
    copy = std::make_shared<Copy>();
  } catch (...) {
    MemoryContextDelete(context);
    throw;
  }
  copy->context = context;
  copy->data = data;
  return Error(std::move(copy));
}

const char* Error::what() const noexcept {
  return copy_->data != nullptr && copy_->data->message != nullptr ? copy_->data->message : "SQL error";
}

const ErrorData* Error::data() const noexcept {
  return copy_->data;
}

ErrorData* Error::release_to(MemoryContext heir) const noexcept {
  if (copy_->context == nullptr) return nullptr;
  MemoryContextSetParent(copy_->context, heir);
  copy_->context = nullptr;
  return std::exchange(copy_->data, nullptr);
}

namespace detail {
namespace {

template <std::size_t N>
void copy_text(char (&to)[N], const char* from) noexcept {
  // Cut at a character's beginning, or the client would be sent half of one.
  std::size_t n = std::strlen(from);
  if (n >= N) n = static_cast<std::size_t>(pg_mbcliplen(from, static_cast<int>(n), static_cast<int>(N) - 1));
  std::memcpy(to, from, n);
  to[n] = '\0';
}

}  // namespace

void Report::capture() noexcept {
  server_error = nullptr;
  sqlstate = ERRCODE_INTERNAL_ERROR;
  message[0] = detail[0] = hint[0] = log_detail[0] = '\0';
  try {
    throw;
  } catch (const Error& error) {
    server_error = error.release_to(CurrentMemoryContext);
    if (server_error == nullptr) copy_text(message, "an SQL error was reported twice");
  } catch (const Failure& failure) {
    sqlstate = sqlstate_of(failure.error().condition);
    copy_text(message, failure.error().message.c_str());
    copy_text(detail, failure.error().detail.c_str());
    copy_text(hint, failure.error().hint.c_str());
    copy_text(log_detail, failure.error().log_detail.c_str());
  } catch (const std::bad_alloc&) {
    sqlstate = ERRCODE_OUT_OF_MEMORY;
    copy_text(message, "out of memory");
  } catch (const std::exception& exception) {
    copy_text(message, "internal error in trainer");
    copy_text(detail, exception.what());
  } catch (...) {
    copy_text(message, "internal error in trainer");
    copy_text(detail, "An exception of unknown type was thrown.");
  }
}

void Report::raise() const {
  if (server_error != nullptr) ReThrowError(server_error);
  ereport(ERROR,
          (errcode(sqlstate), errmsg_internal("%s", message), detail[0] != '\0' ? errdetail_internal("%s", detail) : 0,
           log_detail[0] != '\0' ? errdetail_log("%s", log_detail) : 0, hint[0] != '\0' ? errhint("%s", hint) : 0));
  pg_unreachable();
}

}  // namespace detail
}  // namespace trainer::pg

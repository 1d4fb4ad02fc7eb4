// The two gates between C++ and the server. Owns: every crossing of an error from one world into the other.
//
//   guarded(lambda)       C++ calls the server. An SQL error (a longjmp) becomes the C++ exception pg::Error.
//   entry(fcinfo, fn)     The server calls C++. Any C++ exception becomes an SQL error, raised from a frame without
//   destructors.
//
// Without the first, an SQL error skips destructors; without the second, an exception reaches C frames and
// std::terminate takes the whole cluster down. After a pg::Error the transaction is dead: code that catches one may
// only clean up and let it go on, except the worker, which aborts the transaction.
#pragma once

#include <csetjmp>
#include <exception>
#include <memory>
#include <type_traits>

#include "core/error.h"
#include "core/result.h"
#include "pg/postgres.h"

namespace trainer::pg {

// An SQL error in flight through C++. Owns a copy of the whole ErrorData, so that it arrives unchanged on the other
// side.
class Error : public std::exception {
 public:
  // Takes the error that the server has just thrown off its stack. May be called once per longjmp, before anything
  // else.
  static Error take(MemoryContext caller);

  const char* what() const noexcept override;
  const ErrorData* data() const noexcept;

  // Hands the copy over to `heir`: it lives as long as that context, and no longer with this object.
  ErrorData* release_to(MemoryContext heir) const noexcept;

 private:
  struct Copy;
  explicit Error(std::shared_ptr<Copy> copy) : copy_(std::move(copy)) {}
  std::shared_ptr<Copy> copy_;
};

// An error of ours on its way to the user: thrown by the code of SQL functions, reported by entry() with its SQLSTATE.
class Failure : public std::exception {
 public:
  explicit Failure(core::Error error) : error_(std::move(error)) {}
  const char* what() const noexcept override { return error_.message.c_str(); }
  const core::Error& error() const noexcept { return error_; }

 private:
  core::Error error_;
};

[[noreturn]] inline void fail(core::Error error) {
  throw Failure(std::move(error));
}

// The value, where there is one.
template <class T>
T value_or_fail(core::Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result).value();
}

namespace detail {

// Puts back what a longjmp, or an exception that passes, would leave dangling.
class SavedState {
 public:
  SavedState() : stack_(PG_exception_stack), callbacks_(error_context_stack), memory_(CurrentMemoryContext) {}
  ~SavedState() { restore(); }
  SavedState(const SavedState&) = delete;
  SavedState& operator=(const SavedState&) = delete;
  void restore() {
    PG_exception_stack = stack_;
    error_context_stack = callbacks_;
  }
  MemoryContext memory() const { return memory_; }

 private:
  sigjmp_buf* stack_;
  ErrorContextCallback* callbacks_;
  MemoryContext memory_;
};

struct Nothing {};

// What entry() carries out of the catch block: trivial, so that the longjmp that follows skips no destructor.
struct Report {
  ErrorData* server_error;  // or null: then the texts below
  int sqlstate;
  char message[1024];
  char detail[2048];
  char hint[1024];
  char log_detail[2048];

  void capture() noexcept;          // in a catch block: describes the current exception
  [[noreturn]] void raise() const;  // outside of it
};
static_assert(std::is_trivially_destructible_v<Report>);

}  // namespace detail

// Calls the server. `body` may longjmp, so everything that it owns must be trivially destructible: capture by
// reference, let Datums and pointers out. Throws pg::Error.
template <class Body>
std::invoke_result_t<Body&> guarded(Body body) {
  using R = std::invoke_result_t<Body&>;
  static_assert(std::is_trivially_destructible_v<Body>, "a longjmp would skip the destructor of what the lambda owns");
  static_assert(std::is_void_v<R> || std::is_trivially_destructible_v<R>, "let plain values out of a guarded call");

  detail::SavedState saved;
  sigjmp_buf jump;
  [[maybe_unused]] std::conditional_t<std::is_void_v<R>, detail::Nothing, std::remove_cv_t<R>> result{};
  if (sigsetjmp(jump, 0) == 0) {
    PG_exception_stack = &jump;
    if constexpr (std::is_void_v<R>) {
      body();
      return;
    } else {
      result = body();
      return result;
    }
  }
  saved.restore();
  throw Error::take(saved.memory());
}

// The body of an extern "C" function. Runs fn and returns its Datum; whatever fn throws is reported as an SQL error.
template <class Fn>
Datum entry(FunctionCallInfo fcinfo, Fn fn) {
  static_assert(std::is_trivially_destructible_v<Fn>);
  detail::Report report;
  try {
    return fn(fcinfo);
  } catch (...) {
    report.capture();
  }
  report.raise();
}

// entry() for hooks and callbacks that take no fcinfo and return nothing.
template <class Fn>
void entry_void(Fn fn) {
  static_assert(std::is_trivially_destructible_v<Fn>);
  detail::Report report;
  try {
    fn();
    return;
  } catch (...) {
    report.capture();
  }
  report.raise();
}

}  // namespace trainer::pg

// Declares and defines an SQL-callable C++ function: TRAINER_FUNCTION(trainer_x) { ... return Datum; }
#define TRAINER_FUNCTION(fname)                         \
  static Datum fname##_body(FunctionCallInfo fcinfo);   \
  extern "C" {                                          \
  PG_FUNCTION_INFO_V1(fname);                           \
  Datum fname(PG_FUNCTION_ARGS) {                       \
    return ::trainer::pg::entry(fcinfo, &fname##_body); \
  }                                                     \
  }                                                     \
  static Datum fname##_body([[maybe_unused]] FunctionCallInfo fcinfo)

// SQL functions that look at the worker from a session, or speak to the provider from one.
#include <iterator>
#include <string>

#include "core/job.h"
#include "pg/feedback.h"
#include "pg/guard.h"
#include "pg/installation.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "provider/call.h"
#include "worker/session_calls.h"
#include "worker/shared.h"

extern "C" {
#include <access/htup_details.h>
#include <utils/timestamp.h>
}

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// A person waits for the answer.
constexpr milliseconds kProbeTimeout{10000};

std::string failure_text(const core::Failure& failure) {
  std::string text = failure.http_status == 0 ? "no answer" : "status " + std::to_string(failure.http_status);
  if (!failure.code.empty()) text += ", " + failure.code;
  return failure.message.empty() ? text : text + ": " + failure.message;
}

// What is wrong with the provider, or empty.
std::string probe() {
  pg::Settings settings = pg::current_settings();
  auto call = provider::make_probe();
  auto result = call_provider(*call, CallKind::other, settings, kProbeTimeout);
  if (!result.ok()) return result.error().message + (result.error().detail.empty() ? "" : ": " + result.error().detail);
  const core::Outcome& outcome = result.value();
  return outcome.delivery == core::Delivery::ok ? std::string() : failure_text(outcome.failure);
}

}  // namespace
}  // namespace trainer::worker

namespace pg = trainer::pg;
namespace core = trainer::core;
namespace worker = trainer::worker;

TRAINER_FUNCTION(trainer_wake_worker) {
  worker::wake_worker_at_commit();
  bool somebody = false;
  if (worker::shared() != nullptr) {
    worker::with_lock(LW_SHARED, [&](worker::Shared& s) {
      somebody = worker::find_slot(MyDatabaseId) != nullptr || (s.launcher != nullptr && !s.shortage);
    });
  }
  PG_RETURN_BOOL(somebody);
}

TRAINER_FUNCTION(trainer_complete_feedback) {
  TriggerData* data = pg::trigger_data(fcinfo);
  HeapTuple completed = pg::complete_feedback(data);
  worker::tell_of_feedback_at_commit();
  return PointerGetDatum(completed);
}

TRAINER_FUNCTION(trainer_progress_bar) {
  double fraction = PG_GETARG_FLOAT8(0);
  int width = PG_GETARG_INT32(1);
  if (width < 1 || width > 200) {
    pg::fail({core::Condition::invalid_argument, "invalid width of a progress bar", "A bar has 1 to 200 cells.", ""});
  }
  PG_RETURN_TEXT_P(pg::to_text(core::progress_bar(fraction, width)));
}

TRAINER_FUNCTION(trainer_worker_slot) {
  worker::Slot slot = {};
  bool launcher = false;
  if (worker::shared() != nullptr) {
    worker::with_lock(LW_SHARED, [&](worker::Shared& s) {
      launcher = s.launcher != nullptr;
      const worker::Slot* found = worker::find_slot(MyDatabaseId);
      if (found != nullptr && found->state == worker::SlotState::running) slot = *found;
    });
  }
  bool running = slot.pid != 0;
  text* error = slot.error[0] == '\0' ? nullptr : pg::to_text(slot.error);
  Datum values[] = {BoolGetDatum(worker::shared() != nullptr),
                    BoolGetDatum(launcher),
                    Int32GetDatum(slot.pid),
                    TimestampTzGetDatum(slot.heartbeat),
                    Int32GetDatum(slot.in_flight),
                    TimestampTzGetDatum(slot.answered_at),
                    PointerGetDatum(error),
                    TimestampTzGetDatum(slot.error_at)};
  bool nulls[] = {
      false, false, !running, !running, !running, slot.answered_at == 0, error == nullptr, slot.error_at == 0};
  return pg::guarded([&] {
    TupleDesc description;
    if (get_call_result_type(fcinfo, nullptr, &description) != TYPEFUNC_COMPOSITE)
      elog(ERROR, "return type must be a row type");
    // Declared by the SQL of another version, of which nobody knows here.
    if (description->natts != static_cast<int>(std::size(values))) {
      ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                      errmsg("the extension and its library are of different versions"),
                      errdetail("The library is version %s.", TRAINER_VERSION), errhint("%s", pg::kVersionHint)));
    }
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

TRAINER_FUNCTION(trainer_library_version) {
  PG_RETURN_TEXT_P(pg::to_text(TRAINER_VERSION));
}

TRAINER_FUNCTION(trainer_probe_provider) {
  std::string problem = worker::probe();
  if (problem.empty()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(pg::to_text(problem));
}

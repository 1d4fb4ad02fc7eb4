// SQL functions that look at the worker from a session, or speak to the provider from one.
#include <algorithm>
#include <memory>
#include <string>
#include <variant>

#include "core/job.h"
#include "pg/guard.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "provider/call.h"
#include "provider/transport.h"
#include "worker/key.h"
#include "worker/process.h"
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
  auto key = read_key(settings);
  if (!key.ok()) return key.error().message + (key.error().detail.empty() ? "" : ": " + key.error().detail);
  provider::TransportLimits limits = limits_of(settings);
  limits.request_timeout = std::min(limits.request_timeout, kProbeTimeout);
  provider::Transport transport(profile_of(settings), std::move(key).value(), limits);
  std::unique_ptr<provider::Call> call = provider::make_probe();
  provider::Step step = call->start();
  while (auto* request = std::get_if<provider::HttpRequest>(&step)) {
    transport.start(1, std::move(*request));
    std::vector<provider::Finished> finished;
    while (transport.run(), (finished = transport.take_finished()).empty()) wait(transport.timeout(), transport.fd());
    step = call->advance(finished.front().reply);
  }
  const auto& outcome = std::get<core::Outcome>(step);
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
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

TRAINER_FUNCTION(trainer_probe_provider) {
  std::string problem = worker::probe();
  if (problem.empty()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(pg::to_text(problem));
}

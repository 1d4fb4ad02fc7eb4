// Calls to the provider from a session, one at a time, over a connection that is kept for the next one.
#pragma once

#include <chrono>
#include <memory>

#include "core/operation.h"
#include "core/result.h"
#include "pg/settings.h"
#include "provider/call.h"
#include "worker/counters.h"

namespace trainer::worker {

// Carries the call out, which may take `longest` for each of its requests. Handles interrupts meanwhile: a cancel comes
// out as pg::Error, and what was under way is dropped. The key is the one that is in its file now; a core::Error when
// there is none.
core::Result<core::Outcome> call_provider(provider::Call& call, CallKind kind, const pg::Settings& settings,
                                          std::chrono::milliseconds longest);

#ifdef TRAINER_TEST
// In the session of a test that has recorded answers: the next of them, instead of the provider's. Throws where none is
// left.
bool has_test_answers();
provider::HttpReply take_test_answer(provider::HttpRequest request);
#endif

}  // namespace trainer::worker

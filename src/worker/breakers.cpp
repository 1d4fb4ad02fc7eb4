#include "worker/breakers.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "pg/guard.h"
#include "worker/shared.h"

extern "C" {
#include <utils/timestamp.h>
}

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

std::int64_t now_ms() {
  return GetCurrentTimestamp() / 1000;
}

BreakerSlot* find(BreakerSlot* slots, const std::string& model) {
  auto* found = std::find_if(slots, slots + kBreakerSlots, [&](const BreakerSlot& slot) {
    return slot.database == MyDatabaseId && model == slot.model;
  });
  return found == slots + kBreakerSlots ? nullptr : found;
}

// Only models that have failed have a slot. When all are taken, the one that failed the longest ago gives way.
BreakerSlot* find_or_take(BreakerSlot* slots, const std::string& model) {
  if (BreakerSlot* slot = find(slots, model)) return slot;
  auto* slot = std::min_element(slots, slots + kBreakerSlots, [](const BreakerSlot& a, const BreakerSlot& b) {
    return (OidIsValid(a.database) ? a.breaker.retry_at : 0) < (OidIsValid(b.database) ? b.breaker.retry_at : 0);
  });
  *slot = {};
  slot->database = MyDatabaseId;
  strlcpy(slot->model, model.c_str(), sizeof(slot->model));
  return slot;
}

template <class Body>
void with_breakers(LWLockMode mode, Body body) {
  static BreakerSlot own[kBreakerSlots];
  if (shared() == nullptr) return body(own);
  with_lock(mode, [&](Shared& s) { body(s.breakers); });
}

void note_answer_of(const std::string& model) {
  bool has_failed = false;
  with_breakers(LW_SHARED, [&](BreakerSlot* slots) { has_failed = find(slots, model) != nullptr; });
  if (!has_failed) return;
  with_breakers(LW_EXCLUSIVE, [&](BreakerSlot* slots) {
    if (BreakerSlot* slot = find(slots, model)) *slot = {};
  });
}

void note_failure_of(const std::string& model, milliseconds cooldown, const std::string& reason) {
  bool opened = false;
  const std::int64_t now = now_ms();
  with_breakers(LW_EXCLUSIVE, [&](BreakerSlot* slots) {
    opened = core::note_failure(find_or_take(slots, model)->breaker, now, cooldown.count());
  });
  if (!opened) return;
  const char* id = model.c_str();
  const char* why = reason.c_str();
  pg::guarded([&] { ereport(LOG, (errmsg("trainer passes over model %s for a while: %s", id, why))); });
}

}  // namespace

bool may_ask_model(const std::string& model, milliseconds cooldown) {
  bool may = true;
  const std::int64_t now = now_ms();
  // Nearly always there is nothing to change, and sessions need not wait for each other.
  bool is_open = false;
  with_breakers(LW_SHARED, [&](BreakerSlot* slots) {
    const BreakerSlot* slot = find(slots, model);
    is_open = slot != nullptr && slot->breaker.is_open();
  });
  if (!is_open) return true;
  with_breakers(LW_EXCLUSIVE, [&](BreakerSlot* slots) {
    BreakerSlot* slot = find(slots, model);
    may = slot == nullptr || core::may_ask(slot->breaker, now, cooldown.count());
  });
  return may;
}

void note_attempt(const std::string& model, bool is_model_fault, milliseconds cooldown, const core::Outcome& outcome) {
  if (model.empty()) return;
  if (outcome.delivery == core::Delivery::ok) note_answer_of(model);
  if (is_model_fault) note_failure_of(model, cooldown, core::reason_of(outcome));
}

}  // namespace trainer::worker

#include "worker/counters.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <string_view>

#include "pg/datums.h"
#include "worker/shared.h"

extern "C" {
#include <utils/timestamp.h>
}

namespace trainer::worker {
namespace {

using std::chrono::steady_clock;

static_assert(std::size(kLatencyBounds) + 1 == kLatencyBuckets);

constexpr const char* kKindNames[kCallKinds] = {"upload", "create_job", "poll_job", "reply", "other"};
constexpr const char* kResultNames[kRequestResults] = {"ok",       "refused",   "rate_limited", "server_error",
                                                       "not_sent", "no_answer", "cancelled"};
constexpr core::Rung kAllRungs[kRungs] = {core::Rung::fine_tuned, core::Rung::exemplar, core::Rung::base};

constexpr double kMicro = 1e6;

// Every counter, whatever it counts.
template <class Body>
void for_each(Counters& counters, Body body) {
  static_assert(sizeof(Counters) % sizeof(pg_atomic_uint64) == 0);
  auto* first = reinterpret_cast<pg_atomic_uint64*>(&counters);
  std::for_each(first, first + sizeof(Counters) / sizeof(pg_atomic_uint64), body);
}

CounterSlot* find(Shared& s) {
  auto* found = std::find_if(std::begin(s.counters), std::end(s.counters),
                             [](const CounterSlot& slot) { return slot.database == MyDatabaseId; });
  return found == std::end(s.counters) ? nullptr : found;
}

CounterSlot& find_or_take(Shared& s) {
  if (CounterSlot* slot = find(s)) return *slot;
  auto* slot = std::min_element(std::begin(s.counters), std::end(s.counters), [](CounterSlot& a, CounterSlot& b) {
    return pg_atomic_read_u64(&a.used_at) < pg_atomic_read_u64(&b.used_at);
  });
  slot->database = MyDatabaseId;
  for_each(slot->counters, [](pg_atomic_uint64& counter) { pg_atomic_write_u64(&counter, 0); });
  return *slot;
}

// Nearly always the database has its slot, and nobody waits for anybody.
template <class Body>
void count(Body body) {
  if (shared() == nullptr) return;
  const auto now = static_cast<uint64>(GetCurrentTimestamp());
  auto add = [&](CounterSlot& slot) {
    body(slot.counters);
    pg_atomic_write_u64(&slot.used_at, now);
  };
  bool found = false;
  with_lock(LW_SHARED, [&](Shared& s) {
    if (CounterSlot* slot = find(s)) {
      found = true;
      add(*slot);
    }
  });
  if (!found) with_lock(LW_EXCLUSIVE, [&](Shared& s) { add(find_or_take(s)); });
}

RequestResult result_of(const provider::HttpReply& reply) {
  using End = provider::HttpReply::End;
  if (reply.end == End::not_sent) return RequestResult::not_sent;
  if (reply.end == End::broken) return RequestResult::no_answer;
  if (reply.status / 100 == 2) return RequestResult::ok;
  if (reply.status == 429) return RequestResult::rate_limited;
  return reply.status / 100 == 4 ? RequestResult::refused : RequestResult::server_error;
}

void count_request(CallKind kind, RequestResult result, steady_clock::duration took) {
  const auto us = static_cast<uint64>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  const double seconds = static_cast<double>(us) / kMicro;
  const int k = static_cast<int>(kind);
  const auto bucket = std::lower_bound(std::begin(kLatencyBounds), std::end(kLatencyBounds), seconds) - kLatencyBounds;
  count([&](Counters& c) {
    pg_atomic_fetch_add_u64(&c.requests[k][static_cast<int>(result)], 1);
    pg_atomic_fetch_add_u64(&c.latencies[k][bucket], 1);
    pg_atomic_fetch_add_u64(&c.latency_us[k], static_cast<int64>(us));
  });
}

// The counters as numbers, of one moment as nearly as no lock makes them. Zeros where nothing was counted yet.
struct Numbers {
  uint64 all[sizeof(Counters) / sizeof(pg_atomic_uint64)] = {};
};

Numbers read_numbers() {
  Numbers numbers;
  with_lock(LW_SHARED, [&](Shared& s) {
    CounterSlot* slot = find(s);
    if (slot == nullptr) return;
    uint64* next = numbers.all;
    for_each(slot->counters, [&](pg_atomic_uint64& counter) { *next++ = pg_atomic_read_u64(&counter); });
  });
  return numbers;
}

// In the order of the members of Counters.
class Rows {
 public:
  explicit Rows(const Numbers& numbers) : next_(numbers.all) {}

  void add_requests() {
    for (const char* kind : kKindNames) {
      for (const char* result : kResultNames) {
        add("trainer_provider_requests_total", "", labels(kind, "result", result), take());
      }
    }
  }

  void add_latencies() {
    constexpr const char* kFamily = "trainer_provider_request_duration_seconds";
    for (const char* kind : kKindNames) {
      double sum = 0;
      for (double bound : kLatencyBounds) add(kFamily, "_bucket", labels(kind, "le", text(bound)), sum += take());
      add(kFamily, "_bucket", labels(kind, "le", "+Inf"), sum += take());
      add(kFamily, "_count", label("kind", kind), sum);
    }
    for (const char* kind : kKindNames) add(kFamily, "_sum", label("kind", kind), take() / kMicro);
  }

  void add_others() {
    for (const char* kind : kKindNames) add("trainer_provider_retries_total", "", label("kind", kind), take());
    for (core::Rung rung : kAllRungs) {
      for (const char* is_fallback : {"false", "true"}) {
        add("trainer_generations_total", "",
            label("rung", std::string(core::name(rung))) + ',' + label("fallback", is_fallback), take());
      }
    }
    add("trainer_cost_cents_total", "", label("activity", "inference"), take() / kMicro);
  }

  std::string json() && { return "[" + json_ + "]"; }

 private:
  double take() { return static_cast<double>(*next_++); }

  static std::string text(double value) {
    char digits[40];
    std::snprintf(digits, sizeof(digits), "%.15g", value);
    return digits;
  }

  // Names are ours: nothing in them is to be escaped.
  static std::string label(const std::string& name, const std::string& value) {
    return '"' + name + "\":\"" + value + '"';
  }
  static std::string labels(const char* kind, const char* name, const std::string& value) {
    return label("kind", kind) + ',' + label(name, value);
  }

  void add(const char* family, const char* suffix, const std::string& of, double value) {
    if (!json_.empty()) json_ += ',';
    json_ += '{' + label("family", family) + ',' + label("suffix", suffix) + ",\"labels\":{" + of +
             "},\"value\":" + text(value) + '}';
  }

  const uint64* next_;
  std::string json_;
};

}  // namespace

CallKind call_kind(core::OperationKind kind) {
  switch (kind) {
    case core::OperationKind::upload_training_file:
    case core::OperationKind::upload_validation_file:
      return CallKind::upload;
    case core::OperationKind::create_job:
      return CallKind::create_job;
    case core::OperationKind::poll_job:
      return CallKind::poll_job;
    default:
      return CallKind::other;
  }
}

void init_counters(CounterSlot* slots) {
  std::for_each(slots, slots + kCounterSlots, [](CounterSlot& slot) {
    pg_atomic_init_u64(&slot.used_at, 0);
    for_each(slot.counters, [](pg_atomic_uint64& counter) { pg_atomic_init_u64(&counter, 0); });
  });
}

void count_request(CallKind kind, const provider::HttpReply& reply, steady_clock::duration took) {
  count_request(kind, result_of(reply), took);
}

void count_cancelled_request(CallKind kind, steady_clock::duration took) {
  count_request(kind, RequestResult::cancelled, took);
}

void count_retry(CallKind kind) {
  count([&](Counters& c) { pg_atomic_fetch_add_u64(&c.retries[static_cast<int>(kind)], 1); });
}

void count_generation(core::Rung rung, bool is_fallback, double cost_cents) {
  const auto index = std::find(std::begin(kAllRungs), std::end(kAllRungs), rung) - kAllRungs;
  count([&](Counters& c) {
    pg_atomic_fetch_add_u64(&c.generations[index][is_fallback ? 1 : 0], 1);
    pg_atomic_fetch_add_u64(&c.microcents, std::llround(cost_cents * kMicro));
  });
}

std::string counters_json() {
  if (shared() == nullptr) return "[]";
  const Numbers numbers = read_numbers();
  Rows rows(numbers);
  rows.add_requests();
  rows.add_latencies();
  rows.add_others();
  return std::move(rows).json();
}

}  // namespace trainer::worker

TRAINER_FUNCTION(trainer_process_counters) {
  return trainer::pg::jsonb_of(trainer::worker::counters_json());
}

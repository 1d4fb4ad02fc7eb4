// What the processes of a database have done since the server started: requests to the provider, by what came of them
// and how long they took, and replies. Counted in shared memory, where the library is preloaded; of a database that is
// dropped, or not heard of for long while others are, the counts begin again at zero.
#pragma once

#include <chrono>
#include <string>

#include "core/operation.h"
#include "core/serving.h"
#include "pg/postgres.h"
#include "provider/http.h"

extern "C" {
#include <port/atomics.h>
}

namespace trainer::worker {

// What a request is for; few, since each is a label of many series.
enum class CallKind { upload, create_job, poll_job, reply, other };
constexpr int kCallKinds = 5;
CallKind call_kind(core::OperationKind kind);

// What came of a request.
enum class RequestResult {
  ok,            // 2xx
  refused,       // 4xx, but for
  rate_limited,  // 429
  server_error,  // 5xx, and whatever else no provider should say
  not_sent,      // no connection
  no_answer,     // a timeout, a connection that broke, an answer that is too large
  cancelled,     // by whoever waited for it
};
constexpr int kRequestResults = 7;

// Upper bounds of the latency histogram, in seconds; above the last one, infinity.
constexpr double kLatencyBounds[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
constexpr int kLatencyBuckets = 13;

constexpr int kRungs = 3;

struct Counters {
  pg_atomic_uint64 requests[kCallKinds][kRequestResults];
  pg_atomic_uint64 latencies[kCallKinds][kLatencyBuckets];  // each bucket by itself
  pg_atomic_uint64 latency_us[kCallKinds];
  pg_atomic_uint64 retries[kCallKinds];
  pg_atomic_uint64 generations[kRungs][2];  // of the best rung, of one below it
  pg_atomic_uint64 microcents;
};

struct CounterSlot {
  Oid database;              // InvalidOid: free
  pg_atomic_uint64 used_at;  // when something was last counted
  Counters counters;
};
// Of more databases than these, the one that was used the longest ago gives way.
constexpr int kCounterSlots = 64;

void init_counters(CounterSlot* slots);

// A request that took so long, the wait for a free connection included.
void count_request(CallKind kind, const provider::HttpReply& reply, std::chrono::steady_clock::duration took);
void count_cancelled_request(CallKind kind, std::chrono::steady_clock::duration took);
// What has failed is, or will be, tried again.
void count_retry(CallKind kind);
// A reply that was paid for, what was held back included; 0 cents when its cost is not known.
// is_fallback: a better rung was there, and did not answer.
void count_generation(core::Rung rung, bool is_fallback, double cost_cents);

// The rows that trainer_measure() has of them, as a JSON array of {family, suffix, labels, value}; empty where nothing
// is counted.
std::string counters_json();

}  // namespace trainer::worker

// The store of the outbox: claims operations and records what became of them. Every function runs inside a transaction
// and an SPI connection of the caller's. How an operation lives is told in docs/architecture.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/decide.h"
#include "core/operation.h"

namespace trainer::pg {

struct ClaimLimits {
  std::int64_t epoch = 0;                     // this worker's incarnation
  int count = 0;                              // operations at the most
  std::chrono::milliseconds lease{};          // until a claimed operation may be claimed again
  std::chrono::milliseconds poll_interval{};  // until a polled one is due again
};

// Claims due operations, fairly between organizations: each in its turn gets an equal share of `count`. `cursor` holds
// the organization that was served last, across calls.
std::vector<core::Work> claim_operations(const ClaimLimits& limits, std::string& cursor);

// What one call came to, ready to be recorded.
struct Recorded {
  core::Work work;
  core::Outcome outcome;
  core::Decision decision;
};

// Records a set of outcomes: operation, model, metrics, events and the operations that follow change together. An
// outcome whose operation has been claimed anew, or ended, in the meantime is dropped.
void record_outcomes(const std::vector<const Recorded*>& outcomes);

// An error, at once, while somebody holds a lock on one of the tables that outcomes are recorded in.
void require_unlocked_tables();

// The operation could not be recorded, or not even begun, because of an error of ours: it waits, and shows why.
void postpone_operation(const core::Operation& operation, bool was_sent, const std::string& error,
                        std::chrono::milliseconds wait);

// Makes what an earlier incarnation of the worker left claimed due at once.
void take_over_operations(std::int64_t epoch);

// There is a new key: what waits because the old one was refused is due at once.
void release_refused_operations();

// How long until an operation is due; nullopt when there is none.
std::optional<std::chrono::milliseconds> until_next_operation();

// Operations that wait or are under way.
std::int64_t count_due_operations();

}  // namespace trainer::pg

#include "worker/gate.h"

#include <algorithm>

namespace trainer::worker {
namespace {

// Behind a rate limit so many calls are under way at a time, until some have been answered.
constexpr int kFewCalls = 4;
// Nobody gains from a gate that stays shut for long: one request is a fine way to ask again.
constexpr std::chrono::milliseconds kLongestShut{60000};

}  // namespace

void Gate::note(const core::Outcome& outcome) {
  if (outcome.delivery == core::Delivery::ok) {
    if (limit_ < kUnlimited && ++answered_ >= limit_) {
      ++limit_;
      answered_ = 0;
    }
    return;
  }
  const core::Failure& failure = outcome.failure;
  // A quota, or a limit of jobs a day, asks for longer than a gate is shut: those hold up their own operation alone.
  const bool is_rate = failure.http_status == 429 && failure.retry_after && *failure.retry_after <= kLongestShut;
  const bool is_key = failure.http_status == 401 && failure.retry_after;
  if (outcome.delivery == core::Delivery::retry_later && (is_rate || is_key)) {
    opens_ = std::max(opens_, Clock::now() + std::min(*failure.retry_after, kLongestShut));
    if (is_rate) {
      limit_ = kFewCalls;
      answered_ = 0;
    }
  }
  if (failure.http_status == 401) key_is_refused_ = true;
}

}  // namespace trainer::worker

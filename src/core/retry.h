// How long to wait before something is tried again.
#pragma once

#include <chrono>
#include <functional>

namespace trainer::core {

// Uniform in [0, 1). Injected, so that tests know what comes.
using Random = std::function<double()>;

constexpr std::chrono::milliseconds kFirstBackoff = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kLongestBackoff = std::chrono::minutes(10);

// The wait after attempt number `attempt` failed (the first is 1): kFirstBackoff, doubled with each attempt up to
// kLongestBackoff, times a random factor in [0.5, 1], so that what failed together does not come back together.
std::chrono::milliseconds backoff(int attempt, const Random& random);

// The interval, 10 % longer or shorter: keeps regular polls from falling into step. Never negative.
std::chrono::milliseconds jittered(std::chrono::milliseconds interval, const Random& random);

}  // namespace trainer::core

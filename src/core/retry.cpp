#include "core/retry.h"

#include <algorithm>

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

// A source that errs must not make a wait negative or endless.
double unit(const Random& random) {
  const double value = random();
  return value >= 0 ? std::min(value, 1.0) : 0.0;
}

milliseconds scaled(milliseconds wait, double factor) {
  return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(wait.count()) * factor));
}

}  // namespace

milliseconds backoff(int attempt, const Random& random) {
  milliseconds wait = kFirstBackoff;
  for (int i = 1; i < attempt && wait < kLongestBackoff; ++i) wait *= 2;
  return scaled(std::min(wait, kLongestBackoff), 0.5 + 0.5 * unit(random));
}

milliseconds jittered(milliseconds interval, const Random& random) {
  return scaled(std::max(interval, milliseconds(0)), 0.9 + 0.2 * unit(random));
}

}  // namespace trainer::core

// What tests of stats share: the digest that a caller brings, and streams that are the same everywhere.
#pragma once

#include <openssl/sha.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "core/stats/assignment.h"
#include "core/stats/betting.h"

namespace trainer::core::stats {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

inline Digest sha256(std::string_view message) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data());
  return digest;
}

inline std::int32_t bucket_of(std::string_view experiment, std::string_view salt, std::string_view unit) {
  return bucket(sha256(assignment_message({"default", experiment, salt, "user", unit})));
}

// The fractional part of (i + 1) x `step`: even, and without a generator.
inline double weyl(int i, double step = 0.6180339887498949) {
  const double x = (i + 1) * step;
  return x - std::floor(x);
}

// Units of which arm 1 is better by `effect`.
inline std::vector<Observation> observations(int n, double effect) {
  std::vector<Observation> units;
  for (int i = 0; i < n; ++i) {
    const bool is_arm1 = weyl(i) < 0.5;
    const double y = weyl(i, 0.7548776662466927) < 0.6 + (is_arm1 ? effect : 0) ? 1 : 0;
    units.push_back({is_arm1, y, 0.5});
  }
  return units;
}

}  // namespace trainer::core::stats

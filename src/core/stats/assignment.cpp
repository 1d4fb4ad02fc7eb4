#include "core/stats/assignment.h"

#include <numeric>

#include "core/stats/check.h"

namespace trainer::core::stats {
namespace {

void append(std::string& message, std::string_view field) {
  const std::size_t length = field.size();
  for (int shift = 24; shift >= 0; shift -= 8) message += static_cast<char>(length >> shift & 0xff);
  message += field;
}

// Products of 64 bits need the 128 that the language does not name.
__extension__ using Uint128 = unsigned __int128;

}  // namespace

std::string assignment_message(const AssignmentKey& key) {
  std::string message;
  append(message, kAssignmentTag);
  for (const std::string_view field : {key.name_space, key.experiment, key.salt, key.unit_type, key.unit_id}) {
    append(message, field);
  }
  return message;
}

std::string namespace_message(std::string_view name_space, std::string_view unit_type, std::string_view unit_id) {
  const std::string experiment = "ns:" + std::string(name_space);
  return assignment_message({name_space, experiment, "0", unit_type, unit_id});
}

std::uint64_t leading_word(const Digest& digest) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; ++i) word = word << 8 | digest[i];
  return word;
}

std::int32_t bucket(const Digest& digest) {
  return static_cast<std::int32_t>(static_cast<Uint128>(leading_word(digest)) * kBuckets >> 64);
}

std::optional<Error> check_weights(std::span<const std::int32_t> weights) {
  for (const std::int32_t weight : weights) {
    if (weight < 0) return invalid("a weight", "be 0 or more");
  }
  if (std::accumulate(weights.begin(), weights.end(), std::int64_t{0}) != kBuckets) {
    return invalid("the sum of the weights", "be 1000000 parts per million");
  }
  return std::nullopt;
}

std::optional<int> arm(std::int32_t bucket, std::span<const std::int32_t> weights, std::int32_t coverage) {
  std::int64_t start = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t size = std::int64_t{weights[i]} * coverage / kBuckets;
    if (bucket >= start && bucket < start + size) return static_cast<int>(i);
    start += weights[i];
  }
  return std::nullopt;
}

CanaryArm canary_arm(std::int32_t bucket, std::int32_t share) {
  if (bucket < share) return CanaryArm::canary;
  return bucket >= kBuckets - share ? CanaryArm::control : CanaryArm::outside;
}

}  // namespace trainer::core::stats

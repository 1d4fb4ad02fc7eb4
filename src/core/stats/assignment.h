// Which arm a unit belongs to: a function of what it is called, the same in every version, process and language. The
// hash is SHA-256 over fields with their lengths, so that no two lists of fields make the same message; whoever calls
// brings the digest, for Postgres has one. All shares are whole parts per million, and no float is involved.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace trainer::core::stats {

constexpr std::int32_t kBuckets = 1000000;

// The first field of every message, so that no other use of the hash falls in step with this one.
constexpr std::string_view kAssignmentTag = "ftx-assign-v1";

struct AssignmentKey {
  std::string_view name_space;  // experiments in one may exclude each other
  std::string_view experiment;
  std::string_view salt;       // the version of the experiment, as decimal text
  std::string_view unit_type;  // "comment" or "user"
  std::string_view unit_id;
};
// What is hashed: for the tag and each field, four bytes of its length, the highest first, and its bytes.
std::string assignment_message(const AssignmentKey& key);
// The message of a unit's bucket in its namespace, of which experiments own disjoint ranges.
std::string namespace_message(std::string_view name_space, std::string_view unit_type, std::string_view unit_id);

// SHA-256 of a message.
using Digest = std::array<std::uint8_t, 32>;
// The first eight bytes, the highest first.
std::uint64_t leading_word(const Digest& digest);
// In [0, kBuckets): floor(leading_word * kBuckets / 2^64), uniform to within 1e-13.
std::int32_t bucket(const Digest& digest);

// Parts per million that sum to kBuckets, one an arm. Errors: a negative one, another sum, none.
std::optional<Error> check_weights(std::span<const std::int32_t> weights);
// The arm whose range holds the bucket, or nullopt for a unit outside of the experiment. The ranges begin where the
// weights alone put them and grow with the coverage, so that nobody changes arms when it is raised. Preconditions:
// check_weights() finds nothing, bucket in [0, kBuckets), coverage in [0, kBuckets].
std::optional<int> arm(std::int32_t bucket, std::span<const std::int32_t> weights, std::int32_t coverage = kBuckets);

// A canary of `share` parts per million, and a control of the same size at the other end of the buckets: concurrent,
// and nobody crosses from one to the other while the share grows to a half.
enum class CanaryArm { canary, control, outside };
constexpr std::int32_t kMostCanaryShare = kBuckets / 2;
// Precondition: share in [0, kMostCanaryShare].
CanaryArm canary_arm(std::int32_t bucket, std::int32_t share);

}  // namespace trainer::core::stats

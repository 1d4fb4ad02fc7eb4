// Seeded randomness that is the same on every machine: xoshiro256++ (Blackman and Vigna, public domain), and values by
// tables of quantiles, which are as fast as a coin.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/hash.h"
#include "core/stats/special.h"

namespace simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = trainer::core::mix64(seed += 0x9e3779b97f4a7c15u);
  }

  std::uint64_t word() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // In [0, 1).
  double uniform() { return static_cast<double>(word() >> 11) * 0x1p-53; }
  bool coin(double p) { return uniform() < p; }

 private:
  std::array<std::uint64_t, 4> state_;
};

// A distribution as the quantiles at the middles of equal parts.
class Table {
 public:
  template <class Quantile>
  explicit Table(const Quantile& quantile) {
    for (std::size_t i = 0; i < kParts; ++i) values_.push_back(quantile((static_cast<double>(i) + 0.5) / kParts));
  }
  double draw(Random& random) const { return values_[random.word() >> (64 - kBits)]; }

  // Scores like Beta(6, 2), of another mean.
  static Table quality(double mean) {
    return Table([&](double p) { return trainer::core::stats::beta_quantile(p, 8 * mean, 8 * (1 - mean)); });
  }
  static Table normal(double mean, double sd) {
    return Table([&](double p) { return mean + sd * trainer::core::stats::normal_quantile(p); });
  }

 private:
  static constexpr int kBits = 14;
  static constexpr std::size_t kParts = std::size_t{1} << kBits;
  std::vector<double> values_;
};

// Values of one arm: 0 and 1, or of a table.
class Values {
 public:
  static Values bernoulli(double p) { return Values(p, nullptr); }
  static Values of(const Table& table) { return Values(0, &table); }
  double draw(Random& random) const { return table_ ? table_->draw(random) : random.coin(p_) ? 1 : 0; }

 private:
  Values(double p, const Table* table) : p_(p), table_(table) {}
  double p_;
  const Table* table_;
};

}  // namespace simulation

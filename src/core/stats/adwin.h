// ADWIN2 (Bifet and Gavalda, SDM 2007): a window over a stream that drops its older part where its mean differs from
// the newer one's. Here it estimates the mean after a change; it alarms later than the e-detector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace trainer::core::stats {

struct AdwinSettings {
  double delta = 0.002;     // the level of each test
  std::int64_t clock = 32;  // values between tests
  std::size_t buckets = 5;  // of each size
  double least = 5;         // values on each side of a cut
  std::int64_t grace = 10;  // values before the first test
};

class Adwin {
 public:
  // Preconditions: delta in (0, 1), all others 1 or more.
  explicit Adwin(const AdwinSettings& settings = {}) : settings_(settings), rows_(1) {}

  // True when the older part was dropped. Precondition: x is finite.
  bool add(double x);

  std::int64_t width() const { return width_; }
  double total() const { return total_; }
  double sum_of_squared_deviations() const { return m2_; }
  double mean() const { return width_ == 0 ? 0 : total_ / static_cast<double>(width_); }

 private:
  struct Bucket {
    double total = 0;
    double m2 = 0;
  };

  void compress();
  bool cut() const;
  bool differs(double n0, double n1, double apart) const;
  void drop_oldest();

  AdwinSettings settings_;
  std::vector<std::deque<Bucket>> rows_;  // buckets of 2^row values, the oldest first
  std::int64_t width_ = 0;
  double total_ = 0;
  double m2_ = 0;
  std::int64_t ticks_ = 0;
};

}  // namespace trainer::core::stats

#include "core/stats/adwin.h"

#include <cmath>

namespace trainer::core::stats {
namespace {

double size_of(std::size_t row) {
  return std::ldexp(1.0, static_cast<int>(row));
}

// What joining two samples adds to their squared deviations.
double between(double n0, double mean0, double n1, double mean1) {
  return n0 * n1 * (mean0 - mean1) * (mean0 - mean1) / (n0 + n1);
}

}  // namespace

bool Adwin::add(double x) {
  rows_[0].push_back({x, 0});
  const auto before = static_cast<double>(width_);
  if (width_ > 0) m2_ += between(before, total_ / before, 1, x);
  ++width_;
  total_ += x;
  compress();
  ++ticks_;
  if (ticks_ % settings_.clock != 0 || width_ <= settings_.grace) return false;
  bool has_changed = false;
  while (cut()) {
    has_changed = true;
    drop_oldest();
  }
  return has_changed;
}

void Adwin::compress() {
  for (std::size_t row = 0; row < rows_.size() && rows_[row].size() > settings_.buckets; ++row) {
    if (row + 1 == rows_.size()) rows_.emplace_back();
    const Bucket first = rows_[row][0];
    const Bucket second = rows_[row][1];
    rows_[row].erase(rows_[row].begin(), rows_[row].begin() + 2);
    const double n = size_of(row);
    rows_[row + 1].push_back(
        {first.total + second.total, first.m2 + second.m2 + between(n, first.total / n, n, second.total / n)});
  }
}

// Every cut is tried, from the oldest bucket on, but for the one behind the newest.
bool Adwin::cut() const {
  double n0 = 0;
  double total0 = 0;
  for (std::size_t row = rows_.size(); row-- > 0;) {
    for (std::size_t i = 0; i < rows_[row].size(); ++i) {
      if (row == 0 && i + 1 == rows_[row].size()) return false;
      n0 += size_of(row);
      total0 += rows_[row][i].total;
      const double n1 = static_cast<double>(width_) - n0;
      if (n0 < settings_.least || n1 < settings_.least) continue;
      if (differs(n0, n1, total0 / n0 - (total_ - total0) / n1)) return true;
    }
  }
  return false;
}

bool Adwin::differs(double n0, double n1, double apart) const {
  const auto width = static_cast<double>(width_);
  const double level = std::log(2 * std::log(width) / settings_.delta);
  const double inverse = 1 / (n0 - settings_.least + 1) + 1 / (n1 - settings_.least + 1);
  const double epsilon = std::sqrt(2 * inverse * m2_ / width * level) + 2.0 / 3 * level * inverse;
  return std::fabs(apart) > epsilon;
}

void Adwin::drop_oldest() {
  const std::size_t row = rows_.size() - 1;
  const Bucket oldest = rows_[row].front();
  const double n = size_of(row);
  width_ -= static_cast<std::int64_t>(n);
  total_ -= oldest.total;
  const auto left = static_cast<double>(width_);
  m2_ -= oldest.m2 + between(n, oldest.total / n, left, total_ / left);
  rows_[row].pop_front();
  if (rows_[row].empty() && row > 0) rows_.pop_back();
}

}  // namespace trainer::core::stats

#include "core/plot_axis.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace trainer::core {
namespace {

using std::chrono::days;
using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr double kDay = 86400;

// 1, 2 or 5 times a power of ten, not less than the value.
double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= least * (1 - 1e-9)) return digit * power;
  }
  return 10 * power;
}

std::string grouped(std::string digits) {
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = point; at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string number_label(double value, double step, std::string_view unit) {
  char digits[64];
  const int decimals = static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  if (decimals > 6) {
    std::snprintf(digits, sizeof digits, "%.3g", value);
  } else {
    std::snprintf(digits, sizeof digits, "%.*f", std::max(decimals, 0), value);
  }
  return grouped(digits) + std::string(unit);
}

Range with_extent(Range range) {
  const double least = std::max({std::fabs(range.low), std::fabs(range.high), 1e-3}) * 1e-6;
  if (range.high - range.low >= least) return range;
  const double middle = range.low + (range.high - range.low) / 2;
  const double half = std::max(std::fabs(middle) * 0.1, 1e-3);
  return {middle - half, middle + half};
}

const char* name_of(std::chrono::month month) {
  static constexpr std::array<const char*, 12> kNames{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return kNames[static_cast<unsigned>(month) - 1];
}

enum class Style { hour, day, month };

std::string time_label(double at, Style style) {
  const double whole_days = std::floor(at / kDay);
  const year_month_day date{sys_days{days{static_cast<int>(whole_days)}}};
  char text[32];
  if (style == Style::hour) {
    const int minutes = static_cast<int>(std::lround((at - whole_days * kDay) / 60));
    std::snprintf(text, sizeof text, "%02d:%02d", minutes / 60, minutes % 60);
  } else if (style == Style::day) {
    std::snprintf(text, sizeof text, "%u %s", static_cast<unsigned>(date.day()), name_of(date.month()));
  } else {
    std::snprintf(text, sizeof text, "%s %d", name_of(date.month()), static_cast<int>(date.year()));
  }
  return text;
}

// A week begins on Monday; the first day of 1970 was a Thursday.
std::vector<Tick> ticks_each(Range range, double step) {
  const double offset = step >= 7 * kDay ? -3 * kDay : 0;
  std::vector<Tick> ticks;
  for (double at = std::ceil((range.low - offset) / step) * step + offset; at <= range.high; at += step)
    ticks.push_back({at, time_label(at, step < kDay ? Style::hour : Style::day)});
  return ticks;
}

std::vector<Tick> ticks_each_months(Range range, int step) {
  const year_month_day first{sys_days{days{static_cast<int>(std::floor(range.low / kDay))}}};
  const unsigned month = (static_cast<unsigned>(first.month()) - 1) / static_cast<unsigned>(std::min(step, 12)) *
                         static_cast<unsigned>(std::min(step, 12));
  std::vector<Tick> ticks;
  for (year_month_day date{first.year(), std::chrono::month{month + 1}, std::chrono::day{1}};; date += months{step}) {
    const double at = static_cast<double>(sys_days{date}.time_since_epoch().count()) * kDay;
    if (at > range.high) return ticks;
    if (at >= range.low) ticks.push_back({at, time_label(at, Style::month)});
  }
}

}  // namespace

bool is_plotted(double value) {
  return std::fabs(value) <= kMostPlotted;
}

Axis number_axis(Range range, int most, bool is_fixed, std::string_view unit) {
  range = with_extent(range);
  const double step = round_step((range.high - range.low) / std::max(most, 1));
  if (!is_fixed) range = {std::floor(range.low / step + 1e-9) * step, std::ceil(range.high / step - 1e-9) * step};
  Axis axis{range, {}};
  const double first = std::ceil(range.low / step - 1e-9);
  for (double n = first; n * step <= range.high + step * 1e-9; ++n) {
    const double value = n == 0 ? 0 : n * step;  // no -0
    axis.ticks.push_back({std::clamp(value, range.low, range.high), number_label(value, step, unit)});
  }
  return axis;
}

Axis time_axis(Range range, int most) {
  if (range.high - range.low < 60) range = {range.low - 43200, range.high + 43200};
  constexpr double kFirst = -70 * 365.25 * kDay;
  constexpr double kLast = 230 * 365.25 * kDay;
  if (range.low < kFirst || range.high > kLast) return {range, {}};
  const double least = (range.high - range.low) / std::max(most, 1);
  for (const double hours : {1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 168.0, 336.0, 504.0}) {
    if (hours * 3600 >= least) return {range, ticks_each(range, hours * 3600)};
  }
  for (const int step : {1, 3, 6, 12, 24, 60, 120, 240}) {
    if (step * 31 * kDay >= least) return {range, ticks_each_months(range, step)};
  }
  return {range, ticks_each_months(range, 600)};
}

}  // namespace trainer::core

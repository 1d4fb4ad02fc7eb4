// Axes: from values to a range that holds them, and to ticks at round numbers and at the beginnings of days, weeks and
// months. Plain numbers; a time is seconds since 1970 in UTC.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trainer::core {

struct Range {
  double low = 0;
  double high = 1;
};

struct Tick {
  double value = 0;
  std::string label;
};

struct Axis {
  Range range;
  std::vector<Tick> ticks;  // within the range, in their order
};

// What is greater than this, or no number, is not drawn: differences of what is smaller are exact enough.
constexpr double kMostPlotted = 1e15;
bool is_plotted(double value);

// Round numbers (1, 2 or 5 times a power of ten), about `most` of them. The range grows to the next ticks, unless it is
// fixed. Precondition: is_plotted() of both ends. A range without extent is given some.
Axis number_axis(Range range, int most, bool is_fixed, std::string_view unit);
// Of 1900 to 2200: beyond, there are no ticks.
Axis time_axis(Range range, int most);

}  // namespace trainer::core

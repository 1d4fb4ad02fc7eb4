// Plots as SVG, for pages without scripts: lines, values with intervals, stacked bars, and rules that mark a moment.
// Colours are the page's, by the classes s1 to s6; what tells one series from another without colours, dashes and the
// shapes of points, is drawn here. All output is ASCII and well-formed.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/plot_axis.h"

namespace trainer::core {

struct PlotPoint {
  double x = 0;
  double y = 0;
  double low = std::numeric_limits<double>::quiet_NaN();  // of an interval, with high
  double high = std::numeric_limits<double>::quiet_NaN();
};

enum class Mark {
  line,
  interval,  // points with their intervals, joined by a line
  bar,       // one on the other where the x are the same; what is below 0 has no height
  rule,      // upright, with the name of the series at its head; not in the key
};
std::optional<Mark> mark_from(std::string_view name);

struct PlotSeries {
  std::string name;
  Mark mark = Mark::line;
  std::vector<PlotPoint> points;  // by x
};

struct Plot {
  std::string title;        // for who does not see it
  std::string description;  // what there is to see, in words
  std::string unit;         // after each number of the y axis
  bool is_time = false;     // x is seconds since 1970
  std::optional<Range> x_range;
  std::optional<Range> y_range;  // what lies beyond is drawn at its edge
  std::vector<PlotSeries> series;
};

// In a view box of width x height: at least 200 x 120. Points that are not plotted (plot_axis.h) are left out, and of a
// long line those that nobody would see; so are rules that would stand on each other.
std::string svg_of(const Plot& plot, double width, double height, std::string_view css_class);

// What belongs to which series, as a list; nothing where there is one series only.
std::string key_of(const Plot& plot);

// A value with its interval on a line from `range.low` to `range.high`, with a mark at `reference`: beside a number in
// a row. Nothing where one of them is not plotted.
std::string svg_strip(const PlotPoint& value, Range range, double reference, std::string_view title);

}  // namespace trainer::core

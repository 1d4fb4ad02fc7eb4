#include "core/plot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "core/markup.h"

namespace trainer::core {
namespace {

constexpr double kCharacter = 7.4;  // the widest that a character of 12 px is on average
constexpr std::size_t kMostPoints = 240;
constexpr double kRuleGap = 6;  // pixels: of rules that are nearer to each other one is drawn

constexpr std::array<const char*, 6> kDashes{"", "6 3", "2 3", "8 3 2 3", "12 3", "4 2"};

// With a decimal at most: a tenth of a pixel.
void append_number(std::string& out, double value) {
  char digits[32];
  const double tenths = std::round(value * 10) / 10 + 0.0;
  const auto end = std::to_chars(digits, digits + sizeof digits, tenths, std::chars_format::fixed, 1);
  std::string_view text(digits, static_cast<std::size_t>(end.ptr - digits));
  if (text.ends_with(".0")) text.remove_suffix(2);
  out += text;
}

void append_attribute(std::string& out, std::string_view name, double value) {
  out.append(" ").append(name).append("=\"");
  append_number(out, value);
  out += '"';
}

std::string dash_of(std::size_t series) {
  const std::string_view dash = kDashes[series % kDashes.size()];
  return dash.empty() ? "" : " stroke-dasharray=\"" + std::string(dash) + "\"";
}

std::string class_of(std::size_t series) {
  return "s" + std::to_string(series % kDashes.size() + 1);
}

void append_line(std::string& out, std::string_view css_class, double x1, double y1, double x2, double y2,
                 std::string_view more = "") {
  out.append("<line class=\"").append(css_class).append("\"").append(more);
  append_attribute(out, "x1", x1);
  append_attribute(out, "y1", y1);
  append_attribute(out, "x2", x2);
  append_attribute(out, "y2", y2);
  out += "/>";
}

void append_text(std::string& out, double x, double y, std::string_view anchor, std::string_view text) {
  out += "<text";
  append_attribute(out, "x", x);
  append_attribute(out, "y", y);
  out.append(" text-anchor=\"").append(anchor).append("\">").append(markup_text(text)).append("</text>");
}

double width_of(std::string_view text) {
  return kCharacter * static_cast<double>(text.size());
}

// A circle, a square, a triangle, a diamond: one a series.
void append_point(std::string& out, std::size_t series, double x, double y, double size) {
  static constexpr std::array<const char*, 4> kShapes{"", "M-1-1H1V1H-1Z", "M0-1.2L1.1 1H-1.1Z",
                                                      "M0-1.4L1.4 0L0 1.4L-1.4 0Z"};
  const std::size_t shape = series % kShapes.size();
  if (shape == 0) {
    out.append("<circle class=\"p ").append(class_of(series)).append("\"");
    append_attribute(out, "cx", x);
    append_attribute(out, "cy", y);
    append_attribute(out, "r", size);
    out += "/>";
    return;
  }
  out.append("<path class=\"p ").append(class_of(series)).append("\" transform=\"translate(");
  append_number(out, x);
  out += ' ';
  append_number(out, y);
  out += ") scale(";
  append_number(out, size);
  out.append(")\" d=\"").append(kShapes[shape]).append("\"/>");
}

bool has_interval(const PlotPoint& point) {
  return is_plotted(point.low) && is_plotted(point.high) && point.low <= point.high;
}

std::vector<PlotPoint> plotted(const std::vector<PlotPoint>& points) {
  std::vector<PlotPoint> out;
  std::copy_if(points.begin(), points.end(), std::back_inserter(out),
               [](const PlotPoint& p) { return is_plotted(p.x) && is_plotted(p.y); });
  return out;
}

// Of each stretch of a long line its lowest and its highest point, in their order: nothing that stands out is lost.
std::vector<PlotPoint> thinned(std::vector<PlotPoint> points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<PlotPoint> out{points.front()};
  const std::size_t stretches = kMostPoints / 2 - 1;
  for (std::size_t n = 0; n < stretches; ++n) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(n * points.size() / stretches);
    const auto end = points.begin() + static_cast<std::ptrdiff_t>((n + 1) * points.size() / stretches);
    auto [low, high] = std::minmax_element(begin, end, [](const auto& a, const auto& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    out.push_back(*low);
    if (high != low) out.push_back(*high);
  }
  out.push_back(points.back());
  return out;
}

// Two values of x that are as near to each other as any.
double least_distance(const std::map<double, double>& heights) {
  double least = kMostPlotted;
  for (auto at = heights.begin(); at != heights.end() && std::next(at) != heights.end(); ++at)
    least = std::min(least, std::next(at)->first - at->first);
  return least;
}

// One drawing. Data to axes when it is made, axes to pixels by x_of() and y_of().
class Drawing {
 public:
  Drawing(const Plot& plot, double width, double height)
      : plot_(plot), width_(std::max(width, 200.0)), height_(std::max(height, 120.0)) {
    for (const PlotSeries& series : plot.series) points_.push_back(thinned(plotted(series.points)));
    stack_bars();
    find_axes();
  }

  std::string svg(std::string_view css_class) const {
    std::string out = "<svg class=\"" + markup_text(css_class) + "\" role=\"img\" viewBox=\"0 0 ";
    append_number(out, width_);
    out += ' ';
    append_number(out, height_);
    out += "\"><title>" + markup_text(plot_.title) + "</title><desc>" + markup_text(plot_.description) + "</desc>";
    append_axes(out);
    for (const Mark mark : {Mark::rule, Mark::bar, Mark::line, Mark::interval}) append_all(out, mark);
    return out + "</svg>";
  }

 private:
  void stack_bars() {
    for (std::size_t n = 0; n < points_.size(); ++n) {
      if (plot_.series[n].mark != Mark::bar) continue;
      for (PlotPoint& point : points_[n]) {
        double& height = heights_[point.x];
        point.low = height;
        height += std::max(point.y, 0.0);
        point.high = height;
      }
    }
    if (!heights_.empty()) {
      const double spread = heights_.rbegin()->first - heights_.begin()->first;
      bar_ = std::min(least_distance(heights_), spread > 0 ? spread : plot_.is_time ? 86400.0 : 1.0);
    }
  }

  void find_axes() {
    Range x{kMostPlotted, -kMostPlotted};
    Range y = x;
    auto take = [](Range& range, double value) { range = {std::min(range.low, value), std::max(range.high, value)}; };
    for (std::size_t n = 0; n < points_.size(); ++n) {
      const Mark mark = plot_.series[n].mark;
      for (const PlotPoint& point : points_[n]) {
        take(x, point.x - (mark == Mark::bar ? bar_ / 2 : 0));
        take(x, point.x + (mark == Mark::bar ? bar_ / 2 : 0));
        if (mark == Mark::line || mark == Mark::interval) take(y, point.y);
        if (mark == Mark::bar) take(y, 0);
        if (mark == Mark::bar || (mark == Mark::interval && has_interval(point))) {
          take(y, point.low);
          take(y, point.high);
        }
      }
    }
    if (x.low > x.high) x = {};
    if (y.low > y.high) y = {};
    x = plot_.x_range.value_or(x);
    y_ = number_axis(plot_.y_range.value_or(y), std::max(2, static_cast<int>(height_ / 45)), plot_.y_range.has_value(),
                     plot_.unit);
    double widest = 0;
    for (const Tick& tick : y_.ticks) widest = std::max(widest, width_of(tick.label));
    left_ = std::min(widest + 8, width_ / 2);
    const int most = std::max(2, static_cast<int>((width_ - left_) / 80));
    x_ = plot_.is_time ? time_axis(x, most) : number_axis(x, most, true, "");
  }

  double right() const { return width_ - 10; }
  double top() const { return 20; }
  double bottom() const { return height_ - 24; }
  double x_of(double value) const {
    const double share = (value - x_.range.low) / (x_.range.high - x_.range.low);
    return left_ + std::clamp(share, 0.0, 1.0) * (right() - left_);
  }
  double y_of(double value) const {
    const double share = (value - y_.range.low) / (y_.range.high - y_.range.low);
    return bottom() - std::clamp(share, 0.0, 1.0) * (bottom() - top());
  }

  void append_axes(std::string& out) const {
    for (const Tick& tick : y_.ticks) {
      append_line(out, "g", left_, y_of(tick.value), right(), y_of(tick.value));
      append_text(out, left_ - 6, y_of(tick.value) + 4, "end", tick.label);
    }
    append_line(out, "a", left_, bottom(), right(), bottom());
    double free = 0;  // from where on nothing is written yet
    for (const Tick& tick : x_.ticks) {
      const double half = width_of(tick.label) / 2;
      const double at = std::clamp(x_of(tick.value), half, std::max(half, width_ - half));
      append_line(out, "a", x_of(tick.value), bottom(), x_of(tick.value), bottom() + 4);
      if (at - half < free || at + half > width_) continue;
      append_text(out, at, height_ - 5, "middle", tick.label);
      free = at + half + 6;
    }
  }

  void append_all(std::string& out, Mark mark) const {
    double free = 0;
    std::set<long> ruled;
    for (std::size_t n = 0; n < points_.size(); ++n) {
      if (plot_.series[n].mark != mark || points_[n].empty()) continue;
      if (mark == Mark::bar) append_bars(out, n);
      if (mark == Mark::rule) free = append_rules(out, n, free, ruled);
      if (mark == Mark::line || mark == Mark::interval) append_curve(out, n);
    }
  }

  void append_bars(std::string& out, std::size_t n) const {
    for (const PlotPoint& point : points_[n]) {
      const double from = x_of(point.x - bar_ * 0.4);
      const double height = y_of(point.low) - y_of(point.high);
      if (!(height > 0)) continue;
      out.append("<rect class=\"b ").append(class_of(n)).append(n % 2 == 1 ? " o\"" : "\"").append(dash_of(n));
      append_attribute(out, "x", from);
      append_attribute(out, "y", y_of(point.high));
      append_attribute(out, "width", std::max(x_of(point.x + bar_ * 0.4) - from, 0.5));
      append_attribute(out, "height", height);
      out += "/>";
    }
  }

  // A gap of the width has one rule at most, so that a drawing is bounded however many there are.
  double append_rules(std::string& out, std::size_t n, double free, std::set<long>& ruled) const {
    for (const PlotPoint& point : points_[n]) {
      const double width = width_of(plot_.series[n].name);
      const double x = x_of(point.x);
      if (!ruled.insert(std::lround(x / kRuleGap)).second) continue;
      const double from = std::clamp(x - width / 2, 0.0, std::max(0.0, width_ - width));
      append_line(out, "r", x, top(), x, bottom());
      if (from < free || from + width > width_) continue;
      append_text(out, from + width / 2, top() - 6, "middle", plot_.series[n].name);
      free = from + width + 4;
    }
    return free;
  }

  void append_curve(std::string& out, std::size_t n) const {
    const bool with_intervals = plot_.series[n].mark == Mark::interval;
    const std::vector<PlotPoint>& points = points_[n];
    for (const PlotPoint& point : points) {
      if (with_intervals && has_interval(point))
        append_line(out, "i " + class_of(n), x_of(point.x), y_of(point.low), x_of(point.x), y_of(point.high));
    }
    out.append("<polyline class=\"l ").append(class_of(n)).append("\"").append(dash_of(n)).append(" points=\"");
    for (const PlotPoint& point : points) {
      if (out.back() != '"') out += ' ';
      append_number(out, x_of(point.x));
      out += ',';
      append_number(out, y_of(point.y));
    }
    out += "\"/>";
    const bool all = points.size() <= 30;
    for (const PlotPoint& point : points) {
      if (all || &point == &points.back()) append_point(out, n, x_of(point.x), y_of(point.y), 3);
    }
  }

  const Plot& plot_;
  double width_;
  double height_;
  double left_ = 0;
  double bar_ = 1;  // from one bar to the next
  Axis x_;
  Axis y_;
  std::vector<std::vector<PlotPoint>> points_;  // of each series
  std::map<double, double> heights_;            // of the bars so far
};

}  // namespace

std::optional<Mark> mark_from(std::string_view name) {
  if (name == "line") return Mark::line;
  if (name == "interval") return Mark::interval;
  if (name == "bar") return Mark::bar;
  if (name == "rule") return Mark::rule;
  return std::nullopt;
}

std::string svg_of(const Plot& plot, double width, double height, std::string_view css_class) {
  return Drawing(plot, width, height).svg(css_class);
}

std::string key_of(const Plot& plot) {
  std::string items;
  int count = 0;
  for (std::size_t n = 0; n < plot.series.size(); ++n) {
    if (plot.series[n].mark == Mark::rule) continue;
    ++count;
    items += "<li><svg class=\"k\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">";
    if (plot.series[n].mark == Mark::bar) {
      items += "<rect class=\"b " + class_of(n) + (n % 2 == 1 ? " o\"" : "\"") + dash_of(n) +
               " x=\"8\" y=\"1\" width=\"12\" height=\"10\"/>";
    } else {
      append_line(items, "l " + class_of(n), 1, 6, 27, 6, dash_of(n));
      append_point(items, n, 14, 6, 3);
    }
    items += "</svg> <bdi>" + markup_text(plot.series[n].name) + "</bdi></li>";
  }
  return count > 1 ? "<ul class=\"key\">" + items + "</ul>" : "";
}

std::string svg_strip(const PlotPoint& value, Range range, double reference, std::string_view title) {
  if (!is_plotted(value.y) || !is_plotted(range.low) || !is_plotted(range.high) || !(range.low < range.high) ||
      !is_plotted(reference))
    return "";
  auto x_of = [&](double at) { return 6 + std::clamp((at - range.low) / (range.high - range.low), 0.0, 1.0) * 148; };
  std::string out =
      "<svg class=\"strip\" role=\"img\" viewBox=\"0 0 160 20\"><title>" + markup_text(title) + "</title>";
  append_line(out, "g", 6, 10, 154, 10);
  append_line(out, "r", x_of(reference), 2, x_of(reference), 18);
  if (has_interval(value)) append_line(out, "i s1", x_of(value.low), 10, x_of(value.high), 10);
  append_point(out, 0, x_of(value.y), 10, 4);
  return out + "</svg>";
}

}  // namespace trainer::core

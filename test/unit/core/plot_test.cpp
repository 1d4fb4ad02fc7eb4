#include "core/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <vector>

namespace trainer::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kDay = 86400;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) out.push_back(tick.label);
  return out;
}

double unix_seconds(int year, unsigned month, unsigned day) {
  using namespace std::chrono;
  return static_cast<double>(sys_days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}}
                                 .time_since_epoch()
                                 .count()) *
         kDay;
}

int count_of(const std::string& text, const std::string& what) {
  int count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

Plot plot_of(std::vector<PlotSeries> series) {
  Plot plot;
  plot.series = std::move(series);
  return plot;
}

// --- axes ---

TEST(NumberAxisTest, TicksAreRoundAndHoldTheRange) {
  EXPECT_THAT(labels(number_axis({0.3, 2.31}, 5, false, "")), ElementsAre("0.0", "0.5", "1.0", "1.5", "2.0", "2.5"));
  EXPECT_THAT(labels(number_axis({0, 100}, 5, true, " %")),
              ElementsAre("0 %", "20 %", "40 %", "60 %", "80 %", "100 %"));
  EXPECT_THAT(labels(number_axis({0, 3200000}, 4, false, "")),
              ElementsAre("0", "1,000,000", "2,000,000", "3,000,000", "4,000,000"));
  EXPECT_THAT(labels(number_axis({-1500, 1500}, 3, false, "")), ElementsAre("-2,000", "-1,000", "0", "1,000", "2,000"));
}

TEST(NumberAxisTest, OneValueHasRoomAroundIt) {
  const Axis axis = number_axis({5, 5}, 4, false, "");
  EXPECT_LT(axis.range.low, 5);
  EXPECT_GT(axis.range.high, 5);
  EXPECT_THAT(axis.ticks, Not(IsEmpty()));
}

TEST(TimeAxisTest, TicksAreAtTheBeginningsOfDaysWeeksAndMonths) {
  EXPECT_THAT(labels(time_axis({unix_seconds(2026, 2, 26), unix_seconds(2026, 3, 3)}, 8)),
              ElementsAre("26 Feb", "27 Feb", "28 Feb", "1 Mar", "2 Mar", "3 Mar"));
  EXPECT_THAT(labels(time_axis({unix_seconds(2026, 11, 1), unix_seconds(2026, 11, 29)}, 5)),
              ElementsAre("2 Nov", "9 Nov", "16 Nov", "23 Nov"))
      << "Mondays";
  EXPECT_THAT(labels(time_axis({unix_seconds(2026, 10, 5), unix_seconds(2026, 11, 29)}, 3)),
              ElementsAre("19 Oct", "9 Nov"));
  EXPECT_THAT(labels(time_axis({unix_seconds(2025, 11, 15), unix_seconds(2026, 3, 15)}, 4)),
              ElementsAre("Dec 2025", "Jan 2026", "Feb 2026", "Mar 2026"));
  EXPECT_THAT(labels(time_axis({unix_seconds(2026, 1, 1), unix_seconds(2026, 1, 1) + 43200}, 5)),
              ElementsAre("00:00", "03:00", "06:00", "09:00", "12:00"));
}

TEST(TimeAxisTest, TimesBeyondTheCalendarHaveNoTicks) {
  EXPECT_THAT(time_axis({-1e15, 1e15}, 5).ticks, IsEmpty());
}

// --- plots ---

TEST(PlotTest, SaysInWordsWhatItShows) {
  Plot plot = plot_of({});
  plot.title = "<Losses>";
  plot.description = "a & b";
  EXPECT_THAT(svg_of(plot, 330, 200, "plot"), HasSubstr("role=\"img\""));
  EXPECT_THAT(svg_of(plot, 330, 200, "plot"), HasSubstr("<title>&#x3c;Losses&#x3e;</title><desc>a &#x26; b</desc>"));
}

TEST(PlotTest, WhatIsNoNumberIsLeftOut) {
  const std::string svg =
      svg_of(plot_of({{"a", Mark::line, {{0, 1}, {1, kNaN}, {kNaN, 1}, {2, 1e300}, {3, 2}}}}), 330, 200, "plot");
  EXPECT_EQ(count_of(svg, "<circle"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(PlotTest, SeriesDifferInMoreThanTheirColours) {
  const std::string svg =
      svg_of(plot_of({{"a", Mark::line, {{0, 1}, {1, 2}}}, {"b", Mark::line, {{0, 2}, {1, 3}}}}), 330, 200, "plot");
  EXPECT_THAT(svg, HasSubstr("class=\"l s1\" points"));
  EXPECT_THAT(svg, HasSubstr("class=\"l s2\" stroke-dasharray=\"6 3\""));
  EXPECT_EQ(count_of(svg, "<circle class=\"p s1\""), 2);
  EXPECT_EQ(count_of(svg, "<path class=\"p s2\""), 2);
}

TEST(PlotTest, IntervalsAreDrawnWhereThereAreAny) {
  const std::string svg = svg_of(plot_of({{"a", Mark::interval, {{0, 1, 0.5, 2}, {1, 2}}}}), 330, 200, "plot");
  EXPECT_EQ(count_of(svg, "class=\"i s1\""), 1);
}

TEST(PlotTest, BarsStandOnEachOther) {
  const std::string svg =
      svg_of(plot_of({{"a", Mark::bar, {{0, 10}, {1, 10}}}, {"b", Mark::bar, {{0, 10}, {1, 0}}}}), 330, 200, "plot");
  EXPECT_EQ(count_of(svg, "class=\"b s1\""), 2);
  EXPECT_EQ(count_of(svg, "class=\"b s2 o\""), 1) << "nothing has no height";
  std::smatch first;
  std::smatch second;
  ASSERT_TRUE(std::regex_search(svg, first, std::regex("b s1\"[^>]* y=\"([0-9.]+)\"")));
  ASSERT_TRUE(std::regex_search(svg, second, std::regex("b s2 o\"[^>]* y=\"([0-9.]+)\"[^>]*height=\"([0-9.]+)\"")));
  EXPECT_NEAR(std::stod(second[1]) + std::stod(second[2]), std::stod(first[1]), 0.21);
}

TEST(PlotTest, RulesCarryTheirNames) {
  EXPECT_THAT(svg_of(plot_of({{"v3", Mark::rule, {{5, 0}}}, {"a", Mark::line, {{0, 1}, {9, 2}}}}), 330, 200, "plot"),
              HasSubstr(">v3</text>"));
}

TEST(PlotTest, OfALongLineWhatStandsOutStays) {
  PlotSeries series{"a", Mark::line, {}};
  for (int n = 0; n < 10000; ++n) series.points.push_back({static_cast<double>(n), n == 4321 ? 7.0 : 1.0});
  const std::string svg = svg_of(plot_of({series}), 330, 200, "plot");
  EXPECT_LT(svg.size(), 6000u);
  Plot lower = plot_of({series});
  lower.series[0].points[4321].y = 1;
  EXPECT_NE(svg, svg_of(lower, 330, 200, "plot"));
}

TEST(PlotTest, KeyNamesSeriesWhereThereAreSeveral) {
  EXPECT_THAT(key_of(plot_of({{"a", Mark::line, {}}, {"v1", Mark::rule, {}}})), IsEmpty());
  const std::string key = key_of(plot_of({{"a", Mark::line, {}}, {"<b>", Mark::bar, {}}, {"v1", Mark::rule, {}}}));
  EXPECT_THAT(key, HasSubstr("<bdi>a</bdi>"));
  EXPECT_THAT(key, HasSubstr("&#x3c;b&#x3e;"));
  EXPECT_THAT(key, Not(HasSubstr("v1")));
}

TEST(PlotTest, MarksAreKnownByName) {
  EXPECT_EQ(mark_from("bar"), Mark::bar);
  EXPECT_EQ(mark_from("pie"), std::nullopt);
}

TEST(StripTest, ShowsValueIntervalAndReference) {
  const std::string svg = svg_strip({0, 0.5, 0.25, 0.75}, {0, 1}, 0.5, "t");
  EXPECT_THAT(svg, HasSubstr("cx=\"80\""));
  EXPECT_THAT(svg, HasSubstr("x1=\"43\" y1=\"10\" x2=\"117\""));
  EXPECT_THAT(svg_strip({0, kNaN}, {0, 1}, 0, ""), IsEmpty());
  EXPECT_THAT(svg_strip({0, 1}, {1, 1}, 0, ""), IsEmpty());
}

// --- properties ---

double any_double() {
  return *rc::gen::oneOf(
      rc::gen::element(0.0, -0.0, 1.0, kNaN, std::numeric_limits<double>::infinity(), 1e15, -1e15, 1e-300, 1e300,
                       1e15 - 1),
      rc::gen::map(rc::gen::inRange(-1000000, 1000000), [](int n) { return n / 1000.0; }),
      rc::gen::map(rc::gen::inRange(1500000000, 2000000000), [](int n) { return static_cast<double>(n); }),
      rc::gen::arbitrary<double>());
}

Plot any_plot() {
  Plot plot;
  plot.title = *rc::gen::arbitrary<std::string>();
  plot.description = *rc::gen::arbitrary<std::string>();
  plot.unit = *rc::gen::element<std::string>("", " %", "<");
  plot.is_time = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) plot.y_range = Range{0, 100};
  if (*rc::gen::arbitrary<bool>()) plot.x_range = Range{-10, 10};
  const int count = *rc::gen::inRange(0, 8);
  for (int n = 0; n < count; ++n) {
    PlotSeries series{
        *rc::gen::arbitrary<std::string>(), *rc::gen::element(Mark::line, Mark::interval, Mark::bar, Mark::rule), {}};
    const int points = *rc::gen::oneOf(rc::gen::inRange(0, 5), rc::gen::inRange(0, 400));
    for (int p = 0; p < points; ++p) series.points.push_back({any_double(), any_double(), any_double(), any_double()});
    plot.series.push_back(series);
  }
  return plot;
}

// Tags that open and close in turn, attributes in quotes and none twice, no sign that is not ours.
void assert_well_formed(const std::string& markup) {
  static const std::regex kTag("<(/?)([a-z]+)((?: [A-Za-z-]+[0-9]?=\"[^\"<>]*\")*)(/?)>");
  std::vector<std::string> open;
  std::size_t at = 0;
  for (auto tag = std::sregex_iterator(markup.begin(), markup.end(), kTag); tag != std::sregex_iterator(); ++tag) {
    RC_ASSERT(markup.substr(at, static_cast<std::size_t>(tag->position()) - at).find_first_of("<>") ==
              std::string::npos);
    at = static_cast<std::size_t>(tag->position() + tag->length());
    if ((*tag)[1].length() > 0) {
      RC_ASSERT(!open.empty());
      RC_ASSERT(open.back() == (*tag)[2].str());
      open.pop_back();
    } else if ((*tag)[4].length() == 0) {
      open.push_back((*tag)[2]);
    }
  }
  RC_ASSERT(open.empty());
  RC_ASSERT(markup.substr(at).find_first_of("<>") == std::string::npos);
}

void assert_within(const std::string& svg, const std::string& attributes, double most) {
  const std::regex attribute(" (?:" + attributes + ")=\"([^\"]*)\"");
  for (auto found = std::sregex_iterator(svg.begin(), svg.end(), attribute); found != std::sregex_iterator(); ++found) {
    std::size_t end = 0;
    const double value = std::stod((*found)[1], &end);
    RC_ASSERT(end == static_cast<std::size_t>((*found)[1].length()));
    RC_ASSERT(value >= 0 && value <= most);
  }
}

RC_GTEST_PROP(PlotProperty, EverythingIsInsideOfTheViewBox, ()) {
  const Plot plot = any_plot();
  const double width = *rc::gen::element(200, 330, 720);
  const double height = *rc::gen::element(120, 200, 280);
  const std::string svg = svg_of(plot, width, height, "plot");
  assert_well_formed(svg);
  assert_well_formed(key_of(plot));
  assert_within(svg, "x|x1|x2|cx|width", width);
  assert_within(svg, "y|y1|y2|cy|height", height);
  static const std::regex kPoint("(?:points=\"|translate\\(|[0-9] )([0-9.]+)[, ]([0-9.]+)(?=[ \")])");
  static const std::regex kPoints("points=\"([^\"]*)\"");
  for (auto line = std::sregex_iterator(svg.begin(), svg.end(), kPoints); line != std::sregex_iterator(); ++line) {
    const std::string points = (*line)[1];
    static const std::regex kPair("([^ ,]+),([^ ,]+)");
    for (auto pair = std::sregex_iterator(points.begin(), points.end(), kPair); pair != std::sregex_iterator();
         ++pair) {
      RC_ASSERT(std::stod((*pair)[1]) >= 0 && std::stod((*pair)[1]) <= width);
      RC_ASSERT(std::stod((*pair)[2]) >= 0 && std::stod((*pair)[2]) <= height);
    }
  }
}

RC_GTEST_PROP(AxisProperty, TicksAreWithinTheRangeAndInOrder, ()) {
  const double a = any_double();
  const double b = any_double();
  RC_PRE(is_plotted(a) && is_plotted(b));
  const Range range{std::min(a, b), std::max(a, b)};
  for (const Axis& axis : {number_axis(range, 5, false, ""), number_axis(range, 5, true, ""), time_axis(range, 5)}) {
    RC_ASSERT(axis.range.low < axis.range.high);
    RC_ASSERT(axis.ticks.size() <= 40u);
    for (std::size_t n = 0; n < axis.ticks.size(); ++n) {
      RC_ASSERT(axis.ticks[n].value >= axis.range.low && axis.ticks[n].value <= axis.range.high);
      if (n > 0) RC_ASSERT(axis.ticks[n].value > axis.ticks[n - 1].value);
    }
  }
}

}  // namespace
}  // namespace trainer::core

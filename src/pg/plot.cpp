// Markup and plots, for SQL. All functions depend on their arguments alone.
#include <optional>
#include <string>
#include <vector>

#include "core/markup.h"
#include "core/plot.h"
#include "pg/datums.h"
#include "pg/guard.h"
#include "pg/spi.h"

namespace trainer::pg {
namespace {

std::string text_at(FunctionCallInfo fcinfo, int n) {
  const Datum value = PG_GETARG_DATUM(n);
  return to_utf8(guarded([&] { return DatumGetTextPP(value); }));
}

std::vector<double> numbers_at(FunctionCallInfo fcinfo, int n) {
  std::vector<double> numbers;
  for (Datum value : elements_of(PG_GETARG_DATUM(n), FLOAT8OID)) numbers.push_back(DatumGetFloat8(value));
  return numbers;
}

[[noreturn]] void fail_argument(const char* message, const char* detail) {
  fail({core::Condition::invalid_argument, message, detail, ""});
}

// Two numbers, or none.
std::optional<core::Range> range_at(FunctionCallInfo fcinfo, int n) {
  const std::vector<double> ends = numbers_at(fcinfo, n);
  if (ends.empty()) return std::nullopt;
  if (ends.size() != 2 || !core::is_plotted(ends[0]) || !core::is_plotted(ends[1]) || !(ends[0] < ends[1]))
    fail_argument("the range of an axis is not valid", "It is its lower and its upper end, or empty.");
  return core::Range{ends[0], ends[1]};
}

std::vector<core::PlotSeries> series_at(FunctionCallInfo fcinfo, int first) {
  const std::vector<std::string> names = texts_of(PG_GETARG_DATUM(first));
  const std::vector<std::string> marks = texts_of(PG_GETARG_DATUM(first + 1));
  const std::vector<Datum> of = elements_of(PG_GETARG_DATUM(first + 2), INT8OID);
  std::vector<std::vector<double>> columns;
  for (int column = 3; column < 7; ++column) {
    columns.push_back(numbers_at(fcinfo, first + column));
    if (columns.back().size() != of.size())
      fail_argument("the columns of the points are not of the same length",
                    "Each point has a series, x, y, low and high.");
  }
  if (marks.size() != names.size()) fail_argument("the series are not valid", "Each has a name and a mark.");
  std::vector<core::PlotSeries> series;
  for (std::size_t n = 0; n < names.size(); ++n) {
    const auto mark = core::mark_from(marks[n]);
    if (!mark) fail_argument("mark of a series is not known", "The marks are line, interval, bar and rule.");
    series.push_back({names[n], *mark, {}});
  }
  for (std::size_t n = 0; n < of.size(); ++n) {
    const std::int64_t place = DatumGetInt64(of[n]);
    if (place < 1 || place > static_cast<std::int64_t>(series.size()))
      fail_argument("a point is of no series", "Series are counted from 1.");
    series[static_cast<std::size_t>(place - 1)].points.push_back(
        {columns[0][n], columns[1][n], columns[2][n], columns[3][n]});
  }
  return series;
}

Datum plot_of(FunctionCallInfo fcinfo) {
  core::Plot plot;
  plot.title = text_at(fcinfo, 0);
  plot.description = text_at(fcinfo, 1);
  plot.unit = text_at(fcinfo, 2);
  plot.is_time = PG_GETARG_BOOL(3);
  const std::vector<double> sizes = numbers_at(fcinfo, 4);
  plot.x_range = range_at(fcinfo, 5);
  plot.y_range = range_at(fcinfo, 6);
  plot.series = series_at(fcinfo, 7);
  if (sizes.empty() || sizes.size() % 2 != 0)
    fail_argument("the sizes are not valid", "They are pairs of width and height.");
  std::string out = core::key_of(plot);
  for (std::size_t n = 0; n < sizes.size(); n += 2) {
    if (!(sizes[n] >= 200 && sizes[n] <= 4000 && sizes[n + 1] >= 120 && sizes[n + 1] <= 4000))
      fail_argument("a size is out of range", "A plot is between 200 x 120 and 4000 x 4000.");
    const char* css_class = sizes.size() == 2 ? "plot" : n == 0 ? "plot wide" : "plot narrow";
    out += core::svg_of(plot, sizes[n], sizes[n + 1], css_class);
  }
  return PointerGetDatum(to_text(out));
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_html) {
  const std::string pattern = trainer::pg::text_at(fcinfo, 0);
  auto filled = trainer::core::fill_markup(pattern, trainer::pg::texts_of(PG_GETARG_DATUM(1)));
  if (!filled) trainer::pg::fail(filled.error());
  PG_RETURN_TEXT_P(trainer::pg::to_text(*filled));
}

TRAINER_FUNCTION(trainer_plot) {
  return trainer::pg::plot_of(fcinfo);
}

TRAINER_FUNCTION(trainer_plot_strip) {
  const trainer::core::PlotPoint value{0, PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)};
  const trainer::core::Range range{PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(4)};
  const std::string title = trainer::pg::text_at(fcinfo, 6);
  PG_RETURN_TEXT_P(trainer::pg::to_text(trainer::core::svg_strip(value, range, PG_GETARG_FLOAT8(5), title)));
}

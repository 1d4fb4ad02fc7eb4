// The metrics file of a finished job. Its columns have several names and orders, and its content comes as CSV or in
// base64 (OpenAI's contract, section 2), so both are recognised by the header line.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "core/base64.h"
#include "provider/json.h"
#include "provider/wire.h"
#include "provider/wire_fields.h"

namespace trainer::provider {
namespace {

constexpr std::size_t kMaxRows = 100'000;

std::string_view unquoted(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\"";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Cuts off and returns what stands before the next `separator`.
std::string_view next_piece(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return piece;
}

std::optional<double> number_in_cell(std::string_view cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int> integer_in(std::string_view cell) {
  const auto value = number_in_cell(cell);
  if (!value || std::abs(*value) > 1e15 || *value != std::floor(*value)) return std::nullopt;
  return small_number(static_cast<std::int64_t>(*value));
}

using Setter = void (*)(core::StepMetrics&, std::string_view cell);

struct Column {
  std::string_view name;
  Setter set;
};

constexpr std::array<Column, 11> kColumns{{
    {"step", [](core::StepMetrics& m, std::string_view c) { m.step = integer_in(c); }},
    {"train_loss", [](core::StepMetrics& m, std::string_view c) { m.train_loss = number_in_cell(c); }},
    {"train_accuracy", [](core::StepMetrics& m, std::string_view c) { m.train_accuracy = number_in_cell(c); }},
    {"train_mean_token_accuracy",
     [](core::StepMetrics& m, std::string_view c) { m.train_accuracy = number_in_cell(c); }},
    {"valid_loss", [](core::StepMetrics& m, std::string_view c) { m.valid_loss = number_in_cell(c); }},
    {"validation_loss", [](core::StepMetrics& m, std::string_view c) { m.valid_loss = number_in_cell(c); }},
    {"valid_accuracy", [](core::StepMetrics& m, std::string_view c) { m.valid_accuracy = number_in_cell(c); }},
    {"valid_mean_token_accuracy",
     [](core::StepMetrics& m, std::string_view c) { m.valid_accuracy = number_in_cell(c); }},
    {"validation_mean_token_accuracy",
     [](core::StepMetrics& m, std::string_view c) { m.valid_accuracy = number_in_cell(c); }},
    {"full_valid_loss", [](core::StepMetrics& m, std::string_view c) { m.full_valid_loss = number_in_cell(c); }},
    {"full_validation_loss", [](core::StepMetrics& m, std::string_view c) { m.full_valid_loss = number_in_cell(c); }},
}};

void ignore(core::StepMetrics&, std::string_view) {}

// What to do with each cell of a row; empty when the line is no header of ours.
std::vector<Setter> header(std::string_view line) {
  std::vector<Setter> setters;
  bool has_step = false;
  while (!line.empty()) {
    const std::string_view name = unquoted(next_piece(line, ','));
    has_step = has_step || name == "step";
    const auto column = std::find_if(kColumns.begin(), kColumns.end(), [&](const Column& c) { return c.name == name; });
    setters.push_back(column == kColumns.end() ? ignore : column->set);
  }
  if (!has_step) setters.clear();
  return setters;
}

std::vector<core::StepMetrics> read_csv(std::string_view text) {
  std::vector<core::StepMetrics> rows;
  const std::vector<Setter> setters = header(next_piece(text, '\n'));
  while (!setters.empty() && !text.empty() && rows.size() < kMaxRows) {
    std::string_view line = next_piece(text, '\n');
    core::StepMetrics row;
    for (std::size_t i = 0; i < setters.size() && !line.empty(); ++i) setters[i](row, unquoted(next_piece(line, ',')));
    if (row.step) rows.push_back(row);
  }
  return rows;
}

std::string_view without_bom(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

}  // namespace

std::vector<core::StepMetrics> read_result_file(std::string_view content) {
  std::string inner;
  if (content.starts_with('"')) {
    if (const auto document = JsonDocument::parse(content)) {
      inner = document->root().text();
      content = inner;
    }
  }
  content = without_bom(content);
  std::vector<core::StepMetrics> rows = read_csv(content);
  if (!rows.empty()) return rows;
  const std::string decoded = core::decode_base64(content).value_or("");
  return read_csv(without_bom(decoded));
}

}  // namespace trainer::provider

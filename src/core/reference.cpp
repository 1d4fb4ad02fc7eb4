#include "core/reference.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/csv.h"
#include "core/text.h"

namespace trainer::core {
namespace {

constexpr const char* kHint =
    "The first line names the columns: comment,roast or category,text; a category may be in either.";

Error problem(const std::string& message, const std::string& detail) {
  return {Condition::invalid_argument, message, detail, kHint};
}

std::string lower(std::string_view text) {
  std::string result(trimmed(text));
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

struct Columns {
  std::optional<std::size_t> comment;
  std::optional<std::size_t> roast;
  std::optional<std::size_t> category;
};

Result<Columns> read_header(const CsvRecord& header) {
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < header.fields.size(); ++i) {
    const std::string name = lower(header.fields[i]);
    if (name != "comment" && name != "roast" && name != "text" && name != "category") {
      return problem("reference roasts have an unknown column",
                     "Column " + std::to_string(i + 1) + " is called \"" + clean_message(header.fields[i], 64) + "\".");
    }
    if (!at.emplace(name, i).second) return problem("reference roasts have a column twice", "It is \"" + name + "\".");
  }
  Columns columns;
  if (at.contains("category")) columns.category = at["category"];
  if (at.contains("text") && !at.contains("comment") && !at.contains("roast")) {
    columns.roast = at["text"];
    return columns;
  }
  for (const char* needed : {"comment", "roast"}) {
    if (!at.contains(needed)) {
      return problem("reference roasts lack a column", std::string("There is no column \"") + needed + "\".");
    }
  }
  columns.comment = at["comment"];
  columns.roast = at["roast"];
  return columns;
}

}  // namespace

Result<std::vector<ReferenceRoast>> read_reference_roasts(std::string_view csv) {
  auto records = parse_csv(csv);
  if (!records.ok()) return records.error();
  if (records->empty()) return problem("reference roasts are empty", "There is not even a header.");
  auto columns = read_header(records->front());
  if (!columns.ok()) return columns.error();

  std::vector<ReferenceRoast> roasts;
  for (std::size_t i = 1; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    const std::string line = "invalid CSV in line " + std::to_string(record.line);
    if (record.fields.size() != records->front().fields.size()) {
      return problem(line, "It has " + std::to_string(record.fields.size()) + " fields; the header has " +
                               std::to_string(records->front().fields.size()) + ".");
    }
    auto field = [&](const std::optional<std::size_t>& column) {
      return column ? std::string(trimmed(record.fields[*column])) : std::string();
    };
    ReferenceRoast roast{field(columns->comment), field(columns->roast), field(columns->category)};
    if (roast.roast.empty()) return problem(line, "There is no roast in it.");
    if (columns->comment && roast.comment.empty()) return problem(line, "There is no comment in it.");
    roasts.push_back(std::move(roast));
  }
  if (roasts.empty()) return problem("reference roasts are empty", "Behind the header there is nothing.");
  return roasts;
}

}  // namespace trainer::core

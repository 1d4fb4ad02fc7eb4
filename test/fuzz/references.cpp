// Any bytes as reference roasts: records, or an error that names a line; and what was read is read again from what it
// says.
#include "core/csv.h"
#include "core/reference.h"
#include "core/text.h"
#include "fuzz.h"

namespace trainer::fuzz {

static std::string quoted(const std::string& field) {
  std::string out = "\"";
  for (char c : field) out.append(c == '"' ? "\"\"" : std::string(1, c));
  return out + "\"";
}

void target(std::string_view input) {
  auto roasts = core::read_reference_roasts(input);
  auto records = core::parse_csv(input);
  require(records.ok() || !roasts.ok());
  if (roasts.ok()) {
    for (const auto& roast : *roasts) require(!roast.roast.empty() && core::is_valid_utf8(roast.roast));
  }
  if (!records.ok()) {
    require(records.error().message.starts_with("invalid CSV in line "));
    return;
  }
  std::string again;
  for (const auto& record : *records) {
    for (std::size_t i = 0; i < record.fields.size(); ++i)
      again.append(i == 0 ? "" : ",").append(quoted(record.fields[i]));
    again.append("\n");
  }
  auto second = core::parse_csv(again);
  require(second.ok() && second->size() == records->size());
  for (std::size_t i = 0; i < records->size(); ++i) require((*second)[i].fields == (*records)[i].fields);
}

}  // namespace trainer::fuzz

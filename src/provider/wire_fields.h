// Small readers that the wire_*.cpp files share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/operation.h"
#include "provider/json.h"
#include "provider/wire.h"

namespace trainer::provider {

// An absent `object` is tolerated, another one is not.
bool is_kind(JsonView value, std::string_view object);

// Text for a row, a name or a code. One line of at most `max_bytes` bytes.
std::string label(JsonView value, std::size_t max_bytes = 256);

// A word out of a list that the provider may lengthen: a status, a level, a type. Cleaned, and cut to 64 bytes.
std::string word(JsonView value);

// The id when `valid` accepts it, else empty.
std::string id_if(JsonView value, bool (*valid)(std::string_view));

// `step`, losses and accuracies under all the names that they are known by.
core::StepMetrics read_metrics(JsonView value);
bool has_metrics(const core::StepMetrics& metrics);

// An int that is at least 0, or nothing.
std::optional<int> small_number(std::optional<std::int64_t> value);

// Seconds since 1970, up to the year 2100, or nothing.
std::optional<std::int64_t> unix_time(JsonView value);

// 0 to 9e15, or nothing: no training has more, and a double still holds it exactly.
std::optional<std::int64_t> token_count(JsonView value);

// The elements of {"data": [...]}; `read` gives optional<T>, and what it cannot read is left out. `last_id` is that of
// the last element that has one.
template <class T, class Read>
std::optional<Page<T>> read_page(std::string_view body, bool (*valid_id)(std::string_view), Read read) {
  const auto document = JsonDocument::parse(body);
  if (!document) return std::nullopt;
  const JsonView root = document->root();
  const JsonView data = root["data"];
  if (!is_kind(root, "list") || !data.is_array()) return std::nullopt;
  Page<T> page;
  page.elements = data.size();
  page.has_more = root["has_more"].boolean();
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (auto item = read(data.at(i))) page.items.push_back(std::move(*item));
    if (std::string id = id_if(data.at(i)["id"], valid_id); !id.empty()) page.last_id = std::move(id);
  }
  return page;
}

}  // namespace trainer::provider

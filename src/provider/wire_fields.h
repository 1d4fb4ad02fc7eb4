// Small readers that the wire_*.cpp files share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/operation.h"
#include "provider/json.h"
#include "provider/wire.h"

namespace trainer::provider {

// An absent `object` is tolerated, another one is not.
bool is_kind(JsonView value, std::string_view object);

// Text for a row: a status, a name. One line of at most 256 bytes.
std::string label(JsonView value);

// The id when `valid` accepts it, else empty.
std::string id_if(JsonView value, bool (*valid)(std::string_view));

// `step`, losses and accuracies under all the names that they are known by.
core::StepMetrics read_metrics(JsonView value);
bool has_metrics(const core::StepMetrics& metrics);

// An int that is at least 0, or nothing.
std::optional<int> small_number(std::optional<std::int64_t> value);

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

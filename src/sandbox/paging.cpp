// Lists: their envelope and the query that asks for a page.
#include <charconv>

#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

std::string joined(const std::vector<std::string>& objects) {
  std::string text;
  for (const std::string& object : objects) {
    if (!text.empty()) text += ',';
    text += object;
  }
  return text;
}

std::string envelope(const std::vector<std::string>& objects, bool has_more, const std::string& more) {
  return "{\"object\":\"list\",\"data\":[" + joined(objects) + "]" + more +
         ",\"has_more\":" + (has_more ? "true" : "false") + "}";
}

}  // namespace

std::string list_json(const std::vector<std::string>& objects, bool has_more) {
  return envelope(objects, has_more, "");
}

std::string list_json(const std::vector<std::string>& objects, bool has_more, const std::string& first_id,
                      const std::string& last_id) {
  const auto id = [](const std::string& text) { return text.empty() ? "null" : nlohmann::json(text).dump(); };
  return envelope(objects, has_more, ",\"first_id\":" + id(first_id) + ",\"last_id\":" + id(last_id));
}

const std::string* query_value(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::variant<std::size_t, Reply> query_limit(const Request& request, std::size_t fallback, std::size_t highest) {
  const std::string* text = query_value(request, "limit");
  if (!text) return fallback;
  long long limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error != std::errc() || end != text->data() + text->size()) {
    return bad_request("invalid_type", "limit", "Invalid type for 'limit': expected an integer.");
  }
  if (limit < 1) {
    return bad_request("integer_below_min_value", "limit",
                       "Invalid 'limit': integer below minimum value. Expected a value >= 1.");
  }
  if (static_cast<unsigned long long>(limit) > highest) {
    return bad_request(
        "integer_above_max_value", "limit",
        "Invalid 'limit': integer above maximum value. Expected a value <= " + std::to_string(highest) + ".");
  }
  return static_cast<std::size_t>(limit);
}

}  // namespace trainer::sandbox

// The table of paths.
#include "sandbox/route.h"

#include <array>
#include <optional>
#include <string_view>

namespace trainer::sandbox {
namespace {

struct Row {
  std::string_view method;
  std::string_view pattern;  // {} stands for one path segment that is not empty
  Endpoint endpoint;
};

constexpr std::array<Row, 17> kRows = {{
    {"POST", "/v1/files", Endpoint::create_file},
    {"GET", "/v1/files", Endpoint::list_files},
    {"GET", "/v1/files/{}", Endpoint::get_file},
    {"DELETE", "/v1/files/{}", Endpoint::delete_file},
    {"GET", "/v1/files/{}/content", Endpoint::file_content},
    {"POST", "/v1/fine_tuning/jobs", Endpoint::create_job},
    {"GET", "/v1/fine_tuning/jobs", Endpoint::list_jobs},
    {"GET", "/v1/fine_tuning/jobs/{}", Endpoint::get_job},
    {"POST", "/v1/fine_tuning/jobs/{}/cancel", Endpoint::cancel_job},
    {"POST", "/v1/fine_tuning/jobs/{}/pause", Endpoint::pause_job},
    {"POST", "/v1/fine_tuning/jobs/{}/resume", Endpoint::resume_job},
    {"GET", "/v1/fine_tuning/jobs/{}/events", Endpoint::list_events},
    {"GET", "/v1/fine_tuning/jobs/{}/checkpoints", Endpoint::list_checkpoints},
    {"GET", "/v1/models", Endpoint::list_models},
    {"GET", "/v1/models/{}", Endpoint::get_model},
    {"DELETE", "/v1/models/{}", Endpoint::delete_model},
    {"POST", "/v1/chat/completions", Endpoint::chat},
}};

// What stands for {}; an empty string for a pattern without one; nullopt when the path is another.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const std::size_t hole = pattern.find("{}");
  if (hole == pattern.npos) return path == pattern ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, hole);
  const std::string_view after = pattern.substr(hole + 2);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view middle = path.substr(before.size(), path.size() - before.size() - after.size());
  if (middle.find('/') != middle.npos) return std::nullopt;
  return std::string(middle);
}

}  // namespace

std::variant<Route, Reply> find_route(const std::string& method, const std::string& path) {
  if (path.starts_with("/_sandbox/")) return Route{Endpoint::admin, ""};
  bool known = false;
  for (const Row& row : kRows) {
    const std::optional<std::string> id = match(row.pattern, path);
    if (!id) continue;
    if (row.method == method) return Route{row.endpoint, *id};
    known = true;
  }
  if (known) {
    return error_reply(405, "invalid_request_error", "method_not_supported", "",
                       "Not allowed to " + method + " on " + path);
  }
  return error_reply(404, "invalid_request_error", "unknown_url", "", "Unknown request URL: " + method + " " + path);
}

}  // namespace trainer::sandbox

// /v1/files.
#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "sandbox/digest.h"
#include "sandbox/multipart.h"
#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kPurposes = {"assistants", "batch",     "fine-tune",
                                                       "vision",     "user_data", "evals"};
constexpr std::int64_t kMinExpiry = 3600;
constexpr std::int64_t kMaxExpiry = 2592000;
constexpr std::size_t kMaxFilesListed = 10000;

std::string file_json(const File& file) {
  json value = {{"id", file.id},
                {"object", "file"},
                {"bytes", file.content->size()},
                {"created_at", file.created_ms / 1000},
                {"filename", file.filename},
                {"purpose", file.purpose},
                {"status", "processed"},
                {"status_details", nullptr}};
  value["expires_at"] = file.expires_at ? json(file.expires_at) : json();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Reply no_such_file(const std::string& id) {
  return error_reply(404, "invalid_request_error", "", "id", "No such File object: " + id);
}

struct Upload {
  std::optional<std::string> purpose;
  const Part* file = nullptr;
  std::optional<std::string> expires_anchor, expires_seconds;
};

std::variant<Upload, Reply> read_upload(const std::vector<Part>& parts) {
  Upload upload;
  for (const Part& part : parts) {
    if (part.name == "file" && part.filename) {
      upload.file = &part;
    } else if (part.name == "purpose") {
      upload.purpose = std::string(part.content);
    } else if (part.name == "expires_after[anchor]") {
      upload.expires_anchor = std::string(part.content);
    } else if (part.name == "expires_after[seconds]") {
      upload.expires_seconds = std::string(part.content);
    } else {
      return bad_request("unknown_parameter", part.name, "Unknown parameter: '" + part.name + "'.");
    }
  }
  if (!upload.purpose) return bad_request("missing_required_parameter", "purpose", "'purpose' is a required property");
  if (!upload.file) return bad_request("missing_required_parameter", "file", "'file' is a required property");
  return upload;
}

// Unix seconds, 0 for never.
std::variant<std::int64_t, Reply> read_expiry(const Upload& upload, std::int64_t now) {
  if (!upload.expires_anchor && !upload.expires_seconds) return std::int64_t{0};
  if (upload.expires_anchor != "created_at") {
    return bad_request("invalid_value", "expires_after[anchor]", "Invalid value: 'anchor' must be 'created_at'.");
  }
  std::int64_t seconds = 0;
  const std::string text = upload.expires_seconds.value_or("");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < kMinExpiry || seconds > kMaxExpiry) {
    return bad_request("invalid_value", "expires_after[seconds]",
                       "Invalid value: 'seconds' must be an integer from 3600 to 2592000.");
  }
  return now / 1000 + seconds;
}

bool gone(const File& file, std::int64_t now_ms) {
  return file.expires_at && file.expires_at <= now_ms / 1000;
}

File* find_live(Call& call) {
  File* file = call.state.find_file(call.route.id);
  return file && !gone(*file, call.now_ms) ? file : nullptr;
}

}  // namespace

std::string add_file(State& state, File file) {
  file.id = "file-" + state.random.letters(22);
  const std::string id = file.id;
  const std::uint64_t number = ++state.last_number;
  state.file_numbers[id] = number;
  state.files.emplace(number, std::move(file));
  return id;
}

Reply create_file(Call& call) {
  const auto parts = parse_multipart(call.request.content_type, call.request.body);
  if (!parts) return bad_request("", "", "Could not parse multipart form");
  auto read = read_upload(*parts);
  if (Reply* refused = std::get_if<Reply>(&read)) return std::move(*refused);
  const Upload& upload = std::get<Upload>(read);
  if (std::find(kPurposes.begin(), kPurposes.end(), *upload.purpose) == kPurposes.end()) {
    return bad_request("invalid_value", "purpose",
                       "'" + *upload.purpose + "' is not one of the allowed values of 'purpose'");
  }
  if (*upload.purpose == "fine-tune" && !upload.file->filename->ends_with(".jsonl")) {
    return bad_request("", "file", "Invalid file format for Fine-Tuning API. Must be .jsonl");
  }
  if (upload.file->content.empty()) return bad_request("", "file", "File is empty.");
  const auto expiry = read_expiry(upload, call.now_ms);
  if (const Reply* refused = std::get_if<Reply>(&expiry)) return *refused;

  File file;
  file.filename = *upload.file->filename;
  file.purpose = *upload.purpose;
  file.created_ms = call.now_ms;
  file.expires_at = std::get<std::int64_t>(expiry);
  file.sha256 = call.record.sha256.empty() ? sha256_hex(upload.file->content) : call.record.sha256;
  file.content = std::make_shared<const std::string>(upload.file->content);
  call.record.created = add_file(call.state, std::move(file));
  return ok(file_json(*call.state.find_file(call.record.created)));
}

Reply list_files(Call& call) {
  const auto limit = query_limit(call.request, kMaxFilesListed, kMaxFilesListed);
  if (const Reply* refused = std::get_if<Reply>(&limit)) return *refused;
  const std::string* order = query_value(call.request, "order");
  if (order && *order != "asc" && *order != "desc") {
    return bad_request("invalid_value", "order", "Invalid value: 'order' must be 'asc' or 'desc'.");
  }
  const std::string* purpose = query_value(call.request, "purpose");
  const std::string* after = query_value(call.request, "after");
  std::uint64_t mark = 0;
  if (after) {
    const auto found = call.state.file_numbers.find(*after);
    if (found == call.state.file_numbers.end()) return no_such_file(*after);
    mark = found->second;
  }
  std::vector<std::string> objects;
  std::string first, last;
  bool more = false;
  // False once the page is full.
  const auto visit = [&](const File& file) {
    if (purpose && file.purpose != *purpose) return true;
    if (gone(file, call.now_ms) || file.created_ms > call.now_ms - call.effects.list_lag_ms) return true;
    if (objects.size() == std::get<std::size_t>(limit)) {
      more = true;
      return false;
    }
    objects.push_back(file_json(file));
    if (first.empty()) first = file.id;
    last = file.id;
    return true;
  };
  auto& files = call.state.files;
  if (order && *order == "asc") {
    for (auto at = files.upper_bound(mark); at != files.end() && visit(at->second); ++at) continue;
  } else {
    auto at = std::make_reverse_iterator(after ? files.lower_bound(mark) : files.end());
    for (; at != files.rend() && visit(at->second); ++at) continue;
  }
  return ok(list_json(objects, more, first, last));
}

Reply get_file(Call& call) {
  const File* file = find_live(call);
  return file ? ok(file_json(*file)) : no_such_file(call.route.id);
}

Reply delete_file(Call& call) {
  if (!find_live(call)) return no_such_file(call.route.id);
  call.state.files.erase(call.state.file_numbers.at(call.route.id));
  call.state.file_numbers.erase(call.route.id);
  return ok(json{{"id", call.route.id}, {"object", "file"}, {"deleted", true}}.dump());
}

Reply file_content(Call& call) {
  const File* file = find_live(call);
  if (!file) return no_such_file(call.route.id);
  Reply reply;
  reply.content_type = "application/octet-stream";
  const bool encode = call.effects.base64_results && file->purpose == "fine-tune-results";
  reply.body = encode ? base64(*file->content) : *file->content;
  return reply;
}

}  // namespace trainer::sandbox

// Writing the record down.
#include "sandbox/history.h"

#include <nlohmann/json.hpp>

namespace trainer::sandbox {

using nlohmann::ordered_json;

std::string record_json(const Record& record) {
  ordered_json json = {
      {"seq", record.seq}, {"time_ms", record.time_ms}, {"method", record.method}, {"path", record.path}};
  json["query"] = record.query;
  json["status"] = record.status == 0 ? ordered_json("dropped") : ordered_json(record.status);
  json["fault"] = record.fault.empty() ? ordered_json() : ordered_json(record.fault);
  json["request_id"] = record.request_id;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  add("trainer_key", record.trainer_key);
  add("model", record.model);
  add("filename", record.filename);
  if (record.bytes >= 0) json["bytes"] = record.bytes;
  add("sha256", record.sha256);
  add("created", record.created);
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

History::History(bool keep, const std::string& path) : keep_(keep) {
  if (path.empty()) return;
  file_.reset(std::fopen(path.c_str(), "ae"));
  ok_ = file_ != nullptr;
}

void History::add(Record record) {
  if (!wanted()) return;
  record.seq = ++last_seq_;
  if (file_) {
    const std::string line = record_json(record) + "\n";
    // A line a write: whoever reads along sees whole requests.
    std::fwrite(line.data(), 1, line.size(), file_.get());
    std::fflush(file_.get());
  }
  if (keep_) records_.push_back(std::move(record));
}

std::string History::json() const {
  std::string text = "[";
  for (const Record& record : records_) {
    if (text.size() > 1) text += ",\n";
    text += record_json(record);
  }
  return text + "]";
}

}  // namespace trainer::sandbox

// The error envelope {"error": {message, type, param, code}}, and the bodies that gateways send in its place:
// problem+json, {"error": "text"}, {"message": ...}, {"detail": ...}, plain text, HTML, nothing.
#include "core/text.h"
#include "provider/json.h"
#include "provider/wire.h"
#include "provider/wire_fields.h"

namespace trainer::provider {
namespace {

constexpr std::size_t kMaxExcerpt = 300;

// A code may be a number, in bodies that repeat the status there: that names nothing.
std::string code_of(JsonView value) {
  const std::string text = value.text();
  return is_id(text) ? text : std::string();
}

template <class... Views>
std::string first_text(Views... views) {
  std::string found;
  ((found.empty() ? void(found = core::clean_message(views.text())) : void()), ...);
  return found;
}

WireError envelope(JsonView error) {
  WireError result;
  result.code = code_of(error["code"]);
  if (result.code.empty()) result.code = code_of(error["type"]);
  result.message = first_text(error["message"], error["detail"], error["title"]);
  result.param = label(error["param"]);
  return result;
}

WireError foreign(JsonView root) {
  const JsonView details = root["detail"];
  WireError result;
  result.code = code_of(root["code"]);
  if (result.code.empty()) result.code = code_of(root["error_code"]);
  result.message = first_text(root["error"], root["message"], root["Message"], details, root["title"],
                              root["errors"].at(0)["message"], details.at(0)["msg"], root["error_description"]);
  return result;
}

// What a person may make sense of; markup is nothing of the kind.
std::string excerpt(std::string_view body) {
  const std::string text = core::clean_message(body, kMaxExcerpt);
  return text.starts_with('<') ? std::string() : text;
}

}  // namespace

WireError read_error(std::string_view body) {
  const auto document = JsonDocument::parse(body);
  if (!document) return {.code = "", .message = excerpt(body), .param = ""};
  JsonView root = document->root();
  // Google's gateways wrap the object into an array of one.
  if (root.is_array()) root = root.at(0);
  if (root["error"].is_object()) return envelope(root["error"]);
  return foreign(root);
}

}  // namespace trainer::provider

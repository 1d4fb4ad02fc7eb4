// The replies' shapes, and of the error envelope the one place where it is written.
#include "sandbox/message.h"

#include <nlohmann/json.hpp>

namespace trainer::sandbox {

Reply ok(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

Reply error_reply(int status, std::string_view type, std::string_view code, std::string_view param,
                  std::string_view message) {
  const auto text_or_null = [](std::string_view text) -> nlohmann::json {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  nlohmann::json error = {
      {"message", message}, {"type", type}, {"param", text_or_null(param)}, {"code", text_or_null(code)}};
  Reply reply;
  reply.status = status;
  reply.body =
      nlohmann::json{{"error", std::move(error)}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return reply;
}

Reply bad_request(std::string_view code, std::string_view param, std::string_view message) {
  return error_reply(400, "invalid_request_error", code, param, message);
}

}  // namespace trainer::sandbox

// One HTTP exchange as data, without a socket: the server makes a Request of what arrives and carries a Reply back, the
// way the reply says (late, cut short or not at all).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trainer::sandbox {

struct Request {
  std::string method;
  std::string path;                                        // percent-decoded
  std::vector<std::pair<std::string, std::string>> query;  // percent-decoded, in order
  std::string authorization;                               // Authorization, verbatim
  std::string api_key;                                     // api-key, verbatim
  std::string content_type;
  std::string body;
  bool too_large = false;  // the body was more than the server takes, and is not here
};

struct Reply {
  enum class Delivery {
    complete,
    truncated,  // Content-Length is that of the whole body; half of it is sent, then the connection is closed
    dropped,    // the connection is closed without an answer
  };
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::int64_t delay_ms = 0;
  Delivery delivery = Delivery::complete;
};

// 200 with a JSON text.
Reply ok(std::string body);

// The provider's error envelope. An empty code or param is null on the wire.
Reply error_reply(int status, std::string_view type, std::string_view code, std::string_view param,
                  std::string_view message);

// 400 invalid_request_error.
Reply bad_request(std::string_view code, std::string_view param, std::string_view message);

}  // namespace trainer::sandbox

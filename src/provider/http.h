// One HTTP exchange as data. Owns no socket: calls build requests and read replies, a Transport carries them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trainer::provider {

enum class Method { get, post, del };

// multipart/form-data: text fields, then one file streamed from a descriptor.
struct Multipart {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string file_field;
  std::string filename;
  int fd = -1;  // read with pread from 0; not owned
  std::int64_t bytes = 0;
};

struct HttpRequest {
  Method method = Method::get;
  std::string path;  // behind Profile::api_base, begins with '/'; reserved bytes are escaped already
  std::string json;  // body of a POST when there is no multipart; may be empty
  bool multipart = false;
  Multipart form;
};

struct HttpReply {
  enum class End {
    answered,  // a complete answer, whatever its status
    not_sent,  // name resolution, connection or TLS failed: no byte of the request left
    broken,    // bytes may have left, no complete answer came (timeout, reset, truncation, too large)
  };
  End end = End::broken;
  int status = 0;
  std::string body;
  std::string request_id;                // x-request-id
  std::vector<std::string> retry_after;  // every Retry-After header, verbatim
  std::string retry_after_ms;            // retry-after-ms, verbatim
  std::string should_retry;              // x-should-retry, verbatim
  std::string error;                     // what the transport says, when not answered
};

}  // namespace trainer::provider

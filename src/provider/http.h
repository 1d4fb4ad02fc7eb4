// One HTTP exchange as data. Owns no socket: calls build requests and read replies, a Transport carries them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace trainer::provider {

enum class Method { get, post, del };

// multipart/form-data: text fields, then one file streamed from a descriptor.
struct Multipart {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string file_field;
  std::string filename;  // [A-Za-z0-9_.-], anything else is refused
  int fd = -1;           // read with pread from 0; not owned
  std::int64_t bytes = 0;
};

struct HttpRequest {
  Method method = Method::get;
  std::string path;  // behind Profile::api_base or the origin, begins with '/'; reserved bytes are escaped already
  std::string json;  // body of a POST when there is no multipart; may be empty
  bool multipart = false;
  Multipart form;
  // Sent at most once. libcurl sends a request again by itself when a kept-alive connection dies before the first byte
  // of an answer, a POST too; a paid one therefore gets a connection of its own, where it does not.
  bool once = false;
  // Elsewhere than at the provider, e.g. https://hooks.example.com: without the key, with these headers instead, and
  // within limits of its own. Empty: Profile::api_base.
  std::string origin;
  std::vector<std::string> headers;
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
  std::int64_t received_at = 0;          // Unix seconds; a Retry-After that is a date counts from here
};

}  // namespace trainer::provider

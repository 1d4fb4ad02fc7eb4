// One operation as a chain of HTTP exchanges, without any I/O of its own: start() gives the first request, advance()
// takes the reply and gives the next request or what it all came to. A paid call looks at the provider for its token
// before it sends.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/operation.h"
#include "provider/http.h"
#include "provider/profile.h"
#include "provider/wire.h"

namespace trainer::provider {

using Step = std::variant<HttpRequest, core::Outcome>;

class Call {
 public:
  virtual ~Call() = default;
  // The first request; or the outcome at once, where the work lacks what the call needs (a bug, or a row edited by
  // hand).
  virtual Step start() = 0;
  virtual Step advance(const HttpReply& reply) = 0;
};

// Never null. `work` is copied.
std::unique_ptr<Call> make_call(const Profile& profile, const core::Work& work);

// A reply of a chat model. What the model is found to take is written into `dialect`, which outlives the call.
std::unique_ptr<Call> make_chat(core::ChatRequest request, Dialect& dialect);

// Is the provider there, and does it take the key? GET /models; delivery ok, or the failure.
std::unique_ptr<Call> make_probe();

// A notification to the app, at the origin and path of its URL; delivery ok for every 2xx. `headers` are whole lines.
std::unique_ptr<Call> make_notification(std::string_view origin, std::string_view path,
                                        std::vector<std::string> headers, std::string body);

}  // namespace trainer::provider

// A notification on its way to the app: one POST, without the provider's key.
#include <utility>

#include "provider/call.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

class Notification : public Call {
 public:
  explicit Notification(HttpRequest request) : request_(std::move(request)) {}

  Step start() override { return std::move(request_); }

  Step advance(const HttpReply& reply) override {
    core::Outcome outcome = classify(reply);
    if (reply.end != HttpReply::End::answered || outcome.delivery == core::Delivery::ok) return outcome;
    // Nothing of the body: what stands behind the URL is not to be read by way of an error.
    outcome = core::Outcome();
    outcome.delivery = core::Delivery::retry_later;
    outcome.failure.http_status = reply.status;
    outcome.failure.code = "http_" + std::to_string(reply.status);
    outcome.failure.message =
        "The endpoint answered with HTTP status " + std::to_string(reply.status) +
        (reply.status >= 300 && reply.status < 400 ? ", a redirect, which is never followed." : ".");
    outcome.failure.retry_after = retry_after(reply);
    return outcome;
  }

 private:
  HttpRequest request_;
};

}  // namespace

std::unique_ptr<Call> make_notification(std::string_view origin, std::string_view path,
                                        std::vector<std::string> headers, std::string body) {
  HttpRequest request;
  request.method = Method::post;
  request.origin = origin;
  request.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  request.headers = std::move(headers);
  request.json = std::move(body);
  request.once = true;
  return std::make_unique<Notification>(std::move(request));
}

}  // namespace trainer::provider

// Does it answer? A model that is about to be deployed, and the provider itself.
#include <utility>

#include "provider/call_steps.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;

// A 400 that is about the parameter and not about the model.
bool refuses(const HttpReply& reply, TokenLimit limit) {
  if (reply.end != HttpReply::End::answered || reply.status != 400) return false;
  const WireError error = read_error(reply.body);
  if (error.param == name(limit)) return true;
  const bool names_it = error.message.find(name(limit)) != std::string::npos;
  return names_it &&
         (error.code == "unsupported_parameter" || error.code == "unknown_parameter" ||
          error.message.find("upported") != std::string::npos ||
          error.message.find("nrecognized") != std::string::npos || error.message.find("nknown") != std::string::npos);
}

class Verify : public Call {
 public:
  explicit Verify(const core::Work& work) : model_(work.model.fine_tuned_model_id) {}

  Step start() override {
    if (!is_model_name(model_)) return invalid_work("The model has no name at the provider.");
    return get("/models/" + escaped(model_));
  }

  Step advance(const HttpReply& reply) override {
    if (!asked_) return found(reply);
    Outcome outcome = classify(reply);
    if (outcome.delivery == Delivery::ok && !is_completion(reply.body)) return unreadable(reply, "a completion");
    if (!asked_twice_ && refuses(reply, TokenLimit::max_completion_tokens)) {
      asked_twice_ = true;
      return ask(TokenLimit::max_tokens);
    }
    return outcome;
  }

 private:
  Step found(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return outcome;
    if (read_model_id(reply.body) != model_) return unreadable(reply, "the model that was asked for");
    asked_ = true;
    return ask(TokenLimit::max_completion_tokens);
  }

  Step ask(TokenLimit limit) const { return post("/chat/completions", short_completion_request(model_, limit)); }

  std::string model_;
  bool asked_ = false;
  bool asked_twice_ = false;
};

class Probe : public Call {
 public:
  Step start() override { return get("/models"); }

  Step advance(const HttpReply& reply) override {
    Outcome outcome = classify(reply);
    if (outcome.delivery == Delivery::ok && !is_model_list(reply.body)) return unreadable(reply, "a list of models");
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Call> make_verify(const core::Work& work) {
  return std::make_unique<Verify>(work);
}

std::unique_ptr<Call> make_probe() {
  return std::make_unique<Probe>();
}

}  // namespace trainer::provider

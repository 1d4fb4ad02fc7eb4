// Does it answer? A model that is about to be deployed, one that is asked for a reply, and the provider itself.
#include <utility>

#include "provider/call_steps.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;

class Verify : public Call {
 public:
  explicit Verify(const core::Work& work) : model_(work.model.fine_tuned_model_id) {}

  Step start() override {
    if (!is_model_name(model_)) return invalid_work("The model has no name at the provider.");
    return get(model_path(model_));
  }

  Step advance(const HttpReply& reply) override {
    if (!asked_) return found(reply);
    Outcome outcome = classify(reply);
    if (outcome.delivery == Delivery::ok && !is_completion(reply.body)) return unreadable(reply, "a completion");
    if (!asked_twice_ && refuses(reply, name(TokenLimit::max_completion_tokens))) {
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

class Chat : public Call {
 public:
  Chat(core::ChatRequest request, Dialect& dialect) : request_(std::move(request)), dialect_(dialect) {}

  Step start() override { return ask(); }

  Step advance(const HttpReply& reply) override {
    if (tries_ < kTries && adapt(reply)) return ask();
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return outcome;
    outcome.completion = read_completion(reply.body);
    if (!outcome.completion) return unreadable(reply, "a completion");
    dialect_ = asked_;
    return outcome;
  }

 private:
  static constexpr int kTries = 3;  // as many as there are parameters to do without, and one

  // True when the refusal was about a parameter that can be written in another way, or left out.
  bool adapt(const HttpReply& reply) {
    if (refuses(reply, name(asked_.limit))) {
      asked_.limit =
          asked_.limit == TokenLimit::max_tokens ? TokenLimit::max_completion_tokens : TokenLimit::max_tokens;
      return true;
    }
    return refuses(reply, "temperature") && std::exchange(asked_.temperature, false);
  }

  // May be sent twice by libcurl (HttpRequest::once): what is lost then is the price of a reply, and a connection that
  // is kept is what makes it quick.
  HttpRequest ask() {
    ++tries_;
    return post("/chat/completions", chat_request(request_, asked_));
  }

  core::ChatRequest request_;
  Dialect& dialect_;
  Dialect asked_ = dialect_;
  int tries_ = 0;
};

}  // namespace

std::unique_ptr<Call> make_chat(core::ChatRequest request, Dialect& dialect) {
  return std::make_unique<Chat>(std::move(request), dialect);
}

std::unique_ptr<Call> make_verify(const core::Work& work) {
  return std::make_unique<Verify>(work);
}

std::unique_ptr<Call> make_probe() {
  return std::make_unique<Probe>();
}

}  // namespace trainer::provider

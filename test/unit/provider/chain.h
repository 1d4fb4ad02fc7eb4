// Drives a Call by hand: replies in, requests and the outcome out.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "provider/call.h"

namespace trainer::provider {

inline HttpReply answered(int status, std::string body) {
  HttpReply reply;
  reply.end = HttpReply::End::answered;
  reply.status = status;
  reply.body = std::move(body);
  reply.request_id = "req_1";
  reply.received_at = 1'800'000'000;
  return reply;
}

inline HttpReply unanswered(HttpReply::End end, std::string error) {
  HttpReply reply;
  reply.end = end;
  reply.error = std::move(error);
  return reply;
}

inline HttpReply lost() {
  return unanswered(HttpReply::End::broken, "Recv failure: Connection reset by peer");
}

inline HttpReply unreachable() {
  return unanswered(HttpReply::End::not_sent, "Connection refused");
}

inline std::string error_body(const std::string& code, const std::string& message = "no") {
  return R"({"error":{"message":")" + message + R"(","type":"invalid_request_error","param":null,"code":")" + code +
         R"("}})";
}

// A call in the middle of its chain. request() and outcome() say what it wants now. Copies share the call: only one of
// them may go on.
class Chain {
 public:
  explicit Chain(std::unique_ptr<Call> call) : call_(std::move(call)), step_(call_->start()) {}

  bool is_done() const { return std::holds_alternative<core::Outcome>(step_); }

  HttpRequest request() const {
    if (is_done()) {
      ADD_FAILURE() << "no request, but " << name(outcome().delivery) << ": " << outcome().failure.message;
      return {};
    }
    return std::get<HttpRequest>(step_);
  }

  core::Outcome outcome() const {
    if (!is_done()) {
      ADD_FAILURE() << "no outcome, but a request for " << request().path;
      return {};
    }
    return std::get<core::Outcome>(step_);
  }

  Chain& reply(const HttpReply& reply) {
    if (is_done()) {
      ADD_FAILURE() << "a reply that nobody waits for";
    } else {
      step_ = call_->advance(reply);
    }
    return *this;
  }
  Chain& reply(int status, const std::string& body) { return reply(answered(status, body)); }

 private:
  std::shared_ptr<Call> call_;
  Step step_;
};

inline const Profile& openai() {
  static const Profile profile = *find_profile("openai");
  return profile;
}

inline Chain chain(const core::Work& work) {
  return Chain(make_call(openai(), work));
}

}  // namespace trainer::provider

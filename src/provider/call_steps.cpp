#include "provider/call_steps.h"

#include "provider/classify.h"

namespace trainer::provider {

HttpRequest get(std::string path) {
  HttpRequest request;
  request.path = std::move(path);
  return request;
}

HttpRequest post(std::string path, std::string json) {
  HttpRequest request;
  request.method = Method::post;
  request.path = std::move(path);
  request.json = std::move(json);
  return request;
}

HttpRequest del(std::string path) {
  HttpRequest request;
  request.method = Method::del;
  request.path = std::move(path);
  return request;
}

std::string escaped(std::string_view text) {
  constexpr std::string_view kPlain = "-._~:";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    const auto byte = static_cast<unsigned char>(c);
    if (plain) {
      result += c;
    } else {
      result.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return result;
}

std::string job_path(std::string_view job_id) {
  return "/fine_tuning/jobs/" + escaped(job_id);
}

std::string file_path(std::string_view file_id) {
  return "/files/" + escaped(file_id);
}

std::string model_path(std::string_view model) {
  return "/models/" + escaped(model);
}

std::string jobs_with_token(std::string_view token) {
  return "/fine_tuning/jobs?limit=100&metadata%5B" + std::string(kTokenKey) + "%5D=" + escaped(token);
}

bool refuses(const HttpReply& reply, std::string_view parameter) {
  if (reply.end != HttpReply::End::answered || reply.status != 400) return false;
  const WireError error = read_error(reply.body);
  if (error.param == parameter) return true;
  if (error.message.find(parameter) == std::string::npos) return false;
  return error.code == "unsupported_parameter" || error.code == "unsupported_value" ||
         error.code == "unknown_parameter" || error.message.find("upported") != std::string::npos ||
         error.message.find("nrecognized") != std::string::npos || error.message.find("nknown") != std::string::npos;
}

core::Outcome invalid_work(std::string_view reason) {
  core::Outcome outcome;
  outcome.delivery = core::Delivery::rejected;
  outcome.failure.code = "invalid_work";
  outcome.failure.message = reason;
  return outcome;
}

core::Outcome job_outcome(const HttpReply& reply, std::string_view job_id) {
  core::Outcome outcome = classify(reply);
  if (outcome.delivery != core::Delivery::ok) return outcome;
  std::optional<TaggedJob> tagged = read_job(reply.body);
  if (!tagged || tagged->job.id != job_id) return unreadable(reply, "the job that was asked for");
  outcome.job = std::move(tagged->job);
  return outcome;
}

bool is_refused(const HttpReply& reply, const core::Outcome& outcome) {
  return outcome.delivery == core::Delivery::rejected || (reply.end == HttpReply::End::answered && reply.status == 409);
}

Pages::Turn Pages::turn(bool has_more, const std::string& last_id) {
  if (!has_more) return Turn::complete;
  if (last_id.empty() || --pages_left_ <= 0 || !seen_.insert(last_id).second) return Turn::incomplete;
  after_ = last_id;
  return Turn::next;
}

}  // namespace trainer::provider

// One request from its arrival to its reply: key, route, faults, effect, history.
#include "sandbox/sandbox.h"

#include <chrono>
#include <mutex>
#include <random>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

std::uint64_t random_seed() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

Reply dispatch(Call& call) {
  switch (call.route.endpoint) {
    case Endpoint::create_file:
      return create_file(call);
    case Endpoint::list_files:
      return list_files(call);
    case Endpoint::get_file:
      return get_file(call);
    case Endpoint::delete_file:
      return delete_file(call);
    case Endpoint::file_content:
      return file_content(call);
    case Endpoint::create_job:
      return create_job(call);
    case Endpoint::list_jobs:
      return list_jobs(call);
    case Endpoint::get_job:
      return get_job(call);
    case Endpoint::cancel_job:
      return cancel_job(call);
    case Endpoint::pause_job:
      return pause_job(call);
    case Endpoint::resume_job:
      return resume_job(call);
    case Endpoint::list_events:
      return list_events(call);
    case Endpoint::list_checkpoints:
      return list_checkpoints(call);
    case Endpoint::list_models:
      return list_models(call);
    case Endpoint::get_model:
      return get_model(call);
    case Endpoint::delete_model:
      return delete_model(call);
    case Endpoint::chat:
      return chat(call);
    case Endpoint::admin:
      return admin(call);
  }
  return error_reply(500, "server_error", "", "", "No such endpoint.");
}

// The beginning and the end of a key, as the provider shows it.
std::string shortened(const std::string& key) {
  if (key.size() < 12) return "***";
  return key.substr(0, 4) + "***" + key.substr(key.size() - 4);
}

std::optional<Reply> check_key(const Options& options, const Request& request) {
  if (options.api_key.empty()) return std::nullopt;
  constexpr std::string_view kBearer = "Bearer ";
  std::string key = request.api_key;
  if (request.authorization.starts_with(kBearer)) key = request.authorization.substr(kBearer.size());
  if (key == options.api_key) return std::nullopt;
  if (key.empty()) return error_reply(401, "invalid_request_error", "", "", "You didn't provide an API key.");
  return error_reply(401, "invalid_request_error", "invalid_api_key", "",
                     "Incorrect API key provided: " + shortened(key) + ".");
}

Reply answer_status(const Fault& fault) {
  Reply reply = error_reply(fault.status, fault.type, fault.code, fault.param, fault.message);
  if (!fault.body.empty()) {
    reply.body = fault.body;
    reply.content_type = fault.body.starts_with('<') ? "text/html" : "application/json";
  }
  reply.headers = fault.headers;
  return reply;
}

Reply dropped() {
  Reply reply;
  reply.delivery = Reply::Delivery::dropped;
  return reply;
}

// The reply that the fault makes of the call; the effect happens or not, by its kind.
Reply dispatch_with(const Fault& fault, Call& call) {
  if (fault.kind == FaultKind::drop_before) return dropped();
  if (fault.kind == FaultKind::status || fault.kind == FaultKind::training_not_available) return answer_status(fault);
  Reply reply = dispatch(call);
  if (fault.kind == FaultKind::drop_after) return dropped();
  if (fault.kind == FaultKind::truncate) {
    reply.delivery = Reply::Delivery::truncated;
  } else {
    reply.status = 200;
    reply.body = fault.body;
    reply.headers.insert(reply.headers.end(), fault.headers.begin(), fault.headers.end());
  }
  return reply;
}

Reply answer(State& state, const Request& request, std::int64_t now_ms, Record& record) {
  const auto found = find_route(request.method, request.path);
  const Route* route = std::get_if<Route>(&found);
  if (route && route->endpoint == Endpoint::admin) {
    Call call{state, request, *route, now_ms, Effects(), record};
    return dispatch(call);
  }
  if (std::optional<Reply> refused = check_key(state.options, request)) return *refused;
  if (!route) return std::get<Reply>(found);
  if (request.too_large) return error_reply(413, "invalid_request_error", "", "", "The request body is too large.");
  const Subject subject = describe(state, request, *route, record);
  Call call{state, request, *route, now_ms, state.faults.apply(request, *route, subject, now_ms), record};
  record.fault = call.effects.names;
  Reply reply = call.effects.answer ? dispatch_with(*call.effects.answer, call) : dispatch(call);
  reply.delay_ms = state.options.latency_ms + call.effects.latency_ms;
  return reply;
}

std::string query_text(const Request& request) {
  std::string text;
  for (const auto& [key, value] : request.query) {
    if (!text.empty()) text += '&';
    text += key + "=" + value;
  }
  return text;
}

}  // namespace

State::State(Options chosen, Clock the_clock)
    : options(std::move(chosen)),
      clock(std::move(the_clock)),
      random(options.seed ? *options.seed : random_seed()),
      history(options.keep_history, options.history_file),
      training(clock) {}

File* State::find_file(const std::string& id) {
  const auto found = file_numbers.find(id);
  return found == file_numbers.end() ? nullptr : &files.at(found->second);
}

Job* State::find_job(const std::string& id) {
  const auto found = job_numbers.find(id);
  return found == job_numbers.end() ? nullptr : &jobs.at(found->second);
}

struct Sandbox::Impl {
  Impl(Options options, Clock clock) : state(std::move(options), std::move(clock)) {}
  std::mutex mutex;
  State state;
  std::uint64_t requests = 0;
};

Sandbox::Sandbox(Options options, Clock clock) : impl_(std::make_unique<Impl>(std::move(options), std::move(clock))) {}
Sandbox::~Sandbox() = default;

Reply Sandbox::handle(const Request& request) {
  const std::lock_guard lock(impl_->mutex);
  State& state = impl_->state;
  Record record;
  const std::int64_t now_ms = state.clock();
  Reply reply = answer(state, request, now_ms, record);
  const std::string request_id = "req_" + std::to_string(now_ms) + "_" + std::to_string(++impl_->requests);
  reply.headers.emplace_back("x-request-id", request_id);
  if (state.history.wanted() && request.path.starts_with("/v1")) {
    record.time_ms = now_ms;
    record.method = request.method;
    record.path = request.path;
    record.query = query_text(request);
    record.status = reply.delivery == Reply::Delivery::dropped ? 0 : reply.status;
    record.request_id = request_id;
    state.history.add(std::move(record));
  }
  return reply;
}

void Sandbox::settle() {
  impl_->state.training.settle();
}

std::int64_t system_milliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace trainer::sandbox

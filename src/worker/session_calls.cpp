#include "worker/session_calls.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "provider/transport.h"
#include "worker/key.h"
#include "worker/process.h"

namespace trainer::worker {
namespace {

// One request; whatever ends it, the transport is free afterwards.
class InFlight {
 public:
  InFlight(provider::Transport& transport, CallKind kind, provider::HttpRequest request)
      : transport_(transport), kind_(kind) {
    transport_.start(kId, std::move(request));
  }
  ~InFlight() {
    if (!is_counted_) count_cancelled_request(kind_, Clock::now() - began_);
    transport_.abandon(kId);
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  provider::HttpReply wait_for_reply() {
    std::vector<provider::Finished> finished;
    while (transport_.run(), (finished = transport_.take_finished()).empty()) {
      wait(transport_.timeout(), transport_.fd());
    }
    is_counted_ = true;
    count_request(kind_, finished.front().reply, Clock::now() - began_);
    return std::move(finished.front().reply);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kId = 1;
  provider::Transport& transport_;
  CallKind kind_;
  Clock::time_point began_ = Clock::now();
  bool is_counted_ = false;
};

// For the life of the process, like the session that it belongs to.
provider::Transport& transport_for(const pg::Settings& settings, std::string key, std::chrono::milliseconds longest) {
  static std::unique_ptr<provider::Transport> transport;
  static std::string known_key;
  provider::TransportLimits limits = limits_of(settings);
  limits.request_timeout = std::min(limits.request_timeout, longest);
  limits.connect_timeout = std::min(limits.connect_timeout, longest);
  if (transport == nullptr) {
    transport = std::make_unique<provider::Transport>(profile_of(settings), key, limits);
  } else {
    transport->set_profile(profile_of(settings));
    transport->set_limits(limits);
    if (key != known_key) transport->set_api_key(key);
  }
  known_key = std::move(key);
  return *transport;
}

template <class Exchange>
core::Outcome carry_out(provider::Call& call, Exchange exchange) {
  provider::Step step = call.start();
  while (auto* request = std::get_if<provider::HttpRequest>(&step)) step = call.advance(exchange(std::move(*request)));
  return std::move(std::get<core::Outcome>(step));
}

}  // namespace

core::Result<core::Outcome> call_provider(provider::Call& call, CallKind kind, const pg::Settings& settings,
                                          std::chrono::milliseconds longest) {
#ifdef TRAINER_TEST
  if (has_test_answers()) return carry_out(call, take_test_answer);
#endif
  auto key = read_key(settings);
  if (!key.ok()) return key.error();
  provider::Transport& transport = transport_for(settings, std::move(key).value(), longest);
  return carry_out(call, [&](provider::HttpRequest request) {
    return InFlight(transport, kind, std::move(request)).wait_for_reply();
  });
}

}  // namespace trainer::worker

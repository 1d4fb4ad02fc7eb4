// Waits for a Transport as its owner does: its descriptor, its timeout, run().
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "provider/transport.h"

namespace trainer::provider {

using namespace std::chrono_literals;

inline Profile profile_at(const std::string& base) {
  Profile profile = *find_profile("openai");
  profile.api_base = base;
  return profile;
}

inline TransportLimits quick_limits() {
  TransportLimits limits;
  limits.connect_timeout = 2000ms;
  limits.request_timeout = 5000ms;
  limits.max_response_bytes = 1024 * 1024;
  return limits;
}

inline HttpRequest get_request(std::string path) {
  HttpRequest request;
  request.path = std::move(path);
  return request;
}

inline HttpRequest post_request(std::string path, std::string json) {
  HttpRequest request;
  request.method = Method::post;
  request.path = std::move(path);
  request.json = std::move(json);
  return request;
}

class Driver {
 public:
  explicit Driver(const std::string& base, TransportLimits limits = quick_limits(), std::string key = "sk-test")
      : transport(profile_at(base), std::move(key), limits) {}

  // One turn of the owner's loop.
  void turn(std::chrono::milliseconds longest = 100ms) {
    pollfd waiting{transport.fd(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(std::min(longest, transport.timeout()).count()));
    transport.run();
    for (Finished& finished : transport.take_finished()) {
      EXPECT_TRUE(replies.emplace(finished.id, std::move(finished.reply)).second) << "answered twice";
    }
  }

  void run_until(std::size_t count, std::chrono::seconds longest = 20s) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (replies.size() < count && std::chrono::steady_clock::now() < end) turn();
    EXPECT_GE(replies.size(), count) << "no reply in time";
  }

  HttpReply ask(HttpRequest request) {
    const std::uint64_t id = next_++;
    transport.start(id, std::move(request));
    const std::size_t before = replies.size();
    run_until(before + 1);
    return replies[id];
  }

  Transport transport;
  std::map<std::uint64_t, HttpReply> replies;

 private:
  std::uint64_t next_ = 1'000'000;
};

}  // namespace trainer::provider

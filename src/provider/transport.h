// HTTP over libcurl multi, driven from outside: the owner waits on fd() together with whatever else it waits for, and
// calls run(). Nothing here blocks, throws across libcurl, or starts a thread with signals open. One transport serves
// one process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "provider/http.h"
#include "provider/profile.h"

namespace trainer::provider {

struct TransportLimits {
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds request_timeout{60000};   // whole exchange; uploads get the time that 64 kB/s needs on top
  std::size_t max_response_bytes = 16 * 1024 * 1024;  // counted after decoding; more is End::broken
  int max_connections = 256;  // kept open; further requests wait in line, and their time does not run
};

struct Finished {
  std::uint64_t id = 0;
  HttpReply reply;
};

class Transport {
 public:
  // Requests that go elsewhere than to the provider have room beside the connections to it, and wait in no line:
  // whoever starts them keeps to this number, since what they take nobody else can have.
  static constexpr int kElsewhere = 8;

  Transport(Profile profile, std::string api_key, TransportLimits limits);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes effect for requests that start from now on.
  void set_profile(Profile profile);
  void set_api_key(std::string api_key);
  void set_limits(TransportLimits limits);

  // `id` is the caller's and comes back with the reply; it must not be in flight already.
  void start(std::uint64_t id, HttpRequest request);
  // Forgets a request: its connection is closed, no reply will come. Returns within milliseconds, whatever the network
  // does.
  void abandon(std::uint64_t id);

  int fd() const;                             // epoll descriptor: readable when run() has work
  std::chrono::milliseconds timeout() const;  // call run() no later than this; at most one minute
  void run();                                 // moves every exchange as far as it goes without waiting
  std::vector<Finished> take_finished();
  std::size_t in_flight() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainer::provider

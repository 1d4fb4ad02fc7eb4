// The provider's fine-tuning API without a socket: requests in, replies out, everything in memory. HttpServer carries
// it on loopback; tests may call it directly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sandbox/message.h"

namespace trainer::sandbox {

// Milliseconds since 1970. Called from several threads.
using Clock = std::function<std::int64_t()>;
std::int64_t system_milliseconds();

struct Options {
  std::string api_key;                // empty: every key is taken, and none
  std::optional<std::uint64_t> seed;  // ids, default job seeds, samples; nullopt: a different one each time
  double job_seconds = 3;             // wall time of a whole job; 0: as soon as it has been trained
  std::int64_t latency_ms = 0;        // of every request under /v1
  bool keep_history = true;           // in memory, for GET /_sandbox/history
  std::string history_file;           // appended to, one JSON line a request; empty: none
};

class Sandbox {
 public:
  explicit Sandbox(Options options, Clock clock = system_milliseconds);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  Reply handle(const Request& request);
  // Waits until every job that was created has been trained.
  void settle();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainer::sandbox

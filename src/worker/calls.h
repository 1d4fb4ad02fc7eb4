// The calls that are under way: each a chain of requests over one transport. Knows no table; what comes back is ready
// to be recorded.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/operation.h"
#include "core/reply.h"
#include "core/webhook.h"
#include "pg/settings.h"
#include "pg/spool.h"
#include "provider/call.h"
#include "provider/transport.h"

namespace trainer::worker {

struct Finished {
  core::Work work;
  core::Outcome outcome;
  bool replaced_key = false;         // it began with another key than the one that is in use now
  std::optional<core::Reply> reply;  // instead of the work
  std::optional<core::Webhook> webhook;
  std::chrono::milliseconds took{};
};

class Calls {
 public:
  // Applies the settings to what starts from now on, and reads the key anew. A key that cannot be read leaves the last
  // good one in use; problem() tells. True when the key is another than before.
  bool configure(const pg::Settings& settings);

  // Why no call can be made, or empty.
  const std::string& problem() const { return problem_; }
  bool can_call() const { return has_key_; }

  void begin(core::Work work, pg::SpoolFile spool);
  void begin(core::Reply reply);
  // A notification to the app, which needs no key. Precondition: core::check_webhook_url() finds nothing.
  void begin(core::Webhook webhook, std::vector<std::string> headers);

  // An operation whose lease ran out while its call is still under way has been claimed again, by us: the call goes on
  // under the new claim. False when no such call is under way.
  bool renew(const core::Work& claimed);
  bool renew(const core::Reply& claimed);

  // Moves everything as far as it goes without waiting, and takes what has ended.
  std::vector<Finished> step();

  // To the provider; notifications to the app come on top.
  int under_way() const { return static_cast<int>(calls_.size()) - webhooks_; }
  int webhooks_under_way() const { return webhooks_; }
  int replies_under_way() const { return replies_; }
  // Calls that may be under way at a time. Some wait inside the transport, so that a connection that becomes free is
  // used at once, and not after the next claim.
  int capacity() const { return max_connections_ + reserve(); }
  int reserve() const { return max_connections_ / 4; }

  int fd() const { return transport_ == nullptr ? -1 : transport_->fd(); }
  std::chrono::milliseconds timeout() const;

 private:
  struct UnderWay {
    core::Work work;
    pg::SpoolFile spool;
    std::unique_ptr<provider::Call> call;
    std::size_t key_hash = 0;
    std::optional<core::Reply> reply;
    std::optional<core::Webhook> webhook;
    std::chrono::steady_clock::time_point began;
    std::chrono::steady_clock::time_point asked;  // the request that is under way
  };

  void start(const std::string& id, UnderWay call);
  UnderWay* find(const std::string& id);
  void take(std::uint64_t id, provider::Step step);

  provider::Profile profile_;
  std::unique_ptr<provider::Transport> transport_;
  int max_connections_ = 0;
  std::string problem_;
  bool has_key_ = false;
  std::size_t key_hash_ = 0;  // tells a new key from the old one, and nothing else of either
  std::unordered_map<std::uint64_t, UnderWay> calls_;
  std::unordered_map<std::string, std::uint64_t> by_row_;  // the id of the operation, the request or the message
  int replies_ = 0;
  int webhooks_ = 0;
  std::vector<Finished> ended_;
  std::uint64_t next_id_ = 1;
};

}  // namespace trainer::worker

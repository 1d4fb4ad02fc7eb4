#include "worker/calls.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "core/api_key.h"

namespace trainer::worker {
namespace {

core::Result<std::string> read_key(const pg::Settings& settings) {
  if (!settings.api_key_file.empty()) return core::read_key_file(settings.api_key_file);
  const char* value = settings.api_key_env.empty() ? nullptr : std::getenv(settings.api_key_env.c_str());
  if (value == nullptr) {
    return core::Error{core::Condition::invalid_argument, "no API key", "",
                       "Set trainer.api_key_file to a file that only the server's user can read."};
  }
  if (auto error = core::check_key(value)) return *error;
  return std::string(value);
}

provider::Profile profile_of(const pg::Settings& settings) {
  // The setting's check hook knows the same names.
  provider::Profile profile = provider::find_profile(settings.provider).value();
  if (!settings.api_base.empty()) profile.api_base = settings.api_base;
  while (profile.api_base.ends_with('/')) profile.api_base.pop_back();
  return profile;
}

provider::TransportLimits limits_of(const pg::Settings& settings) {
  provider::TransportLimits limits;
  limits.connect_timeout = settings.connect_timeout;
  limits.request_timeout = settings.request_timeout;
  limits.max_response_bytes = static_cast<std::size_t>(settings.max_response_kb) * 1024;
  limits.max_connections = settings.max_concurrent_requests;
  return limits;
}

}  // namespace

void Calls::configure(const pg::Settings& settings) {
  profile_ = profile_of(settings);
  max_connections_ = settings.max_concurrent_requests;
  auto key = read_key(settings);
  problem_ =
      key.ok() ? std::string() : key.error().message + (key.error().detail.empty() ? "" : ": " + key.error().detail);
  if (transport_ != nullptr) {
    transport_->set_profile(profile_);
    transport_->set_limits(limits_of(settings));
    if (key.ok()) transport_->set_api_key(std::move(key).value());
  } else if (key.ok()) {
    transport_ = std::make_unique<provider::Transport>(profile_, std::move(key).value(), limits_of(settings));
  }
}

void Calls::begin(core::Work work, pg::SpoolFile spool) {
  std::uint64_t id = next_id_++;
  auto call = provider::make_call(profile_, work);
  by_operation_[work.operation.id] = id;
  auto& entry = calls_[id];
  entry = {std::move(work), std::move(spool), std::move(call)};
  take(id, entry.call->start());
}

bool Calls::renew(const core::Work& claimed) {
  auto known = by_operation_.find(claimed.operation.id);
  if (known == by_operation_.end()) return false;
  calls_.at(known->second).work.operation = claimed.operation;
  return true;
}

void Calls::take(std::uint64_t id, provider::Step step) {
  if (auto* request = std::get_if<provider::HttpRequest>(&step)) {
    transport_->start(id, std::move(*request));
    return;
  }
  auto entry = calls_.extract(id);
  by_operation_.erase(entry.mapped().work.operation.id);
  ended_.push_back({std::move(entry.mapped().work), std::move(std::get<core::Outcome>(step))});
}

std::vector<Finished> Calls::step() {
  if (transport_ != nullptr) {
    transport_->run();
    for (auto& finished : transport_->take_finished()) {
      take(finished.id, calls_.at(finished.id).call->advance(finished.reply));
    }
  }
  return std::exchange(ended_, {});
}

std::chrono::milliseconds Calls::timeout() const {
  if (!ended_.empty()) return std::chrono::milliseconds{0};
  return transport_ == nullptr ? std::chrono::milliseconds{60000} : transport_->timeout();
}

}  // namespace trainer::worker

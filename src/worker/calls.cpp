#include "worker/calls.h"

#include <functional>
#include <utility>
#include <variant>

#include "worker/key.h"

namespace trainer::worker {
bool Calls::configure(const pg::Settings& settings) {
  profile_ = profile_of(settings);
  max_connections_ = settings.max_concurrent_requests;
  auto key = read_key(settings);
  problem_ =
      key.ok() ? std::string() : key.error().message + (key.error().detail.empty() ? "" : ": " + key.error().detail);
  if (transport_ != nullptr) {
    transport_->set_profile(profile_);
    transport_->set_limits(limits_of(settings));
  }
  if (!key.ok()) return false;
  std::size_t hash = std::hash<std::string>()(key.value());
  bool is_new = std::exchange(key_hash_, hash) != hash;
  if (transport_ == nullptr) {
    transport_ = std::make_unique<provider::Transport>(profile_, std::move(key).value(), limits_of(settings));
  } else if (is_new) {
    transport_->set_api_key(std::move(key).value());
  }
  return is_new;
}

void Calls::begin(core::Work work, pg::SpoolFile spool) {
  std::uint64_t id = next_id_++;
  auto call = provider::make_call(profile_, work);
  by_operation_[work.operation.id] = id;
  auto& entry = calls_[id];
  entry = {std::move(work), std::move(spool), std::move(call), key_hash_};
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
  ended_.push_back(
      {std::move(entry.mapped().work), std::move(std::get<core::Outcome>(step)), entry.mapped().key_hash != key_hash_});
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

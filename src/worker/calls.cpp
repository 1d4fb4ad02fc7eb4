#include "worker/calls.h"

#include <functional>
#include <utility>
#include <variant>

#include "core/url.h"
#include "worker/counters.h"
#include "worker/dialects.h"
#include "worker/key.h"

namespace trainer::worker {
bool Calls::configure(const pg::Settings& settings) {
  profile_ = profile_of(settings);
  max_connections_ = settings.max_concurrent_requests;
  auto key = read_key(settings);
  problem_ =
      key.ok() ? std::string() : key.error().message + (key.error().detail.empty() ? "" : ": " + key.error().detail);
  if (transport_ == nullptr) {
    transport_ = std::make_unique<provider::Transport>(profile_, std::string(), limits_of(settings));
  } else {
    transport_->set_profile(profile_);
    transport_->set_limits(limits_of(settings));
  }
  if (!key.ok()) return false;
  std::size_t hash = std::hash<std::string>()(key.value());
  bool is_new = std::exchange(key_hash_, hash) != hash || !has_key_;
  has_key_ = true;
  if (is_new) transport_->set_api_key(std::move(key).value());
  return is_new;
}

void Calls::start(const std::string& row, UnderWay call) {
  const std::uint64_t id = next_id_++;
  by_row_[row] = id;
  call.key_hash = key_hash_;
  call.began = std::chrono::steady_clock::now();
  auto& entry = calls_[id] = std::move(call);
  take(id, entry.call->start());
}

void Calls::begin(core::Work work, pg::SpoolFile spool) {
  const std::string id = work.operation.id;
  UnderWay call;
  call.call = provider::make_call(profile_, work);
  call.work = std::move(work);
  call.spool = std::move(spool);
  start(id, std::move(call));
}

void Calls::begin(core::Reply reply) {
  const std::string id = reply.id;
  UnderWay call;
  call.call = provider::make_chat(reply.request, dialect_of(reply.request.model));
  call.reply = std::move(reply);
  ++replies_;
  start(id, std::move(call));
}

void Calls::begin(core::Webhook webhook, std::vector<std::string> headers) {
  const std::string id = webhook.id;
  const core::Url url = core::read_url(webhook.url).value();
  UnderWay call;
  call.call = provider::make_notification(url.origin, url.path, std::move(headers), webhook.body);
  call.webhook = std::move(webhook);
  ++webhooks_;
  start(id, std::move(call));
}

Calls::UnderWay* Calls::find(const std::string& row) {
  auto known = by_row_.find(row);
  return known == by_row_.end() ? nullptr : &calls_.at(known->second);
}

bool Calls::renew(const core::Work& claimed) {
  UnderWay* call = find(claimed.operation.id);
  if (call != nullptr) call->work.operation = claimed.operation;
  return call != nullptr;
}

bool Calls::renew(const core::Reply& claimed) {
  UnderWay* call = find(claimed.id);
  if (call != nullptr) call->reply = claimed;
  return call != nullptr;
}

void Calls::take(std::uint64_t id, provider::Step step) {
  if (auto* request = std::get_if<provider::HttpRequest>(&step)) {
    calls_.at(id).asked = std::chrono::steady_clock::now();
    transport_->start(id, std::move(*request));
    return;
  }
  auto entry = calls_.extract(id);
  UnderWay& call = entry.mapped();
  by_row_.erase(call.webhook ? call.webhook->id : call.reply ? call.reply->id : call.work.operation.id);
  if (call.reply) --replies_;
  if (call.webhook) --webhooks_;
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - call.began);
  ended_.push_back({std::move(call.work), std::move(std::get<core::Outcome>(step)), call.key_hash != key_hash_,
                    std::move(call.reply), std::move(call.webhook), took});
}

std::vector<Finished> Calls::step() {
  if (transport_ != nullptr) {
    transport_->run();
    for (auto& finished : transport_->take_finished()) {
      UnderWay& call = calls_.at(finished.id);
      if (!call.webhook) {  // which goes to the app
        count_request(call.reply ? CallKind::reply : call_kind(call.work.operation.kind), finished.reply,
                      std::chrono::steady_clock::now() - call.asked);
      }
      take(finished.id, call.call->advance(finished.reply));
    }
  }
  return std::exchange(ended_, {});
}

std::chrono::milliseconds Calls::timeout() const {
  if (!ended_.empty()) return std::chrono::milliseconds{0};
  return transport_ == nullptr ? std::chrono::milliseconds{60000} : transport_->timeout();
}

}  // namespace trainer::worker

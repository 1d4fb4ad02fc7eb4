#include "worker/webhooks.h"

#include <string.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/api_key.h"
#include "core/url.h"
#include "pg/fault_point.h"
#include "pg/hmac.h"
#include "pg/notifications.h"
#include "pg/spi.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

// Longer than the transport lets one take.
constexpr milliseconds kLease{60000};
// Between two looks: whoever commits anything wakes the worker. And when nothing is known to come.
constexpr milliseconds kWebhookBreath{100};
constexpr milliseconds kWebhookLook{10000};

// The secret is read each time: a new one is in use at once.
core::Result<std::string> read_key(const pg::Settings& settings) {
  if (settings.webhook_secret_file.empty()) {
    return core::Error{core::Condition::invalid_argument, "", "trainer.webhook_secret_file is not set.", ""};
  }
  // Admins, who are told what is wrong, may not know where it is: the setting is a superuser's to see.
  auto secret = core::read_key_file(settings.webhook_secret_file, "The file of trainer.webhook_secret_file");
  if (!secret.ok()) return secret.error();
  std::string text = std::move(secret).value();
  auto key = core::read_webhook_secret(text);
  explicit_bzero(text.data(), text.size());
  return key;
}

// The key to sign with, where something may be sent there; else why not.
core::Result<std::string> key_for(const std::string& url, const pg::Settings& settings) {
  if (auto error = core::check_webhook_url(url, settings.webhook_allowed_hosts)) return *std::move(error);
  return read_key(settings);
}

// What the message is signed with, where something may be sent there; else why not.
core::Result<std::vector<std::string>> headers_of(const core::Webhook& webhook, const pg::Settings& settings) {
  auto key = key_for(webhook.url, settings);
  if (!key.ok()) return key.error();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t timestamp = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  const std::string signature = core::webhook_signature(*key, webhook.id, timestamp, webhook.body, &pg::hmac_sha256);
  explicit_bzero(key.value().data(), key->size());
  return std::vector<std::string>{"webhook-id: " + webhook.id, "webhook-timestamp: " + std::to_string(timestamp),
                                  "webhook-signature: " + signature};
}

struct Claimed {
  core::Webhook webhook;
  core::Result<std::vector<std::string>> headers;
};

core::Outcome not_sent(std::string why) {
  core::Outcome outcome;
  outcome.delivery = core::Delivery::not_sent;
  outcome.failure.message = std::move(why);
  return outcome;
}

}  // namespace

milliseconds Webhooks::until_due() const {
  return std::chrono::ceil<milliseconds>(next_ - Clock::now());
}

void Webhooks::look() {
  next_ = std::min(next_, std::max<Clock::time_point>(Clock::now(), last_ + kWebhookBreath));
}

void Webhooks::step(std::int64_t epoch) {
  const int room = provider::Transport::kElsewhere - calls_.webhooks_under_way();
  std::vector<Claimed> claimed;
  std::optional<milliseconds> until;
  auto problem = store([&] {
    until = pg::until_next_webhook();
    if (room <= 0 || !until || until->count() > 0) return;
    for (core::Webhook& webhook : pg::claim_webhooks(epoch, room, kLease)) {
      auto headers = headers_of(webhook, settings_);
      claimed.push_back({std::move(webhook), std::move(headers)});
    }
    until = pg::until_next_webhook();
  });
  if (problem) {
    log_problem("trainer worker could not look for notifications to send", *problem);
    claimed.clear();
  }
  last_ = Clock::now();
  // What is due and could not be had waits for the next look: the worker is paused, or somebody has it locked.
  const bool is_stuck = problem || (claimed.empty() && until && until->count() == 0);
  next_ = last_ + (is_stuck ? kWebhookLook : std::clamp(until.value_or(kWebhookLook), kWebhookBreath, kWebhookLook));
  for (Claimed& message : claimed) {
    TRAINER_FAULT_POINT("webhook-claimed");
    if (message.headers.ok()) {
      calls_.begin(std::move(message.webhook), std::move(message.headers).value());
    } else {
      record(message.webhook, not_sent(message.headers.error().detail));
    }
  }
}

void Webhooks::record(const core::Webhook& webhook, const core::Outcome& outcome) {
  TRAINER_FAULT_POINT("webhook-answered");
  const auto decision = core::decide_webhook(webhook, outcome, random_);
  auto problem = store([&] { pg::record_webhook(webhook, decision, outcome); });
  // Sent again when its lease has run out.
  if (problem) log_problem("trainer worker could not record what came of a notification", *problem);
  look();
}

}  // namespace trainer::worker

TRAINER_FUNCTION(trainer_webhook_problem) {
  namespace pg = trainer::pg;
  const std::string url = pg::to_utf8(pg::guarded([&] { return PG_GETARG_TEXT_PP(0); }));
  const auto key = trainer::worker::key_for(url, pg::current_settings());
  if (key.ok()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(pg::to_text(key.error().detail));
}

// Notifications that are sent to the app: where to, how they are signed, and what follows from a try. The table behind
// it is trainer_webhook_deliveries.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/operation.h"
#include "core/result.h"
#include "core/retry.h"

namespace trainer::core {

// nullopt for what trainer.webhook_allowed_hosts may say: entries between commas, each a host of https
// (hooks.example.com, hooks.example.com:8443), or a scheme with it (http://127.0.0.1:8080). An entry is one port of one
// host: without a number the scheme's own.
std::optional<Error> check_webhook_hosts(const std::string& allowed);

// nullopt when `allowed` has the scheme, host and port of the URL.
std::optional<Error> check_webhook_url(const std::string& url, const std::string& allowed);

// The bytes of a secret of Standard Webhooks: "whsec_" and the base64 of 24 to 64 bytes. No error says anything of it.
Result<std::string> read_webhook_secret(std::string_view secret);

// Of a key and a message.
using HmacSha256 = std::function<std::array<std::uint8_t, 32>(std::string_view, std::string_view)>;

// The value of the header webhook-signature, by Standard Webhooks 1.0: v1 and the base64 of the HMAC of id, timestamp
// (Unix seconds) and body, with dots between them.
std::string webhook_signature(std::string_view key, std::string_view id, std::int64_t timestamp, std::string_view body,
                              const HmacSha256& hmac);

enum class WebhookState {
  ready,      // to be sent at due_at
  sending,    // claimed. due_at is the end of the lease; what is lost then is sent again under the same id
  delivered,  // the app has answered with 2xx
  failed,
};
std::string_view name(WebhookState state);

// A row of trainer_webhook_deliveries, claimed. (attempt, epoch) are what the record of its outcome compares with.
struct Webhook {
  std::string id;  // of the message: the same at each try
  std::string organization_id;
  std::string url;
  std::string body;
  int attempt = 0;         // claims so far, this one included
  std::int64_t epoch = 0;  // incarnation of the worker that claimed it
  std::chrono::milliseconds age{};
  int failures = 0;  // tries in a row, of any message, that this URL has not answered
};

struct WebhookDecision {
  WebhookState state = WebhookState::ready;
  std::chrono::milliseconds due_in{0};
  // An endpoint that does not answer, or asks for time, is left alone with all its messages.
  std::chrono::milliseconds rest{0};
  int failures = 0;
  bool disable = false;   // it says that it is gone
  bool given_up = false;  // its time is over
};

constexpr std::chrono::hours kGiveUpWebhookAfter{72};

WebhookDecision decide_webhook(const Webhook& webhook, const Outcome& outcome, const Random& random);

}  // namespace trainer::core

#include "core/webhook.h"

#include <algorithm>
#include <utility>

#include "core/base64.h"
#include "core/names.h"
#include "core/text.h"
#include "core/url.h"

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

constexpr detail::Names<WebhookState, 4> kWebhookStates{{
    {WebhookState::ready, "ready"},
    {WebhookState::sending, "sending"},
    {WebhookState::delivered, "delivered"},
    {WebhookState::failed, "failed"},
}};

constexpr std::size_t kShortestSecret = 24;
constexpr std::size_t kLongestSecret = 64;
constexpr int kGone = 410;

Error refuse(std::string detail) {
  return {Condition::invalid_argument, "invalid value", std::move(detail), ""};
}

// Scheme, host and port, the same for every way of writing them.
std::string endpoint(const Url& url) {
  std::string name(url.is_secure ? "https://" : "http://");
  name.append(url.host).append(":").append(url.port.empty() ? (url.is_secure ? "443" : "80") : url.port);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name;
}

// `take(entry)` for each entry, until it returns an error.
template <class Take>
std::optional<Error> for_each_host(std::string_view allowed, Take take) {
  while (!allowed.empty()) {
    const std::size_t comma = std::min(allowed.find(','), allowed.size());
    const std::string_view entry = trimmed(allowed.substr(0, comma));
    allowed.remove_prefix(std::min(comma + 1, allowed.size()));
    if (entry.empty()) continue;
    const std::string url(std::string(entry.find("://") == std::string_view::npos ? "https://" : "").append(entry));
    const auto parts = read_url(url);
    if (!parts.ok()) return parts.error();
    if (!parts->path.empty()) return refuse("This is a list of hosts: none has a path.");
    take(endpoint(*parts));
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(WebhookState state) {
  return detail::name_in(kWebhookStates, state);
}

std::optional<Error> check_webhook_hosts(const std::string& allowed) {
  return for_each_host(allowed, [](const std::string&) {});
}

std::optional<Error> check_webhook_url(const std::string& url, const std::string& allowed) {
  const auto parts = read_url(url);
  if (!parts.ok()) return parts.error();
  const std::string wanted = endpoint(*parts);
  bool found = false;
  if (auto error = for_each_host(allowed, [&](const std::string& host) { found = found || host == wanted; })) {
    return error;
  }
  if (!found) return refuse(wanted + " is not on the list of trainer.webhook_allowed_hosts.");
  return std::nullopt;
}

Result<std::string> read_webhook_secret(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (!secret.starts_with(kPrefix)) return refuse("A webhook's secret begins with whsec_.");
  auto key = decode_base64(secret.substr(kPrefix.size()));
  if (!key) return refuse("A webhook's secret is whsec_ and base64.");
  if (key->size() < kShortestSecret || key->size() > kLongestSecret) {
    return refuse("A webhook's secret holds 24 to 64 bytes.");
  }
  return *key;  // a copy: GCC 12 takes a move out of an optional here for a write past its end
}

std::string webhook_signature(std::string_view key, std::string_view id, std::int64_t timestamp, std::string_view body,
                              const HmacSha256& hmac) {
  std::string message(id);
  message.append(".").append(std::to_string(timestamp)).append(".").append(body);
  const auto code = hmac(key, message);
  return "v1," + encode_base64({reinterpret_cast<const char*>(code.data()), code.size()});
}

WebhookDecision decide_webhook(const Webhook& webhook, const Outcome& outcome, const Random& random) {
  WebhookDecision decision;
  if (outcome.delivery == Delivery::ok) {
    decision.state = WebhookState::delivered;
    return decision;
  }
  const Failure& failure = outcome.failure;
  const bool is_silent = failure.http_status == 0;
  decision.failures = is_silent ? webhook.failures + 1 : 0;
  if (is_silent) decision.rest = backoff(decision.failures, random);
  if (failure.retry_after) decision.rest = *failure.retry_after;
  decision.due_in = std::max(backoff(webhook.attempt, random), decision.rest);
  decision.disable = failure.http_status == kGone;
  decision.given_up = !decision.disable && webhook.age + decision.due_in > kGiveUpWebhookAfter;
  if (decision.disable || decision.given_up) decision.state = WebhookState::failed;
  return decision;
}

}  // namespace trainer::core

#include "core/webhook.h"

#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include <string>

namespace trainer::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

const Random kMost = [] { return 1.0; };

std::array<std::uint8_t, 32> hmac(std::string_view key, std::string_view message) {
  std::array<std::uint8_t, 32> code{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), code.data(), nullptr);
  return code;
}

// A vector that the SDK of a provider accepts: openai-wire-contract, section 1.6.
TEST(WebhookSignature, IsThatOfStandardWebhooks) {
  const auto key = read_webhook_secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->size(), 32u);
  EXPECT_EQ((*key)[31], '\x1f');
  EXPECT_EQ(webhook_signature(*key, "wh_pgtest0001", 1795359355,
                              R"({"object":"event","id":"evt_pgtest0001","type":"fine_tuning.job.succeeded",)"
                              R"("created_at":1795359355,"data":{"id":"ftjob-abc123"}})",
                              hmac),
            "v1,A6FBwqTqVdN2uYzqEIJwZU8zrJQo+6CZHM4DqdemLBY=");
}

TEST(WebhookSecret, IsWhsecAndBase64OfEnoughBytes) {
  EXPECT_TRUE(read_webhook_secret("whsec_" + std::string(32, 'A')).ok());
  EXPECT_EQ(read_webhook_secret("whsec_" + std::string(34, '/') + "==").value(), std::string(25, '\xff'));
  for (const std::string& secret :
       {std::string(), std::string("whsec_"), std::string(32, 'A'), "whsec_" + std::string(28, 'A'),
        "whsec_" + std::string(33, 'A'), "whsec_" + std::string(31, 'A') + "*", "whsec_" + std::string(88, 'A'),
        "whsec_" + std::string(28, 'A') + "A=AA", "whsec_" + std::string(29, 'A') + "==="}) {
    const auto key = read_webhook_secret(secret);
    ASSERT_FALSE(key.ok()) << secret;
    if (secret.size() > 10) {
      EXPECT_EQ(key.error().detail.find(secret.substr(6)), std::string::npos);
    }
  }
}

TEST(WebhookHosts, AreHostsOfHttpsOrLoopback) {
  for (const char* allowed : {"", " , ", "hooks.example.com", "a.example, b.example:8443 ,https://c.example",
                              "http://127.0.0.1:8080,http://[::1]:9", "10.0.0.1"}) {
    EXPECT_FALSE(check_webhook_hosts(allowed)) << allowed;
  }
  for (const char* allowed : {"a.example/path", "a.example?", "http://a.example", "a b", "*.example.com", "user@a",
                              "a.example:port", "a.example;b.example", "ftp://a.example"}) {
    EXPECT_TRUE(check_webhook_hosts(allowed)) << allowed;
  }
}

TEST(WebhookUrl, IsOfAListedSchemeHostAndPort) {
  const std::string allowed = "Hooks.Example.com, b.example:8443, http://127.0.0.1:8080";
  for (const char* url : {"https://hooks.example.com", "https://HOOKS.example.COM/a?b=c",
                          "https://hooks.example.com:443/", "https://b.example:8443/x", "http://127.0.0.1:8080/hook"}) {
    EXPECT_FALSE(check_webhook_url(url, allowed)) << url;
  }
  for (const char* url :
       {"https://hooks.example.com:8443/", "https://b.example/", "https://hooks.example.com.evil.example/",
        "https://evil.example/hooks.example.com", "https://hooks.example.com@evil.example/",
        "https://hooks.example.com./", "https://evil.example#hooks.example.com",
        "https://evil.example\\hooks.example.com", "https://127.0.0.1:8080/", "http://127.0.0.1/",
        "http://127.0.0.1:8081/", "http://localhost:8080/", "http://hooks.example.com/", "https://hooks%2eexample.com/",
        "https://2130706433:8080/", "file:///etc/passwd", ""}) {
    EXPECT_TRUE(check_webhook_url(url, allowed)) << url;
  }
  EXPECT_TRUE(check_webhook_url("https://hooks.example.com/", ""));
}

Webhook message(int attempt, int failures = 0) {
  Webhook webhook;
  webhook.attempt = attempt;
  webhook.failures = failures;
  return webhook;
}

Outcome answer(int status, std::optional<milliseconds> retry_after = std::nullopt) {
  Outcome outcome;
  outcome.delivery = status == 0 ? Delivery::unknown : Delivery::retry_later;
  outcome.failure.http_status = status;
  outcome.failure.retry_after = retry_after;
  return outcome;
}

TEST(DecideWebhook, WhatIsTakenIsDelivered) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  const auto decision = decide_webhook(message(3, 7), outcome, kMost);
  EXPECT_EQ(decision.state, WebhookState::delivered);
  EXPECT_EQ(decision.failures, 0);
  EXPECT_EQ(decision.rest, 0ms);
}

TEST(DecideWebhook, WhatIsRefusedIsTriedAgainAndHoldsUpNoOther) {
  for (const int status : {301, 400, 404, 500, 503}) {
    const auto decision = decide_webhook(message(3, 7), answer(status), kMost);
    EXPECT_EQ(decision.state, WebhookState::ready);
    EXPECT_EQ(decision.due_in, 4000ms);
    EXPECT_EQ(decision.rest, 0ms);
    EXPECT_EQ(decision.failures, 0) << "it answers";
  }
}

TEST(DecideWebhook, AnEndpointThatIsSilentRestsLongerAndLonger) {
  const auto decision = decide_webhook(message(1, 4), answer(0), kMost);
  EXPECT_EQ(decision.failures, 5);
  EXPECT_EQ(decision.rest, 16000ms);
  EXPECT_EQ(decision.due_in, 16000ms);
  EXPECT_EQ(decide_webhook(message(1, 1000), answer(0), kMost).rest, kLongestBackoff);
}

TEST(DecideWebhook, ItsRetryAfterIsKept) {
  const auto decision = decide_webhook(message(1), answer(429, 90000ms), kMost);
  EXPECT_EQ(decision.rest, 90000ms);
  EXPECT_EQ(decision.due_in, 90000ms);
}

TEST(DecideWebhook, GoneDisables) {
  const auto decision = decide_webhook(message(1), answer(410), kMost);
  EXPECT_EQ(decision.state, WebhookState::failed);
  EXPECT_TRUE(decision.disable);
  EXPECT_FALSE(decision.given_up);
}

TEST(DecideWebhook, IsGivenUpAfterThreeDays) {
  Webhook webhook = message(5);
  webhook.age = 72h - 17s;
  EXPECT_EQ(decide_webhook(webhook, answer(500), kMost).state, WebhookState::ready);
  webhook.age = 72h - 15s;
  const auto decision = decide_webhook(webhook, answer(500), kMost);
  EXPECT_EQ(decision.state, WebhookState::failed);
  EXPECT_TRUE(decision.given_up);
  EXPECT_FALSE(decision.disable);
}

}  // namespace
}  // namespace trainer::core

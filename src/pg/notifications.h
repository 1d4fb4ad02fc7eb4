// The store of trainer_webhook_deliveries: notifications on their way to the app. Every function runs inside a
// transaction and an SPI connection of the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/webhook.h"

namespace trainer::pg {

// Claims what is due, one message a webhook at a time, those webhooks first that have waited longest. Nothing while the
// worker is paused, or when another incarnation has taken over.
std::vector<core::Webhook> claim_webhooks(std::int64_t epoch, int count, std::chrono::milliseconds lease);
// What an older incarnation was sending is sent again, the later the more often that has happened.
void take_over_webhooks(std::int64_t epoch);
// nullopt: nothing waits.
std::optional<std::chrono::milliseconds> until_next_webhook();

// What came of a try, with the event that follows from it. Nothing when the message is not this claim's any more.
void record_webhook(const core::Webhook& webhook, const core::WebhookDecision& decision, const core::Outcome& outcome);

}  // namespace trainer::pg

// Any reply: its class, and how long its headers ask to wait. Lines: end and status, Retry-After twice, retry-after-ms,
// x-should-retry; the rest is the body.
#include <charconv>

#include "fuzz.h"
#include "provider/classify.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  provider::HttpReply reply;
  std::string_view first = take_line(input);
  int number = 0;
  std::from_chars(first.data(), first.data() + first.size(), number);
  reply.end = static_cast<provider::HttpReply::End>(static_cast<unsigned>(number) % 3);
  reply.status = static_cast<int>((static_cast<unsigned>(number) / 3) % 1000);
  reply.retry_after = {std::string(take_line(input)), std::string(take_line(input))};
  reply.retry_after_ms = take_line(input);
  reply.should_retry = take_line(input);
  reply.body = input;
  reply.received_at = 1795000000;

  auto outcome = provider::classify(reply);
  if (auto wait = provider::retry_after(reply)) {
    require(wait->count() >= 0 && *wait <= std::chrono::hours(1));
  }
  if (outcome.failure.retry_after) require(outcome.failure.retry_after->count() >= 0);
  // What costs money is sent again only when nothing has arrived for certain.
  if (reply.end == provider::HttpReply::End::broken) require(outcome.delivery == core::Delivery::unknown);
  if (reply.end == provider::HttpReply::End::not_sent) require(outcome.delivery == core::Delivery::not_sent);
}

}  // namespace trainer::fuzz

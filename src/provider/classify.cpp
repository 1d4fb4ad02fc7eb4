#include "provider/classify.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "core/text.h"
#include "provider/wire.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using std::chrono::milliseconds;

constexpr milliseconds kLongestWait = std::chrono::hours(1);
// The account has to change (a key, a payment) before anything can succeed: look again now and then.
constexpr milliseconds kAccountWait = std::chrono::minutes(10);
constexpr milliseconds kDailyLimitWait = std::chrono::hours(1);

constexpr std::array<std::string_view, 6> kMoneyCodes{
    "insufficient_quota",           "credit_balance_exhausted",          "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
};

bool waits_for_the_account(int status, std::string_view code) {
  if (status < 400 || status > 499) return false;
  return status == 401 || status == 402 || std::find(kMoneyCodes.begin(), kMoneyCodes.end(), code) != kMoneyCodes.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// "File ... is not ready", and its relatives: the file is still being processed.
bool is_not_ready(const WireError& error) {
  const std::string message = lower(error.message);
  if (message.find("file") == std::string::npos) return false;
  for (const std::string_view sign : {"not ready", "not yet ready", "still being processed", "still processing",
                                      "not finished processing", "not been processed", "not yet processed"}) {
    if (message.find(sign) != std::string::npos) return true;
  }
  return false;
}

enum class Hint { none, yes, no };

Hint should_retry(const HttpReply& reply) {
  const std::string value = lower(reply.should_retry);
  return value == "true" ? Hint::yes : value == "false" ? Hint::no : Hint::none;
}

Delivery judge_too_many(const HttpReply& reply, const WireError& error) {
  if (error.code == "daily_rate_limit_exceeded") return Delivery::retry_later;
  // One request over the limit of a minute: it never fits.
  if (error.message.starts_with("Request too large")) return Delivery::rejected;
  return should_retry(reply) == Hint::no ? Delivery::rejected : Delivery::retry_later;
}

Delivery judge_4xx(const HttpReply& reply, const WireError& error) {
  const Hint hint = should_retry(reply);
  switch (reply.status) {
    case 429:
      return judge_too_many(reply, error);
    case 400:
      if (is_not_ready(error)) return Delivery::retry_later;
      break;
    case 403:
      if (error.code == "training_not_available") return Delivery::rejected;
      break;
    case 408:  // nobody knows what a proxy had passed on
      return hint == Hint::yes ? Delivery::retry_later : Delivery::unknown;
    case 409:
      if (hint == Hint::none) return Delivery::unknown;
      break;
    default:
      break;
  }
  return hint == Hint::yes ? Delivery::retry_later : Delivery::rejected;
}

Delivery judge(const HttpReply& reply, const WireError& error) {
  if (reply.status >= 200 && reply.status < 300) return Delivery::ok;
  if (waits_for_the_account(reply.status, error.code)) return Delivery::retry_later;
  if (reply.status >= 400 && reply.status < 500) return judge_4xx(reply, error);
  if (reply.status == 503) {
    const bool told_to_wait = retry_after(reply).has_value();
    if (told_to_wait || error.code == "server_is_overloaded" || error.code == "slow_down") return Delivery::retry_later;
  }
  // 1xx, 3xx, 5xx and what is no status at all. A redirect is never followed: it would carry the key elsewhere, and 301
  // turns a POST into a GET.
  return Delivery::unknown;
}

std::optional<milliseconds> wait_for(const HttpReply& reply, const WireError& error) {
  const std::optional<milliseconds> asked = retry_after(reply);
  if (waits_for_the_account(reply.status, error.code)) return std::max(asked.value_or(kAccountWait), kAccountWait);
  if (error.code == "daily_rate_limit_exceeded") return kDailyLimitWait;
  return asked;
}

std::string described(const HttpReply& reply, const WireError& error) {
  if (!error.message.empty()) return error.message;
  const std::string status = "The provider answered with HTTP status " + std::to_string(reply.status);
  if (reply.status >= 300 && reply.status < 400) return status + ", a redirect, which is never followed.";
  return status + (reply.body.empty() ? " and an empty body." : " and a body without an error message.");
}

std::string clean_request_id(const HttpReply& reply) {
  return core::clean_message(reply.request_id, 128);
}

// A number as headers write it; from_chars would take "inf" and "nan", too.
std::optional<double> number_in(std::string_view text) {
  text = core::trimmed(text);
  if (text.empty() || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Nothing for a negative wait: it is nonsense, and the back-off knows better.
std::optional<milliseconds> clamped(double wait_ms) {
  if (wait_ms < 0) return std::nullopt;
  const double longest = static_cast<double>(kLongestWait.count());
  return milliseconds(static_cast<std::int64_t>(std::ceil(std::min(wait_ms, longest))));
}

// Seconds, or a date in one of the three forms of RFC 9110, section 5.6.7. One that has passed is no wait at all.
std::optional<milliseconds> wait_in(const std::string& header, std::int64_t now) {
  if (const auto seconds = number_in(header)) return clamped(*seconds * 1000);
  if (header.size() > 64 || header.find(':') == std::string::npos) return std::nullopt;
  const std::time_t when = curl_getdate(header.c_str(), nullptr);
  if (when < 0) return std::nullopt;
  return clamped(std::max(0.0, static_cast<double>(when) - static_cast<double>(now)) * 1000);
}

}  // namespace

std::optional<milliseconds> retry_after(const HttpReply& reply) {
  if (const auto ms = number_in(reply.retry_after_ms); ms && *ms >= 0) return clamped(*ms);
  std::optional<milliseconds> longest;
  for (const std::string& header : reply.retry_after) {
    const auto wait = wait_in(header, reply.received_at);
    if (wait && (!longest || *wait > *longest)) longest = wait;
  }
  return longest;
}

core::Outcome classify(const HttpReply& reply) {
  core::Outcome outcome;
  core::Failure& failure = outcome.failure;
  if (reply.end != HttpReply::End::answered) {
    const bool not_sent = reply.end == HttpReply::End::not_sent;
    outcome.delivery = not_sent ? Delivery::not_sent : Delivery::unknown;
    failure.code = not_sent ? "not_connected" : "no_answer";
    failure.message = core::clean_message(reply.error);
    failure.request_id = clean_request_id(reply);
    return outcome;
  }
  if (reply.status >= 200 && reply.status < 300) {
    outcome.delivery = Delivery::ok;
    return outcome;
  }
  const WireError error = read_error(reply.body);
  outcome.delivery = judge(reply, error);
  failure.http_status = reply.status;
  failure.code = error.code.empty() ? "http_" + std::to_string(reply.status) : error.code;
  failure.message = described(reply, error);
  failure.request_id = clean_request_id(reply);
  failure.retry_after = wait_for(reply, error);
  failure.of_account = waits_for_the_account(reply.status, error.code);
  return outcome;
}

core::Outcome unreadable(const HttpReply& reply, std::string_view what) {
  core::Outcome outcome;
  outcome.delivery = Delivery::unknown;
  outcome.failure.http_status = reply.status;
  outcome.failure.code = "unreadable_answer";
  outcome.failure.message = "The provider's answer is not " + std::string(what) + ".";
  outcome.failure.request_id = clean_request_id(reply);
  return outcome;
}

}  // namespace trainer::provider

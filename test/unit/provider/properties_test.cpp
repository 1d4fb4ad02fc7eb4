// Properties of what goes over the wire, for inputs that RapidCheck makes up and, where one fails, makes smaller.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "core/prompt.h"
#include "core/text.h"
#include "provider/classify.h"
#include "provider/json.h"

namespace trainer::provider {
namespace {

// Whatever the bytes of the texts: one line, valid UTF-8, and the same texts when it is read again.
RC_GTEST_PROP(TrainingLine, SaysWhatWasPutIn,
              (const std::string& system, const std::string& comment, const std::string& reply)) {
  const auto mode = *rc::gen::element(core::Escape::utf8, core::Escape::ascii);
  const std::string user = core::user_message(comment, "bluesky");
  std::string line;
  core::append_messages(line, system, user, reply, mode);
  RC_ASSERT(line.find('\n') == std::string::npos);
  RC_ASSERT(core::is_valid_utf8(line));
  const auto document = JsonDocument::parse(line);
  RC_ASSERT(document.has_value());
  const JsonView messages = document->root();
  const std::size_t last = messages.size() - 1;
  RC_ASSERT(last == (system.empty() ? 1U : 2U));
  RC_ASSERT(messages.at(last)["content"].text() == core::to_valid_utf8(reply));
  RC_ASSERT(messages.at(last - 1)["content"].text() == core::to_valid_utf8(user));
  if (!system.empty()) RC_ASSERT(messages.at(0)["content"].text() == core::to_valid_utf8(system));
}

RC_GTEST_PROP(RetryAfter, IsBoundedWhateverTheHeadersSay,
              (const std::string& first, const std::string& second, const std::string& ms)) {
  HttpReply reply;
  reply.end = HttpReply::End::answered;
  reply.status = *rc::gen::element(429, 503, 500, 409);
  reply.retry_after = {first, second};
  reply.retry_after_ms = ms;
  reply.received_at = 1795000000;
  if (auto wait = retry_after(reply)) {
    RC_ASSERT(wait->count() >= 0);
    RC_ASSERT(*wait <= std::chrono::hours(1));
  }
}

RC_GTEST_PROP(RetryAfter, OfAWholeNumberOfSecondsIsThatNumberUpToAnHour, (std::uint32_t seconds)) {
  HttpReply reply;
  reply.end = HttpReply::End::answered;
  reply.status = 429;
  reply.retry_after = {std::to_string(seconds)};
  reply.received_at = 1795000000;
  const auto wait = retry_after(reply);
  RC_ASSERT(wait.has_value());
  RC_ASSERT(*wait == std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), std::chrono::hours(1)));
}

}  // namespace
}  // namespace trainer::provider

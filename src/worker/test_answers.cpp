// Answers of the provider that a regression test has recorded, for the calls of its own session: which rung replies to
// a comment, and why, can be shown without a network. In test builds only.
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "pg/spi.h"
#include "provider/json.h"
#include "worker/session_calls.h"

namespace trainer::worker {
namespace {

struct Recording {
  std::deque<provider::HttpReply> answers;
  std::string requests;  // their bodies, separated by commas
};

// While there is one, nothing of the session goes to the network.
std::optional<Recording> recording;

provider::HttpReply reply_of(provider::JsonView answer) {
  provider::HttpReply reply;
  const auto status = answer["status"].integer();
  if (!status) return reply;  // the connection broke before an answer came
  reply.end = provider::HttpReply::End::answered;
  reply.status = static_cast<int>(*status);
  reply.body = answer["body"].text();
  if (answer["retry_after"].is_string()) reply.retry_after.push_back(answer["retry_after"].text());
  return reply;
}

std::optional<Recording> recording_of(const std::string& json) {
  const auto document = provider::JsonDocument::parse(json);
  if (!document || !document->root().is_array()) throw std::invalid_argument("recorded answers are not a JSON array");
  Recording made;
  for (std::size_t i = 0; i < document->root().size(); ++i) made.answers.push_back(reply_of(document->root().at(i)));
  if (made.answers.empty()) return std::nullopt;
  return made;
}

std::string text_argument(FunctionCallInfo fcinfo) {
  Datum value = PG_GETARG_DATUM(0);
  const text* unpacked = pg::guarded([&] { return DatumGetTextPP(value); });
  return pg::to_utf8(unpacked);
}

}  // namespace

bool has_test_answers() {
  return recording.has_value();
}

provider::HttpReply take_test_answer(provider::HttpRequest request) {
  recording->requests.append(recording->requests.empty() ? "" : ",")
      .append(request.json.empty() ? "null" : request.json);
  // A test that has recorded too little must not pass for one of a provider that does not answer.
  if (recording->answers.empty()) throw std::logic_error("no recorded answer is left for this request");
  provider::HttpReply reply = std::move(recording->answers.front());
  recording->answers.pop_front();
  return reply;
}

}  // namespace trainer::worker

// Takes the answers that the calls of this session get from now on, a JSON array of {status, body, retry_after}: all
// but the status, without which no answer comes, are strings. Null or an empty array: they go to the provider again.
// Returns the bodies of the requests that were made of the array before.
TRAINER_FUNCTION(trainer_test_answers) {
  namespace worker = trainer::worker;
  auto next = PG_ARGISNULL(0) ? std::nullopt : worker::recording_of(worker::text_argument(fcinfo));
  auto last = std::exchange(worker::recording, std::move(next));
  return PointerGetDatum(trainer::pg::to_text("[" + (last ? last->requests : "") + "]"));
}

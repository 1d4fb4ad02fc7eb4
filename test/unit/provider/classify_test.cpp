#include "provider/classify.h"

#include <gtest/gtest.h>

#include "chain.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Case {
  int status;
  std::string body;
  Delivery delivery;
  std::string code;
};

std::string typed(const std::string& type, const std::string& code, const std::string& message) {
  return R"({"error":{"message":")" + message + R"(","type":")" + type + R"(","param":null,"code":)" +
         (code.empty() ? "null" : "\"" + code + "\"") + "}}";
}

const std::string kRate = typed("tokens", "rate_limit_exceeded", "Rate limit reached. Please try again in 522ms");
const std::string kTooLarge = typed("tokens", "rate_limit_exceeded", "Request too large for gpt-4o");

TEST(Classify, StatusAndCodeDecideTogether) {
  const Case cases[] = {
      {200, "{}", Delivery::ok, ""},
      {201, "{}", Delivery::ok, ""},
      {400, error_body("", "Model X is not available for fine-tuning or does not exist"), Delivery::rejected,
       "invalid_request_error"},
      {400, error_body("invalid_file_format"), Delivery::rejected, "invalid_file_format"},
      {401, error_body("invalid_api_key"), Delivery::retry_later, "invalid_api_key"},
      {402, "{}", Delivery::retry_later, "http_402"},
      {403, error_body("training_not_available"), Delivery::rejected, "training_not_available"},
      {403, error_body("unsupported_country_region_territory"), Delivery::rejected,
       "unsupported_country_region_territory"},
      {404, typed("invalid_request_error", "", "No such File object: file-1"), Delivery::rejected,
       "invalid_request_error"},
      {404, error_body("fine_tune_not_found"), Delivery::rejected, "fine_tune_not_found"},
      {404, error_body("model_not_found"), Delivery::rejected, "model_not_found"},
      {405, "", Delivery::rejected, "http_405"},
      {408, "", Delivery::unknown, "http_408"},
      {409, "", Delivery::unknown, "http_409"},
      {413, "<html>too large</html>", Delivery::rejected, "http_413"},
      {422, R"({"detail":[{"loc":["body"],"msg":"field required"}]})", Delivery::rejected, "http_422"},
      {429, kRate, Delivery::retry_later, "rate_limit_exceeded"},
      {429, kTooLarge, Delivery::rejected, "rate_limit_exceeded"},
      {429, typed("rate_limit_error", "slow_down", "slow"), Delivery::retry_later, "slow_down"},
      {429, typed("insufficient_quota", "insufficient_quota", "money"), Delivery::retry_later, "insufficient_quota"},
      {429, typed("insufficient_quota", "", "money"), Delivery::retry_later, "insufficient_quota"},
      {429, error_body("credit_balance_exhausted"), Delivery::retry_later, "credit_balance_exhausted"},
      {429, error_body("organization_spend_limit_exceeded"), Delivery::retry_later,
       "organization_spend_limit_exceeded"},
      {429, error_body("project_spend_limit_exceeded"), Delivery::retry_later, "project_spend_limit_exceeded"},
      {429, error_body("organization_usage_limit_exceeded"), Delivery::retry_later,
       "organization_usage_limit_exceeded"},
      {429, error_body("daily_rate_limit_exceeded"), Delivery::retry_later, "daily_rate_limit_exceeded"},
      {429, "", Delivery::retry_later, "http_429"},
      {500, typed("server_error", "", "The server had an error"), Delivery::unknown, "server_error"},
      {502, "<html><h1>Bad Gateway</h1></html>", Delivery::unknown, "http_502"},
      {503, "", Delivery::unknown, "http_503"},
      {503, typed("service_unavailable_error", "server_is_overloaded", "busy"), Delivery::retry_later,
       "server_is_overloaded"},
      {504, "", Delivery::unknown, "http_504"},
      {520, "", Delivery::unknown, "http_520"},
      {529, "", Delivery::unknown, "http_529"},
      {301, "", Delivery::unknown, "http_301"},
      {302, "", Delivery::unknown, "http_302"},
      {303, "", Delivery::unknown, "http_303"},
      {307, "", Delivery::unknown, "http_307"},
      {308, "", Delivery::unknown, "http_308"},
      {101, "", Delivery::unknown, "http_101"},
      {999, "", Delivery::unknown, "http_999"},
  };
  for (const Case& c : cases) {
    const core::Outcome outcome = classify(answered(c.status, c.body));
    EXPECT_EQ(outcome.delivery, c.delivery) << c.status << ' ' << c.body << " is " << name(outcome.delivery);
    EXPECT_EQ(outcome.failure.code, c.code) << c.status << ' ' << c.body;
    if (c.delivery == Delivery::ok) continue;
    EXPECT_EQ(outcome.failure.http_status, c.status);
    EXPECT_EQ(outcome.failure.request_id, "req_1");
    EXPECT_NE(outcome.failure.message, "") << c.status;
  }
}

TEST(Classify, AFileThatIsStillProcessedIsWaitedFor) {
  for (const char* message : {"File file-1 is not ready", "The specified file is not yet ready for use",
                              "Training file file-1 is still being processed", "file has not been processed"}) {
    EXPECT_EQ(classify(answered(400, error_body("", message))).delivery, Delivery::retry_later) << message;
  }
  EXPECT_EQ(classify(answered(400, error_body("", "your project is not ready"))).delivery, Delivery::rejected);
  EXPECT_EQ(classify(answered(400, error_body("", "file could not be processed: bad line"))).delivery,
            Delivery::rejected);
}

TEST(Classify, WaitsLongForTheAccount) {
  for (const int status : {401, 402}) {
    EXPECT_EQ(classify(answered(status, "{}")).failure.retry_after, minutes(10));
  }
  EXPECT_EQ(classify(answered(429, error_body("insufficient_quota"))).failure.retry_after, minutes(10));
  EXPECT_EQ(classify(answered(400, error_body("billing_hard_limit_reached"))).delivery, Delivery::retry_later);
  EXPECT_EQ(classify(answered(429, error_body("daily_rate_limit_exceeded"))).failure.retry_after, hours(1));
  HttpReply told = answered(429, error_body("insufficient_quota"));
  told.retry_after = {"1200"};
  EXPECT_EQ(classify(told).failure.retry_after, minutes(20));
  told.retry_after = {"1"};
  EXPECT_EQ(classify(told).failure.retry_after, minutes(10));
  // The code alone is no reason when the server is what failed.
  EXPECT_EQ(classify(answered(500, error_body("insufficient_quota"))).delivery, Delivery::unknown);
}

TEST(Classify, HonoursShouldRetryBelow500) {
  const auto with = [](int status, const std::string& body, const char* hint) {
    HttpReply reply = answered(status, body);
    reply.should_retry = hint;
    return classify(reply).delivery;
  };
  EXPECT_EQ(with(429, kRate, "false"), Delivery::rejected);
  EXPECT_EQ(with(409, "", "false"), Delivery::rejected);
  EXPECT_EQ(with(409, "", "true"), Delivery::retry_later);
  EXPECT_EQ(with(400, error_body("x"), "true"), Delivery::retry_later);
  EXPECT_EQ(with(404, "", "True"), Delivery::retry_later);
  EXPECT_EQ(with(408, "", "true"), Delivery::retry_later);
  EXPECT_EQ(with(408, "", "false"), Delivery::unknown);
  EXPECT_EQ(with(400, error_body("x"), "maybe"), Delivery::rejected);
  EXPECT_EQ(with(500, "", "false"), Delivery::unknown);
  EXPECT_EQ(with(503, "", "true"), Delivery::unknown);
  // What is certain outranks the hint.
  EXPECT_EQ(with(429, error_body("insufficient_quota"), "false"), Delivery::retry_later);
  EXPECT_EQ(with(401, "", "false"), Delivery::retry_later);
  EXPECT_EQ(with(403, error_body("training_not_available"), "true"), Delivery::rejected);
  EXPECT_EQ(with(429, kTooLarge, "true"), Delivery::rejected);
}

TEST(Classify, A503ThatSaysWhenIsARefusal) {
  HttpReply reply = answered(503, "");
  reply.retry_after = {"7"};
  EXPECT_EQ(classify(reply).delivery, Delivery::retry_later);
  EXPECT_EQ(classify(reply).failure.retry_after, seconds(7));
  reply.retry_after = {"soon"};
  EXPECT_EQ(classify(reply).delivery, Delivery::unknown);
  reply.retry_after.clear();
  reply.retry_after_ms = "250";
  EXPECT_EQ(classify(reply).delivery, Delivery::retry_later);
  reply.status = 500;
  EXPECT_EQ(classify(reply).delivery, Delivery::unknown);
  EXPECT_EQ(classify(reply).failure.retry_after, milliseconds(250));
}

TEST(Classify, TellsWhatWasNeverSentFromWhatWasNeverAnswered) {
  const core::Outcome refused = classify(unreachable());
  EXPECT_EQ(refused.delivery, Delivery::not_sent);
  EXPECT_EQ(refused.failure.code, "not_connected");
  EXPECT_EQ(refused.failure.message, "Connection refused");
  const core::Outcome broken = classify(lost());
  EXPECT_EQ(broken.delivery, Delivery::unknown);
  EXPECT_EQ(broken.failure.code, "no_answer");
  EXPECT_EQ(broken.failure.http_status, 0);
}

TEST(Classify, TheKeyThatA401EchoesIsRedacted) {
  const auto outcome =
      classify(answered(401, error_body("invalid_api_key", "Incorrect API key: sk-proj-abcdefgh1234")));
  EXPECT_EQ(outcome.failure.message.find("abcdefgh1234"), std::string::npos);
  EXPECT_NE(outcome.failure.message.find("Incorrect API key"), std::string::npos);
}

TEST(Classify, RequestIdsAreCleaned) {
  HttpReply reply = answered(500, "");
  reply.request_id = "req\x01\n" + std::string(1000, 'x');
  EXPECT_LE(classify(reply).failure.request_id.size(), 128u);
  EXPECT_EQ(classify(reply).failure.request_id.find('\x01'), std::string::npos);
}

std::optional<milliseconds> wait(std::vector<std::string> headers, std::string ms = "") {
  HttpReply reply;
  reply.retry_after = std::move(headers);
  reply.retry_after_ms = std::move(ms);
  reply.received_at = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  return retry_after(reply);
}

TEST(RetryAfter, Table) {
  EXPECT_EQ(wait({}), std::nullopt);
  EXPECT_EQ(wait({"5"}), seconds(5));
  EXPECT_EQ(wait({" 5 "}), seconds(5));
  EXPECT_EQ(wait({"0"}), seconds(0));
  EXPECT_EQ(wait({"1.5"}), milliseconds(1500));
  EXPECT_EQ(wait({"1e9"}), hours(1));
  EXPECT_EQ(wait({"99999999999999999999999"}), hours(1));
  EXPECT_EQ(wait({"3601"}), hours(1));
  for (const char* nonsense : {"-1", "-1e9", "abc", "", "5 apples", "nan", "inf", "-inf", "0x10", "1e99999", "12:99",
                               "Sun, 99 Foo 1994 08:49:37 GMT"}) {
    EXPECT_EQ(wait({nonsense}), std::nullopt) << nonsense;
  }
}

TEST(RetryAfter, TakesDatesInEveryForm) {
  EXPECT_EQ(wait({"Sun, 06 Nov 1994 08:49:47 GMT"}), seconds(10));
  EXPECT_EQ(wait({"Sunday, 06-Nov-94 08:49:47 GMT"}), seconds(10));
  EXPECT_EQ(wait({"Sun Nov  6 08:49:47 1994"}), seconds(10));
  EXPECT_EQ(wait({"Sun, 06 Nov 1994 08:49:37 GMT"}), seconds(0));
  EXPECT_EQ(wait({"Sat, 05 Nov 1994 08:49:37 GMT"}), seconds(0));
  EXPECT_EQ(wait({"Sun, 06 Nov 2044 08:49:37 GMT"}), hours(1));
}

TEST(RetryAfter, TheLongestOfSeveralCounts) {
  EXPECT_EQ(wait({"5", "20", "abc"}), seconds(20));
  EXPECT_EQ(wait({"abc", "Sun, 06 Nov 1994 08:49:47 GMT", "3"}), seconds(10));
}

TEST(RetryAfter, MillisecondsAreMorePrecise) {
  EXPECT_EQ(wait({"5"}, "522"), milliseconds(522));
  EXPECT_EQ(wait({}, "1e12"), hours(1));
  EXPECT_EQ(wait({"5"}, "abc"), seconds(5));
  EXPECT_EQ(wait({"5"}, "-3"), seconds(5));
  EXPECT_EQ(wait({}, "0.2"), milliseconds(1));
}

}  // namespace
}  // namespace trainer::provider

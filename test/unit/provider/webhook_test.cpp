// Notifications to the app: what is sent, what never is, and that the provider's requests do not wait for them.
#include <gmock/gmock.h>

#include "chain.h"
#include "driver.h"
#include "raw_server.h"

namespace trainer::provider {
namespace {

using End = HttpReply::End;
using core::Delivery;
using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<Call> notification(const std::string& origin = "https://hooks.example.com",
                                   const std::string& path = "/hook?a=b") {
  return make_notification(origin, path, {"webhook-id: 7", "webhook-signature: v1,x"}, R"({"kind":"drift"})");
}

// The origin of a server whose base ends in /v1.
std::string origin_of(const RawServer& server) {
  const std::string base = server.base();
  return base.substr(0, base.rfind("/v1"));
}

TEST(Notification, IsDeliveredByAny2xx) {
  for (const int status : {200, 201, 204, 299}) {
    EXPECT_EQ(Chain(notification()).reply(answered(status, "whatever")).outcome().delivery, Delivery::ok) << status;
  }
}

TEST(Notification, AnyOtherAnswerIsAStatusAndNothingOfTheBody) {
  for (const int status : {101, 301, 400, 401, 403, 404, 410, 429, 500, 503}) {
    const auto outcome = Chain(notification()).reply(answered(status, error_body("secret", "secret"))).outcome();
    EXPECT_EQ(outcome.delivery, Delivery::retry_later) << status;
    EXPECT_EQ(outcome.failure.http_status, status);
    EXPECT_THAT(outcome.failure.message + outcome.failure.code, Not(HasSubstr("secret")));
  }
  EXPECT_THAT(Chain(notification()).reply(answered(302, "")).outcome().failure.message, HasSubstr("never followed"));
}

TEST(Notification, SaysHowLongToWait) {
  HttpReply reply = answered(429, "");
  reply.retry_after.push_back("120");
  EXPECT_EQ(Chain(notification()).reply(reply).outcome().failure.retry_after, 120000ms);
}

TEST(Notification, WithoutAnAnswerHasNoStatus) {
  EXPECT_EQ(Chain(notification()).reply(lost()).outcome().failure.http_status, 0);
  EXPECT_EQ(Chain(notification()).reply(unreachable()).outcome().delivery, Delivery::not_sent);
}

TEST(Elsewhere, GetsItsOwnHeadersAndNotTheKey) {
  RawRequest seen;
  RawServer app(RawServer::always([&](RawConnection& c, const RawRequest& request) {
    seen = request;
    c.reply("");
  }));
  Driver driver("http://127.0.0.1:9/v1");
  EXPECT_EQ(driver.ask(Chain(notification(origin_of(app), "?x=1")).request()).status, 200);
  EXPECT_EQ(seen.line, "POST /?x=1 HTTP/1.1");
  EXPECT_TRUE(seen.has_header("webhook-id: 7"));
  EXPECT_TRUE(seen.has_header("webhook-signature: v1,x"));
  EXPECT_TRUE(seen.has_header("Content-Type: application/json"));
  EXPECT_THAT(seen.head, Not(HasSubstr("sk-test")));
  EXPECT_THAT(seen.head, Not(HasSubstr("Authorization")));
  EXPECT_EQ(seen.body, R"({"kind":"drift"})");
}

TEST(Elsewhere, ARedirectIsNotFollowed) {
  RawServer other(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply(""); }));
  RawServer app(RawServer::always([&](RawConnection& c, const RawRequest&) {
    c.reply("", "Location: " + other.base() + "\r\n", "307 Temporary Redirect");
  }));
  Driver driver("http://127.0.0.1:9/v1");
  EXPECT_EQ(driver.ask(Chain(notification(origin_of(app))).request()).status, 307);
  EXPECT_EQ(other.connections(), 0);
}

// The name is not a local one, so that it must not lead to a local address.
TEST(Elsewhere, APrivateAddressIsNotConnectedTo) {
  Driver driver("http://127.0.0.1:9/v1");
  const HttpReply reply = driver.ask(Chain(notification("https://localhost.localdomain.")).request());
  EXPECT_EQ(reply.end, End::not_sent);
}

TEST(Elsewhere, AnOriginThatIsNoneIsNotSpokenTo) {
  Driver driver("http://127.0.0.1:9/v1");
  for (const char* origin : {"http://hooks.example.com", "ftp://hooks.example.com", "https://a@b", "nonsense"}) {
    EXPECT_EQ(driver.ask(Chain(notification(origin)).request()).end, End::not_sent) << origin;
  }
}

TEST(Elsewhere, ALargeAnswerIsNotRead) {
  RawServer app(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply(std::string(70000, 'x')); }));
  Driver driver("http://127.0.0.1:9/v1");
  EXPECT_EQ(driver.ask(Chain(notification(origin_of(app))).request()).end, End::broken);
}

TEST(Elsewhere, HangingAppsDoNotDelayTheProvider) {
  RawServer app([](RawConnection& c) {
    c.read();
    c.wait_for_close();
  });
  RawServer provider(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("{}"); }));
  TransportLimits limits = quick_limits();
  limits.max_connections = 1;
  Driver driver(provider.base(), limits);
  for (int n = 0; n < Transport::kElsewhere; ++n) {
    driver.transport.start(static_cast<std::uint64_t>(1000 + n), Chain(notification(origin_of(app))).request());
  }
  for (int i = 0; i < 20; ++i) driver.turn(10ms);
  const auto begin = std::chrono::steady_clock::now();
  for (int n = 0; n < 3; ++n) EXPECT_EQ(driver.ask(get_request("/models")).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_EQ(driver.transport.in_flight(), static_cast<std::size_t>(Transport::kElsewhere));
  for (int n = 0; n < Transport::kElsewhere; ++n) driver.transport.abandon(static_cast<std::uint64_t>(1000 + n));
  EXPECT_EQ(driver.ask(get_request("/models")).status, 200);
}

}  // namespace
}  // namespace trainer::provider

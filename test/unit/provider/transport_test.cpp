#include "provider/transport.h"

#include <gmock/gmock.h>

#include "driver.h"
#include "raw_server.h"

namespace trainer::provider {
namespace {

using End = HttpReply::End;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A handler that sends fixed bytes to the first request and closes.
RawServer::Handler once(std::string bytes) {
  return [bytes](RawConnection& connection) {
    if (connection.read()) connection.send(bytes);
  };
}

HttpReply reply_to(const std::string& bytes, TransportLimits limits = quick_limits()) {
  RawServer server(once(bytes));
  return Driver(server.base(), limits).ask(get_request("/models"));
}

TEST(Transport, SendsWhatTheProviderExpects) {
  RawRequest seen;
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest& request) {
    seen = request;
    c.reply("{}");
  }));
  Driver driver(server.base());
  EXPECT_EQ(driver.ask(post_request("/fine_tuning/jobs?a=%5B1", R"({"a":1})")).end, End::answered);
  EXPECT_EQ(seen.line, "POST /v1/fine_tuning/jobs?a=%5B1 HTTP/1.1");
  EXPECT_TRUE(seen.has_header("Authorization: Bearer sk-test"));
  EXPECT_TRUE(seen.has_header("Content-Type: application/json"));
  EXPECT_TRUE(seen.has_header("Accept: */*"));
  EXPECT_THAT(seen.head, HasSubstr("\r\nUser-Agent: trainer/"));
  EXPECT_THAT(seen.head, Not(HasSubstr("Expect")));
  EXPECT_THAT(seen.head, Not(HasSubstr("Accept-Encoding")));
  EXPECT_EQ(seen.body, R"({"a":1})");

  driver.ask(get_request("/models/ft:gpt-4o:org::x"));
  EXPECT_EQ(seen.line, "GET /v1/models/ft:gpt-4o:org::x HTTP/1.1");
  EXPECT_THAT(seen.head, Not(HasSubstr("Content-Type")));
  EXPECT_EQ(seen.body, "");

  HttpRequest removal = get_request("/files/file-1");
  removal.method = Method::del;
  driver.ask(removal);
  EXPECT_EQ(seen.line, "DELETE /v1/files/file-1 HTTP/1.1");

  driver.ask(post_request("/fine_tuning/jobs/ftjob-1/cancel", ""));
  EXPECT_EQ(seen.line, "POST /v1/fine_tuning/jobs/ftjob-1/cancel HTTP/1.1");
  EXPECT_TRUE(seen.has_header("Content-Length: 0"));
  driver.ask(get_request("/models"));
  EXPECT_EQ(seen.line, "GET /v1/models HTTP/1.1");
  EXPECT_EQ(server.connections(), 1) << "the connection is kept alive";
}

TEST(Transport, CollectsStatusBodyAndHeaders) {
  const HttpReply reply = reply_to(
      "HTTP/1.1 429 Too Many\r\nContent-Length: 3\r\nX-Request-ID: req_9\r\nRetry-After: 5\r\nretry-after:  "
      "abc \r\nRetry-After-Ms: 522\r\nX-Should-Retry: false\r\n\r\nabc");
  EXPECT_EQ(reply.end, End::answered);
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.body, "abc");
  EXPECT_EQ(reply.request_id, "req_9");
  EXPECT_THAT(reply.retry_after, ElementsAre("5", "abc"));
  EXPECT_EQ(reply.retry_after_ms, "522");
  EXPECT_EQ(reply.should_retry, "false");
  EXPECT_NEAR(static_cast<double>(reply.received_at), static_cast<double>(time(nullptr)), 60);
}

TEST(Transport, AnAnswerNeverHoldsTheKeyWhateverItLooksLike) {
  const std::string key = "gsk_no-known-prefix-0123456789";
  RawServer server(once("HTTP/1.1 400 No\r\nx-request-id: req-" + key + "\r\nRetry-After: " + key +
                        "\r\nRetry-After-Ms: " + key + "\r\nX-Should-Retry: " + key + "\r\n\r\n" + key + " and '" +
                        key + "' but not gsk_no-known"));
  const HttpReply reply = Driver(server.base(), quick_limits(), key).ask(get_request("/models"));
  EXPECT_EQ(reply.body, "[redacted] and '[redacted]' but not gsk_no-known");
  EXPECT_EQ(reply.request_id, "req-[redacted]");
  EXPECT_THAT(reply.retry_after, ElementsAre("[redacted]"));
  EXPECT_EQ(reply.retry_after_ms + reply.should_retry, "[redacted][redacted]");
}

TEST(Transport, AWordInTheKeysPlaceStaysInTheAnswer) {
  RawServer server(once("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"owned_by\":\"lm-studio\"}"));
  EXPECT_THAT(Driver(server.base(), quick_limits(), "lm-studio").ask(get_request("/models")).body,
              HasSubstr("lm-studio"));
}

TEST(Transport, AnInterimAnswerIsNotTheAnswer) {
  const HttpReply reply = reply_to(
      "HTTP/1.1 103 Early: Hints\r\nRetry-After: 9\r\nContent-Length: 7\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "{}");
  EXPECT_TRUE(reply.retry_after.empty());
}

TEST(Transport, OneReplyLeavesNothingInTheNext) {
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest& request) {
    if (request.line.find("/a ") != std::string::npos) {
      c.reply("first", "Retry-After: 1\r\nx-request-id: a\r\nx-should-retry: true\r\nretry-after-ms: 7\r\n");
    } else {
      c.reply("second");
    }
  }));
  Driver driver(server.base());
  EXPECT_EQ(driver.ask(get_request("/a")).request_id, "a");
  const HttpReply second = driver.ask(get_request("/b"));
  EXPECT_EQ(second.body, "second");
  EXPECT_EQ(second.request_id + second.should_retry + second.retry_after_ms, "");
  EXPECT_TRUE(second.retry_after.empty());
}

TEST(Transport, ATruncatedAnswerIsBroken) {
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":").end, End::broken);
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n").end, End::broken);
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Le").end, End::broken);
  EXPECT_EQ(reply_to("").end, End::broken);
}

// Only the reader of the body can tell: what it is given has no end marker.
TEST(Transport, AnAnswerDelimitedByCloseIsHandedOverAsItCame) {
  const HttpReply reply = reply_to("HTTP/1.1 200 OK\r\n\r\n{\"id\":");
  EXPECT_EQ(reply.end, End::answered);
  EXPECT_EQ(reply.body, "{\"id\":");
}

TEST(Transport, AResetIsBroken) {
  RawServer server([](RawConnection& connection) {
    connection.read();
    connection.reset_on_close();
  });
  const HttpReply reply = Driver(server.base()).ask(post_request("/x", "{}"));
  EXPECT_EQ(reply.end, End::broken);
  EXPECT_NE(reply.error, "");
}

TEST(Transport, WhatIsNoHttpIsBroken) {
  EXPECT_EQ(reply_to("hello, this is HTTP/0.9\n").end, End::broken);
  EXPECT_EQ(reply_to("SSH-2.0-OpenSSH_9.2\r\n").end, End::broken);
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").end, End::broken);
}

TEST(Transport, ABodyIsBoundedHoweverItIsFramed) {
  const std::string megabyte(1024 * 1024, 'x');
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + megabyte).body.size(), megabyte.size());
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 17; ++i) chunks += chunk;
  const HttpReply chunked = reply_to(chunks + "0\r\n\r\n");
  EXPECT_EQ(chunked.end, End::broken);
  EXPECT_EQ(chunked.error, "the answer is too large");
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n" + megabyte + "x").end, End::broken);
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\n\r\n" + megabyte + "x").end, End::broken);
}

TEST(Transport, AnEncodedBodyIsNotExpanded) {
  const HttpReply reply =
      reply_to("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08z");
  EXPECT_EQ(reply.body, "\x1f\x8b\x08z");
}

TEST(Transport, HeadersAreBounded) {
  std::string many = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
  for (int i = 0; i < 1000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(reply_to(many + "\r\n").end, End::broken);
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nX: " + std::string(90'000, 'y') + "\r\n\r\n").end, End::broken);
  std::string continues;
  for (int i = 0; i < 20'000; ++i) continues += "HTTP/1.1 100 Continue\r\n\r\n";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(reply_to(continues).end, End::broken);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST(Transport, ARedirectIsNotFollowed) {
  RawServer other(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("stolen"); }));
  for (const int status : {301, 302, 303, 307, 308}) {
    const HttpReply reply = reply_to("HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + other.base() +
                                     "/x\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(reply.end, End::answered);
    EXPECT_EQ(reply.status, status);
  }
  EXPECT_EQ(other.connections(), 0);
}

TEST(Transport, ARefusedConnectionIsNotSent) {
  const HttpReply reply =
      Driver("http://127.0.0.1:" + std::to_string(closed_port()) + "/v1").ask(post_request("/x", "{}"));
  EXPECT_EQ(reply.end, End::not_sent);
  EXPECT_NE(reply.error, "");
}

TEST(Transport, AFailedTlsHandshakeIsNotSent) {
  RawServer server([](RawConnection& connection) {
    connection.send("HTTP/1.1 400 this is not TLS\r\n\r\n");
    connection.wait_for_close();
  });
  const HttpReply reply =
      Driver("https://127.0.0.1:" + std::to_string(server.port()) + "/v1").ask(post_request("/x", "{}"));
  EXPECT_EQ(reply.end, End::not_sent);
}

TEST(Transport, ANameThatDoesNotResolveIsNotSent) {
  EXPECT_EQ(Driver("https://nobody.invalid/v1").ask(get_request("/models")).end, End::not_sent);
}

TEST(Transport, PlainHttpIsRefusedBeyondLoopback) {
  for (const char* base : {"http://api.openai.com/v1", "http://10.0.0.1/v1", "http://127.0.0.1.evil.example/v1",
                           "ftp://127.0.0.1/v1", "file:///etc/passwd", "https://user:pw@host/v1", "", "nonsense"}) {
    const HttpReply reply = Driver(base).ask(get_request("/models"));
    EXPECT_EQ(reply.end, End::not_sent) << base;
    EXPECT_THAT(reply.error, HasSubstr("base URL")) << base;
  }
}

// "127.1" is no address in the eyes of the base URL, and it leads to loopback.
TEST(Transport, APublicNameThatLeadsInsideIsNotSpokenTo) {
  RawServer server([](RawConnection& connection) { connection.wait_for_close(); });
  const HttpReply reply = Driver("https://127.1:" + std::to_string(server.port()) + "/v1").ask(get_request("/models"));
  EXPECT_EQ(reply.end, End::not_sent);
  EXPECT_THAT(reply.error, HasSubstr("private address"));
  EXPECT_EQ(server.connections(), 0);
}

TEST(Transport, AProxyOfTheEnvironmentIsIgnored) {
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("{}"); }));
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  EXPECT_EQ(Driver(server.base()).ask(get_request("/models")).end, End::answered);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

}  // namespace
}  // namespace trainer::provider

// Requests under way: bounded in time, abandoned, many at once, sent no more than once, and uploads.
#include "provider/transport.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>

#include <fstream>

#include "driver.h"
#include "raw_server.h"

namespace trainer::provider {
namespace {

using End = HttpReply::End;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Transport, ARequestIsBoundedInTime) {
  RawServer server([](RawConnection& connection) {
    connection.read();
    connection.wait_for_close();
  });
  TransportLimits limits = quick_limits();
  limits.request_timeout = 300ms;
  Driver driver(server.base(), limits);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(driver.ask(get_request("/models")).end, End::broken);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST(Transport, AnAnswerThatDripsIsBoundedInTime) {
  RawServer server([](RawConnection& connection) {
    connection.read();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (connection.send("x")) std::this_thread::sleep_for(20ms);
  });
  TransportLimits limits = quick_limits();
  limits.request_timeout = 400ms;
  Driver driver(server.base(), limits);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(driver.ask(get_request("/models")).end, End::broken);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST(Transport, AbandonReturnsAtOnceAndClosesTheConnection) {
  std::atomic<bool> reached = false;
  std::atomic<bool> closed = false;
  RawServer server([&](RawConnection& connection) {
    connection.read();
    reached = true;
    closed = connection.wait_for_close();
  });
  Driver driver(server.base());
  driver.transport.start(1, get_request("/slow"));
  for (int i = 0; i < 200 && !reached; ++i) driver.turn(10ms);
  ASSERT_TRUE(reached);
  const auto begin = std::chrono::steady_clock::now();
  driver.transport.abandon(1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 50ms);
  EXPECT_EQ(driver.transport.in_flight(), 0u);
  for (int i = 0; i < 200 && !closed; ++i) driver.turn(10ms);
  EXPECT_TRUE(closed);
  EXPECT_TRUE(driver.replies.empty());
  driver.transport.abandon(1);  // what is not there is no matter
}

TEST(Transport, AbandonDoesNotWaitForNames) {
  Driver driver("https://nobody.invalid/v1");
  driver.transport.start(1, get_request("/models"));
  driver.transport.run();
  const auto begin = std::chrono::steady_clock::now();
  driver.transport.abandon(1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 100ms);
}

TEST(Transport, WhatWaitsInLineAndWhatIsFinishedCanBeAbandoned) {
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("{}"); }));
  TransportLimits limits = quick_limits();
  limits.max_connections = 1;
  Driver driver(server.base(), limits);
  driver.transport.start(1, get_request("/a"));
  driver.transport.start(2, get_request("/b"));
  driver.transport.start(3, get_request("/c"));
  EXPECT_EQ(driver.transport.in_flight(), 3u);
  driver.transport.abandon(2);
  EXPECT_EQ(driver.transport.in_flight(), 2u);
  driver.run_until(2);
  EXPECT_EQ(driver.replies.count(2), 0u);

  Driver refused("http://example.com/v1");
  refused.transport.start(1, get_request("/a"));
  EXPECT_EQ(refused.transport.timeout(), 0ms);
  refused.transport.abandon(1);
  EXPECT_TRUE(refused.transport.take_finished().empty());
}

TEST(Transport, RunsHundredsAtOnceOverABoundedNumberOfConnections) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest& request) {
    const int concurrent = ++now;
    for (int seen = most; concurrent > seen && !most.compare_exchange_weak(seen, concurrent);) {
    }
    std::this_thread::sleep_for(20ms);
    --now;
    c.reply(request.line);
  }));
  TransportLimits limits = quick_limits();
  limits.max_connections = 50;
  Driver driver(server.base(), limits);
  for (std::uint64_t i = 0; i < 200; ++i) driver.transport.start(i, get_request("/n/" + std::to_string(i)));
  EXPECT_EQ(driver.transport.in_flight(), 200u);
  driver.run_until(200);
  for (std::uint64_t i = 0; i < 200; ++i) {
    EXPECT_EQ(driver.replies[i].end, End::answered) << driver.replies[i].error;
    EXPECT_EQ(driver.replies[i].body, "GET /v1/n/" + std::to_string(i) + " HTTP/1.1");
  }
  EXPECT_LE(server.connections(), 50);
  EXPECT_LE(most, 50);
  EXPECT_GT(most, 10);
  EXPECT_EQ(driver.transport.in_flight(), 0u);
}

TEST(Transport, WithoutLimitsInTheWayAllGoAtOnce) {
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest&) {
    std::this_thread::sleep_for(200ms);
    c.reply("{}");
  }));
  Driver driver(server.base());
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 200; ++i) driver.transport.start(i, get_request("/x"));
  driver.run_until(200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

// libcurl resends on a new connection what died on a kept-alive one; see HttpRequest::once.
TEST(Transport, WhatMustGoOnceIsNeverResentAndTheRestIs) {
  std::atomic<int> posts = 0;
  RawServer server([&](RawConnection& connection) {
    while (const auto request = connection.read()) {
      if (request->line.starts_with("POST")) {
        ++posts;
        return;  // the effect took place, the answer was lost
      }
      connection.reply("{}");
    }
  });
  Driver driver(server.base());
  driver.ask(get_request("/models"));
  HttpRequest paid = post_request("/fine_tuning/jobs", "{}");
  EXPECT_EQ(driver.ask(paid).end, End::broken);
  EXPECT_EQ(posts, 2) << "what this test is about does not happen any more";
  driver.ask(get_request("/models"));
  posts = 0;
  paid.once = true;
  EXPECT_EQ(driver.ask(paid).end, End::broken);
  EXPECT_EQ(posts, 1);
}

class SpooledFile {
 public:
  explicit SpooledFile(const std::string& content) : fd(memfd_create("spool", MFD_CLOEXEC)) {
    EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  ~SpooledFile() { close(fd); }
  const int fd;
};

HttpRequest upload(int fd, std::int64_t bytes, std::string filename = "trainer-1-2.jsonl") {
  HttpRequest request = post_request("/files", "");
  request.multipart = true;
  request.form.fields = {{"purpose", "fine-tune"}};
  request.form.file_field = "file";
  request.form.filename = std::move(filename);
  request.form.fd = fd;
  request.form.bytes = bytes;
  return request;
}

TEST(Transport, AMultipartUploadIsExactToTheByte) {
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += static_cast<char>(i * 7 + i / 256);
  content += "\r\n--boundary\r\n\r\n";
  SpooledFile file(content);
  RawRequest seen;
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest& request) {
    seen = request;
    c.reply("{}");
  }));
  Driver driver(server.base());
  for (int round = 0; round < 2; ++round) {
    const HttpReply reply = driver.ask(upload(file.fd, static_cast<std::int64_t>(content.size())));
    ASSERT_EQ(reply.end, End::answered) << reply.error;
    const std::size_t at = seen.head.find("Content-Type: multipart/form-data; boundary=");
    ASSERT_NE(at, std::string::npos);
    const std::string boundary = "--" + seen.head.substr(at + 44, seen.head.find("\r\n", at) - at - 44);
    EXPECT_EQ(seen.body, boundary + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n" +
                             boundary +
                             "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"trainer-1-2.jsonl\"\r\n"
                             "Content-Type: application/octet-stream\r\n\r\n" +
                             content + "\r\n" + boundary + "--\r\n");
    EXPECT_THAT(seen.head, Not(HasSubstr("Expect")));
  }
  driver.ask(get_request("/models"));
  EXPECT_EQ(seen.line, "GET /v1/models HTTP/1.1") << "nothing of the upload stays behind";
}

TEST(Transport, AFileThatIsTooShortIsNoUpload) {
  SpooledFile file("short");
  std::atomic<int> complete = 0;
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest&) {
    ++complete;
    c.reply("{}");
  }));
  const HttpReply reply = Driver(server.base()).ask(upload(file.fd, 100'000));
  EXPECT_NE(reply.end, End::answered);
  EXPECT_THAT(reply.error, HasSubstr("could not be read"));
  EXPECT_EQ(complete, 0);
}

TEST(Transport, AnUploadThatIsRefusedEarlyEndsEarly) {
  const std::string content(64 * 1024 * 1024, 'x');
  SpooledFile file(content);
  RawServer server([](RawConnection& connection) {
    connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    connection.wait_for_close();
  });
  const HttpReply reply = Driver(server.base()).ask(upload(file.fd, static_cast<std::int64_t>(content.size())));
  EXPECT_EQ(reply.end, End::answered) << reply.error;
  EXPECT_EQ(reply.status, 413);
}

TEST(Transport, AnUploadHasTheTimeThatItsSizeNeeds) {
  SpooledFile file(std::string(256 * 1024, 'x'));
  RawServer server([](RawConnection& connection) {
    std::this_thread::sleep_for(700ms);
    if (connection.read()) connection.reply("{}");
  });
  TransportLimits limits = quick_limits();
  limits.request_timeout = 300ms;  // and four seconds for 256 kB
  EXPECT_EQ(Driver(server.base(), limits).ask(upload(file.fd, 256 * 1024)).end, End::answered);
}

TEST(Transport, MalformedRequestsAreNotSent) {
  SpooledFile file("x");
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("{}"); }));
  Driver driver(server.base());
  for (const char* path : {"", "models", "/a b", "/a\r\nX: y", "/a#b", "/\x80"}) {
    EXPECT_EQ(driver.ask(get_request(path)).end, End::not_sent) << path;
  }
  for (const char* name : {"", "a\"b.jsonl", "a\r\nb.jsonl", "../x", "a b"}) {
    EXPECT_EQ(driver.ask(upload(file.fd, 1, name)).end, End::not_sent) << name;
  }
  EXPECT_EQ(driver.ask(upload(-1, 1)).end, End::not_sent);
  EXPECT_EQ(server.connections(), 0);
}

TEST(Transport, AKeyThatNoHeaderCanCarryIsRefused) {
  RawServer server(RawServer::always([](RawConnection& c, const RawRequest&) { c.reply("{}"); }));
  const std::vector<std::string> keys = {"sk\r\nX: y", "sk\n", "s\x01", std::string("s\0k", 3), "s k", "\xC3\xA9"};
  for (const std::string& key : keys) {
    const HttpReply reply = Driver(server.base(), quick_limits(), key).ask(get_request("/models"));
    EXPECT_EQ(reply.end, End::not_sent);
    EXPECT_THAT(reply.error, HasSubstr("key"));
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(Transport, TakesANewKeyProfileAndLimitsForWhatStartsLater) {
  std::string head;
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest& request) {
    head = request.head;
    c.reply("0123456789");
  }));
  Driver driver("http://example.com/v1", quick_limits(), "");
  EXPECT_EQ(driver.ask(get_request("/models")).end, End::not_sent);
  Profile profile = profile_at(server.base());
  driver.transport.set_profile(profile);
  EXPECT_EQ(driver.ask(get_request("/models")).end, End::answered);
  EXPECT_THAT(head, Not(HasSubstr("Authorization"))) << "no key, no header";
  driver.transport.set_api_key("sk-two");
  driver.ask(get_request("/models"));
  EXPECT_THAT(head, HasSubstr("\r\nAuthorization: Bearer sk-two\r\n"));
  profile.auth_header = "api-key";
  profile.auth_prefix = "";
  driver.transport.set_profile(profile);
  driver.ask(get_request("/models"));
  EXPECT_THAT(head, HasSubstr("\r\napi-key: sk-two\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Authorization")));
  TransportLimits limits = quick_limits();
  limits.max_response_bytes = 9;
  driver.transport.set_limits(limits);
  EXPECT_EQ(driver.ask(get_request("/models")).end, End::broken);
}

TEST(Transport, IsIdleWithoutRequests) {
  Transport transport(*find_profile("openai"), "sk-test", {});
  transport.run();
  EXPECT_EQ(transport.timeout(), 1min);
  EXPECT_EQ(transport.in_flight(), 0u);
  EXPECT_GE(transport.fd(), 0);
}

TEST(Transport, CanBeDestroyedInTheMiddle) {
  RawServer server([](RawConnection& connection) { connection.wait_for_close(); });
  Driver driver(server.base());
  for (std::uint64_t i = 0; i < 20; ++i) driver.transport.start(i, get_request("/x"));
  driver.turn();
  driver.turn();
}

// SigBlk of every thread of this process but those that were there before.
std::vector<std::string> blocked_signals_of_other_threads(const std::vector<std::string>& known,
                                                          std::vector<std::string>* ids) {
  std::vector<std::string> masks;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* entry = readdir(tasks)) {
    const std::string id = entry->d_name;
    if (id[0] == '.') continue;
    if (ids != nullptr) ids->push_back(id);
    if (std::find(known.begin(), known.end(), id) != known.end()) continue;
    std::ifstream status("/proc/self/task/" + id + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("SigBlk:")) masks.push_back(line.substr(line.find_first_not_of(" \t", 7)));
    }
  }
  closedir(tasks);
  return masks;
}

TEST(Transport, AResolverThreadBlocksEverySignalAndTheOwnerKeepsItsMask) {
  std::vector<std::string> known;
  blocked_signals_of_other_threads({}, &known);
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::vector<std::string> masks;
  for (int attempt = 0; attempt < 50 && masks.empty(); ++attempt) {
    Driver driver("https://nobody" + std::to_string(attempt) + ".invalid/v1");
    driver.transport.start(1, get_request("/models"));
    driver.transport.run();
    masks = blocked_signals_of_other_threads(known, nullptr);
  }
  if (masks.empty()) GTEST_SKIP() << "no resolver thread was ever seen";
  for (const std::string& mask : masks) {
    // Bit n - 1 for signal n; SIGKILL and SIGSTOP cannot be blocked, 32 and 33 belong to the C library.
    const std::uint64_t blocked = std::strtoull(mask.c_str(), nullptr, 16);
    for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGURG}) {
      EXPECT_TRUE(blocked & (std::uint64_t{1} << (number - 1))) << "signal " << number << " of " << mask;
    }
  }
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < 32; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
  }
}

}  // namespace
}  // namespace trainer::provider

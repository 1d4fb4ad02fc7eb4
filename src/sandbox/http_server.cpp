// libmicrohttpd's callbacks. An Exchange belongs to its request from the first callback to the completion notice; a
// connection that must wait is suspended, which costs no thread, and woken by the alarm.
#include "sandbox/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

namespace trainer::sandbox {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr unsigned int kMaxConnections = 8192;
constexpr unsigned int kBacklog = 4096;
constexpr std::size_t kMaxBody = std::size_t{513} * 1024 * 1024;  // the provider's 512 MB and the multipart around it

struct Exchange {
  Request request;
  Reply reply;
  bool answered = false;  // reply is set, and perhaps being waited for
};

MHD_Result add_query(void* closure, MHD_ValueKind, const char* key, const char* value) {
  static_cast<Request*>(closure)->query.emplace_back(key, value ? value : "");
  return MHD_YES;
}

std::string header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value ? value : "";
}

std::unique_ptr<Exchange> begin(MHD_Connection* connection, const char* url, const char* method) {
  auto exchange = std::make_unique<Exchange>();
  exchange->request.method = method;
  exchange->request.path = url;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_query, &exchange->request);
  exchange->request.authorization = header(connection, "Authorization");
  exchange->request.api_key = header(connection, "api-key");
  exchange->request.content_type = header(connection, "Content-Type");
  return exchange;
}

// Sends half of the body that was announced, then gives up.
ssize_t send_half(void* closure, std::uint64_t position, char* buffer, std::size_t space) {
  const std::string& body = *static_cast<std::string*>(closure);
  const std::size_t half = body.size() / 2;
  if (position >= half) return MHD_CONTENT_READER_END_WITH_ERROR;
  const std::size_t count = std::min(space, half - static_cast<std::size_t>(position));
  std::memcpy(buffer, body.data() + position, count);
  return static_cast<ssize_t>(count);
}

void free_body(void* closure) {
  const std::unique_ptr<std::string> body(static_cast<std::string*>(closure));
}

struct Destroy {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

MHD_Result send(MHD_Connection* connection, Reply& reply) {
  if (reply.delivery == Reply::Delivery::dropped) return MHD_NO;
  std::unique_ptr<MHD_Response, Destroy> response;
  if (reply.delivery == Reply::Delivery::truncated) {
    const std::size_t size = reply.body.size();
    auto body = std::make_unique<std::string>(std::move(reply.body));
    response.reset(MHD_create_response_from_callback(size, 4096, send_half, body.release(), free_body));
  } else {
    response.reset(MHD_create_response_from_buffer(reply.body.size(), reply.body.data(), MHD_RESPMEM_MUST_COPY));
  }
  if (!response) return MHD_NO;
  MHD_add_response_header(response.get(), "Content-Type", reply.content_type.c_str());
  for (const auto& [name, value] : reply.headers) MHD_add_response_header(response.get(), name.c_str(), value.c_str());
  return MHD_queue_response(connection, static_cast<unsigned int>(reply.status), response.get());
}

}  // namespace

// Resumes suspended connections when their time has come.
class Alarm {
 public:
  Alarm() : thread_([this] { work(); }) {}
  ~Alarm() { stop(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // False once stop() has begun: do not wait then.
  bool suspend(MHD_Connection* connection, std::int64_t delay_ms) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    MHD_suspend_connection(connection);
    waiting_.emplace(SteadyClock::now() + std::chrono::milliseconds(delay_ms), connection);
    changed_.notify_one();
    return true;
  }
  // Resumes everybody.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      while (!waiting_.empty() && (stopping_ || waiting_.begin()->first <= SteadyClock::now())) {
        MHD_resume_connection(waiting_.begin()->second);
        waiting_.erase(waiting_.begin());
      }
      if (stopping_) return;
      if (waiting_.empty()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, SteadyClock::time_point(waiting_.begin()->first));
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<SteadyClock::time_point, MHD_Connection*> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

struct HttpServer::Impl {
  explicit Impl(Sandbox& the_sandbox) : sandbox(the_sandbox) {}

  static MHD_Result handle(void* closure, MHD_Connection* connection, const char* url, const char* method, const char*,
                           const char* data, std::size_t* size, void** state) {
    return static_cast<Impl*>(closure)->handle(connection, url, method, data, size, state);
  }
  static void complete(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    const std::unique_ptr<Exchange> finished(static_cast<Exchange*>(*state));
    *state = nullptr;
  }

  MHD_Result handle(MHD_Connection* connection, const char* url, const char* method, const char* data,
                    std::size_t* size, void** state) {
    if (!*state) {
      *state = begin(connection, url, method).release();
      return MHD_YES;
    }
    Exchange& exchange = *static_cast<Exchange*>(*state);
    if (*size > 0) {
      if (exchange.request.body.size() + *size > kMaxBody) exchange.request.too_large = true;
      if (!exchange.request.too_large) exchange.request.body.append(data, *size);
      *size = 0;
      return MHD_YES;
    }
    if (!exchange.answered) {
      exchange.answered = true;
      exchange.reply = sandbox.handle(exchange.request);
      if (exchange.reply.delay_ms > 0 && alarm.suspend(connection, exchange.reply.delay_ms)) return MHD_YES;
    }
    return send(connection, exchange.reply);
  }

  Sandbox& sandbox;
  Alarm alarm;
  MHD_Daemon* daemon = nullptr;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<HttpServer> HttpServer::start(Sandbox& sandbox, std::uint16_t port) {
  auto impl = std::make_unique<Impl>(sandbox);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  impl->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, nullptr, nullptr,
                                  &Impl::handle, impl.get(), MHD_OPTION_SOCK_ADDR, &address,
                                  MHD_OPTION_NOTIFY_COMPLETED, &Impl::complete, nullptr, MHD_OPTION_CONNECTION_LIMIT,
                                  kMaxConnections, MHD_OPTION_LISTEN_BACKLOG_SIZE, kBacklog, MHD_OPTION_END);
  if (!impl->daemon) return nullptr;
  return std::make_unique<HttpServer>(std::move(impl));
}

HttpServer::~HttpServer() {
  impl_->alarm.stop();
  MHD_stop_daemon(impl_->daemon);
}

std::uint16_t HttpServer::port() const {
  return MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

}  // namespace trainer::sandbox

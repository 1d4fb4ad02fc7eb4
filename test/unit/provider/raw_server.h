// A server on loopback that does with each connection whatever a test says, down to the byte.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace trainer::provider {

struct RawRequest {
  std::string line;  // "GET /v1/models HTTP/1.1"
  std::string head;  // all of it, the line too
  std::string body;

  bool has_header(const std::string& line_of_head) const {
    return head.find("\r\n" + line_of_head + "\r\n") != std::string::npos;
  }
};

class RawConnection {
 public:
  RawConnection(int fd, int index) : fd_(fd), index_(index) {}

  int index() const { return index_; }  // 0 for the first connection of the server

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  bool reply(std::string_view body, const std::string& headers = "", const std::string& status = "200 OK") {
    return send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
                "\r\n" + std::string(body));
  }

  // The next request with its whole body; nullopt when the peer has closed.
  std::optional<RawRequest> read() {
    while (buffer_.find("\r\n\r\n") == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    RawRequest request;
    const std::size_t end = buffer_.find("\r\n\r\n") + 4;
    request.head = buffer_.substr(0, end);
    request.line = request.head.substr(0, request.head.find("\r\n"));
    std::size_t length = 0;
    if (const std::size_t at = request.head.find("Content-Length: "); at != std::string::npos) {
      length = std::strtoul(request.head.c_str() + at + 16, nullptr, 10);
    }
    while (buffer_.size() < end + length) {
      if (!fill()) return std::nullopt;
    }
    request.body = buffer_.substr(end, length);
    buffer_.erase(0, end + length);
    return request;
  }

  // Waits until the peer has closed, at most ten seconds.
  bool wait_for_close() {
    pollfd waiting{fd_, POLLIN, 0};
    char byte = 0;
    while (::poll(&waiting, 1, 10'000) > 0) {
      if (recv(fd_, &byte, 1, 0) <= 0) return true;
    }
    return false;
  }

  // A close that arrives as a reset.
  void reset_on_close() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }

 private:
  bool fill() {
    char bytes[65536];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  int index_;
  std::string buffer_;
};

class RawServer {
 public:
  using Handler = std::function<void(RawConnection&)>;

  explicit RawServer(Handler handler) : handler_(std::move(handler)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listener_, 1024);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  // Answers every request of every connection in the same way.
  static Handler always(std::function<void(RawConnection&, const RawRequest&)> answer) {
    return [answer](RawConnection& connection) {
      while (const auto request = connection.read()) answer(connection, *request);
    };
  }

  std::string base() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept_all() {
    while (true) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, index = connections_++] { serve(fd, index); });
    }
  }

  void serve(int fd, int index) {
    RawConnection connection(fd, index);
    handler_(connection);
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    close(fd);
  }

  Handler handler_;
  int listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A port of loopback where nobody listens.
inline int closed_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace trainer::provider

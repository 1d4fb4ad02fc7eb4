// The sandbox on a loopback port, by libmicrohttpd: one thread for all connections, and one that wakes the late ones.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sandbox/sandbox.h"

namespace trainer::sandbox {

class HttpServer {
 public:
  // Listens on 127.0.0.1; port 0 lets the system choose. Null when the port is not to be had.
  static std::unique_ptr<HttpServer> start(Sandbox& sandbox, std::uint16_t port);
  // Ends every connection at once, also those that wait.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;

 public:
  explicit HttpServer(std::unique_ptr<Impl> impl);  // for start()
};

}  // namespace trainer::sandbox

// The command line of trainer-sandbox, and its end by a signal.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "sandbox/http_server.h"

namespace {

using trainer::sandbox::HttpServer;
using trainer::sandbox::Options;
using trainer::sandbox::Sandbox;

constexpr const char* kUsage =
    "usage: trainer-sandbox [--port N] [--port-file FILE] [--api-key KEY | --api-key-file FILE] [--seed N]\n"
    "                       [--job-seconds S] [--latency-ms N] [--history FILE] [--no-history] [--max-seconds N]\n";

struct Arguments {
  Options options;
  int port = 0;
  std::string port_file;
  int max_seconds = 0;
};

template <class T>
bool read_number(const std::string& text, T lowest, T highest, T& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size() && into >= lowest && into <= highest;
}

bool read_key_file(const std::string& path, std::string& into) {
  std::ifstream file(path);
  return std::getline(file, into) && !into.empty();
}

bool read_option(const std::string& name, const std::string& value, Arguments& into) {
  if (name == "--port") return read_number(value, 0, 65535, into.port);
  if (name == "--max-seconds") return read_number(value, 1, 86400 * 365, into.max_seconds);
  if (name == "--job-seconds") return read_number(value, 0.0, 1e6, into.options.job_seconds);
  if (name == "--latency-ms") return read_number<std::int64_t>(value, 0, 3600000, into.options.latency_ms);
  if (name == "--seed") {
    std::uint64_t seed = 0;
    if (!read_number<std::uint64_t>(value, 0, UINT64_MAX, seed)) return false;
    into.options.seed = seed;
    return true;
  }
  if (name == "--api-key-file") return read_key_file(value, into.options.api_key);
  if (value.empty()) return false;
  if (name == "--api-key")
    into.options.api_key = value;
  else if (name == "--history")
    into.options.history_file = value;
  else if (name == "--port-file")
    into.port_file = value;
  else
    return false;
  return true;
}

// False after having said what is wrong.
bool read_arguments(int argc, char** argv, Arguments& into) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--no-history") {
      into.options.keep_history = false;
      continue;
    }
    if (i + 1 >= argc || !read_option(name, argv[i + 1], into)) {
      std::fprintf(stderr, "trainer-sandbox: cannot read %s\n%s", name.c_str(), kUsage);
      return false;
    }
    ++i;
  }
  return true;
}

// Whoever waits for the file never sees half of it.
bool write_port(const std::string& path, int port) {
  const std::string draft = path + "." + std::to_string(getpid());
  {
    std::ofstream file(draft);
    file << port << "\n";
    if (!file.flush()) return false;
  }
  return std::rename(draft.c_str(), path.c_str()) == 0;
}

// A thousand slow requests at a time need as many descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read_arguments(argc, argv, arguments)) return 2;
  if (!arguments.options.history_file.empty() && access(arguments.options.history_file.c_str(), W_OK) != 0 &&
      !std::ofstream(arguments.options.history_file, std::ios::app)) {
    std::fprintf(stderr, "trainer-sandbox: cannot write %s\n", arguments.options.history_file.c_str());
    return 1;
  }
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  // Blocked before any thread exists, so that only sigtimedwait below takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);

  Sandbox sandbox(arguments.options);
  const auto server = HttpServer::start(sandbox, static_cast<std::uint16_t>(arguments.port));
  if (!server) {
    std::fprintf(stderr, "trainer-sandbox: cannot listen on 127.0.0.1 port %d\n", arguments.port);
    return 1;
  }
  if (!arguments.port_file.empty() && !write_port(arguments.port_file, server->port())) {
    std::fprintf(stderr, "trainer-sandbox: cannot write %s\n", arguments.port_file.c_str());
    return 1;
  }
  std::printf("trainer-sandbox: http://127.0.0.1:%d/v1\n", server->port());
  std::fflush(stdout);
  if (arguments.max_seconds > 0) {
    const timespec limit{arguments.max_seconds, 0};
    sigtimedwait(&ending, nullptr, &limit);
  } else {
    sigwaitinfo(&ending, nullptr);
  }
  return 0;
}

#include "core/url.h"

#include <algorithm>
#include <string_view>

namespace trainer::core {
namespace {

Error refuse(const char* detail) {
  return {Condition::invalid_argument, "invalid value", detail, ""};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  if (!host.starts_with("127.")) return false;
  // Four decimal numbers: "127.evil.example" is not an address.
  return std::count(host.begin(), host.end(), '.') == 3 && host.back() != '.' &&
         std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

// Nothing that a parser less strict than this one could take for another host (a percent, a backslash, a second @).
bool is_host(std::string_view host) {
  const bool is_v6 = host.starts_with('[');
  if (is_v6) host = host.substr(1, host.size() - 2);
  return !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
    return is_v6 ? is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.'
                 : is_digit(c) || is_letter(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

Result<Url> read_url(std::string_view url) {
  if (url.size() > 1024) return refuse("A URL has at most 1024 characters.");
  if (!std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127 && c != '"' && c != '\\'; })) {
    return refuse("A URL has printable ASCII characters only.");
  }
  Url parts;
  parts.is_secure = url.starts_with("https://");
  if (!parts.is_secure && !url.starts_with("http://")) return refuse("A URL begins with https://.");
  if (url.find_first_of("@#") != std::string_view::npos) return refuse("A URL has no user name and no fragment.");
  const std::size_t begin = parts.is_secure ? 8 : 7;
  const std::size_t end = std::min(url.find_first_of("/?", begin), url.size());
  parts.origin = url.substr(0, end);
  parts.path = url.substr(end);
  const std::string_view authority = url.substr(begin, end - begin);
  std::size_t after_host = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
  if (authority.starts_with('[') && after_host == 0) return refuse("The host's bracket is not closed.");
  after_host = std::min(after_host, authority.size());
  parts.host = authority.substr(0, after_host);
  parts.port = authority.substr(after_host);
  if (!parts.port.empty()) {
    if (parts.port[0] != ':' || parts.port.size() < 2 || parts.port.size() > 6 ||
        !std::all_of(parts.port.begin() + 1, parts.port.end(), is_digit)) {
      return refuse("The port is not a number.");
    }
    parts.port.remove_prefix(1);
  }
  if (parts.host.empty()) return refuse("A URL names a host.");
  if (!is_host(parts.host)) return refuse("The host is neither a name nor an address.");
  if (!parts.is_secure && !is_loopback(parts.host)) {
    return refuse("Plain http would send it in the clear: it is taken for a loopback address only.");
  }
  return parts;
}

std::optional<Error> check_api_base(const std::string& url) {
  const auto parts = read_url(url);
  if (!parts.ok()) return parts.error();
  if (parts->path.find('?') != std::string_view::npos) return refuse("A base URL has no query.");
  return std::nullopt;
}

std::optional<Error> check_environment_name(const std::string& name) {
  bool valid = !name.empty() && name.size() <= 255 && (is_letter(name[0]) || name[0] == '_') &&
               std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  if (!valid) return refuse("This is the name of an environment variable of the server, never the key itself.");
  return std::nullopt;
}

}  // namespace trainer::core

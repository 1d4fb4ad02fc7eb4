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

}  // namespace

std::optional<Error> check_api_base(const std::string& url) {
  if (url.size() > 1024) return refuse("A base URL has at most 1024 characters.");
  if (!std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127 && c != '"' && c != '\\'; })) {
    return refuse("A base URL has printable ASCII characters only.");
  }
  std::string_view rest = url;
  bool secure = rest.starts_with("https://");
  if (!secure && !rest.starts_with("http://")) return refuse("A base URL begins with https://.");
  rest.remove_prefix(secure ? 8 : 7);
  if (rest.find_first_of("@?#") != std::string_view::npos) {
    return refuse("A base URL has no user name, no query and no fragment.");
  }
  std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view host = authority;
  std::size_t after_host = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
  if (authority.starts_with('[') && after_host == 0) return refuse("The host's bracket is not closed.");
  if (after_host != std::string_view::npos) {
    host = authority.substr(0, after_host);
    std::string_view port = authority.substr(after_host);
    if (!port.empty() && (port[0] != ':' || port.size() < 2 || port.size() > 6 ||
                          !std::all_of(port.begin() + 1, port.end(), is_digit))) {
      return refuse("The port is not a number.");
    }
  }
  if (host.empty()) return refuse("A base URL names a host.");
  if (!secure && !is_loopback(host)) {
    return refuse("Plain http would send the key in the clear: it is taken for a loopback address only.");
  }
  return std::nullopt;
}

std::optional<Error> check_environment_name(const std::string& name) {
  bool valid = !name.empty() && name.size() <= 255 && (is_letter(name[0]) || name[0] == '_') &&
               std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  if (!valid) return refuse("This is the name of an environment variable of the server, never the key itself.");
  return std::nullopt;
}

}  // namespace trainer::core

#include "core/api_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/bytes.h"
#include "core/text.h"

namespace trainer::core {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error refused(const std::string& called, const std::string& reason, std::string hint = {}) {
  return {Condition::invalid_argument, "could not use the API key file", called + " " + reason, std::move(hint)};
}

// The path goes through clean_message: somebody will set the key itself where its file's name belongs.
std::string named(const std::string& path) {
  return "The file \"" + clean_message(path) + "\"";
}

std::string system_reason(int error) {
  return "cannot be read: " + std::generic_category().message(error) + ".";
}

Descriptor open_key_file(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

Error open_failure(const std::string& called, int error) {
  if (error == ELOOP) return refused(called, "is a symbolic link.", "Name the file itself.");
  return refused(called, system_reason(error));
}

std::optional<Error> check_status(const std::string& called, int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return refused(called, system_reason(errno));
  if (!S_ISREG(status.st_mode)) return refused(called, "is not a regular file.");
  if ((status.st_mode & 077) != 0) {
    return refused(called, "can be reached by group or others.", "Run chmod 600 on it.");
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    return refused(called, "belongs to another user.", "It must belong to the user that runs the server, or to root.");
  }
  if (status.st_size < 1) return refused(called, "is empty.");
  if (status.st_size > static_cast<off_t>(kMaxKeyFileBytes)) return refused(called, "is longer than 4096 bytes.");
  return std::nullopt;
}

// The file's bytes, at most one more than are allowed: it may have grown since it was checked.
Result<std::string> read_all(const std::string& called, int fd) {
  std::string content;
  std::array<char, kMaxKeyFileBytes + 1> buffer{};
  while (content.size() <= kMaxKeyFileBytes) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size() - content.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(called, system_reason(errno));
    if (got == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (content.size() > kMaxKeyFileBytes) return refused(called, "is longer than 4096 bytes.");
  return content;
}

// What is wrong with a key, as the end of a sentence about it; nullptr when nothing is.
const char* key_fault(std::string_view key) {
  if (key.empty()) return "is empty.";
  if (key.size() > kMaxKeyFileBytes) return "is longer than 4096 bytes.";
  if (key.starts_with("\xEF\xBB\xBF")) return "begins with a byte order mark.";
  if (!std::all_of(key.begin(), key.end(), [](char c) { return is_printable_ascii(c) && c != ' '; })) {
    return "holds a space, a line break or a character that is not printable ASCII.";
  }
  return nullptr;
}

}  // namespace

std::optional<Error> check_key(std::string_view key) {
  const char* fault = key_fault(key);
  if (fault == nullptr) return std::nullopt;
  return Error{Condition::invalid_argument, "API key is not valid", std::string("The key ") + fault, {}};
}

Result<std::string> read_key_file(const std::string& path) {
  return read_key_file(path, named(path));
}

Result<std::string> read_key_file(const std::string& path, const std::string& called) {
  const Descriptor file = open_key_file(path);
  if (file.get() < 0) return open_failure(called, errno);
  if (std::optional<Error> error = check_status(called, file.get())) return *std::move(error);
  Result<std::string> content = read_all(called, file.get());
  if (!content) return content;
  std::string key = std::move(content).value();
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (const char* fault = key_fault(key)) return refused(called, fault, "It holds the key alone, on one line.");
  return key;
}

std::optional<Error> check_key_file(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const Descriptor file = open_key_file(path);
  if (file.get() >= 0) return check_status(named(path), file.get());
  if (errno == ENOENT) return std::nullopt;
  return open_failure(named(path), errno);
}

}  // namespace trainer::core

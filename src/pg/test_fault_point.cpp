#include "pg/fault_point.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "pg/guard.h"

extern "C" {
#include <storage/latch.h>
#include <utils/wait_event.h>
}

namespace trainer::pg {
namespace {

char* fault = nullptr;

constexpr std::array<std::string_view, 4> kActions{"crash", "error", "sleep", "wait"};

struct FaultEntry {
  std::string_view point;
  std::string_view action;
  int count = 1;
};

std::string_view take_until(std::string_view& rest, char mark) {
  auto at = rest.find(mark);
  std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

std::optional<FaultEntry> parse(std::string_view text) {
  FaultEntry entry;
  entry.point = take_until(text, ':');
  entry.action = take_until(text, ':');
  if (entry.point.empty() || entry.point.find('/') != std::string_view::npos) return std::nullopt;
  bool known = false;
  for (auto action : kActions) known = known || action == entry.action;
  if (!known) return std::nullopt;
  if (text.empty()) return entry;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), entry.count);
  if (problem != std::errc() || end != text.data() + text.size() || entry.count < 1) return std::nullopt;
  return entry;
}

bool check_fault(char** value, void**, GucSource) {
  std::string_view rest = *value == nullptr ? "" : *value;
  while (!rest.empty()) {
    if (parse(take_until(rest, ','))) continue;
    GUC_check_errdetail(
        "This is a list of point:action or point:action:count; actions are crash, error, sleep and wait.");
    return false;
  }
  return true;
}

// Counts this time in the mark. False when the entry has acted often enough.
bool mark(const std::string& path, int count) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  struct stat status {};
  bool due = fstat(fd, &status) == 0 && status.st_size < count && write(fd, "x", 1) == 1;
  close(fd);
  return due;
}

void nap(long ms) {
  guarded([&] {
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  });
}

void act(const FaultEntry& entry, const std::string& path) {
  if (entry.action == "crash") {
    kill(getpid(), SIGKILL);
  } else if (entry.action == "error") {
    const char* name = path.c_str();
    guarded([&] { ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("fault point \"%s\"", name))); });
  } else if (entry.action == "sleep") {
    for (int i = 0; i < 10; ++i) nap(100);
  } else {
    while (access(path.c_str(), F_OK) == 0) nap(20);
  }
}

}  // namespace

void fault_point(std::string_view point, std::string_view detail) {
  if (fault == nullptr || *fault == '\0') return;
  std::string name(point);
  if (!detail.empty()) name.append("-").append(detail);
  const std::string setting = fault;
  std::string_view rest = setting;
  while (!rest.empty()) {
    auto entry = parse(take_until(rest, ','));
    std::string path = "trainer_fault." + name;  // the working directory of every process is the data directory
    if (entry && entry->point == name && mark(path, entry->count)) act(*entry, path);
  }
}

void define_fault_setting() {
  DefineCustomStringVariable("trainer.fault", "Sets what happens at the fault points of a test build.", nullptr, &fault,
                             "", PGC_SUSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, check_fault, nullptr, nullptr);
}

}  // namespace trainer::pg

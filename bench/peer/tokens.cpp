// Ours, in a process that stays up, as the peer does. Each line of its input is a request; it answers with the CPU
// seconds and the tokens. That a text is valid is known before, as it is where texts come from the server; the peer has
// decoded its own when it read them.
//
//   count FILE END    the texts of a file that end with the byte of this number, read before
//   fresh FILE END    the same by a counter that has seen nothing
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"
#include "core/tokens/counter.h"

namespace {

using trainer::core::is_valid_utf8;
using namespace trainer::core::tokens;

struct File {
  std::string content;
  std::vector<std::string_view> texts;
};

void read(const std::string& path, char end, File& file) {
  std::ifstream in(path, std::ios::binary);
  file.content.assign(std::istreambuf_iterator<char>(in), {});
  for (std::string_view rest = file.content; !rest.empty();) {
    const std::string_view text = rest.substr(0, rest.find(end));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (!is_valid_utf8(text)) std::exit(1);
    if (!text.empty()) file.texts.push_back(text);
  }
}

// Seconds that this thread was on a processor.
double on_processor() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void answer(TokenCounter& counter, const File& file) {
  const double start = on_processor();
  std::int64_t tokens = 0;
  for (const std::string_view text : file.texts) tokens += *counter.count_valid(text);
  std::printf("%.6f %lld\n", on_processor() - start, static_cast<long long>(tokens));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto tables = argc == 2 ? Tables::open(argv[1]) : Tables::open("");
  if (!tables) {
    std::fprintf(stderr, "%s\n", tables.error().detail.c_str());
    return 1;
  }
  const Encoding& encoding = tables->encoding(EncodingName::o200k_base);
  TokenCounter warm(encoding);
  std::map<std::string, File> files;
  std::string what;
  std::string path;
  for (int end = 0; std::cin >> what >> path >> end;) {
    File& file = files[path];
    if (file.content.empty()) read(path, static_cast<char>(end), file);
    TokenCounter fresh(encoding);
    answer(what == "fresh" ? fresh : warm, file);
  }
  return 0;
}

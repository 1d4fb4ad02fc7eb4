// count-tokens: how many tokens each line of a file has, or which.
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokens/counter.h"
#include "core/tokens/models.h"

namespace {

using namespace trainer::core;
using namespace trainer::core::tokens;

constexpr const char* kUsage =
    "usage: count-tokens --encoding o200k_base|cl100k_base [--ids] [--zero-terminated] [--tables FILE] FILE\n"
    "\n"
    "Prints the number of tokens of each line of FILE (- is standard input), without its line feed; with --ids the "
    "tokens,\n"
    "separated by spaces; with --zero-terminated lines end with a byte of zero and may hold line feeds. What is no "
    "UTF-8\n"
    "counts as U+FFFD. The tables are trainer_tokens.bin beside this program, unless --tables names another file.\n";

struct Arguments {
  std::optional<EncodingName> encoding;
  bool ids = false;
  char line_end = '\n';
  std::string tables;
  std::string file;
};

bool read_arguments(int argc, char** argv, Arguments& into) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--ids") {
      into.ids = true;
    } else if (argument == "--zero-terminated") {
      into.line_end = '\0';
    } else if (argument == "--encoding" && i + 1 < argc) {
      into.encoding = encoding_named(argv[++i]);
      if (!into.encoding) return false;
    } else if (argument == "--tables" && i + 1 < argc) {
      into.tables = argv[++i];
    } else if (into.file.empty() && (argument == "-" || !argument.starts_with('-'))) {
      into.file = argument;
    } else {
      return false;
    }
  }
  return into.encoding && !into.file.empty();
}

std::string beside_this_program() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path(".") : program.parent_path()) / "trainer_tokens.bin";
}

std::optional<std::string> read_file(const std::string& path) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return std::nullopt;
  std::string content;
  std::vector<char> buffer(1 << 20);
  std::size_t size = 0;
  while ((size = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) content.append(buffer.data(), size);
  const bool failed = std::ferror(file) != 0;
  if (file != stdin) std::fclose(file);
  return failed ? std::nullopt : std::optional(std::move(content));
}

int complain(const Error& error) {
  std::fprintf(stderr, "count-tokens: %s: %s\n", error.message.c_str(), error.detail.c_str());
  return 1;
}

// Appends the line's answer.
std::optional<Error> answer(TokenCounter& counter, std::string_view line, bool with_ids, std::vector<TokenId>& ids,
                            std::string& out) {
  if (with_ids) {
    ids.clear();
    const auto count = counter.encode(line, ids);
    if (!count) return count.error();
    for (std::size_t i = 0; i < ids.size(); ++i) (i == 0 ? out : out += ' ') += std::to_string(ids[i]);
  } else {
    const auto count = counter.count(line);
    if (!count) return count.error();
    out += std::to_string(*count);
  }
  out += '\n';
  return std::nullopt;
}

bool print(std::string& out) {
  const bool written = std::fwrite(out.data(), 1, out.size(), stdout) == out.size();
  out.clear();
  return written;
}

int run(const Arguments& arguments) {
  const auto tables = Tables::open(arguments.tables.empty() ? beside_this_program() : arguments.tables);
  if (!tables) return complain(tables.error());
  const auto text = read_file(arguments.file);
  if (!text) {
    std::perror(("count-tokens: " + arguments.file).c_str());
    return 1;
  }
  TokenCounter counter(tables->encoding(*arguments.encoding));
  std::vector<TokenId> ids;
  std::string out;
  bool written = true;
  for (std::string_view rest = *text; !rest.empty() && written;) {
    const std::string_view line = rest.substr(0, rest.find(arguments.line_end));
    rest.remove_prefix(line.size() + (line.size() < rest.size() ? 1 : 0));
    if (const auto error = answer(counter, line, arguments.ids, ids, out)) return complain(*error);
    if (out.size() > (1 << 20)) written = print(out);
  }
  if (written && print(out) && std::fflush(stdout) == 0) return 0;
  std::perror("count-tokens: standard output");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (read_arguments(argc, argv, arguments)) return run(arguments);
  std::fputs(kUsage, stderr);
  return 2;
}

// make-token-tables DATA OUT: writes the tables of the tokenizer; the build runs it, and nothing else does.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "tools/token_tables.h"

namespace {

using namespace trainer;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.is_open() && !file.bad() && !content.empty()) return content;
  std::fprintf(stderr, "make-token-tables: could not read %s\n", path.c_str());
  return std::nullopt;
}

int complain(const std::string& path, const core::Error& error) {
  std::fprintf(stderr, "make-token-tables: %s: %s\n", path.c_str(), error.message.c_str());
  return 1;
}

int run(const std::string& data, const std::string& out) {
  const std::string unicode = data + "/unicode-16.0.0.txt";
  const auto properties = read_file(unicode);
  if (!properties) return 1;
  const auto classes = tools::read_classes(*properties);
  if (!classes) return complain(unicode, classes.error());
  std::vector<tools::Vocabulary> vocabularies;
  for (const auto name : {core::tokens::EncodingName::o200k_base, core::tokens::EncodingName::cl100k_base}) {
    const std::string path = data + "/" + std::string(core::tokens::name(name)) + ".tokens";
    const auto file = read_file(path);
    if (!file) return 1;
    auto vocabulary = tools::read_vocabulary(name, *file);
    if (!vocabulary) return complain(path, vocabulary.error());
    vocabularies.push_back(std::move(vocabulary).value());
  }
  std::ofstream file(out, std::ios::binary | std::ios::trunc);
  file << tools::token_tables(*classes, vocabularies) << std::flush;
  if (file) return 0;
  std::fprintf(stderr, "make-token-tables: could not write %s\n", out.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return run(argv[1], argv[2]);
  std::fputs("usage: make-token-tables DATA OUT\n", stderr);
  return 2;
}

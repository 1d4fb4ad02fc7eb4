#include "core/tokens/tables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "tokens.h"

namespace trainer::core::tokens {
namespace {

std::string built_file() {
  std::ostringstream content;
  content << std::ifstream(TRAINER_TOKENS, std::ios::binary).rdbuf();
  return content.str();
}

// What opening a file of this content says; empty when nothing is wrong.
std::string refusal(const std::string& content) {
  const std::string path = testing::TempDir() + "trainer_tokens." + std::to_string(::getpid());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  const auto tables = Tables::open(path);
  std::remove(path.c_str());
  if (tables) return "";
  EXPECT_EQ(tables.error().condition, Condition::wrong_state);
  EXPECT_FALSE(tables.error().hint.empty());
  return tables.error().detail;
}

TEST(Tables, OpensWhatTheBuildMade) {
  EXPECT_EQ(refusal(built_file()), "");
  EXPECT_EQ(built(EncodingName::o200k_base).tokens, 199'998u);
  EXPECT_EQ(built(EncodingName::cl100k_base).tokens, 100'256u);
}

TEST(Tables, NamesTheFileThatIsNotThere) {
  const auto tables = Tables::open("/nonexistent/tables");
  ASSERT_FALSE(tables.ok());
  EXPECT_EQ(tables.error().detail, "\"/nonexistent/tables\": No such file or directory.");
}

TEST(Tables, RefusesWhatIsNotItsFile) {
  const std::string file = built_file();
  EXPECT_NE(refusal("").find("not whole"), std::string::npos);
  EXPECT_NE(refusal(file.substr(0, file.size() - 1)).find("not whole"), std::string::npos);
  EXPECT_NE(refusal(std::string(1 << 16, 'x')).find("another version"), std::string::npos);
  std::string other_order = file;
  std::swap(other_order[8], other_order[11]);
  std::swap(other_order[9], other_order[10]);
  EXPECT_NE(refusal(other_order).find("byte order"), std::string::npos);
}

TEST(Tables, RefusesSectionsThatLeaveTheFile) {
  const std::string file = built_file();
  // Every byte of the header that matters: sections, counts, names.
  for (std::size_t at = 16; at < sizeof(FileHeader); at += 8) {
    std::string broken = file;
    broken[at + 7] = static_cast<char>(broken[at + 7] ^ 0x40);
    EXPECT_NE(refusal(broken), "") << "byte " << at + 7;
  }
}

}  // namespace
}  // namespace trainer::core::tokens

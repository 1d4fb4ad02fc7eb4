#include "core/api_key.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace trainer::core {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;

class ApiKeyFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "trainer-key-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string write(const std::string& content, mode_t mode = 0600) {
    const std::string path = (directory_ / "key").string();
    std::ofstream(path, std::ios::binary) << content;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  // The detail of the refusal; fails the test when the key is taken, or shown.
  static std::string refusal(const std::string& path) {
    const Result<std::string> key = read_key_file(path);
    EXPECT_FALSE(key.ok());
    if (key.ok()) return "";
    const Error& error = key.error();
    EXPECT_EQ(error.condition, Condition::invalid_argument);
    EXPECT_NE(error.detail.find(path), std::string::npos) << "the path is named";
    EXPECT_EQ((error.message + error.detail + error.hint).find("canary"), std::string::npos);
    return error.detail;
  }

  fs::path directory_;
};

TEST_F(ApiKeyFile, GivesTheKeyWithoutTheLineBreak) {
  EXPECT_EQ(*read_key_file(write("sk-canary")), "sk-canary");
  EXPECT_EQ(*read_key_file(write("sk-canary\n")), "sk-canary");
  EXPECT_EQ(*read_key_file(write("sk-canary\r\n")), "sk-canary");
  EXPECT_EQ(*read_key_file(write("sk-canary", 0400)), "sk-canary");
  EXPECT_EQ(*read_key_file(write(std::string(4096, 'k'))), std::string(4096, 'k'));
}

TEST_F(ApiKeyFile, OthersMustNotReachIt) {
  for (const mode_t mode : {0601, 0602, 0604, 0610, 0620, 0640, 0644, 0777}) {
    const std::string path = write("sk-canary", mode);
    EXPECT_NE(refusal(path).find("group or others"), std::string::npos) << std::oct << mode;
    EXPECT_TRUE(check_key_file(path)) << std::oct << mode;
  }
}

TEST_F(ApiKeyFile, ItsContentIsOneWordOfPrintableAscii) {
  for (const std::string& bad : {"sk canary"s, " sk-canary"s, "sk-canary "s, "sk-canary\n\n"s, "a\nsk-canary"s,
                                 "sk-canary\t"s, "sk-canary\0"s, "sk-canary\x7F"s, "sk-canary\xC3\xA9"s}) {
    EXPECT_NE(refusal(write(bad)).find("not printable ASCII"), std::string::npos) << bad;
  }
  EXPECT_NE(refusal(write("\xEF\xBB\xBFsk-canary")).find("byte order mark"), std::string::npos);
}

TEST_F(ApiKeyFile, ItsSizeIsBounded) {
  EXPECT_NE(refusal(write("")).find("is empty"), std::string::npos);
  EXPECT_NE(refusal(write("\n")).find("is empty"), std::string::npos);
  EXPECT_NE(refusal(write(std::string(4097, 'k'))).find("longer than 4096"), std::string::npos);
}

TEST_F(ApiKeyFile, OnlyARegularFileWillDo) {
  const std::string real = write("sk-canary");
  const std::string link = (directory_ / "link").string();
  fs::create_symlink(real, link);
  EXPECT_NE(refusal(link).find("symbolic link"), std::string::npos);
  EXPECT_NE(refusal(directory_.string()).find("not a regular file"), std::string::npos);
  EXPECT_NE(refusal("/dev/null").find("not a regular file"), std::string::npos);
  EXPECT_TRUE(check_key_file(link));
}

TEST_F(ApiKeyFile, APipeIsRefusedAtOnce) {
  const std::string pipe = (directory_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(refusal(pipe).find("not a regular file"), std::string::npos);
}

TEST_F(ApiKeyFile, AnotherUsersFileIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string path = write("sk-canary");
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  EXPECT_NE(refusal(path).find("another user"), std::string::npos);
}

TEST_F(ApiKeyFile, AMissingFileIsAnErrorWhenReadAndFineWhenSet) {
  const std::string path = (directory_ / "none").string();
  EXPECT_NE(refusal(path).find("cannot be read"), std::string::npos);
  EXPECT_EQ(check_key_file(path), std::nullopt);
  EXPECT_EQ(check_key_file(""), std::nullopt);
  EXPECT_TRUE(check_key_file(write("sk-canary") + "/below")) << "a file is no directory";
}

TEST_F(ApiKeyFile, TheCheckDoesNotReadTheContent) {
  EXPECT_EQ(check_key_file(write("sk canary")), std::nullopt);
}

TEST_F(ApiKeyFile, AKeyInThePlaceOfAPathIsNotShown) {
  const Result<std::string> key = read_key_file("sk-canary0123456789");
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().detail.find("canary"), std::string::npos);
}

TEST_F(ApiKeyFile, ACalledFileIsNotNamed) {
  const std::string path = write("sk canary", 0644);
  const std::string cases[] = {path, path + ".gone", directory_.string()};
  for (const std::string& file : cases) {
    const Result<std::string> key = read_key_file(file, "The file of a setting");
    ASSERT_FALSE(key.ok());
    EXPECT_TRUE(key.error().detail.starts_with("The file of a setting ")) << key.error().detail;
    EXPECT_EQ((key.error().message + key.error().detail + key.error().hint).find(directory_.string()),
              std::string::npos);
  }
  ::chmod(path.c_str(), 0600);
  EXPECT_TRUE(read_key_file(path, "The file of a setting").error().detail.starts_with("The file of a setting holds"));
}

TEST(CheckKey, TakesWhatAHeaderCanCarry) {
  EXPECT_EQ(check_key("sk-proj-A_b.c~!"), std::nullopt);
  for (const std::string& bad :
       {""s, "a b"s, "a\r\nX-Evil: 1"s, "caf\xC3\xA9"s, std::string(4097, 'k'), "\xEF\xBB\xBFsk-canary"s}) {
    const std::optional<Error> error = check_key(bad);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->condition, Condition::invalid_argument);
    EXPECT_EQ(error->detail.find("canary"), std::string::npos);
  }
}

}  // namespace
}  // namespace trainer::core

#include "tools/token_tables.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <string>

namespace trainer::tools {
namespace {

using namespace core::tokens;

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr), 1);
  std::string hex;
  for (const unsigned char byte : digest) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    hex += digits.data();
  }
  return hex;
}

// A vocabulary as OpenAI publishes it, out of the tables that the build made.
std::string published_form(const Encoding& encoding) {
  std::string out;
  for (TokenId id = 0; id < encoding.tokens; ++id) {
    const std::string_view token = encoding.token(id);
    std::string base64((token.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                        reinterpret_cast<const unsigned char*>(token.data()), static_cast<int>(token.size()));
    out.append(base64, 0, static_cast<std::size_t>(size)).append(" ").append(std::to_string(id)).append("\n");
  }
  return out;
}

TEST(TokenTables, HoldTheVocabulariesThatOpenAiPublishes) {
  const auto tables = Tables::open(TRAINER_TOKENS);
  ASSERT_TRUE(tables.ok());
  EXPECT_EQ(sha256(published_form(tables->encoding(EncodingName::o200k_base))),
            "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d");
  EXPECT_EQ(sha256(published_form(tables->encoding(EncodingName::cl100k_base))),
            "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7");
}

std::string all_bytes() {
  std::string file;
  for (int byte = 0; byte < 0x100; ++byte) (file += '\1') += static_cast<char>(byte);
  return file;
}

std::string refusal(const std::string& file) {
  const auto vocabulary = read_vocabulary(EncodingName::o200k_base, file);
  return vocabulary ? "" : vocabulary.error().message;
}

TEST(ReadVocabulary, TakesTokensInTheirOrder) {
  const auto vocabulary = read_vocabulary(EncodingName::o200k_base, all_bytes() + "\2ab");
  ASSERT_TRUE(vocabulary.ok());
  ASSERT_EQ(vocabulary->tokens.size(), 257u);
  EXPECT_EQ(vocabulary->tokens[256], "ab");
}

TEST(ReadVocabulary, RefusesWhatIsNoVocabulary) {
  EXPECT_EQ(refusal(""), "a byte is no token");
  EXPECT_EQ(refusal(all_bytes() + "\3ab"), "a token does not end");
  EXPECT_EQ(refusal(all_bytes() + std::string(1, '\0')), "a token does not end");
  EXPECT_EQ(refusal(all_bytes() + "\2ab\2ab"), "a token is there twice");
}

TEST(ReadClasses, TakesRangesInTheirOrder) {
  const auto classes = read_classes("9 D White_Space\n41 5A Lu\n1C5 1C5 Lt\n");
  ASSERT_TRUE(classes.ok());
  EXPECT_EQ((*classes)['\t'], kSpace);
  EXPECT_EQ((*classes)['\n'], kNewline);
  EXPECT_EQ((*classes)['Z'], kUpper);
  EXPECT_EQ((*classes)['['], kOther);
  EXPECT_EQ((*classes)[0x1C5], kUpper);
}

TEST(ReadClasses, RefusesWhatIsNoListOfRanges) {
  for (const char* file :
       {"41 5A\n", "41 5A Xx\n", "G 5A Lu\n", "5A 41 Lu\n", "41 5A Lu\n50 60 Ll\n", "41 110000 Lu\n", "\n", "41"}) {
    EXPECT_FALSE(read_classes(file).ok()) << file;
  }
}

}  // namespace
}  // namespace trainer::tools

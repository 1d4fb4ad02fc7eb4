#include "core/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

namespace trainer::core {
namespace {

// These values are a promise: a split made on another machine or by an older version stays the same.
TEST(Hash128, ValuesNeverChange) {
  EXPECT_EQ(hash128("", 0), (Hash128{0xf66770204de85876u, 0x88bc9d51bd4af3bdu}));
  EXPECT_EQ(hash128("comment", 0), (Hash128{0x46fd62d8e1971576u, 0x75d4a728e51c624eu}));
  EXPECT_EQ(hash128("a somewhat longer comment, caf\xC3\xA9", 42), (Hash128{0x78690a9acc3a4784u, 0xcfe0f497a8b4607fu}));
}

TEST(Hash128, SeedAndEveryByteAndTheLengthCount) {
  EXPECT_NE(hash128("abc", 1), hash128("abc", 2));
  const std::string text = "0123456789abcdefghijk";
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] ^= 1;
    EXPECT_NE(hash128(text, 1), hash128(other, 1));
  }
  EXPECT_NE(hash128(std::string(3, '\0'), 1), hash128(std::string(4, '\0'), 1));
  EXPECT_NE(hash128("", 1), hash128(std::string(8, '\0'), 1));
}

TEST(Hash128, NeitherHalfCollidesOnManySimilarTexts) {
  std::vector<std::uint64_t> low;
  std::vector<std::uint64_t> high;
  for (int i = 0; i < 300000; ++i) {
    const Hash128 hash = hash128("comment number " + std::to_string(i) + (i % 2 == 0 ? "" : " and more"), 5);
    low.push_back(hash.low);
    high.push_back(hash.high);
  }
  for (std::vector<std::uint64_t>* half : {&low, &high}) {
    std::sort(half->begin(), half->end());
    EXPECT_EQ(std::adjacent_find(half->begin(), half->end()), half->end());
  }
}

TEST(Hash128, OneBitOfInputChangesAboutHalfOfTheOutput) {
  const std::string text = "the quick brown fox jumps over it";
  const Hash128 base = hash128(text, 9);
  double flipped = 0;
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    const Hash128 hash = hash128(other, 9);
    flipped += std::popcount(hash.low ^ base.low) + std::popcount(hash.high ^ base.high);
  }
  EXPECT_NEAR(flipped / static_cast<double>(text.size() * 8), 64, 3);
}

}  // namespace
}  // namespace trainer::core

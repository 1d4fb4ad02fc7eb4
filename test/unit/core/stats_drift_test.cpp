#include "core/stats/drift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "core/hash.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(Drift, EqualSharesAreNone) {
  const auto found = compare(Counts{400, 300, 300}, Counts{40, 30, 30});
  ASSERT_TRUE(found.ok());
  EXPECT_NEAR(found->js, 0, 1e-12);
  EXPECT_NEAR(found->p_chi_squared, 1, 1e-9);
  EXPECT_FALSE(found->is_alarm);
}

TEST(Drift, AnAlarmMustBeLargeAndCertain) {
  // Large, and yet no more than chance among so few.
  const auto few = compare(Counts{10, 10, 10, 10}, Counts{4, 1, 4, 1});
  EXPECT_GT(few->psi, 0.1);
  EXPECT_FALSE(few->is_alarm);
  // Certain, and yet small.
  const auto many = compare(Counts{50000, 50000}, Counts{52000, 48000});
  EXPECT_LT(many->p_chi_squared, 1e-9);
  EXPECT_FALSE(many->is_alarm);
  const auto both = compare(Counts{4000, 3000, 2000, 1000}, Counts{2000, 3000, 3000, 2000});
  EXPECT_TRUE(both->is_alarm);
  EXPECT_FALSE(both->is_major);
  EXPECT_TRUE(compare(Counts{5000, 5000}, Counts{9000, 1000})->is_major);
}

TEST(Drift, CellsThatAreNewOrGoneAreCountedAndEmptyOnesAreNot) {
  const auto found = compare(Counts{100, 0, 50, 0}, Counts{50, 100, 0, 0});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->df, 2);
  EXPECT_TRUE(std::isfinite(found->psi));
  EXPECT_TRUE(found->is_major);
  DriftSettings unsmoothed;
  unsmoothed.smoothing = 0;
  EXPECT_EQ(compare(Counts{5, 5, 0}, Counts{5, 5, 0}, unsmoothed)->psi, 0);
}

TEST(Drift, OneCellAloneNeverDrifts) {
  EXPECT_FALSE(compare(Counts{100}, Counts{3})->is_alarm);
}

TEST(Drift, WhatIsOutOfRangeIsRefused) {
  EXPECT_FALSE(compare(Counts{1, 2}, Counts{1}).ok());
  EXPECT_FALSE(compare(Counts{0, 0}, Counts{1, 2}).ok());
  EXPECT_FALSE(compare(Counts{1, -2}, Counts{1, 2}).ok());
  DriftSettings settings;
  settings.alpha = 0;
  EXPECT_FALSE(compare(Counts{1, 2}, Counts{1, 2}, settings).ok());
  settings = {};
  settings.smoothing = kNotANumber;
  EXPECT_FALSE(compare(Counts{1, 2}, Counts{1, 2}, settings).ok());
}

TEST(Drift, RareCellsAreMergedUntilTheyAreLargeEnough) {
  const Cells kept = merged({{500, 300, 2, 1, 0}, {480, 310, 3, 4, 1}});
  // The three rare ones have 11 of both, 5.5 expected in either.
  EXPECT_EQ(kept.reference, (Counts{500, 300, 3}));
  EXPECT_EQ(kept.current, (Counts{480, 310, 8}));
  // One rare cell alone takes the smallest of the others with it.
  EXPECT_EQ(merged({{500, 300, 1}, {500, 300, 1}}).reference, (Counts{500, 301}));
  EXPECT_EQ(merged({{1, 1}, {1, 1}}).reference, (Counts{2}));
  EXPECT_TRUE(merged({{0, 0}, {0, 0}}).reference.empty());
}

TEST(Drift, LengthsHaveSeventeenBins) {
  EXPECT_EQ(length_bin(0), 0);
  EXPECT_EQ(length_bin(1), 1);
  EXPECT_EQ(length_bin(2), 1);
  EXPECT_EQ(length_bin(3), 2);
  EXPECT_EQ(length_bin(65534), 15);
  EXPECT_EQ(length_bin(65535), 16);
  EXPECT_EQ(length_bin(~std::uint64_t{0}), kLengthBins - 1);
}

TEST(Drift, DecilesHoldATenthOfTheReferenceEach) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(std::exp(3 * weyl(i)));
  const auto edges = decile_edges(values);
  ASSERT_TRUE(edges.ok());
  Counts counts(10);
  for (const double value : values) ++counts[static_cast<std::size_t>(bin_of(value, *edges))];
  for (const std::int64_t count : counts) EXPECT_EQ(count, 100);
  EXPECT_EQ(bin_of(1e9, *edges), 9);
  EXPECT_FALSE(decile_edges({}).ok());
}

std::vector<TokenSet> documents(int n, int offset, std::string_view extra = "") {
  std::vector<TokenSet> found;
  for (int i = 0; i < n; ++i) {
    std::string text(extra);
    for (int word = 0; word < 12; ++word) {
      text += " w" + std::to_string(mix64(static_cast<std::uint64_t>(offset + 12 * i + word)) % 200);
    }
    found.push_back(tokens_of(text));
  }
  return found;
}

TEST(Tokens, AreWordsInAnyCase) {
  EXPECT_EQ(tokens_of("The cat, the CAT."), tokens_of("cat the"));
  EXPECT_EQ(tokens_of(" ... "), TokenSet{});
  EXPECT_NE(tokens_of("gato"), tokens_of("\xc3\xb1"
                                         "andu"));
}

TEST(Tokens, TheSameKindOfDocumentsIsNoDrift) {
  EXPECT_GT(*token_permutation_p(documents(200, 0), documents(100, 5000), 7), 0.05);
}

TEST(Tokens, AWordThatIsNewInHalfOfThemIs) {
  auto current = documents(50, 5000);
  const auto changed = documents(50, 9000, "discount refund");
  current.insert(current.end(), changed.begin(), changed.end());
  EXPECT_EQ(*token_permutation_p(documents(200, 0), current, 7), 1.0 / 200);
}

TEST(Tokens, TheSameSeedGivesTheSameAnswer) {
  const auto reference = documents(60, 0);
  const auto current = documents(40, 5000);
  EXPECT_EQ(*token_permutation_p(reference, current, 1), *token_permutation_p(reference, current, 1));
  EXPECT_EQ(*token_permutation_p(reference, reference, 1, 9), 1);
  EXPECT_FALSE(token_permutation_p({}, current, 1).ok());
  EXPECT_FALSE(token_permutation_p(reference, {}, 1).ok());
  EXPECT_FALSE(token_permutation_p(reference, current, 1, 0).ok());
}

}  // namespace
// Where 199 permutations show nothing as far, so many are dealt out that the level can be reached.
TEST(VocabularyDrift, ReachesItsLevel) {
  const auto reference = documents(200, 0);
  EXPECT_EQ(*vocabulary_p(reference, documents(100, 5000), 0.001, 7),
            *token_permutation_p(reference, documents(100, 5000), 7));
  const std::vector<TokenSet> others(100, tokens_of("something else altogether"));
  EXPECT_DOUBLE_EQ(*vocabulary_p(reference, others, 0.001, 7), 0.001);
  EXPECT_DOUBLE_EQ(*vocabulary_p(reference, others, 0.001 / 3, 7), 1.0 / 3000);
  EXPECT_FALSE(vocabulary_p(reference, others, 0.00001, 7).ok());
  EXPECT_FALSE(vocabulary_p({}, others, 0.001, 7).ok());
}

}  // namespace trainer::core::stats

#include "core/dataset_parameters.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace trainer::core {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void expect_invalid(const std::optional<Error>& error) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->condition, Condition::invalid_argument);
  EXPECT_FALSE(error->message.empty());
  EXPECT_FALSE(error->detail.empty());
}

TEST(MaxExampleTokens, IsTheLimitOfTheFamily) {
  EXPECT_EQ(max_example_tokens("gpt-4o"), 65536);
  EXPECT_EQ(max_example_tokens("gpt-4o-mini-2024-07-18"), 65536);
  EXPECT_EQ(max_example_tokens("gpt-4.1-mini-2025-04-14"), 65536);
  EXPECT_EQ(max_example_tokens("gpt-3.5-turbo"), 16385);
  EXPECT_EQ(max_example_tokens("gpt-3.5-turbo-0125"), 16385);
  EXPECT_EQ(max_example_tokens("gpt-3.5-turbo-1106"), 16385);
  EXPECT_EQ(max_example_tokens("gpt-3.5-turbo-0613"), 4096);
}

TEST(MaxExampleTokens, OfATunedModelIsThatOfItsBase) {
  EXPECT_EQ(max_example_tokens("ft:gpt-3.5-turbo-0125:org:suffix:12345678"), 16385);
  EXPECT_EQ(max_example_tokens("ft:gpt-4o-2024-08-06:org::12345678"), 65536);
}

TEST(MaxExampleTokens, OfAnUnknownModelIsThatOfTheCurrentFamilies) {
  EXPECT_EQ(max_example_tokens("llama-9"), 65536);
  EXPECT_EQ(max_example_tokens(""), 65536);
}

TEST(EstimatedTokens, AreBytesByFourRoundedUp) {
  EXPECT_EQ(estimated_tokens(0), 0);
  EXPECT_EQ(estimated_tokens(1), 1);
  EXPECT_EQ(estimated_tokens(4), 1);
  EXPECT_EQ(estimated_tokens(5), 2);
  EXPECT_EQ(estimated_tokens(4 * 65536), 65536);
  EXPECT_EQ(estimated_tokens(4 * 65536 + 1), 65537);
}

TEST(CheckEnough, SaysHowManyThereAreAndHowManyAreNeeded) {
  const std::optional<Error> error = check_enough(39, 100);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->condition, Condition::insufficient_training_data);
  EXPECT_EQ(error->message, "insufficient training data");
  EXPECT_EQ(error->detail, "There are 39 good examples, 100 are needed.");
  EXPECT_FALSE(error->hint.empty());
  EXPECT_EQ(check_enough(1, 10)->detail, "There is 1 good example, 10 are needed.");
  EXPECT_EQ(check_enough(0, 1)->detail, "There are 0 good examples, 1 is needed.");
}

TEST(CheckEnough, TheMinimumItselfIsEnough) {
  EXPECT_EQ(check_enough(100, 100), std::nullopt);
  EXPECT_TRUE(check_enough(99, 100));
}

TEST(CheckEnough, PairsAreCalledPairs) {
  const std::optional<Error> error = check_enough_pairs(1, 10);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->condition, Condition::insufficient_training_data);
  EXPECT_EQ(error->message, "insufficient training data");
  EXPECT_EQ(error->detail, "There is 1 preference pair, 10 are needed.");
  EXPECT_NE(error->hint.find("edited responses"), std::string::npos);
  EXPECT_EQ(check_enough_pairs(0, 10)->detail, "There are 0 preference pairs, 10 are needed.");
  EXPECT_EQ(check_enough_pairs(10, 10), std::nullopt);
}

TEST(CopiesForRating, FiveStarsCountTwiceAndOneOrTwoNotAtAll) {
  EXPECT_EQ(copies_for_rating(std::nullopt), 1);
  for (const double low : {1.0, 2.0, 2.49}) EXPECT_EQ(copies_for_rating(low), 0) << low;
  for (const double middling : {2.5, 3.0, 4.0, 4.49}) EXPECT_EQ(copies_for_rating(middling), 1) << middling;
  for (const double high : {4.5, 5.0}) EXPECT_EQ(copies_for_rating(high), 2) << high;
}

TEST(CheckParameters, MinQualityIsAScore) {
  EXPECT_EQ(check_min_quality(0), std::nullopt);
  EXPECT_EQ(check_min_quality(1), std::nullopt);
  for (const double bad : {-0.01, 1.01, kNan, kInfinity}) expect_invalid(check_min_quality(bad));
}

TEST(CheckParameters, EpochsAreOneToFifty) {
  EXPECT_EQ(check_epochs(1), std::nullopt);
  EXPECT_EQ(check_epochs(50), std::nullopt);
  for (const int bad : {-1, 0, 51}) expect_invalid(check_epochs(bad));
}

TEST(CheckParameters, LearningRateMultiplierIsPositive) {
  EXPECT_EQ(check_learning_rate_multiplier(0.1), std::nullopt);
  EXPECT_EQ(check_learning_rate_multiplier(2), std::nullopt);
  for (const double bad : {0.0, -1.0, kNan, kInfinity}) expect_invalid(check_learning_rate_multiplier(bad));
}

TEST(CheckParameters, MinExamplesIsAtLeastTheProvidersTen) {
  EXPECT_EQ(check_min_examples(10), std::nullopt);
  for (const int bad : {9, 0, -1}) expect_invalid(check_min_examples(bad));
}

TEST(CheckParameters, MaxExamplesIsAtLeastTheMinimum) {
  EXPECT_EQ(check_max_examples(10, 10), std::nullopt);
  EXPECT_EQ(check_max_examples(1000000, 100), std::nullopt);
  expect_invalid(check_max_examples(99, 100));
  EXPECT_EQ(check_max_examples(99, 100)->detail, "It must be at least 100.");
  expect_invalid(check_max_examples(9, 1));
  EXPECT_EQ(check_max_examples(9, 1)->detail, "It must be at least 10.");
}

TEST(CheckParameters, ValidationFractionIsAtMostHalf) {
  EXPECT_EQ(check_validation_fraction(0), std::nullopt);
  EXPECT_EQ(check_validation_fraction(0.5), std::nullopt);
  for (const double bad : {-0.1, 0.51, kNan}) expect_invalid(check_validation_fraction(bad));
}

TEST(CheckParameters, ThereAreThreeMethods) {
  for (const char* method : {"supervised", "dpo", "exemplar"}) EXPECT_EQ(check_method(method), std::nullopt) << method;
  expect_invalid(check_method(""));
  expect_invalid(check_method("Supervised"));
  EXPECT_NE(check_method("alchemy")->detail.find("alchemy"), std::string::npos);
}

TEST(CheckParameters, AnOptionOfOneMethodDoesNotGoWithAnother) {
  EXPECT_EQ(check_option_method("beta", "dpo", "dpo"), std::nullopt);
  expect_invalid(check_option_method("beta", "dpo", "supervised"));
  EXPECT_EQ(check_option_method("beta", "dpo", "supervised")->message,
            "option \"beta\" does not go with the training method");
  EXPECT_EQ(check_option_method("beta", "dpo", "exemplar")->detail, "It is for the method \"dpo\".");
}

TEST(CheckParameters, NameHasOneTo255Characters) {
  EXPECT_EQ(check_name("n"), std::nullopt);
  std::string wide;
  for (int i = 0; i < 255; ++i) wide += "\xC3\xA9";
  EXPECT_EQ(check_name(wide), std::nullopt) << "characters count, not bytes";
  expect_invalid(check_name(""));
  expect_invalid(check_name(std::string(256, 'n')));
  EXPECT_EQ(check_name(wide + "n")->detail, "A name has 1 to 255 characters.");
}

TEST(CheckParameters, BaseModelIsAWordOfBoundedLength) {
  EXPECT_EQ(check_base_model("gpt-4o"), std::nullopt);
  EXPECT_EQ(check_base_model("ft:gpt-4o:org:s:1"), std::nullopt);
  EXPECT_EQ(check_base_model(std::string(256, 'm')), std::nullopt);
  std::string wide;
  for (int i = 0; i < 256; ++i) wide += "\xC3\xA9";
  EXPECT_EQ(check_base_model(wide), std::nullopt) << "characters count, not bytes";
  for (const std::string& bad : {std::string(), std::string(257, 'm'), std::string("gpt 4o"), std::string("gpt\n"),
                                 std::string("gpt\0", 4), std::string("\xFF"), std::string("a\xC2\x85")}) {
    expect_invalid(check_base_model(bad));
  }
}

}  // namespace
}  // namespace trainer::core

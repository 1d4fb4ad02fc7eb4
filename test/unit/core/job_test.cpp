#include "core/job.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace trainer::core {
namespace {

TEST(ModelStatus, EveryKnownProviderStatusHasItsOwn) {
  EXPECT_EQ(model_status("validating_files"), "validating");
  EXPECT_EQ(model_status("pending"), "queued");
  EXPECT_EQ(model_status("queued"), "queued");
  EXPECT_EQ(model_status("resuming"), "queued");
  EXPECT_EQ(model_status("running"), "running");
  EXPECT_EQ(model_status("pausing"), "paused");
  EXPECT_EQ(model_status("paused"), "paused");
  EXPECT_EQ(model_status("succeeded"), "evaluating");
  EXPECT_EQ(model_status("failed"), "failed");
  EXPECT_EQ(model_status("cancelled"), "cancelled");
}

TEST(ModelStatus, AnUnknownStatusChangesNothingAndEndsNothing) {
  for (const char* status : {"", "deleted", "SUCCEEDED", "succeeded ", "quantum"}) {
    EXPECT_EQ(model_status(status), std::nullopt) << status;
    EXPECT_FALSE(is_terminal(status)) << status;
  }
}

TEST(IsTerminal, ThreeStatesEndAJob) {
  for (const char* status : {"succeeded", "failed", "cancelled"}) EXPECT_TRUE(is_terminal(status));
  for (const char* status : {"validating_files", "pending", "queued", "running", "pausing", "paused", "resuming"}) {
    EXPECT_FALSE(is_terminal(status)) << status;
  }
}

TEST(FailureIsFinal, ReasonsInTheDataOrTheAccountAre) {
  for (const char* code :
       {"invalid_n_examples", "invalid_training_file", "invalid_validation_file", "invalid_file_format", "unsafe_file",
        "exceeded_quota", "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "training_not_available",
        "moderation_failed", "failed_safety_evals", "Unsafe_Model"}) {
    EXPECT_TRUE(failure_is_final(code)) << code;
  }
}

TEST(FailureIsFinal, OtherReasonsAreWorthAnotherTry) {
  for (const char* code : {"", "server_error", "internal_error", "diverged", "rate_limit_exceeded"}) {
    EXPECT_FALSE(failure_is_final(code)) << code;
  }
  EXPECT_FALSE(failure_is_final("", "The loss became NaN."));
}

TEST(FailureIsFinal, TheMessageTellsWhereTheCodeDoesNot) {
  EXPECT_TRUE(failure_is_final("", "Error while running Moderation eval refusals_v3 for snapshot ft:x"));
  EXPECT_TRUE(failure_is_final("server_error", "The file violates our usage policies."));
}

TEST(FractionDone, IsBetweenZeroAndOne) {
  EXPECT_EQ(fraction_done(0, 100), 0);
  EXPECT_EQ(fraction_done(25, 100), 0.25);
  EXPECT_EQ(fraction_done(100, 100), 1);
  EXPECT_EQ(fraction_done(101, 100), 1);
  EXPECT_EQ(fraction_done(-1, 100), 0);
  EXPECT_EQ(fraction_done(5, 0), 0);
  EXPECT_EQ(fraction_done(5, -1), 0);
}

TEST(ProgressBar, FillsFromLeftToRight) {
  EXPECT_EQ(progress_bar(0, 10), "[..........]   0%");
  EXPECT_EQ(progress_bar(0.5, 10), "[#####.....]  50%");
  EXPECT_EQ(progress_bar(1, 10), "[##########] 100%");
}

TEST(ProgressBar, IsFullOnlyWhenItIsDone) {
  EXPECT_EQ(progress_bar(0.999, 10), "[#########.]  99%");
}

TEST(ProgressBar, OddValuesStayInBounds) {
  EXPECT_EQ(progress_bar(-1, 4), "[....]   0%");
  EXPECT_EQ(progress_bar(7, 4), "[####] 100%");
  EXPECT_EQ(progress_bar(std::numeric_limits<double>::quiet_NaN(), 4), "[....]   0%");
  EXPECT_EQ(progress_bar(0.5, 0), "[]  50%");
  EXPECT_EQ(progress_bar(0.5, -3), "[]  50%");
}

TEST(Suffix, LettersDigitsHyphensAndUnderscoresUpToSixtyFour) {
  EXPECT_EQ(check_suffix("a"), std::nullopt);
  EXPECT_EQ(check_suffix("Desk_A-1"), std::nullopt);
  EXPECT_EQ(check_suffix(std::string(64, 'a')), std::nullopt);
  EXPECT_EQ(check_suffix(std::string(40, 'a'), 40), std::nullopt);
}

TEST(Suffix, OthersAreRefusedWithOneThatWouldDo) {
  for (const std::string& bad :
       {std::string(), std::string("a b"), std::string("a:b"), std::string("caf\xC3\xA9"), std::string(65, 'a')}) {
    const std::optional<Error> error = check_suffix(bad);
    ASSERT_TRUE(error) << bad;
    EXPECT_EQ(error->condition, Condition::invalid_argument);
    EXPECT_NE(error->hint.find(suffix_from(bad)), std::string::npos);
  }
  EXPECT_TRUE(check_suffix(std::string(41, 'a'), 40));
}

TEST(Suffix, IsMadeFromAnyName) {
  EXPECT_EQ(suffix_from("Caption Desk A (contests 510-522)"), "Caption-Desk-A-contests-510-522");
  EXPECT_EQ(suffix_from("  spaced  "), "spaced");
  EXPECT_EQ(suffix_from("s\xC3\xA1tira"), "s-tira");
  EXPECT_EQ(suffix_from(""), "model");
  EXPECT_EQ(suffix_from("\xF0\x9F\x98\x80"), "model");
  EXPECT_EQ(suffix_from("---"), "model");
}

TEST(Suffix, WhateverTheNameTheResultIsValid) {
  for (const std::size_t max : {std::size_t{5}, std::size_t{40}, kMaxSuffix}) {
    for (std::size_t length = 0; length < 100; ++length) {
      for (const char* unit : {"a", "a ", "-", "\xE2\x82\xAC", "a-"}) {
        std::string name;
        while (name.size() < length) name += unit;
        EXPECT_EQ(check_suffix(suffix_from(name, max), max), std::nullopt) << name;
      }
    }
  }
}

}  // namespace
}  // namespace trainer::core

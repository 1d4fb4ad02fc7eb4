#include "core/retry.h"

#include <gtest/gtest.h>

#include <limits>

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

Random always(double value) {
  return [value] { return value; };
}

TEST(Backoff, DoublesFromOneSecondToTenMinutes) {
  const Random longest = always(1.0);
  EXPECT_EQ(backoff(1, longest), milliseconds(1000));
  EXPECT_EQ(backoff(2, longest), milliseconds(2000));
  EXPECT_EQ(backoff(3, longest), milliseconds(4000));
  EXPECT_EQ(backoff(10, longest), milliseconds(512000));
  EXPECT_EQ(backoff(11, longest), milliseconds(600000));
  EXPECT_EQ(backoff(1000000, longest), milliseconds(600000));
  EXPECT_EQ(backoff(std::numeric_limits<int>::max(), longest), milliseconds(600000));
}

TEST(Backoff, AttemptsBelowOneCountAsTheFirst) {
  EXPECT_EQ(backoff(0, always(1.0)), milliseconds(1000));
  EXPECT_EQ(backoff(-5, always(1.0)), milliseconds(1000));
}

TEST(Backoff, JitterTakesUpToHalf) {
  EXPECT_EQ(backoff(1, always(0.0)), milliseconds(500));
  EXPECT_EQ(backoff(2, always(0.5)), milliseconds(1500));
  EXPECT_EQ(backoff(50, always(0.0)), milliseconds(300000));
}

TEST(Backoff, ASourceThatErrsStaysInBounds) {
  EXPECT_EQ(backoff(1, always(-3)), milliseconds(500));
  EXPECT_EQ(backoff(1, always(7)), milliseconds(1000));
  EXPECT_EQ(backoff(1, always(std::numeric_limits<double>::quiet_NaN())), milliseconds(500));
}

TEST(Jittered, IsTenPercentEitherWay) {
  EXPECT_EQ(jittered(milliseconds(10000), always(0.0)), milliseconds(9000));
  EXPECT_EQ(jittered(milliseconds(10000), always(0.5)), milliseconds(10000));
  EXPECT_EQ(jittered(milliseconds(10000), always(1.0)), milliseconds(11000));
}

TEST(Jittered, IsNeverNegative) {
  EXPECT_EQ(jittered(milliseconds(0), always(0.9)), milliseconds(0));
  EXPECT_EQ(jittered(milliseconds(-50), always(0.9)), milliseconds(0));
}

}  // namespace
}  // namespace trainer::core

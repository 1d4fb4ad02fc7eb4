#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "core/stats/adwin.h"
#include "core/stats/e_detector.h"
#include "core/stats/page_hinkley.h"
#include "stats_fixture.h"

namespace trainer::core::stats {
namespace {

// Approvals at 0.8, and at 0.6 from `change_at` on.
std::vector<double> approvals(int n, int change_at) {
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(weyl(i) < (i < change_at ? 0.8 : 0.6) ? 1 : 0);
  return values;
}

TEST(EDetector, TheStateThatIsKeptEqualsAllOfItAgain) {
  const auto values = approvals(2000, 1000);
  const EDetector fresh = *detector_of(Side::drop, 0.8, 0, kApprovalTolerance);
  EDetector kept = fresh;
  for (std::size_t i = 0; i < values.size(); ++i) {
    kept.add(values[i]);
    if (i % 100 != 99) continue;
    const EDetector again = replay(fresh, std::span(values).first(i + 1));
    for (std::size_t f = 0; f < kept.masses.size(); ++f) {
      EXPECT_NEAR(again.masses[f] / kept.masses[f], 1, 1e-9);
    }
  }
}

TEST(EDetector, FindsADropAndWhereItBegan) {
  const auto values = approvals(1000, 500);
  EDetector detector = *detector_of(Side::drop, 0.8, 0, kApprovalTolerance);
  std::size_t alarm = 0;
  while (detector.mass() < kDetectorThreshold) {
    ASSERT_LT(alarm, values.size());
    detector.add(values[alarm++]);
  }
  EXPECT_GT(alarm, 500u);
  EXPECT_LT(alarm, 650u);
  EXPECT_NEAR(static_cast<double>(change_begins(detector, std::span(values).first(alarm))), 500, 10);
  detector.reset();
  EXPECT_EQ(detector.mass(), 0);
}

TEST(EDetector, EachSideLooksAtItsOwn) {
  EDetector rise = *detector_of(Side::rise, 0.8, 0, kApprovalTolerance);
  for (const double x : approvals(1000, 0)) rise.add(x);
  EXPECT_LT(rise.mass(), 100);
  for (int i = 0; i < 200; ++i) rise.add(1);
  EXPECT_GT(rise.mass(), kDetectorThreshold);
}

TEST(EDetector, AMassThatNobodyResetsStaysFinite) {
  EDetector detector = *detector_of(Side::drop, 0.9, 0, 0.02);
  for (int i = 0; i < 5000; ++i) detector.add(0);
  EXPECT_TRUE(std::isfinite(detector.mass()));
  EXPECT_GE(detector.mass(), 1e300);
}

TEST(EDetector, TheErrorOfTheBaselineWidensItsTolerance) {
  EXPECT_NEAR(detector_of(Side::drop, 0.8, 0.001, 0.03)->m0, 0.77, 1e-12);
  EXPECT_NEAR(detector_of(Side::drop, 0.8, 0.04, 0.03)->m0, 0.72, 1e-12);
  EXPECT_NEAR(detector_of(Side::rise, 0.05, 0, kExceedanceTolerance)->m0, 0.07, 1e-12);
  EXPECT_EQ(detector_threshold(100, 200), 20000);
  EXPECT_EQ(detector_threshold(0, 200), 1);
}

TEST(EDetector, WhatIsOutOfRangeIsRefused) {
  EXPECT_FALSE(detector_of(Side::drop, 1.1, 0, 0.02).ok());
  EXPECT_FALSE(detector_of(Side::drop, kNotANumber, 0, 0.02).ok());
  EXPECT_FALSE(detector_of(Side::drop, 0.5, -1, 0.02).ok());
  EXPECT_FALSE(detector_of(Side::drop, 0.5, 0, kNotANumber).ok());
  EXPECT_FALSE(detector_of(Side::drop, 0.02, 0, 0.02).ok());
  EXPECT_FALSE(detector_of(Side::rise, 0.99, 0, 0.02).ok());
}

RC_GTEST_PROP(EDetector, AMassIsNeverNegative, ()) {
  EDetector detector;
  detector.m0 = *rc::gen::inRange(1, 100) / 100.0;
  detector.side = *rc::gen::element(Side::drop, Side::rise);
  for (int i = 0; i < 100; ++i) {
    detector.add(*rc::gen::inRange(0, 101) / 100.0);
    for (const double mass : detector.masses) RC_ASSERT(mass > 0);
  }
}

TEST(PageHinkley, AlarmsOnItsOwnSideAndStartsAfresh) {
  PageHinkley falls;
  falls.threshold = 5;
  falls.delta = 0.02;
  falls.side = -1;
  PageHinkley rises = falls;
  rises.side = 1;
  int alarms = 0;
  for (int i = 0; i < 600; ++i) {
    const double x = i < 300 ? 0.75 : 0.55;
    alarms += falls.add(x);
    EXPECT_FALSE(rises.add(x));
  }
  EXPECT_EQ(alarms, 1);
  EXPECT_NEAR(falls.mean, 0.55, 1e-12);
}

TEST(Adwin, KeepsTheMomentsOfItsWindow) {
  AdwinSettings settings;
  settings.clock = 1000000;  // never cuts
  Adwin window(settings);
  double total = 0;
  double squares = 0;
  for (int i = 0; i < 777; ++i) {
    const double x = weyl(i);
    EXPECT_FALSE(window.add(x));
    total += x;
    squares += x * x;
  }
  EXPECT_EQ(window.width(), 777);
  EXPECT_NEAR(window.total(), total, 1e-9);
  EXPECT_NEAR(window.sum_of_squared_deviations(), squares - total * total / 777, 1e-9);
}

TEST(Adwin, DropsWhatWasBeforeAChange) {
  Adwin window;
  EXPECT_EQ(window.mean(), 0);
  bool has_changed = false;
  for (const double x : approvals(500, 500)) EXPECT_FALSE(window.add(x));
  for (int i = 0; i < 500; ++i) has_changed |= window.add(weyl(i) < 0.2 ? 1 : 0);
  EXPECT_TRUE(has_changed);
  EXPECT_LT(window.width(), 700);
  EXPECT_NEAR(window.mean(), 0.2, 0.1);
}

}  // namespace
TEST(MeanDrift, GoesOnWhereItStopped) {
  const Moments reference = from_sums(400, 300, 240);
  const std::vector<double> values(60, 0.2);
  const auto all = mean_drift(reference, 0.03, {}, values);
  const auto part = mean_drift(reference, 0.03, {}, std::span(values).first(20));
  const auto rest = mean_drift(reference, 0.03, part->masses, std::span(values).subspan(20));
  EXPECT_EQ(all->masses, rest->masses);
  EXPECT_GT(all->drop, kDetectorThreshold);
  EXPECT_LT(all->rise, 100);
  const double error = std::sqrt(reference.variance() / 400);
  EXPECT_DOUBLE_EQ(all->drop, replay(*detector_of(Side::drop, 0.75, error, 0.03), values).mass());
}

TEST(MeanDrift, SeesARiseAndNothingBeyondTheEdge) {
  const std::vector<double> values(200, 1.0);
  EXPECT_GT(mean_drift(from_sums(400, 300, 240), 0.03, {}, values)->rise, kDetectorThreshold);
  // Nothing is better than nearly all.
  const auto nearly = mean_drift(from_sums(400, 398, 398), 0.03, {}, values);
  EXPECT_EQ(nearly->rise, 0);
  EXPECT_LT(nearly->drop, 100);
}

TEST(MeanDrift, RefusesWhatIsNoScore) {
  const Moments reference = from_sums(400, 300, 240);
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(mean_drift(reference, 0.03, {}, std::vector<double>{1.1}).ok());
  EXPECT_FALSE(mean_drift(reference, 0.03, {}, std::vector<double>{none}).ok());
  EXPECT_FALSE(mean_drift(reference, 0.03, {none}, std::vector<double>{0.5}).ok());
  EXPECT_FALSE(mean_drift(reference, none, {}, std::vector<double>{0.5}).ok());
  EXPECT_FALSE(mean_drift(from_sums(1, 0.5, 0.25), 0.03, {}, std::vector<double>{0.5}).ok());
  EXPECT_FALSE(mean_drift(from_sums(400, 800, 1600), 0.03, {}, std::vector<double>{0.5}).ok());
}

}  // namespace trainer::core::stats

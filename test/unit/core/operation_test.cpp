#include "core/operation.h"
#include "decide_fixture.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace trainer::core {
namespace {

const std::vector<OperationState> kStates{
    OperationState::ready, OperationState::sending, OperationState::reconcile, OperationState::checking,
    OperationState::done,  OperationState::failed,  OperationState::cancelled,
};

TEST(OperationNames, EveryKindHasANameOfItsOwnAndComesBackFromIt) {
  std::set<std::string_view> names;
  for (const OperationKind kind : kKinds) {
    EXPECT_EQ(operation_kind(name(kind)), kind);
    names.insert(name(kind));
  }
  EXPECT_EQ(names.size(), kKinds.size());
  EXPECT_EQ(names.count("unknown"), 0U);
}

TEST(OperationNames, EveryStateHasANameOfItsOwnAndComesBackFromIt) {
  std::set<std::string_view> names;
  for (const OperationState state : kStates) {
    EXPECT_EQ(operation_state(name(state)), state);
    names.insert(name(state));
  }
  EXPECT_EQ(names.size(), kStates.size());
  EXPECT_EQ(names.count("unknown"), 0U);
}

TEST(OperationNames, AreThoseOfTheTable) {
  EXPECT_EQ(name(OperationKind::create_job), "create_job");
  EXPECT_EQ(name(OperationKind::upload_training_file), "upload_training_file");
  EXPECT_EQ(name(OperationState::reconcile), "reconcile");
  EXPECT_EQ(name(Delivery::ok), "ok");
  EXPECT_EQ(name(Delivery::not_sent), "not_sent");
  EXPECT_EQ(name(Delivery::rejected), "rejected");
  EXPECT_EQ(name(Delivery::retry_later), "retry_later");
  EXPECT_EQ(name(Delivery::unknown), "unknown");
}

TEST(OperationNames, NamesFromAnotherVersionAreNotGuessed) {
  for (const char* text : {"", "create", "CREATE_JOB", "create_job ", "dance"}) {
    EXPECT_EQ(operation_kind(text), std::nullopt);
    EXPECT_EQ(operation_state(text), std::nullopt);
  }
  EXPECT_EQ(name(static_cast<OperationKind>(99)), "unknown");
}

TEST(IsPaid, WhatLeavesSomethingBehindIsNeverRepeatedBlindly) {
  const std::set<OperationKind> paid{OperationKind::upload_training_file, OperationKind::upload_validation_file,
                                     OperationKind::create_job};
  for (const OperationKind kind : kKinds) EXPECT_EQ(is_paid(kind), paid.count(kind) == 1) << name(kind);
}

}  // namespace
}  // namespace trainer::core

#include "worker/feedback.h"

#include <algorithm>
#include <utility>

#include "pg/feedback.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGatherFeedback{250};
// Of the worker's time no more than a tenth where nothing becomes final: a transaction that is open for hours keeps all
// that comes from it, and it is counted again each time. What is new is counted twice at most, so where something
// became final the worker goes on soon: it would never catch up with writers that take the processors from it, since
// its time, and with it the wait, grows with what came meanwhile.
constexpr int kFeedbackShare = 10;
// What nobody has told of is found after it: COMMIT PREPARED tells nobody.
constexpr milliseconds kFeedbackLook{10000};

}  // namespace

void Feedback::mind() {
  if (Clock::now() >= next_ && has_come()) {
    roll_up();
    retraining_.look();
  }
  if (retraining_.is_due()) retraining_.step();
}

bool Feedback::has_come() {
  with_lock(LW_EXCLUSIVE, [&](Shared&) { has_come_ = std::exchange(slot().feedback, false) || has_come_; });
  if (Clock::now() >= next_look_) has_come_ = true;
  return has_come_;
}

milliseconds Feedback::until_due() const {
  bool has_come = has_come_;
  with_lock(LW_SHARED, [&](Shared&) { has_come = slot().feedback || has_come; });
  const milliseconds until = retraining_.until_due();
  return has_come ? std::min(until, std::chrono::ceil<milliseconds>(next_ - Clock::now())) : until;
}

void Feedback::roll_up() {
  const auto start = Clock::now();
  pg::RollUp done;
  auto problem = store([&] { done = pg::roll_up_feedback(); });
  has_come_ = problem || done.waits;
  const auto now = Clock::now();
  next_ = now + std::max<Clock::duration>(kGatherFeedback, (done.moved ? 1 : kFeedbackShare) * (now - start));
  next_look_ = now + kFeedbackLook;
  if (problem) log_problem("trainer worker could not add up feedback", *problem);
}

}  // namespace trainer::worker

// A job's life as a function of the clock. Nothing runs by itself: whoever looks at a job brings it up to date first.
// Validation takes the first tenth of its time, the queue the second, the steps the next three quarters. The clock of a
// job stands still while it is paused, and at the end of validation until it has really been trained.
#include <algorithm>
#include <cmath>

#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

constexpr double kValidated = 0.1;
constexpr double kStarted = 0.2;
constexpr double kTrained = 0.95;
constexpr int kMaxStepEvents = 200;

struct Milestone {
  JobEvent::Kind kind;
  int step;
  double fraction;
};

std::int64_t wall_time(const Job& job, double fraction) {
  return job.created_ms + job.stopped_ms + std::llround(fraction * static_cast<double>(job.duration_ms));
}

// Long runs tell only some of their steps; the first and the last always.
int next_told_step(int step, int total) {
  if (step == 0) return 1;
  const int stride = (total + kMaxStepEvents - 1) / kMaxStepEvents;
  return std::min(total, (step / stride + 1) * stride);
}

Milestone next_milestone(const Job& job, int steps) {
  const JobEvent& last = job.events.back();
  switch (last.kind) {
    case JobEvent::Kind::created:
    case JobEvent::Kind::validating:
      return {JobEvent::Kind::validated, 0, kValidated};
    case JobEvent::Kind::validated:
      return {JobEvent::Kind::started, 0, kStarted};
    case JobEvent::Kind::started:
    case JobEvent::Kind::step: {
      if (last.step == steps) return {JobEvent::Kind::model, 0, 1};
      const int step = next_told_step(last.step, steps);
      return {JobEvent::Kind::step, step, kStarted + (kTrained - kStarted) * step / steps};
    }
    default:
      return {JobEvent::Kind::succeeded, 0, 1};
  }
}

void succeed(State& state, Job& job, const TrainingRun& run, std::int64_t at_ms) {
  File file;
  file.filename = "step_metrics.csv";
  file.purpose = "fine-tune-results";
  file.created_ms = at_ms;
  file.content = std::make_shared<const std::string>(result_csv(run));
  job.result_file = add_file(state, std::move(file));
  finish(state, job, Job::Status::succeeded, JobEvent::Kind::succeeded, at_ms);
}

void walk(State& state, Job& job, const TrainingRun& run, std::int64_t now_ms, double limit) {
  while (job.live()) {
    const Milestone next = next_milestone(job, static_cast<int>(run.steps.size()));
    const std::int64_t at_ms = wall_time(job, next.fraction);
    if (next.fraction > limit || at_ms > now_ms) return;
    if (next.kind == JobEvent::Kind::succeeded) return succeed(state, job, run, at_ms);
    job.events.push_back({next.kind, next.step, at_ms});
    if (next.kind == JobEvent::Kind::validated) job.status = Job::Status::queued;
    if (next.kind == JobEvent::Kind::started) job.status = Job::Status::running;
  }
}

void fail(State& state, Job& job, JobFailure failure, std::int64_t at_ms) {
  job.failure = std::move(failure);
  finish(state, job, Job::Status::failed, JobEvent::Kind::failed, at_ms);
}

}  // namespace

void finish(State& state, Job& job, Job::Status status, JobEvent::Kind event, std::int64_t now_ms) {
  job.status = status;
  job.finished_ms = now_ms;
  job.events.push_back({event, 0, now_ms});
  state.live_jobs.erase(job.number);
}

void advance(State& state, Job& job, std::int64_t now_ms) {
  if (!job.live() || job.status == Job::Status::paused || now_ms < job.resumes_ms) return;
  if (!job.training_seen) {
    if (!job.training->ready.load(std::memory_order_acquire)) return;
    job.training_seen = true;
    job.stopped_ms += std::max<std::int64_t>(0, job.training->ready_ms - wall_time(job, kValidated));
  }
  const bool validated = now_ms >= wall_time(job, kValidated);
  if (const auto* problem = std::get_if<TrainingProblem>(&job.training->outcome)) {
    if (validated) {
      fail(state, job, {problem->problem.code, problem->problem.message, problem->param}, wall_time(job, kValidated));
    }
    return;
  }
  const double limit = job.planned_failure ? job.planned_failure_at : 1;
  walk(state, job, std::get<TrainingRun>(job.training->outcome), now_ms,
       job.planned_failure ? std::min(limit, 0.999) : 1);
  if (!job.live()) return;
  if (job.planned_failure && now_ms >= wall_time(job, limit)) {
    return fail(state, job, *job.planned_failure, wall_time(job, limit));
  }
  const bool started = job.events.back().kind >= JobEvent::Kind::started;
  if (job.status == Job::Status::queued && started) job.status = Job::Status::running;  // resumed
}

void advance_all(State& state, std::int64_t now_ms) {
  const std::vector<std::uint64_t> live(state.live_jobs.begin(), state.live_jobs.end());
  for (const std::uint64_t number : live) advance(state, state.jobs.at(number), now_ms);
}

}  // namespace trainer::sandbox

// /v1/fine_tuning/jobs: creation, look-up, lists, and the three verbs.
#include <algorithm>
#include <cmath>

#include "sandbox/job_request.h"

namespace trainer::sandbox {
namespace {

constexpr std::size_t kListed = 20;
constexpr std::int64_t kResumeShare = 20;  // a resumed job waits for one part in so many of its duration
constexpr std::uint64_t kSeeds = 2147483648;

Reply no_such_job(const std::string& id) {
  return error_reply(404, "invalid_request_error", "fine_tune_not_found", "fine_tune_id",
                     "Could not find fine tune: " + id);
}

// The file, or the reply that says what is wrong with it.
std::variant<const File*, Reply> training_input(State& state, const std::string& id, const char* param,
                                                std::int64_t now_ms) {
  const File* file = state.find_file(id);
  if (!file || (file->expires_at && file->expires_at <= now_ms / 1000)) {
    return bad_request("", param, std::string("invalid ") + param + ": " + id);
  }
  if (file->purpose != "fine-tune") {
    return bad_request("", param,
                       "Invalid file purpose: " + id + " has purpose '" + file->purpose + "', expected 'fine-tune'.");
  }
  return file;
}

struct Base {
  std::string snapshot;
  std::shared_ptr<const Model> parent;
};

std::variant<Base, Reply> find_base(Call& call, JobRequest& request) {
  Base base;
  if (request.model.starts_with("ft:")) {
    base.parent = find_model(call.state, request.model, Effects(), call.now_ms);
    if (base.parent) base.snapshot = request.model.substr(3, request.model.find(':', 3) - 3);
    request.base = request.model;
  } else {
    base.snapshot = snapshot_of(request.model);
    base.parent = built_in_model();
    request.base = base.snapshot;
  }
  if (base.snapshot.empty()) {
    return bad_request("model_not_available", "model",
                       "Model " + request.model + " is not available for fine-tuning or does not exist.");
  }
  if (request.method == Method::dpo && !can_prefer(base.snapshot)) {
    return bad_request("invalid_value", "method.type",
                       "Model " + request.model + " is not available for the method dpo.");
  }
  return base;
}

Job& add_job(Call& call, JobRequest request, const Base& base, const File& training) {
  State& state = call.state;
  Job job;
  job.number = ++state.last_number;
  job.id = "ftjob-" + state.random.letters(24);
  job.snapshot = base.snapshot;
  job.fine_tuned_model = "ft:" + base.snapshot + ":sandbox:" + request.suffix + ":" + state.random.letters(8);
  job.seed = request.seed ? *request.seed : static_cast<std::int64_t>(state.random.below(kSeeds));
  job.training_filename = training.filename;
  job.created_ms = call.now_ms;
  job.duration_ms = std::llround(state.options.job_seconds * 1000);
  if (call.effects.job_failure) {
    const Fault& fault = *call.effects.job_failure;
    job.planned_failure = JobFailure{fault.code, fault.message, fault.param};
    job.planned_failure_at = fault.fraction;
  }
  job.events = {{JobEvent::Kind::created, 0, call.now_ms}, {JobEvent::Kind::validating, 0, call.now_ms}};
  for (const auto& [key, value] : request.metadata) {
    state.jobs_by_metadata[key + "\n" + value].push_back(job.number);
  }
  job.request = std::move(request);
  state.job_numbers[job.id] = job.number;
  state.model_jobs[job.fine_tuned_model] = job.number;
  state.live_jobs.insert(job.number);
  return state.jobs.emplace(job.number, std::move(job)).first->second;
}

Job* find_current(Call& call) {
  Job* job = call.state.find_job(call.route.id);
  if (job) advance(call.state, *job, call.now_ms);
  return job;
}

Reply job_reply(const Call& call, const Job& job) {
  return ok(job_json(job, call.effects.status_text));
}

Reply wrong_state(const Job& job, const std::string& verb) {
  return bad_request("", "",
                     "Cannot " + verb + " job " + job.id + " with status " + std::string(name(job.status)) + ".");
}

// The metadata filter of a list: nullopt in `value` means jobs without metadata.
struct Filter {
  std::vector<std::pair<std::string, std::string>> wanted;
  bool none = false;

  bool takes(const Job& job) const {
    if (none && job.request.has_metadata) return false;
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
      const auto found = job.request.metadata.find(pair.first);
      return found != job.request.metadata.end() && found->second == pair.second;
    });
  }
};

Filter read_filter(const Call& call) {
  Filter filter;
  if (call.effects.ignore_filter) return filter;
  for (const auto& [key, value] : call.request.query) {
    if (key.starts_with("metadata[") && key.ends_with("]")) {
      filter.wanted.emplace_back(key.substr(9, key.size() - 10), value);
    }
    if (key == "metadata" && (value.empty() || value == "null")) filter.none = true;
  }
  return filter;
}

// Numbers of the jobs that the filter may take, newest first, older than `before`; `visit` says when to stop.
template <class Visit>
void visit_jobs(State& state, const Filter& filter, std::uint64_t before, Visit visit) {
  if (filter.wanted.empty()) {
    auto at = std::make_reverse_iterator(state.jobs.lower_bound(before));
    for (; at != state.jobs.rend() && visit(at->second); ++at) continue;
    return;
  }
  const auto found = state.jobs_by_metadata.find(filter.wanted[0].first + "\n" + filter.wanted[0].second);
  if (found == state.jobs_by_metadata.end()) return;
  for (auto at = found->second.rbegin(); at != found->second.rend(); ++at) {
    if (*at < before && !visit(state.jobs.at(*at))) return;
  }
}

}  // namespace

Reply create_job(Call& call) {
  auto parsed = parse_job_request(call.request.body);
  if (Reply* refused = std::get_if<Reply>(&parsed)) return std::move(*refused);
  JobRequest& request = std::get<JobRequest>(parsed);
  const auto base = find_base(call, request);
  if (const Reply* refused = std::get_if<Reply>(&base)) return *refused;
  const auto training = training_input(call.state, request.training_file, "training_file", call.now_ms);
  if (const Reply* refused = std::get_if<Reply>(&training)) return *refused;
  const File& file = *std::get<const File*>(training);
  TrainingOrder order{
      file.content, file.sha256, nullptr, request.method, request.hyperparameters, std::get<Base>(base).parent, 0};
  if (!request.validation_file.empty()) {
    const auto validation = training_input(call.state, request.validation_file, "validation_file", call.now_ms);
    if (const Reply* refused = std::get_if<Reply>(&validation)) return *refused;
    order.validation_content = std::get<const File*>(validation)->content;
  }
  Job& job = add_job(call, std::move(request), std::get<Base>(base), file);
  order.seed = static_cast<std::uint64_t>(job.seed);
  job.training = call.state.training.add(std::move(order));
  call.record.created = job.id;
  return ok(job_json(job, ""));
}

Reply get_job(Call& call) {
  const Job* job = find_current(call);
  return job ? job_reply(call, *job) : no_such_job(call.route.id);
}

Reply list_jobs(Call& call) {
  const auto limit = query_limit(call.request, kListed, kMaxListed);
  if (const Reply* refused = std::get_if<Reply>(&limit)) return *refused;
  std::uint64_t before = call.state.last_number + 1;
  if (const std::string* after = query_value(call.request, "after")) {
    const Job* job = call.state.find_job(*after);
    if (!job) return no_such_job(*after);
    before = job->number;
  }
  const Filter filter = read_filter(call);
  std::vector<std::string> objects;
  bool more = false;
  visit_jobs(call.state, filter, before, [&](Job& job) {
    if (!filter.takes(job) || job.created_ms > call.now_ms - call.effects.list_lag_ms) return true;
    more = objects.size() == std::get<std::size_t>(limit);
    if (more) return false;
    advance(call.state, job, call.now_ms);
    objects.push_back(job_json(job, ""));
    return true;
  });
  return ok(list_json(objects, more));
}

Reply cancel_job(Call& call) {
  Job* job = find_current(call);
  if (!job) return no_such_job(call.route.id);
  if (job->status == Job::Status::cancelled) return job_reply(call, *job);
  if (!job->live()) return wrong_state(*job, "cancel");
  finish(call.state, *job, Job::Status::cancelled, JobEvent::Kind::cancelled, call.now_ms);
  return job_reply(call, *job);
}

Reply pause_job(Call& call) {
  Job* job = find_current(call);
  if (!job) return no_such_job(call.route.id);
  if (job->status == Job::Status::paused) return job_reply(call, *job);
  const bool stepped = !job->events.empty() && job->events.back().kind == JobEvent::Kind::step;
  if (job->status != Job::Status::running || !stepped) return wrong_state(*job, "pause");
  job->status = Job::Status::paused;
  job->paused_ms = call.now_ms;
  return job_reply(call, *job);
}

Reply resume_job(Call& call) {
  Job* job = find_current(call);
  if (!job) return no_such_job(call.route.id);
  if (job->status != Job::Status::paused) return wrong_state(*job, "resume");
  job->status = Job::Status::queued;
  job->resumes_ms = call.now_ms + job->duration_ms / kResumeShare;
  job->stopped_ms += job->resumes_ms - job->paused_ms;
  return job_reply(call, *job);
}

}  // namespace trainer::sandbox

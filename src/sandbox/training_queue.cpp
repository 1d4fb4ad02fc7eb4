// Reading the files of a job and training on them, off the thread of the requests.
#include "sandbox/training_queue.h"

namespace trainer::sandbox {
namespace {

constexpr int kMinTrainingExamples = 10;
constexpr int kMinValidationExamples = 1;

}  // namespace

TrainingQueue::TrainingQueue(std::function<std::int64_t()> clock)
    : clock_(std::move(clock)), thread_([this] { work(); }) {}

TrainingQueue::~TrainingQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::shared_ptr<const Training> TrainingQueue::add(TrainingOrder order) {
  auto training = std::make_shared<Training>();
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back({std::move(order), training});
  }
  changed_.notify_all();
  return training;
}

void TrainingQueue::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return entries_.empty() && !busy_; });
}

void TrainingQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !entries_.empty(); });
    if (stopping_) return;
    const Entry entry = std::move(entries_.front());
    entries_.pop_front();
    busy_ = true;
    lock.unlock();
    entry.training->outcome = run(entry.order);
    entry.training->ready_ms = clock_();
    entry.training->ready.store(true, std::memory_order_release);
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

std::variant<std::monostate, TrainingProblem, TrainingRun> TrainingQueue::run(const TrainingOrder& order) {
  const std::string key = order.training_sha256 + (order.method == Method::dpo ? " dpo" : "");
  std::shared_ptr<const Corpus> corpus = corpora_[key].lock();
  if (!corpus) {
    auto read = read_training_file(*order.training_content, order.method, kMinTrainingExamples);
    if (auto* problem = std::get_if<FileProblem>(&read)) return TrainingProblem{std::move(*problem), "training_file"};
    corpus = std::make_shared<const Corpus>(std::make_shared<const Dataset>(std::get<Dataset>(std::move(read))));
    corpora_[key] = corpus;
  }
  if (!order.validation_content) return train(corpus, nullptr, order.parent, order.hyperparameters, order.seed);
  const auto read = read_training_file(*order.validation_content, order.method, kMinValidationExamples);
  if (const auto* problem = std::get_if<FileProblem>(&read)) return TrainingProblem{*problem, "validation_file"};
  return train(corpus, &std::get<Dataset>(read), order.parent, order.hyperparameters, order.seed);
}

}  // namespace trainer::sandbox

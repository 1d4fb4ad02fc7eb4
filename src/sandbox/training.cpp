// The training loop.
#include "sandbox/training.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "sandbox/random.h"

namespace trainer::sandbox {
namespace {

constexpr double kLearningRate = 0.1;  // of one sighting, at a multiplier of 1
constexpr double kMaxMass = 1e6;       // beyond it nothing changes, and a float still counts

// An example ready to learn: its tokens' positions, with the parent's probability of each.
struct Lesson {
  std::vector<Position> positions;
  std::vector<double> parent;
};

std::vector<Lesson> lessons(const Dataset& dataset, const Corpus& corpus, const Model& parent) {
  std::vector<Lesson> all;
  for (const Example& example : dataset.examples) {
    Lesson lesson;
    for (const std::string& answer : example.answers) {
      const std::vector<Position> positions = corpus.positions(answer);
      const std::vector<double> below = parent.probabilities(answer);
      lesson.positions.insert(lesson.positions.end(), positions.begin(), positions.end());
      lesson.parent.insert(lesson.parent.end(), below.begin(), below.end());
    }
    all.push_back(std::move(lesson));
  }
  return all;
}

// The likeliest n-gram of each context so far: what the model would say itself.
class Guesses {
 public:
  explicit Guesses(const Corpus& corpus)
      : after_word_(corpus.words(), -1),
        after_pair_(corpus.bigrams(), -1),
        word_of_after_word_(corpus.words(), -1),
        word_of_after_pair_(corpus.bigrams(), -1) {}

  bool right(const Position& at) const {
    if (at.previous_pair >= 0 && after_pair_[index(at.previous_pair)] >= 0) {
      return word_of_after_pair_[index(at.previous_pair)] == at.word;
    }
    return at.previous >= 0 && at.word >= 0 && word_of_after_word_[index(at.previous)] == at.word;
  }
  void learn(const Corpus::Counts& counts, const Position& at) {
    improve(after_pair_, word_of_after_pair_, counts.trigram, at.previous_pair, at.trigram, at.word);
    improve(after_word_, word_of_after_word_, counts.bigram, at.previous, at.bigram, at.word);
  }

 private:
  static std::size_t index(std::int32_t at) { return static_cast<std::size_t>(at); }
  static void improve(std::vector<std::int32_t>& best, std::vector<std::int32_t>& words,
                      const std::vector<float>& counts, std::int32_t context, std::int32_t ngram, std::int32_t word) {
    std::int32_t& leader = best[index(context)];
    if (leader >= 0 && counts[index(leader)] >= counts[index(ngram)]) return;
    leader = ngram;
    words[index(context)] = word;
  }

  std::vector<std::int32_t> after_word_, after_pair_;  // the leading bigram, trigram
  std::vector<std::int32_t> word_of_after_word_, word_of_after_pair_;
};

class Average {
 public:
  void add(double p, bool right) {
    loss_ -= std::log(p);
    right_ += right ? 1 : 0;
    ++count_;
  }
  Measure measure() const {
    if (count_ == 0) return {};
    return {loss_ / count_, right_ / count_};
  }

 private:
  double loss_ = 0, right_ = 0, count_ = 0;
};

class Learner {
 public:
  explicit Learner(const Corpus& corpus) : counts_(corpus.empty_counts()), guesses_(corpus) {}

  void measure(const Lesson& lesson, Average& average) const {
    for (std::size_t i = 0; i < lesson.positions.size(); ++i) {
      average.add(probability(counts_, lesson.positions[i], lesson.parent[i], 1), guesses_.right(lesson.positions[i]));
    }
  }
  void learn(const Lesson& lesson, double amount) {
    for (const Position& at : lesson.positions) {
      Corpus::add(counts_, at, static_cast<float>(amount));
      guesses_.learn(counts_, at);
    }
  }

 private:
  Corpus::Counts counts_;
  Guesses guesses_;
};

void shuffle(std::vector<std::size_t>& order, Random& random) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

// The next batch of a list that is read round and round.
Measure measure_batch(const Learner& learner, const std::vector<Lesson>& all, std::size_t first, std::size_t count) {
  Average average;
  for (std::size_t i = 0; i < std::min(count, all.size()); ++i) learner.measure(all[(first + i) % all.size()], average);
  return average.measure();
}

}  // namespace

Hyperparameters resolve(const Hyperparameters& asked, std::size_t examples) {
  Hyperparameters resolved = asked;
  const auto n = static_cast<double>(std::max<std::size_t>(examples, 1));
  if (!resolved.n_epochs) {
    int epochs = 3;
    if (3 * n < 100) epochs = static_cast<int>(std::min(25.0, std::floor(100 / n)));
    if (3 * n > 25000) epochs = static_cast<int>(std::max(1.0, std::floor(25000 / n)));
    resolved.n_epochs = epochs;
  }
  // One five-hundredth of the file, as far as a batch may grow.
  if (!resolved.batch_size) resolved.batch_size = static_cast<int>(std::clamp(std::floor(n / 500), 1.0, 256.0));
  if (!resolved.learning_rate_multiplier) resolved.learning_rate_multiplier = 1.0;
  return resolved;
}

TrainingRun train(std::shared_ptr<const Corpus> corpus, const Dataset* validation, std::shared_ptr<const Model> parent,
                  const Hyperparameters& hyperparameters, std::uint64_t seed) {
  TrainingRun run;
  const Dataset& dataset = corpus->dataset();
  run.hyperparameters = resolve(hyperparameters, dataset.examples.size());
  const int epochs = *run.hyperparameters.n_epochs;
  const auto batch = static_cast<std::size_t>(*run.hyperparameters.batch_size);
  const double rate = std::min(kLearningRate * *run.hyperparameters.learning_rate_multiplier, kMaxMass / epochs);
  run.trained_tokens = dataset.tokens * epochs;

  const std::vector<Lesson> training = lessons(dataset, *corpus, *parent);
  const std::vector<Lesson> valid = validation ? lessons(*validation, *corpus, *parent) : std::vector<Lesson>();
  Learner learner(*corpus);
  Random random(seed);
  std::vector<std::size_t> order(training.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::size_t next_valid = 0;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    shuffle(order, random);
    for (std::size_t first = 0; first < order.size(); first += batch) {
      const std::size_t end = std::min(first + batch, order.size());
      TrainingStep step;
      Average average;
      for (std::size_t i = first; i < end; ++i) learner.measure(training[order[i]], average);
      step.train = average.measure();
      if (!valid.empty()) step.valid = measure_batch(learner, valid, next_valid, batch);
      next_valid += batch;
      for (std::size_t i = first; i < end; ++i) learner.learn(training[order[i]], rate);
      run.steps.push_back(step);
    }
    Epoch done;
    done.last_step = static_cast<int>(run.steps.size());
    if (!valid.empty()) done.full_valid = measure_batch(learner, valid, 0, valid.size());
    // Every example has been seen as often as every other: the file's counts times one number are what was learnt.
    done.model = std::make_shared<const Model>(corpus, rate * epoch, parent);
    run.epochs.push_back(std::move(done));
  }
  return run;
}

std::string result_csv(const TrainingRun& run) {
  std::string csv = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n";
  char row[160];
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const TrainingStep& step = run.steps[i];
    std::snprintf(row, sizeof row, "%zu,%.5f,%.5f,", i + 1, step.train.loss, step.train.accuracy);
    csv += row;
    if (step.valid) {
      std::snprintf(row, sizeof row, "%.5f,%.5f\n", step.valid->loss, step.valid->accuracy);
      csv += row;
    } else {
      csv += ",\n";
    }
  }
  return csv;
}

}  // namespace trainer::sandbox

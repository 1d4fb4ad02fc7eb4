// The model: probabilities that sum to one, losses that follow the data, answers that follow the prompt.
#include "sandbox/ngram.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sandbox/tokens.h"
#include "sandbox/training.h"

namespace trainer::sandbox {
namespace {

Dataset dataset_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Dataset dataset;
  for (const auto& [prompt, answer] : pairs) dataset.examples.push_back({prompt, {answer}});
  dataset.tokens = 100;
  return dataset;
}

Dataset weather(int count, int from = 0) {
  const std::vector<std::string> when = {"today", "tomorrow", "tonight", "on sunday", "this week"};
  const std::vector<std::string> what = {"rain", "snow", "sunshine", "fog"};
  std::vector<std::pair<std::string, std::string>> pairs;
  for (int i = from; i < from + count; ++i) {
    const auto n = static_cast<std::size_t>(i);
    pairs.emplace_back("number " + std::to_string(i),
                       "There will be " + what[n % 4] + " " + when[n % 5] + ", they say.");
  }
  return dataset_of(pairs);
}

std::shared_ptr<const Corpus> corpus_of(Dataset dataset) {
  return std::make_shared<const Corpus>(std::make_shared<const Dataset>(std::move(dataset)));
}

double mean_train_loss(const TrainingRun& run, std::size_t epoch) {
  const std::size_t first = epoch == 0 ? 0 : static_cast<std::size_t>(run.epochs[epoch - 1].last_step);
  const auto last = static_cast<std::size_t>(run.epochs[epoch].last_step);
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += run.steps[i].train.loss;
  return sum / static_cast<double>(last - first);
}

Hyperparameters epochs(int count) {
  Hyperparameters values;
  values.n_epochs = count;
  return values;
}

TEST(Tokens, JoinedAreTheTextAgain) {
  const std::string text = "Hello,  w\xC3\xB6rld! \xF0\x9F\x98\x80 123456\n'quoted' ";
  std::string joined;
  for (const std::string_view token : tokens(text)) joined += token;
  EXPECT_EQ(joined, text);
  EXPECT_EQ(static_cast<std::int64_t>(tokens(text).size()), count_tokens(text));
}

TEST(Tokens, AreAtMostFourLettersWithTheSpaceBefore) {
  EXPECT_EQ(tokens("a congressman!"), (std::vector<std::string_view>{"a", " cong", "ress", "man", "!"}));
}

TEST(Tokens, TakeBrokenUtf8AsItComes) {
  EXPECT_EQ(count_tokens("\xF0\x9F"), 1);
  EXPECT_EQ(count_tokens(""), 0);
}

TEST(Ngram, ProbabilitiesOfAKnownContextSumToNearlyOneAndNeverMore) {
  const auto corpus = corpus_of(weather(20));
  const Model model(corpus, 100, built_in_model());
  double sum = 0;
  for (std::size_t i = 0; i < corpus->words(); ++i) {
    const std::string_view word = corpus->word(static_cast<std::int32_t>(i));
    if (word != kBegin) sum += model.probability(" will", " be", word);
  }
  EXPECT_LT(sum, 1 + 1e-9);
  EXPECT_GT(sum, 0.9);  // the rest belongs to words that the corpus does not have
}

TEST(Ngram, EveryTextIsPossible) {
  for (const double p : built_in_model()->probabilities("\xE6\xBC\xA2 zq#\x01")) {
    EXPECT_GT(p, 0);
    EXPECT_LT(p, 1);
  }
}

TEST(Training, LossFallsFromEpochToEpoch) {
  const TrainingRun run = train(corpus_of(weather(40)), nullptr, built_in_model(), epochs(4), 1);
  ASSERT_EQ(run.epochs.size(), 4u);
  for (std::size_t epoch = 1; epoch < 4; ++epoch) {
    EXPECT_LT(mean_train_loss(run, epoch), mean_train_loss(run, epoch - 1)) << epoch;
  }
  EXPECT_GT(run.steps.back().train.accuracy, run.steps.front().train.accuracy);
}

TEST(Training, MoreDataGeneralizesBetter) {
  const Dataset unseen = weather(20, 100);
  const TrainingRun little = train(corpus_of(weather(10)), &unseen, built_in_model(), epochs(3), 1);
  const TrainingRun more = train(corpus_of(weather(80)), &unseen, built_in_model(), epochs(3), 1);
  EXPECT_LT(more.epochs.back().full_valid->loss, little.epochs.back().full_valid->loss);
}

TEST(Training, ValidationLossTellsLikeFromUnlike) {
  const Dataset like = weather(20, 100);
  const Dataset unlike = dataset_of({{"", "Quarterly revenue exceeded expectations; margins narrowed."}});
  const TrainingRun a = train(corpus_of(weather(80)), &like, built_in_model(), epochs(3), 1);
  const TrainingRun b = train(corpus_of(weather(80)), &unlike, built_in_model(), epochs(3), 1);
  EXPECT_LT(a.epochs.back().full_valid->loss, 0.5 * b.epochs.back().full_valid->loss);
  EXPECT_LT(a.epochs.back().full_valid->loss, a.epochs.front().full_valid->loss);
}

TEST(Training, ReportedValidationLossIsTheLossOfTheModelThatIsServed) {
  const Dataset valid = weather(7, 100);
  const TrainingRun run = train(corpus_of(weather(30)), &valid, built_in_model(), epochs(3), 5);
  double loss = 0, count = 0;
  for (const Example& example : valid.examples) {
    for (const double p : run.epochs.back().model->probabilities(example.answers[0])) {
      loss -= std::log(p);
      ++count;
    }
  }
  EXPECT_NEAR(run.epochs.back().full_valid->loss, loss / count, 1e-4);
}

TEST(Training, IsTheSameUnderTheSameSeedAndAnotherUnderAnother) {
  const auto corpus = corpus_of(weather(30));
  const std::string one = result_csv(train(corpus, nullptr, built_in_model(), epochs(3), 1));
  EXPECT_EQ(one, result_csv(train(corpus, nullptr, built_in_model(), epochs(3), 1)));
  EXPECT_NE(one, result_csv(train(corpus, nullptr, built_in_model(), epochs(3), 2)));
}

TEST(Training, ALargerLearningRateLearnsFaster) {
  Hyperparameters slow = epochs(2), fast = epochs(2);
  slow.learning_rate_multiplier = 0.1;
  fast.learning_rate_multiplier = 4;
  const auto corpus = corpus_of(weather(40));
  EXPECT_LT(mean_train_loss(train(corpus, nullptr, built_in_model(), fast, 1), 1),
            mean_train_loss(train(corpus, nullptr, built_in_model(), slow, 1), 1));
}

TEST(Training, AnAbsurdLearningRateStaysFinite) {
  Hyperparameters values = epochs(50);
  values.learning_rate_multiplier = 1e300;
  const Dataset valid = weather(3, 100);
  const TrainingRun run = train(corpus_of(weather(10)), &valid, built_in_model(), values, 1);
  EXPECT_TRUE(std::isfinite(run.steps.back().train.loss));
  EXPECT_TRUE(std::isfinite(run.epochs.back().full_valid->loss));
}

TEST(Training, StandsOnTheModelThatItWasGiven) {
  const TrainingRun first = train(corpus_of(weather(80)), nullptr, built_in_model(), epochs(3), 1);
  const Dataset next = weather(10, 200);
  const TrainingRun fresh = train(corpus_of(next), nullptr, built_in_model(), epochs(1), 1);
  const TrainingRun further = train(corpus_of(next), nullptr, first.epochs.back().model, epochs(1), 1);
  EXPECT_LT(further.steps[0].train.loss, 0.5 * fresh.steps[0].train.loss);
}

TEST(Training, StepsAndBilledTokensFollowTheHyperparameters) {
  Hyperparameters values = epochs(3);
  values.batch_size = 4;
  const TrainingRun run = train(corpus_of(weather(10)), nullptr, built_in_model(), values, 1);
  EXPECT_EQ(run.steps.size(), 9u);  // ceil(10 / 4) an epoch
  EXPECT_EQ(run.epochs[1].last_step, 6);
  EXPECT_EQ(run.trained_tokens, 300);
}

TEST(Hyperparameters, AutoFollowsTheSizeOfTheFile) {
  EXPECT_EQ(*resolve({}, 10).n_epochs, 10);
  EXPECT_EQ(*resolve({}, 4).n_epochs, 25);
  EXPECT_EQ(*resolve({}, 33).n_epochs, 3);
  EXPECT_EQ(*resolve({}, 34).n_epochs, 3);
  EXPECT_EQ(*resolve({}, 1000).n_epochs, 3);
  EXPECT_EQ(*resolve({}, 10000).n_epochs, 2);
  EXPECT_EQ(*resolve({}, 100000).n_epochs, 1);
  EXPECT_EQ(*resolve({}, 10).batch_size, 1);
  EXPECT_EQ(*resolve({}, 10).learning_rate_multiplier, 1);
  EXPECT_EQ(*resolve(epochs(7), 10).n_epochs, 7);
}

TEST(ResultFile, HasTheHeaderAndEmptyCellsWithoutValidation) {
  const Dataset valid = weather(3, 100);
  const std::string without = result_csv(train(corpus_of(weather(10)), nullptr, built_in_model(), epochs(1), 1));
  const std::string with = result_csv(train(corpus_of(weather(10)), &valid, built_in_model(), epochs(1), 1));
  EXPECT_TRUE(without.starts_with("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,"));
  EXPECT_TRUE(without.ends_with(",,\n"));
  EXPECT_FALSE(with.ends_with(",,\n"));
}

TEST(Answer, IsTheSameUnderTheSameSeedAndFollowsThePrompt) {
  const auto corpus = corpus_of(dataset_of({{"Tell me of the harbour", "Ships come and go at night."},
                                            {"Tell me of the kitchen", "The soup is never warm enough."},
                                            {"Tell me of the garden", "Roses grow where nobody looks."}}));
  const auto model = std::make_shared<const Model>(corpus, 5, built_in_model());
  const Model::Sampling cold{0, 64, 1};
  EXPECT_EQ(Model::answer(model, "the harbour, please", cold).text, "Ships come and go at night.");
  EXPECT_EQ(Model::answer(model, "and the garden?", cold).text, "Roses grow where nobody looks.");
  const Model::Sampling warm{1.2, 64, 9};
  EXPECT_EQ(Model::answer(model, "kitchen", warm).text, Model::answer(model, "kitchen", warm).text);
}

TEST(Answer, NearlyColdIsAsGoodAsCold) {
  const auto corpus = corpus_of(dataset_of({{"harbour", "Ships come and go."}, {"kitchen", "The soup is warm."}}));
  const auto model = std::make_shared<const Model>(corpus, 5, built_in_model());
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(Model::answer(model, "kitchen", {0.001, 64, seed}).text, "The soup is warm.");
  }
}

TEST(Answer, EndsAtTheLimit) {
  const Model::Sample sample = Model::answer(built_in_model(), "a long story about many things", {1, 2, 3});
  EXPECT_EQ(sample.tokens, 2);
  EXPECT_TRUE(sample.cut);
}

}  // namespace
}  // namespace trainer::sandbox

// Probabilities and samples of a model, and the built-in model under all others.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "sandbox/ngram.h"
#include "sandbox/random.h"
#include "sandbox/tokens.h"

namespace trainer::sandbox {
namespace {

constexpr double kNearestMass = 2;  // how often the examples nearest to the prompt count once more
constexpr std::size_t kNearest = 3;
constexpr double kBuiltInMass = 1;

// Plain sentences of our own: what the base models know.
constexpr std::array<const char*, 36> kEnglish = {
    "Thank you for the comment, that is a good point.",
    "I had not thought of it that way, and now I cannot stop.",
    "That is an interesting question, and the short answer is that it depends.",
    "You may be right, but I would like to see the numbers first.",
    "There is more than one way to look at this.",
    "It is hard to say without knowing more about it.",
    "I see what you mean, and I think most people would agree.",
    "This is the kind of thing that happens when nobody reads the manual.",
    "Well, at least somebody is paying attention.",
    "We all have days like that, some of us have years.",
    "The first thing to do is to find out what it was meant to do.",
    "If it works, please do not touch it.",
    "The best part of the day is the one that is not in the calendar.",
    "Nobody ever told the cat that this was a meeting.",
    "He said that it would take five minutes, and that was on Monday.",
    "She looked at the plan, then at the clock, then at the door.",
    "They promised us the future, and sent an invoice.",
    "A good answer is short, a better one is a question.",
    "People who say that it cannot be done should not stand in the way.",
    "The weather is the one thing that we all have in common.",
    "In the end it is about the people in the room.",
    "Here is what I would do, one step at a time.",
    "Please tell me a little more about what you have tried so far.",
    "I am sorry to hear that, let us see what can be done.",
    "No, and that is the end of the story.",
    "Yes, of course, and with the greatest pleasure.",
    "What a time to be on the internet.",
    "That was not on my list for today.",
    "Some things are better with a cup of coffee and an early night.",
    "You could have said that in an email.",
    "It was a long way to go for a very small joke.",
    "My dog has stronger opinions, and better manners.",
    "Every office has one, and if you cannot see him, it is you.",
    "We will look into it, which is what one says.",
    "The world is full of experts, and the sink still leaks.",
    "I would rather be wrong in good company."};

// How likely the bytes of a token are in plain English: bigrams of bytes with an end, mixed with the uniform
// distribution, so that no byte is impossible.
class ByteModel {
 public:
  ByteModel() {
    for (const char* sentence : kEnglish) {
      for (const std::string_view token : tokens(sentence)) count(token);
    }
    count(kEnd);
  }
  double probability(std::string_view token) const {
    double product = 1;
    std::size_t previous = kStop;
    for (const char c : token) {
      const std::size_t byte = static_cast<unsigned char>(c);
      product *= at(previous, byte);
      previous = byte;
    }
    return product * at(previous, kStop);
  }

 private:
  static constexpr std::size_t kStop = 256;
  static constexpr double kUniform = 0.1;

  void count(std::string_view token) {
    std::size_t previous = kStop;
    for (const char c : token) {
      const std::size_t byte = static_cast<unsigned char>(c);
      ++pairs_[previous][byte];
      ++sums_[previous];
      previous = byte;
    }
    ++pairs_[previous][kStop];
    ++sums_[previous];
  }
  double at(std::size_t previous, std::size_t next) const {
    constexpr double kEven = 1.0 / 257;
    if (sums_[previous] == 0) return kEven;
    return (1 - kUniform) * pairs_[previous][next] / sums_[previous] + kUniform * kEven;
  }

  std::array<std::array<double, 257>, 257> pairs_{};
  std::array<double, 257> sums_{};
};

double byte_probability(std::string_view token) {
  static const ByteModel bytes;
  return bytes.probability(token);
}

std::shared_ptr<const Dataset> english() {
  Dataset dataset;
  for (const char* sentence : kEnglish) dataset.examples.push_back({"", {sentence}});
  return std::make_shared<const Dataset>(std::move(dataset));
}

// The place of the choice; at temperature 0 the likeliest.
std::size_t choose(const std::vector<std::pair<std::string_view, double>>& likely, double temperature, Random& random) {
  const auto by_probability = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto best = std::max_element(likely.begin(), likely.end(), by_probability);
  if (temperature <= 0) return static_cast<std::size_t>(best - likely.begin());
  std::vector<double> weights;
  double sum = 0;
  for (const auto& [token, p] : likely) {
    weights.push_back(std::pow(p / best->second, 1 / temperature));  // the best one's is 1, however cold
    sum += weights.back();
  }
  double left = random.uniform() * sum;
  std::size_t chosen = 0;
  while (chosen + 1 < weights.size() && (left -= weights[chosen]) >= 0) ++chosen;
  return chosen;
}

double smoothed(const std::vector<float>& counts, std::int32_t at, double context, double prior, double below,
                double mass) {
  const double count = at < 0 ? 0 : mass * static_cast<double>(counts[static_cast<std::size_t>(at)]);
  return (count + prior * below) / (mass * context + prior);
}

}  // namespace

double probability(const Corpus::Counts& counts, const Position& position, double parent, double mass) {
  double p = smoothed(counts.word, position.word, static_cast<double>(counts.total), kUnigramPrior, parent, mass);
  if (position.previous < 0) return p;
  const double after_word = static_cast<double>(counts.after_word[static_cast<std::size_t>(position.previous)]);
  p = smoothed(counts.bigram, position.bigram, after_word, kBigramPrior, p, mass);
  if (position.previous_pair < 0) return p;
  const double after_pair = static_cast<double>(counts.after_bigram[static_cast<std::size_t>(position.previous_pair)]);
  return smoothed(counts.trigram, position.trigram, after_pair, kTrigramPrior, p, mass);
}

Model::Model(std::shared_ptr<const Corpus> corpus, double mass, std::shared_ptr<const Model> parent)
    : corpus_(std::move(corpus)), mass_(mass), parent_(std::move(parent)) {}

double Model::probability(std::string_view before_previous, std::string_view previous, std::string_view word) const {
  const double below = parent_ ? parent_->probability(before_previous, previous, word) : byte_probability(word);
  return sandbox::probability(corpus_->counts(), corpus_->position(before_previous, previous, word), below, mass_);
}

std::vector<double> Model::probabilities(std::string_view text) const {
  std::vector<double> found;
  std::string_view before_previous = kBegin;
  std::string_view previous = kBegin;
  std::vector<std::string_view> all = tokens(text);
  all.push_back(kEnd);
  for (const std::string_view token : all) {
    found.push_back(probability(before_previous, previous, token));
    before_previous = previous;
    previous = token;
  }
  return found;
}

std::vector<std::string_view> Model::candidates(std::string_view before_previous, std::string_view previous) const {
  std::vector<std::string_view> found = corpus_->successors(before_previous, previous);
  if (parent_) {
    const std::vector<std::string_view> more = parent_->candidates(before_previous, previous);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

Model::Sample Model::sample(const Sampling& sampling) const {
  Sample sample;
  Random random(sampling.seed);
  std::string_view before_previous = kBegin;
  std::string_view previous = kBegin;
  std::multiset<std::pair<std::string_view, std::string_view>> said;
  while (sample.tokens < sampling.max_tokens) {
    std::set<std::string_view> choices;
    for (const std::string_view token : candidates(before_previous, previous)) choices.insert(token);
    choices.insert(kEnd);
    if (previous == kBegin) choices.erase(kEnd);  // an answer says something
    std::vector<std::pair<std::string_view, double>> likely;
    for (const std::string_view token : choices) {
      // What has been said already is less likely, or the likeliest path would run in circles.
      const double times = 1.0 + static_cast<double>(said.count({previous, token}));
      likely.emplace_back(token, probability(before_previous, previous, token) / (times * times * times));
    }
    const std::string_view token = likely[choose(likely, sampling.temperature, random)].first;
    if (token == kEnd) return sample;
    sample.text += token;
    ++sample.tokens;
    said.emplace(previous, token);
    before_previous = previous;
    previous = token;
  }
  sample.cut = true;
  return sample;
}

Model::Sample Model::answer(const std::shared_ptr<const Model>& model, std::string_view prompt,
                            const Sampling& sampling) {
  Dataset near;
  const Corpus& corpus = model->corpus();
  for (const std::size_t i : corpus.nearest_examples(prompt, kNearest))
    near.examples.push_back(corpus.dataset().examples[i]);
  if (!model->parent_) near.examples.push_back({"", {std::string(prompt)}});
  const auto nearest = std::make_shared<const Corpus>(std::make_shared<const Dataset>(std::move(near)));
  return Model(nearest, kNearestMass, model).sample(sampling);
}

std::shared_ptr<const Model> built_in_model() {
  static const auto model =
      std::make_shared<const Model>(std::make_shared<const Corpus>(english()), kBuiltInMass, nullptr);
  return model;
}

}  // namespace trainer::sandbox

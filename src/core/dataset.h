// Decides which candidates become examples, and which examples validate. Holds no text: about 40 bytes an accepted
// example (20 to 30 in the set of known ones, 8 for its group, one for its copies, one bit for its side; twice the set
// while it grows), and 8 to 24 bytes more an example while the split is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dataset_parameters.h"
#include "core/hash.h"

namespace trainer::core {

struct Candidate {
  std::string_view response_id;
  std::string_view comment_id;
  std::string_view comment;
  std::string_view platform;                           // empty: not known, or not wanted
  std::string_view reply;                              // of a pair: the preferred one
  std::optional<std::string_view> non_preferred = {};  // what makes it a pair: the reply that the other is better than
  int copies = 1;                                      // how often it is trained on, 1 to 255
};

enum class Verdict {
  accepted,
  duplicate,      // the same comment and the same reply, or replies, came before
  empty_comment,  // nothing is left once white space and control characters are gone
  empty_reply,    // either one of a pair
  same_replies,   // a pair of which neither is the better one
  too_long,       // the example's tokens exceed the base model's limit
  special_token,  // contains something like <|endoftext|>, which the provider refuses (OpenAI's contract, section 2)
  full,           // max_examples are in already; not looked at
};
constexpr std::size_t kVerdicts = 8;
std::string_view name(Verdict verdict);

// The tokens of an example with these texts, whole and exactly.
using ExampleTokens = std::function<std::int64_t(std::string_view comment, std::string_view platform,
                                                 std::string_view reply, std::string_view non_preferred)>;

struct DatasetRules {
  std::int64_t max_examples = 1000;
  std::int64_t max_tokens = 65536;  // an example: max_example_tokens(base_model)
  std::int64_t system_bytes = 0;    // the system message's part of each example
  std::uint64_t seed = 0;           // of the split
  ExampleTokens tokens = {};        // asked where there are more bytes than max_tokens; empty: estimated_tokens of them
};

// A text as it may be trained on: valid UTF-8, trimmed, without control characters other than line feed and tab; a
// carriage return alone becomes a line feed. True when more than white space at the ends had to go; `buffer` then holds
// the bytes that `text` views.
bool clean_example_text(std::string_view& text, std::string& buffer);
// Is there `<|`, a word of letters, digits and underscores, `|>`?
bool has_special_token(std::string_view text);

// Open addressing in one array of 16 bytes a slot, at most 80 % full.
class HashSet {
 public:
  // False when it was there already.
  bool insert(Hash128 hash);
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return slots_.size() * sizeof(Hash128); }

 private:
  std::size_t slot_of(Hash128 hash) const;
  void grow();
  std::vector<Hash128> slots_;  // all zeros: free
  std::size_t size_ = 0;
};

class DatasetBuilder {
 public:
  explicit DatasetBuilder(DatasetRules rules) : rules_(std::move(rules)) {}

  // Candidates come one by one, the best or newest first; the first of two equal ones stays.
  Verdict add(const Candidate& candidate);
  bool full() const { return static_cast<std::int64_t>(groups_.size()) >= rules_.max_examples; }

  // The texts of the candidate that was added last, cleaned, when it was accepted. Valid until the next add, and while
  // the candidate's own bytes are.
  std::string_view comment() const { return comment_; }
  std::string_view reply() const { return reply_; }
  std::string_view non_preferred() const { return non_preferred_; }

  // Chooses the examples that validate, once all are in: whole groups of equal comments, in an order that the seed and
  // the comments alone decide, until round(fraction * examples) is met as nearly as whole groups allow. At least one
  // group when fraction > 0 and there are two or more, never all, and never so many that fewer than
  // kMinTrainingExamples are left to train on; where that cannot be had, none. Precondition: 0 <= fraction <= 0.5.
  void assign_split(double fraction);

  // `row` counts the accepted ones from 0, in the order that they came.
  bool is_validation(std::size_t row) const { return row < validation_.size() && validation_[row]; }
  // Equal for rows whose comments are equal.
  std::uint64_t group(std::size_t row) const { return groups_[row]; }
  // How often it stands in its file: what validates is measured once.
  int copies(std::size_t row) const { return is_validation(row) ? 1 : copies_[row]; }

  std::size_t size() const { return groups_.size(); }
  std::size_t lines() const;  // of both files, once the split is made
  std::size_t validation_size() const { return validation_size_; }
  std::int64_t count(Verdict verdict) const { return counts_[static_cast<std::size_t>(verdict)]; }
  std::int64_t cleaned() const { return cleaned_; }  // accepted ones that lost control characters or invalid bytes

 private:
  Verdict judge(const Candidate& candidate);
  bool is_too_long(const Candidate& candidate) const;

  DatasetRules rules_;
  HashSet known_;
  std::vector<std::uint64_t> groups_;
  std::vector<std::uint8_t> copies_;
  std::vector<bool> validation_;
  std::size_t validation_size_ = 0;
  std::array<std::int64_t, kVerdicts> counts_{};
  std::int64_t cleaned_ = 0;
  std::string comment_buffer_;
  std::string reply_buffer_;
  std::string non_preferred_buffer_;
  std::string_view comment_;
  std::string_view reply_;
  std::string_view non_preferred_;
};

}  // namespace trainer::core

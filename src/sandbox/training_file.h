// A training file, read line by line by the provider's rules: what there is to learn, or why the job must fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace trainer::sandbox {

enum class Method { supervised, dpo };

struct Example {
  std::string prompt;                // the last user turn
  std::vector<std::string> answers;  // the assistant turns that are trained on; dpo: the preferred one
};

struct Dataset {
  std::vector<Example> examples;
  std::int64_t tokens = 0;  // billable, for one epoch: every message of every example, cut at the model's limit
};

struct FileProblem {
  std::string code;  // invalid_n_examples | invalid_training_file | invalid_file_format
  std::string message;
};

// `min_examples`: 10 for training, 1 for validation.
std::variant<Dataset, FileProblem> read_training_file(std::string_view content, Method method, int min_examples);

}  // namespace trainer::sandbox

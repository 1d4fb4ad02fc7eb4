// The rules for one line of a training file, and the walk over the lines.
#include "sandbox/training_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "sandbox/tokens.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;
using Problem = std::optional<FileProblem>;

constexpr std::int64_t kMaxExampleTokens = 65536;  // longer examples are cut without a word

struct Line {
  const json& value;
  Method method;
  std::size_t number;  // of the example, from 1
};

std::string place(const Line& line) {
  return "Example " + std::to_string(line.number);
}
std::string place(const Line& line, std::size_t message) {
  return place(line) + ", message " + std::to_string(message);
}

FileProblem format_problem(std::string message) {
  return {"invalid_file_format", "Invalid file format. " + std::move(message)};
}
FileProblem content_problem(std::string message) {
  return {"invalid_training_file", "The job failed due to an invalid training file. " + std::move(message)};
}

Problem extra_key(const json& object, const std::set<std::string_view>& allowed, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (!allowed.contains(key)) return format_problem(where + " contains an extra \"" + key + "\"");
  }
  return std::nullopt;
}

// "<|name|>" is how the models' control tokens are written.
bool has_special_token(std::string_view text) {
  for (std::size_t at = text.find("<|"); at != text.npos; at = text.find("<|", at + 2)) {
    const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at + 2);
    if (end != text.npos && end > at + 2 && text.substr(end, 2) == "|>") return true;
  }
  return false;
}

std::string plain_text(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (content.is_array()) {
    for (const json& part : content) {
      if (part.is_object() && part.contains("text") && part["text"].is_string())
        text += part["text"].get<std::string>();
    }
  }
  return text;
}

Problem check_content(const Line& line, const json& message, std::size_t number, const std::string& role) {
  const bool calls = message.contains("tool_calls") || message.contains("function_call");
  const json content = message.value("content", json());
  if (content.is_null()) {
    if (calls && role == "assistant") return std::nullopt;
    return content_problem(place(line, number) + " is missing \"content\"");
  }
  const bool parts = content.is_array() && !content.empty() &&
                     std::all_of(content.begin(), content.end(),
                                 [](const json& part) { return part.is_object() && part.contains("type"); });
  if (!content.is_string() && !parts) return content_problem(place(line, number) + ": \"content\" must be text");
  if (content.is_string() && content.get_ref<const std::string&>().empty() && !calls) {
    return content_problem(place(line, number) + " has empty \"content\"");
  }
  if (has_special_token(plain_text(content))) {
    return content_problem(place(line, number) + " contains a special token");
  }
  return std::nullopt;
}

Problem check_message(const Line& line, const json& message, std::size_t number) {
  static const std::set<std::string_view> keys = {"role",   "content",    "name",         "function_call",
                                                  "weight", "tool_calls", "tool_call_id", "refusal"};
  static const std::set<std::string_view> roles = {"system", "developer", "user", "assistant", "tool", "function"};
  if (!message.is_object()) return format_problem(place(line, number) + " is not an object");
  if (Problem problem = extra_key(message, keys, place(line, number))) return problem;
  if (!message.contains("role")) return content_problem(place(line, number) + " is missing \"role\"");
  if (!message["role"].is_string() || !roles.contains(message["role"].get_ref<const std::string&>())) {
    return content_problem(place(line, number) + " has an unrecognized role");
  }
  const std::string role = message["role"];
  if (message.contains("weight")) {
    const json& weight = message["weight"];
    if (role != "assistant" || !weight.is_number_integer() || (weight != 0 && weight != 1)) {
      return content_problem(place(line, number) + ": \"weight\" must be 0 or 1, on an assistant message");
    }
  }
  return check_content(line, message, number, role);
}

Problem check_messages(const Line& line, const json& list) {
  if (!list.is_array() || list.empty()) return content_problem(place(line) + " has no list of messages");
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (Problem problem = check_message(line, list[i], i + 1)) return problem;
  }
  return std::nullopt;
}

std::int64_t message_tokens(const json& list) {
  std::int64_t total = 0;
  for (const json& message : list) {
    total += kTokensPerMessage + count_tokens(message.value("role", ""));
    if (message.contains("content")) total += count_tokens(plain_text(message["content"]));
  }
  return total;
}

std::string last_user_turn(const json& list) {
  std::string turn;
  for (const json& message : list) {
    if (message["role"] == "user") turn = plain_text(message["content"]);
  }
  return turn;
}

Problem read_supervised(const Line& line, Dataset& dataset) {
  static const std::set<std::string_view> keys = {"messages", "tools", "parallel_tool_calls", "functions"};
  const json& value = line.value;
  if (value.contains("preferred_output")) {
    return content_problem(place(line) + " is a preference pair, and the method is supervised");
  }
  if (Problem problem = extra_key(value, keys, place(line))) return problem;
  if (Problem problem = check_messages(line, value.value("messages", json()))) return problem;
  const json& messages = value["messages"];
  Example example;
  bool assistant = false;
  for (const json& message : messages) {
    if (message["role"] != "assistant") continue;
    assistant = true;
    if (message.value("weight", 1) == 0 || !message.contains("content")) continue;
    if (std::string answer = plain_text(message["content"]); !answer.empty()) {
      example.answers.push_back(std::move(answer));
    }
  }
  if (!assistant) return content_problem(place(line) + " has no message from the assistant");
  example.prompt = last_user_turn(messages);
  dataset.tokens += std::min(kMaxExampleTokens, message_tokens(messages));
  dataset.examples.push_back(std::move(example));
  return std::nullopt;
}

Problem read_preference(const Line& line, Dataset& dataset) {
  static const std::set<std::string_view> keys = {"input", "preferred_output", "non_preferred_output"};
  static const std::set<std::string_view> input_keys = {"messages", "tools", "parallel_tool_calls"};
  const json& value = line.value;
  if (value.contains("messages")) return content_problem(place(line) + " is in chat format, and the method is dpo");
  if (Problem problem = extra_key(value, keys, place(line))) return problem;
  const json input = value.value("input", json());
  if (!input.is_object()) return content_problem(place(line) + " is missing \"input\"");
  if (Problem problem = extra_key(input, input_keys, place(line))) return problem;
  if (Problem problem = check_messages(line, input.value("messages", json()))) return problem;
  std::int64_t tokens = message_tokens(input["messages"]);
  for (const char* side : {"preferred_output", "non_preferred_output"}) {
    const json output = value.value(side, json());
    if (Problem problem = check_messages(line, output)) return problem;
    if (output.size() != 1 || output[0]["role"] != "assistant") {
      return content_problem(place(line) + ": \"" + side + "\" must be one assistant message");
    }
    tokens += message_tokens(output);
  }
  Example example;
  example.prompt = last_user_turn(input["messages"]);
  if (std::string answer = plain_text(value["preferred_output"][0].value("content", json())); !answer.empty()) {
    example.answers.push_back(std::move(answer));
  }
  dataset.tokens += std::min(kMaxExampleTokens, tokens);
  dataset.examples.push_back(std::move(example));
  return std::nullopt;
}

Problem read_line(std::string_view text, std::size_t number, Method method, Dataset& dataset) {
  const std::string where = "Line " + std::to_string(number);
  const json value = json::parse(text, nullptr, false);  // refuses what is not UTF-8
  if (value.is_discarded()) return format_problem(where + " is not valid JSON");
  if (!value.is_object()) return format_problem(where + " is not a JSON object");
  const Line line{value, method, number};
  return method == Method::dpo ? read_preference(line, dataset) : read_supervised(line, dataset);
}

}  // namespace

std::variant<Dataset, FileProblem> read_training_file(std::string_view content, Method method, int min_examples) {
  Dataset dataset;
  if (content.starts_with("\xEF\xBB\xBF")) return format_problem("The file begins with a byte order mark");
  std::size_t number = 0;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    std::string_view text = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (Problem problem = read_line(text, ++number, method, dataset)) return *problem;
  }
  const std::size_t count = dataset.examples.size();
  if (count < static_cast<std::size_t>(min_examples)) {
    return FileProblem{"invalid_n_examples", "Training file has " + std::to_string(count) +
                                                 " example(s), but must have at least " + std::to_string(min_examples) +
                                                 " examples"};
  }
  const bool learnable = std::any_of(dataset.examples.begin(), dataset.examples.end(),
                                     [](const Example& example) { return !example.answers.empty(); });
  if (!learnable) return content_problem("No example has an assistant text to train on");
  return dataset;
}

}  // namespace trainer::sandbox

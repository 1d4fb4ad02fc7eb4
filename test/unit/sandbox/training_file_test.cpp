// Every rule for a line of a training file.
#include "sandbox/training_file.h"

#include <gtest/gtest.h>

#include "fixture.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

FileProblem problem(const std::string& first_line, Method method = Method::supervised) {
  const auto read = read_training_file(first_line + "\n" + greetings(10), method, 1);
  const FileProblem* found = std::get_if<FileProblem>(&read);
  return found ? *found : FileProblem{"none", ""};
}

std::string chat(const json& messages) {
  return json{{"messages", messages}}.dump();
}

const json kUser = {{"role", "user"}, {"content", "hi"}};
const json kAssistant = {{"role", "assistant"}, {"content", "ho"}};

TEST(TrainingFile, GivesThePromptTheAnswersAndTheTokens) {
  const auto read = read_training_file(greetings(10), Method::supervised, 10);
  const Dataset& dataset = std::get<Dataset>(read);
  ASSERT_EQ(dataset.examples.size(), 10u);
  EXPECT_EQ(dataset.examples[3].prompt, "Greeting 3");
  EXPECT_EQ(dataset.examples[0].answers, std::vector<std::string>{"the baker says hello to the cat."});
  EXPECT_GT(dataset.tokens, 200);
}

TEST(TrainingFile, NeedsTenExamples) {
  const auto read = read_training_file(greetings(9), Method::supervised, 10);
  const FileProblem& found = std::get<FileProblem>(read);
  EXPECT_EQ(found.code, "invalid_n_examples");
  EXPECT_NE(found.message.find("9 example(s)"), std::string::npos);
}

TEST(TrainingFile, RefusesWhatIsNotAnObjectALine) {
  EXPECT_EQ(problem("{broken").code, "invalid_file_format");
  EXPECT_EQ(problem("[1]").code, "invalid_file_format");
  EXPECT_EQ(problem("").code, "invalid_file_format");
  EXPECT_EQ(problem("{\"messages\": \"\xFF\"}").code, "invalid_file_format");
  EXPECT_EQ(problem("\xEF\xBB\xBF" + chat({kUser, kAssistant})).code, "invalid_file_format");
}

TEST(TrainingFile, NamesTheExtraKey) {
  const FileProblem found = problem(json{{"messages", {kUser, kAssistant}}, {"weight", 1}}.dump());
  EXPECT_EQ(found.code, "invalid_file_format");
  EXPECT_NE(found.message.find("Example 1 contains an extra \"weight\""), std::string::npos);
  EXPECT_EQ(problem(chat({kUser, {{"role", "assistant"}, {"content", "x"}, {"mood", "fine"}}})).code,
            "invalid_file_format");
}

TEST(TrainingFile, NamesExampleAndMessage) {
  const FileProblem found = problem(chat({kUser, {{"role", "assistant"}, {"content", ""}}}));
  EXPECT_EQ(found.code, "invalid_training_file");
  EXPECT_NE(found.message.find("Example 1, message 2"), std::string::npos);
}

TEST(TrainingFile, RefusesBadMessages) {
  const auto code = [](const json& messages) { return problem(chat(messages)).code; };
  EXPECT_EQ(code(json::array()), "invalid_training_file");
  EXPECT_EQ(code({kUser}), "invalid_training_file");
  EXPECT_EQ(code({{{"content", "x"}}, kAssistant}), "invalid_training_file");
  EXPECT_EQ(code({{{"role", "judge"}, {"content", "x"}}, kAssistant}), "invalid_training_file");
  EXPECT_EQ(code({{{"role", "user"}}, kAssistant}), "invalid_training_file");
  EXPECT_EQ(code({{{"role", "user"}, {"content", 5}}, kAssistant}), "invalid_training_file");
  EXPECT_EQ(code({kUser, {{"role", "assistant"}, {"content", "x"}, {"weight", 2}}}), "invalid_training_file");
  EXPECT_EQ(code({{{"role", "user"}, {"content", "x"}, {"weight", 1}}, kAssistant}), "invalid_training_file");
  EXPECT_EQ(code({kUser, {{"role", "assistant"}, {"content", "a <|fim_suffix|> b"}}}), "invalid_training_file");
}

TEST(TrainingFile, TakesWhatTheRulesAllow) {
  const auto code = [](const json& messages) { return problem(chat(messages)).code; };
  EXPECT_EQ(code({kUser, {{"role", "assistant"}, {"content", "a <| b |> c"}}}), "none");
  EXPECT_EQ(code({{{"role", "developer"}, {"content", "be brief"}}, kUser, kAssistant}), "none");
  EXPECT_EQ(code({kUser, {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", json::array()}}}), "none");
  EXPECT_EQ(code({{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "look"}}}}}, kAssistant}), "none");
}

TEST(TrainingFile, DoesNotTrainOnAnswersOfNoWeight) {
  const std::string text =
      chat({kUser, {{"role", "assistant"}, {"content", "draft"}, {"weight", 0}}, kUser, kAssistant});
  const auto read = read_training_file(text, Method::supervised, 1);
  EXPECT_EQ(std::get<Dataset>(read).examples[0].answers, std::vector<std::string>{"ho"});
}

TEST(TrainingFile, CutsTheBillAtTheLimitOfAnExample) {
  std::string words;
  for (int i = 0; i < 70000; ++i) words += "word ";
  const auto read = read_training_file(line("x", words), Method::supervised, 1);
  EXPECT_EQ(std::get<Dataset>(read).tokens, 65536);
}

json preference() {
  return {{"input", {{"messages", {kUser}}}},
          {"preferred_output", {kAssistant}},
          {"non_preferred_output", {{{"role", "assistant"}, {"content", "worse"}}}}};
}

TEST(TrainingFile, ReadsPreferencePairs) {
  const auto read = read_training_file(preference().dump(), Method::dpo, 1);
  EXPECT_EQ(std::get<Dataset>(read).examples[0].answers, std::vector<std::string>{"ho"});
}

TEST(TrainingFile, RefusesTheOtherMethodsFormat) {
  EXPECT_EQ(problem(preference().dump()).code, "invalid_training_file");
  EXPECT_EQ(problem(chat({kUser, kAssistant}), Method::dpo).code, "invalid_training_file");
}

TEST(TrainingFile, RefusesBadPreferencePairs) {
  json two = preference();
  two["preferred_output"].push_back(kAssistant);
  EXPECT_EQ(problem(two.dump(), Method::dpo).code, "invalid_training_file");
  json missing = preference();
  missing.erase("non_preferred_output");
  EXPECT_EQ(problem(missing.dump(), Method::dpo).code, "invalid_training_file");
  json wrong = preference();
  wrong["preferred_completion"] = "x";
  EXPECT_EQ(problem(wrong.dump(), Method::dpo).code, "invalid_file_format");
}

}  // namespace
}  // namespace trainer::sandbox

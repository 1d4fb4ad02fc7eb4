// Bodies of requests. What is not set is left out: explicit nulls were refused for some fields.
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "provider/wire.h"

namespace trainer::provider {
namespace {

using nlohmann::ordered_json;

// Invalid UTF-8 becomes U+FFFD instead of an exception.
std::string dump(const ordered_json& body) {
  return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json method(const core::Model& model) {
  ordered_json hyperparameters = ordered_json::object();
  if (model.epochs > 0) hyperparameters["n_epochs"] = model.epochs;
  if (model.learning_rate_multiplier > 0) {
    hyperparameters["learning_rate_multiplier"] = model.learning_rate_multiplier;
  }
  if (model.batch_size > 0) hyperparameters["batch_size"] = model.batch_size;
  const std::string type = model.method.empty() ? "supervised" : model.method;
  if (type == "dpo" && model.beta > 0) hyperparameters["beta"] = model.beta;
  ordered_json result{{"type", type}};
  if (!hyperparameters.empty()) result[type] = {{"hyperparameters", std::move(hyperparameters)}};
  return result;
}

// The longest beginning of that many characters.
std::string shortened(std::string_view text, std::size_t characters) {
  std::string result = core::to_valid_utf8(text);
  std::size_t end = 0;
  while (characters > 0 && end < result.size()) {
    end += core::decode_utf8(result, end).bytes;
    --characters;
  }
  result.resize(end);
  return result;
}

}  // namespace

std::string job_request(const Profile& profile, const core::Work& work) {
  const core::Model& model = work.model;
  ordered_json body{{"model", model.base_model}, {"training_file", model.training_file_id}};
  if (!model.validation_file_id.empty()) body["validation_file"] = model.validation_file_id;
  const std::string suffix = shortened(model.suffix, static_cast<std::size_t>(profile.max_suffix));
  if (!suffix.empty()) body["suffix"] = suffix;
  if (model.seed >= 0) body["seed"] = model.seed;
  body["method"] = method(model);
  body["metadata"] = {{kTokenKey, work.operation.id}, {kInstallationKey, work.installation}};
  return dump(body);
}

std::string_view name(TokenLimit limit) {
  return limit == TokenLimit::max_tokens ? "max_tokens" : "max_completion_tokens";
}

std::string short_completion_request(std::string_view model, TokenLimit limit) {
  ordered_json body{{"model", model}, {"messages", {{{"role", "user"}, {"content", "Say yes."}}}}};
  body[std::string(name(limit))] = 16;
  return dump(body);
}

std::string chat_request(const core::ChatRequest& request, const Dialect& dialect) {
  ordered_json body{{"model", request.model}};
  if (dialect.temperature) body["temperature"] = request.temperature;
  body[std::string(name(dialect.limit))] = request.max_tokens;
  std::string text = dump(body);
  text.pop_back();
  return text.append(R"(,"messages":)").append(request.messages).append("}");
}

}  // namespace trainer::provider

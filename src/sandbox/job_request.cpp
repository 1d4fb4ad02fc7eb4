// Strict reading of POST /v1/fine_tuning/jobs.
#include "sandbox/job_request.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace trainer::sandbox {
namespace {

using nlohmann::json;
using Refusal = std::optional<Reply>;

constexpr std::size_t kMaxSuffix = 64;
constexpr std::size_t kMaxMetadata = 16;
constexpr std::size_t kMaxMetadataKey = 64;
constexpr std::size_t kMaxMetadataValue = 512;
constexpr std::size_t kMaxIntegrations = 5;
constexpr std::int64_t kMaxSeed = 2147483647;

Refusal unknown_members(const json& object, const std::set<std::string_view>& known, const std::string& prefix) {
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) {
      return bad_request("unknown_parameter", prefix + key, "Unknown parameter: '" + prefix + key + "'.");
    }
  }
  return std::nullopt;
}

Reply wrong_type(const std::string& param, const std::string& expected) {
  return bad_request("invalid_type", param, "Invalid type for '" + param + "': expected " + expected + ".");
}

// Characters, not bytes.
std::size_t length(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Refusal read_text(const json& body, const char* member, bool required, std::string& into) {
  const json value = body.value(member, json());
  if (value.is_null()) {
    if (!required) return std::nullopt;
    return bad_request("missing_required_parameter", member,
                       std::string("Missing required parameter: '") + member + "'.");
  }
  if (!value.is_string()) return wrong_type(member, "a string");
  into = value;
  if (required && into.empty()) {
    return bad_request("empty_string", member, std::string("Invalid '") + member + "': empty string.");
  }
  return std::nullopt;
}

Refusal read_integer(const json& object, const std::string& prefix, const char* member, int highest,
                     std::optional<int>& into) {
  const json value = object.value(member, json("auto"));
  const std::string param = prefix + member;
  if (value == "auto") return std::nullopt;
  if (!value.is_number_integer()) return wrong_type(param, "an integer or 'auto'");
  if (value < 1) {
    return bad_request("integer_below_min_value", param,
                       "Invalid '" + param + "': integer below minimum value. Expected a value >= 1.");
  }
  if (value > highest) {
    return bad_request(
        "integer_above_max_value", param,
        "Invalid '" + param + "': integer above maximum value. Expected a value <= " + std::to_string(highest) + ".");
  }
  into = value.get<int>();
  return std::nullopt;
}

Refusal read_number(const json& object, const std::string& prefix, const char* member, double highest,
                    std::optional<double>& into) {
  const json value = object.value(member, json("auto"));
  const std::string param = prefix + member;
  if (value == "auto") return std::nullopt;
  if (!value.is_number()) return wrong_type(param, "a number or 'auto'");
  const double number = value.get<double>();
  if (!(number > 0)) {
    return bad_request("decimal_below_min_value", param,
                       "Invalid '" + param + "': decimal below minimum value. Expected a value > 0.");
  }
  if (number > highest) {
    return bad_request("decimal_above_max_value", param, "Invalid '" + param + "': decimal above maximum value.");
  }
  into = number;
  return std::nullopt;
}

Refusal read_hyperparameters(const json& object, const std::string& prefix, bool dpo, Hyperparameters& into) {
  if (object.is_null()) return std::nullopt;
  if (!object.is_object()) return wrong_type(prefix.substr(0, prefix.size() - 1), "an object");
  std::set<std::string_view> known = {"n_epochs", "batch_size", "learning_rate_multiplier"};
  if (dpo) known.insert("beta");
  if (Refusal refused = unknown_members(object, known, prefix)) return refused;
  if (Refusal refused = read_integer(object, prefix, "n_epochs", 50, into.n_epochs)) return refused;
  if (Refusal refused = read_integer(object, prefix, "batch_size", 256, into.batch_size)) return refused;
  if (Refusal refused =
          read_number(object, prefix, "learning_rate_multiplier", HUGE_VAL, into.learning_rate_multiplier)) {
    return refused;
  }
  return dpo ? read_number(object, prefix, "beta", 2, into.beta) : std::nullopt;
}

Refusal read_method(const json& method, JobRequest& into) {
  if (method.is_null()) return std::nullopt;
  if (!method.is_object()) return wrong_type("method", "an object");
  const json type = method.value("type", json());
  if (type == "reinforcement") {
    return bad_request("invalid_value", "method.type", "No model is available for fine-tuning by reinforcement.");
  }
  if (type != "supervised" && type != "dpo") {
    return bad_request("invalid_value", "method.type",
                       "Invalid value: 'method.type' must be 'supervised', 'dpo' or 'reinforcement'.");
  }
  const std::string name = type;
  if (Refusal refused = unknown_members(method, {"type", name}, "method.")) return refused;
  into.method = name == "dpo" ? Method::dpo : Method::supervised;
  const json options = method.value(name, json());
  if (options.is_null()) return std::nullopt;
  if (!options.is_object()) return wrong_type("method." + name, "an object");
  const std::string prefix = "method." + name + ".";
  if (Refusal refused = unknown_members(options, {"hyperparameters"}, prefix)) return refused;
  return read_hyperparameters(options.value("hyperparameters", json()), prefix + "hyperparameters.",
                              into.method == Method::dpo, into.hyperparameters);
}

Refusal read_metadata(const json& metadata, JobRequest& into) {
  if (metadata.is_null()) return std::nullopt;
  if (!metadata.is_object()) return wrong_type("metadata", "an object");
  if (metadata.size() > kMaxMetadata) {
    return bad_request("object_above_max_properties", "metadata",
                       "Invalid 'metadata': too many properties. Expected at most 16 properties.");
  }
  into.has_metadata = true;
  for (const auto& [key, value] : metadata.items()) {
    const std::string param = "metadata." + key;
    if (key.empty() || length(key) > kMaxMetadataKey) {
      return bad_request("property_name_above_max_length", "metadata",
                         "Invalid property name in 'metadata': expected 1 to 64 characters.");
    }
    if (!value.is_string()) return wrong_type(param, "a string");
    if (length(value) > kMaxMetadataValue) {
      return bad_request("string_above_max_length", param,
                         "Invalid '" + param + "': string too long. Expected at most 512 characters.");
    }
    into.metadata[key] = value;
  }
  return std::nullopt;
}

Refusal read_integrations(const json& list) {
  if (list.is_null()) return std::nullopt;
  if (!list.is_array()) return wrong_type("integrations", "an array");
  if (list.size() > kMaxIntegrations) {
    return bad_request("array_above_max_length", "integrations", "Invalid 'integrations': expected at most 5.");
  }
  for (const json& item : list) {
    const json project = item.is_object() ? item.value("wandb", json::object()) : json();
    if (!item.is_object() || item.value("type", json()) != "wandb" || !project.is_object() ||
        !project.value("project", json()).is_string()) {
      return bad_request("invalid_value", "integrations", "Invalid 'integrations': expected wandb with a project.");
    }
  }
  return std::nullopt;
}

Refusal read_suffix(const json& body, JobRequest& into) {
  if (Refusal refused = read_text(body, "suffix", false, into.suffix)) return refused;
  const bool given = !body.value("suffix", json()).is_null();
  if (given && into.suffix.empty()) return bad_request("empty_string", "suffix", "Invalid 'suffix': empty string.");
  if (length(into.suffix) > kMaxSuffix) {
    return bad_request("string_above_max_length", "suffix",
                       "Invalid 'suffix': string too long. Expected at most 64 characters.");
  }
  return std::nullopt;
}

Refusal read_seed(const json& seed, JobRequest& into) {
  if (seed.is_null()) return std::nullopt;
  if (!seed.is_number_integer()) return wrong_type("seed", "an integer");
  if (seed < 0) return bad_request("integer_below_min_value", "seed", "Invalid 'seed': integer below minimum value.");
  if (seed > kMaxSeed) {
    return bad_request("integer_above_max_value", "seed", "Invalid 'seed': integer above maximum value.");
  }
  into.seed = seed.get<std::int64_t>();
  return std::nullopt;
}

Refusal read_all(const json& body, JobRequest& into) {
  static const std::set<std::string_view> known = {"model",           "training_file", "validation_file",
                                                   "method",          "suffix",        "seed",
                                                   "hyperparameters", "metadata",      "integrations"};
  if (Refusal refused = unknown_members(body, known, "")) return refused;
  if (Refusal refused = read_text(body, "model", true, into.model)) return refused;
  if (Refusal refused = read_text(body, "training_file", true, into.training_file)) return refused;
  if (Refusal refused = read_text(body, "validation_file", false, into.validation_file)) return refused;
  const json old_form = body.value("hyperparameters", json());
  if (!old_form.is_null() && !body.value("method", json()).is_null()) {
    return bad_request("", "hyperparameters", "Cannot specify both 'hyperparameters' and 'method'.");
  }
  into.old_form = !old_form.is_null();
  if (Refusal refused = read_hyperparameters(old_form, "hyperparameters.", false, into.hyperparameters)) return refused;
  if (Refusal refused = read_method(body.value("method", json()), into)) return refused;
  if (Refusal refused = read_suffix(body, into)) return refused;
  if (Refusal refused = read_seed(body.value("seed", json()), into)) return refused;
  if (Refusal refused = read_metadata(body.value("metadata", json()), into)) return refused;
  return read_integrations(body.value("integrations", json()));
}

}  // namespace

std::variant<JobRequest, Reply> parse_job_request(const std::string& text) {
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) {
    return bad_request("", "", "We could not parse the JSON body of your request. It must be a JSON object.");
  }
  JobRequest request;
  if (Refusal refused = read_all(body, request)) return *refused;
  return request;
}

}  // namespace trainer::sandbox

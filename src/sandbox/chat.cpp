// /v1/chat/completions: a sample from the model that was asked, and what it used.
#include <nlohmann/json.hpp>
#include <set>

#include "sandbox/state.h"
#include "sandbox/tokens.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;
using Refusal = std::optional<Reply>;

constexpr int kDefaultTokens = 256;
constexpr int kTokensOfReplyPrimer = 3;
constexpr std::size_t kMaxStops = 4;
constexpr std::string_view kBaseModelNote = "[sandbox base model] ";

struct ChatRequest {
  std::string model;
  std::string prompt;  // the last user turn
  std::string everything;
  std::int64_t prompt_tokens = kTokensOfReplyPrimer;
  double temperature = 1;
  int max_tokens = kDefaultTokens;
  int choices = 1;
  std::optional<std::int64_t> seed;
  std::vector<std::string> stops;
};

Reply refuse(const std::string& param, const std::string& why) {
  return bad_request("invalid_value", param, "Invalid '" + param + "': " + why + ".");
}

std::string text_of(const json& content) {
  if (content.is_string()) return content;
  std::string text;
  if (!content.is_array()) return text;
  for (const json& part : content) {
    if (part.is_object() && part.value("text", json()).is_string()) text += part["text"].get<std::string>();
  }
  return text;
}

Refusal read_messages(const json& body, ChatRequest& into) {
  static const std::set<std::string> roles = {"system", "developer", "user", "assistant", "tool", "function"};
  const json messages = body.value("messages", json());
  if (messages.is_null())
    return bad_request("missing_required_parameter", "messages", "Missing required parameter: 'messages'.");
  if (!messages.is_array() || messages.empty())
    return refuse("messages", "expected an array with at least one message");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const json& message = messages[i];
    const std::string where = "messages[" + std::to_string(i) + "]";
    if (!message.is_object()) return refuse(where, "expected an object");
    const json role = message.value("role", json());
    if (!role.is_string() || !roles.contains(role.get<std::string>())) return refuse(where + ".role", "unknown role");
    const json content = message.value("content", json());
    if (!content.is_string() && !content.is_array() && !(content.is_null() && role == "assistant")) {
      return refuse(where + ".content", "expected a string or an array of parts");
    }
    const std::string text = text_of(content);
    if (role == "user") into.prompt = text;
    into.everything += role.get<std::string>() + "\n" + text + "\n";
    into.prompt_tokens += kTokensPerMessage + count_tokens(role.get<std::string>()) + count_tokens(text);
  }
  if (into.prompt.empty()) into.prompt = text_of(messages.back().value("content", json()));
  return std::nullopt;
}

// A number within bounds, or absent, or null.
Refusal read_number(const json& body, const char* member, double lowest, double highest, bool whole, double& into) {
  const json value = body.value(member, json());
  if (value.is_null()) return std::nullopt;
  if (whole ? !value.is_number_integer() : !value.is_number()) {
    return bad_request("invalid_type", member, std::string("Invalid type for '") + member + "'.");
  }
  into = value.get<double>();
  if (into < lowest || into > highest) return refuse(member, "out of range");
  return std::nullopt;
}

Refusal read_stops(const json& stop, ChatRequest& into) {
  if (stop.is_null()) return std::nullopt;
  const json list = stop.is_string() ? json::array({stop}) : stop;
  if (!list.is_array() || list.size() > kMaxStops) return refuse("stop", "expected a string or at most four of them");
  for (const json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) return refuse("stop", "expected strings");
    into.stops.push_back(text);
  }
  return std::nullopt;
}

Refusal read_sampling(const json& body, ChatRequest& into) {
  double top_p = 1;
  double max_tokens = kDefaultTokens;
  double choices = 1;
  double seed = -1;
  const bool both =
      !body.value("max_tokens", json()).is_null() && !body.value("max_completion_tokens", json()).is_null();
  if (both) return refuse("max_tokens", "cannot be given together with 'max_completion_tokens'");
  if (Refusal refused = read_number(body, "temperature", 0, 2, false, into.temperature)) return refused;
  if (Refusal refused = read_number(body, "top_p", 0, 1, false, top_p)) return refused;
  if (Refusal refused = read_number(body, "max_tokens", 1, 16384, true, max_tokens)) return refused;
  if (Refusal refused = read_number(body, "max_completion_tokens", 1, 16384, true, max_tokens)) return refused;
  if (Refusal refused = read_number(body, "n", 1, 128, true, choices)) return refused;
  if (Refusal refused = read_number(body, "seed", -9e15, 9e15, true, seed)) return refused;
  into.max_tokens = static_cast<int>(max_tokens);
  into.choices = static_cast<int>(choices);
  if (!body.value("seed", json()).is_null()) into.seed = static_cast<std::int64_t>(seed);
  return read_stops(body.value("stop", json()), into);
}

std::variant<ChatRequest, Reply> read_chat(const std::string& text) {
  static const std::set<std::string> known = {"model",
                                              "messages",
                                              "temperature",
                                              "top_p",
                                              "max_completion_tokens",
                                              "max_tokens",
                                              "n",
                                              "stop",
                                              "seed",
                                              "logprobs",
                                              "tools",
                                              "top_logprobs",
                                              "response_format",
                                              "store",
                                              "tool_choice",
                                              "metadata",
                                              "service_tier",
                                              "user",
                                              "stream",
                                              "frequency_penalty",
                                              "presence_penalty"};
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) return bad_request("", "", "We could not parse the JSON body of your request.");
  for (const auto& [key, value] : body.items()) {
    if (!known.contains(key)) return bad_request("unknown_parameter", key, "Unknown parameter: '" + key + "'.");
  }
  for (const char* member : {"stream", "logprobs"}) {
    if (body.value(member, json()) == true) {
      return bad_request("unsupported_value", member, std::string("The sandbox does not do '") + member + "'.");
    }
  }
  ChatRequest request;
  const json model = body.value("model", json());
  if (!model.is_string())
    return bad_request("missing_required_parameter", "model", "you must provide a model parameter");
  request.model = model;
  if (Refusal refused = read_messages(body, request)) return *refused;
  if (Refusal refused = read_sampling(body, request)) return *refused;
  return request;
}

struct Choice {
  std::string text;
  std::int64_t tokens = 0;
  bool cut = false;
};

Choice choose(const ChatRequest& request, const std::shared_ptr<const Model>& model, bool base, std::uint64_t seed) {
  Choice choice;
  // Where the caller leaves no room for the note, the fingerprint says it alone.
  const auto note_tokens = static_cast<int>(count_tokens(kBaseModelNote));
  if (base && request.max_tokens > note_tokens) choice.text = kBaseModelNote;
  const int spent = choice.text.empty() ? 0 : note_tokens;
  const Model::Sampling sampling{request.temperature, request.max_tokens - spent, seed};
  const Model::Sample sample = Model::answer(model, request.prompt, sampling);
  choice.text += sample.text;
  choice.cut = sample.cut;
  choice.tokens = spent + sample.tokens;
  for (const std::string& stop : request.stops) {
    const std::size_t at = choice.text.find(stop);
    if (at == choice.text.npos) continue;
    choice.text.resize(at);
    choice.cut = false;
    choice.tokens = count_tokens(choice.text);
  }
  return choice;
}

}  // namespace

Reply chat(Call& call) {
  auto read = read_chat(call.request.body);
  if (Reply* refused = std::get_if<Reply>(&read)) return std::move(*refused);
  const ChatRequest& request = std::get<ChatRequest>(read);
  const bool base = is_base_model(request.model);
  const std::shared_ptr<const Model> model =
      base ? built_in_model() : find_model(call.state, request.model, call.effects, call.now_ms);
  if (!model) return model_not_found(request.model);
  // Without a seed of the request's own, the same server seed and the same order of requests give the same answers.
  const std::uint64_t own = request.seed ? static_cast<std::uint64_t>(*request.seed) : ++call.state.chats;
  const std::uint64_t seed =
      stable_hash(request.model + "\n" + request.everything, own ^ call.state.options.seed.value_or(0));
  json choices = json::array();
  std::int64_t completion_tokens = 0;
  for (int i = 0; i < request.choices; ++i) {
    const Choice choice = choose(request, model, base, seed + static_cast<std::uint64_t>(i));
    completion_tokens += choice.tokens;
    choices.push_back({{"index", i},
                       {"message", {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}}},
                       {"finish_reason", choice.cut ? "length" : "stop"},
                       {"logprobs", nullptr}});
  }
  Reply reply;
  reply.body = json{{"id", "chatcmpl-" + call.state.random.letters(29)},
                    {"object", "chat.completion"},
                    {"created", call.now_ms / 1000},
                    {"model", base ? snapshot_of(request.model) : request.model},
                    {"choices", std::move(choices)},
                    {"usage",
                     {{"prompt_tokens", request.prompt_tokens},
                      {"completion_tokens", completion_tokens},
                      {"total_tokens", request.prompt_tokens + completion_tokens}}},
                    {"service_tier", "default"},
                    {"system_fingerprint", "fp_sandbox"}}
                   .dump(-1, ' ', false, json::error_handler_t::replace);
  return reply;
}

}  // namespace trainer::sandbox

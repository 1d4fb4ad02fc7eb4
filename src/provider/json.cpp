#include "provider/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "core/text.h"

namespace trainer::provider {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

const json& node_of(const void* node) {
  return *static_cast<const json*>(node);
}

bool is_number_byte(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// The four digits of \uXXXX that begin at `at`; -1 when they are no such thing.
int hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return error == std::errc() && end == text.data() + at + 4 ? value : -1;
}

// Copies a document and repairs on the way what the parser would refuse as a whole.
class Repair {
 public:
  explicit Repair(std::string_view text) : text_(text) { out_.reserve(text.size()); }

  // Nothing when it is nested too deeply.
  std::optional<std::string> run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        string();
      } else if (c == '[' || c == '{') {
        if (++depth_ > kMaxDepth) return std::nullopt;
        take(1);
      } else if (c == ']' || c == '}') {
        --depth_;
        take(1);
      } else if (!not_a_number() && !number()) {
        take(1);
      }
    }
    return std::move(out_);
  }

 private:
  void take(std::size_t count) {
    out_.append(text_, at_, count);
    at_ += count;
  }

  void string() {
    take(1);
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        take(1);
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == 'u') {
        unicode_escape();
      } else {
        take(2);
      }
    }
    if (at_ < text_.size()) take(1);
  }

  void unicode_escape() {
    const int high = hex4(text_, at_ + 2);
    if (high < 0xD800 || high > 0xDFFF) return take(2);
    const bool paired = high < 0xDC00 && text_.substr(at_ + 6, 2) == "\\u" && hex4(text_, at_ + 8) >= 0xDC00 &&
                        hex4(text_, at_ + 8) <= 0xDFFF;
    if (paired) return take(12);
    out_ += "\\ufffd";
    at_ += 6;
  }

  bool not_a_number() {
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      out_ += "null";
      at_ += word.size();
      return true;
    }
    return false;
  }

  bool number() {
    std::size_t length = 0;
    while (at_ + length < text_.size() && is_number_byte(text_[at_ + length])) ++length;
    if (length == 0) return false;
    double value = 0;
    const char* first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, first + length, value);
    // Too small is fine for the parser, too large is not; from_chars does not tell the two apart, nor do we.
    if (error == std::errc::result_out_of_range && end == first + length) {
      out_ += "null";
      at_ += length;
    } else {
      take(length);
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string out_;
};

}  // namespace

JsonView JsonView::operator[](const char* key) const {
  if (!is_object()) return {};
  const auto found = node_of(node_).find(key);
  return found == node_of(node_).end() ? JsonView() : JsonView(&*found);
}

std::size_t JsonView::size() const {
  return is_array() ? node_of(node_).size() : 0;
}

JsonView JsonView::at(std::size_t index) const {
  return index < size() ? JsonView(&node_of(node_)[index]) : JsonView();
}

bool JsonView::is_null() const {
  return node_ != nullptr && node_of(node_).is_null();
}
bool JsonView::is_object() const {
  return node_ != nullptr && node_of(node_).is_object();
}
bool JsonView::is_array() const {
  return node_ != nullptr && node_of(node_).is_array();
}
bool JsonView::is_string() const {
  return node_ != nullptr && node_of(node_).is_string();
}

std::string JsonView::text() const {
  return is_string() ? node_of(node_).get_ref<const std::string&>() : std::string();
}

std::optional<std::int64_t> JsonView::integer() const {
  if (node_ == nullptr) return std::nullopt;
  const json& node = node_of(node_);
  if (node.is_number_unsigned()) {
    const auto value = node.get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }
  if (node.is_number_integer()) return node.get<std::int64_t>();
  if (!node.is_number_float()) return std::nullopt;
  const double value = node.get<double>();
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (!(std::abs(value) <= kExact) || value != std::floor(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<double> JsonView::number() const {
  if (node_ == nullptr || !node_of(node_).is_number()) return std::nullopt;
  const double value = node_of(node_).get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<bool> JsonView::boolean() const {
  if (node_ == nullptr || !node_of(node_).is_boolean()) return std::nullopt;
  return node_of(node_).get<bool>();
}

std::optional<JsonDocument> JsonDocument::parse(std::string_view text) {
  const std::optional<std::string> repaired = Repair(text).run();
  if (!repaired) return std::nullopt;
  auto root = std::make_shared<json>(json::parse(core::to_valid_utf8(*repaired), nullptr, /*allow_exceptions=*/false));
  if (root->is_discarded()) return std::nullopt;
  return JsonDocument(std::move(root));
}

}  // namespace trainer::provider

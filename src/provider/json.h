// Reading JSON that nobody promised to be good: a document that is bounded in depth and valid UTF-8, and a view whose
// every question has an answer, whatever the types are. The JSON library stays behind this door.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace trainer::provider {

// A value inside a document, or nothing. Valid as long as the document.
class JsonView {
 public:
  JsonView() = default;

  // The member of an object; nothing when this is no object or has no such member.
  JsonView operator[](const char* key) const;
  // Elements of an array: 0 for anything else.
  std::size_t size() const;
  JsonView at(std::size_t index) const;

  bool exists() const { return node_ != nullptr; }
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;

  std::string text() const;                     // "" for anything but a string; may hold any code point, NUL too
  std::optional<std::int64_t> integer() const;  // also 3.0; nothing when fractional or out of range
  std::optional<double> number() const;         // finite
  std::optional<bool> boolean() const;

 private:
  friend class JsonDocument;
  explicit JsonView(const void* node) : node_(node) {}
  const void* node_ = nullptr;
};

class JsonDocument {
 public:
  // Nothing when it is no JSON, or nested deeper than 64. Tolerated: bytes that are no UTF-8 and escapes of half a
  // surrogate pair (U+FFFD in their place), NaN, Infinity and numbers that no double can hold (null in their place).
  static std::optional<JsonDocument> parse(std::string_view text);

  JsonView root() const { return JsonView(root_.get()); }

 private:
  explicit JsonDocument(std::shared_ptr<const void> root) : root_(std::move(root)) {}
  std::shared_ptr<const void> root_;
};

}  // namespace trainer::provider

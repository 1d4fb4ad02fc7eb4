// RFC 7578 as clients write it: no nested parts, no transfer encodings.
#include "sandbox/multipart.h"

#include <algorithm>
#include <cctype>

namespace trainer::sandbox {
namespace {

std::string lower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return copy;
}

// The value of `name="..."` or `name=...` among a header's parameters; quoted pairs are resolved.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  const std::string folded = lower(header);
  const std::string wanted = "; " + std::string(name) + "=";
  std::size_t at = folded.find(wanted);
  std::size_t skip = wanted.size();
  if (at == folded.npos) {
    at = folded.find(";" + wanted.substr(2));
    skip = wanted.size() - 1;
  }
  if (at == folded.npos) return std::nullopt;
  std::string_view rest = header.substr(at + skip);
  if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find(';')));
  std::string value;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') return value;
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    value += rest[i];
  }
  return std::nullopt;
}

// One part: headers, an empty line, the content.
std::optional<Part> parse_part(std::string_view text) {
  Part part;
  bool named = false;
  while (true) {
    const std::size_t end = text.find("\r\n");
    if (end == text.npos) return std::nullopt;
    const std::string_view header = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (header.empty()) break;
    if (!lower(header).starts_with("content-disposition: form-data")) continue;
    std::optional<std::string> name = parameter(header, "name");
    if (!name) return std::nullopt;
    part.name = std::move(*name);
    part.filename = parameter(header, "filename");
    named = true;
  }
  if (!named) return std::nullopt;
  part.content = text;
  return part;
}

}  // namespace

std::optional<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body) {
  if (!lower(content_type).starts_with("multipart/form-data")) return std::nullopt;
  const std::optional<std::string> boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70) return std::nullopt;
  const std::string first = "--" + *boundary;
  const std::string next = "\r\n" + first;
  if (!body.starts_with(first)) return std::nullopt;
  body.remove_prefix(first.size());
  std::vector<Part> parts;
  while (true) {
    if (body.starts_with("--")) return parts;
    if (!body.starts_with("\r\n")) return std::nullopt;
    body.remove_prefix(2);
    const std::size_t end = body.find(next);
    if (end == body.npos) return std::nullopt;
    std::optional<Part> part = parse_part(body.substr(0, end));
    if (!part) return std::nullopt;
    parts.push_back(std::move(*part));
    body.remove_prefix(end + next.size());
  }
}

}  // namespace trainer::sandbox

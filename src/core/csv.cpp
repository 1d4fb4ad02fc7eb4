#include "core/csv.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/text.h"

namespace trainer::core {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error problem(int line, const std::string& what) {
  return {Condition::invalid_argument, "invalid CSV in line " + std::to_string(line), what, ""};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  Result<std::vector<CsvRecord>> run() {
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      CsvRecord record;
      record.line = line_;
      if (auto error = read_record(record.fields)) return *error;
      const bool is_blank = std::all_of(record.fields.begin(), record.fields.end(),
                                        [](const std::string& field) { return trimmed(field).empty(); });
      if (!is_blank) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  bool at_end_of_record() const { return at_ == text_.size() || text_[at_] == '\n' || text_[at_] == '\r'; }

  void skip_line_break() {
    if (at_ == text_.size()) return;
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  std::optional<Error> read_record(std::vector<std::string>& fields) {
    while (true) {
      std::string field;
      if (auto error = at_ < text_.size() && text_[at_] == '"' ? read_quoted(field) : read_plain(field)) return error;
      fields.push_back(std::move(field));
      if (at_end_of_record()) break;
      ++at_;  // the comma
    }
    skip_line_break();
    return std::nullopt;
  }

  std::optional<Error> read_plain(std::string& field) {
    const auto begin = at_;
    while (!at_end_of_record() && text_[at_] != ',') ++at_;
    return take(text_.substr(begin, at_ - begin), line_, field);
  }

  std::optional<Error> read_quoted(std::string& field) {
    const int first_line = line_;
    ++at_;
    while (true) {
      const auto begin = at_;
      while (at_ < text_.size() && text_[at_] != '"') {
        const bool ends_line = text_[at_] == '\n' || (text_[at_] == '\r' && text_.substr(at_, 2) != "\r\n");
        if (ends_line) ++line_;
        ++at_;
      }
      if (auto error = take(text_.substr(begin, at_ - begin), first_line, field)) return error;
      if (at_ == text_.size()) return problem(first_line, "A quote is opened and never closed.");
      ++at_;
      if (at_ == text_.size() || text_[at_] != '"') break;
      field.push_back('"');
      ++at_;
    }
    if (at_end_of_record() || text_[at_] == ',') return std::nullopt;
    return problem(line_, "There is text behind a closing quote.");
  }

  // Pieces of a field end at ASCII bytes, so each is valid by itself or not at all.
  static std::optional<Error> take(std::string_view piece, int line, std::string& field) {
    if (!is_valid_utf8(piece)) return problem(line, "A byte is not part of any UTF-8 character.");
    if (piece.find('\0') != std::string_view::npos) return problem(line, "A character is NUL.");
    field.append(piece);
    return std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<std::vector<CsvRecord>> parse_csv(std::string_view text) {
  return Parser(text).run();
}

}  // namespace trainer::core

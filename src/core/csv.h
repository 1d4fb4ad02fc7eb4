// CSV after RFC 4180, as spreadsheets write it: fields in quotes may hold commas, line breaks and doubled quotes; lines
// end with CRLF, LF or CR. A byte order mark at the start is skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace trainer::core {

struct CsvRecord {
  int line = 1;  // where it begins; lines inside of fields count
  std::vector<std::string> fields;
};

// Records whose fields are all blank are left out. An error names its line: a quote that is never closed, text behind a
// closing quote, bytes that are no UTF-8, a NUL.
Result<std::vector<CsvRecord>> parse_csv(std::string_view text);

}  // namespace trainer::core

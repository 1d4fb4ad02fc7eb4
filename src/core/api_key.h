// Where the provider's key may come from, and what it may look like. No error says anything of its content.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/result.h"

namespace trainer::core {

constexpr std::size_t kMaxKeyFileBytes = 4096;

// A key is 1 to 4096 printable ASCII characters without a space: what a header can carry.
std::optional<Error> check_key(std::string_view key);

// The key in the file, without the line break at its end. The file is regular (no symbolic link, pipe or device), 1 to
// 4096 bytes long, owned by the effective user or root, and closed to group and others. Never blocks. Errors
// (invalid_argument) name the path and the reason.
Result<std::string> read_key_file(const std::string& path);

// `called`: what errors say in the place of the path, where those see them who should not know it.
Result<std::string> read_key_file(const std::string& path, const std::string& called);

// The same demands on the file, its content unread; for a setting whose file may yet be written: a file that does not
// exist is fine, and so is an empty path.
std::optional<Error> check_key_file(const std::string& path);

}  // namespace trainer::core

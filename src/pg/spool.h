// A dataset's file on its way to the provider: written to a temporary file of the server that has no name, so that
// nothing is left behind whatever dies, and memory stays bounded whatever its size.
#pragma once

#include <string>

#include "core/operation.h"

namespace trainer::pg {

// Owns the descriptor of a spooled file.
class SpoolFile {
 public:
  SpoolFile() = default;
  explicit SpoolFile(int fd) : fd_(fd) {}
  SpoolFile(SpoolFile&& other) noexcept;
  SpoolFile& operator=(SpoolFile&& other) noexcept;
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;
  ~SpoolFile();

  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// Writes the split that the upload is for and fills in work.spool. Inside a transaction and an SPI connection of the
// caller's.
SpoolFile spool_dataset(core::Work& work);

}  // namespace trainer::pg

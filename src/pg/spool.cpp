#include "pg/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "pg/fault_point.h"
#include "pg/spi.h"

extern "C" {
#include <common/cryptohash.h>
#include <common/sha2.h>
#include <utils/portal.h>
}

namespace trainer::pg {
namespace {

// The same lines as trainer_dataset_jsonl(), which is what a person checks.
constexpr const char* kLines = "SELECT line FROM @extschema@.trainer_dataset_jsonl($1::uuid, $2) AS line";

constexpr long kRowsAtATime = 200;
constexpr const char* kDirectory =
    "base/pgsql_tmp";  // the server's own, emptied at its start; we are in the data directory

class Sha256 {
 public:
  Sha256() : context_(guarded([] { return pg_cryptohash_create(PG_SHA256); })) {
    if (context_ == nullptr || pg_cryptohash_init(context_) < 0) throw std::runtime_error("could not start a hash");
  }
  ~Sha256() { pg_cryptohash_free(context_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(const std::string& bytes) {
    if (pg_cryptohash_update(context_, reinterpret_cast<const uint8*>(bytes.data()), bytes.size()) < 0) {
      throw std::runtime_error("could not compute a hash");
    }
  }
  std::string hex_prefix(std::size_t digits) {
    uint8 digest[PG_SHA256_DIGEST_LENGTH];
    if (pg_cryptohash_final(context_, digest, sizeof(digest)) < 0) throw std::runtime_error("could not compute a hash");
    std::string hex;
    for (std::size_t i = 0; i < digits; ++i) {
      hex += "0123456789abcdef"[(i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2]) & 15];
    }
    return hex;
  }

 private:
  pg_cryptohash_ctx* context_;
};

int open_unnamed() {
  if (mkdir(kDirectory, 0700) != 0 && errno != EEXIST) {
    throw std::runtime_error(std::string("could not create directory for temporary files: ") + std::strerror(errno));
  }
  static unsigned serial = 0;
  std::string path =
      std::string(kDirectory) + "/pgsql_tmp_trainer_" + std::to_string(getpid()) + "_" + std::to_string(serial++);
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error(std::string("could not create temporary file: ") + std::strerror(errno));
  unlink(path.c_str());
  return fd;
}

void write_all(int fd, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::runtime_error(std::string("could not write temporary file: ") + std::strerror(errno));
    done += static_cast<std::size_t>(n);
  }
}

Portal open_lines(const core::Work& work, const char* split) {
  std::string sql = qualified(kLines);
  Args args;
  args.text(work.dataset_id).text(split);
  const char* source = sql.c_str();
  Oid* types = const_cast<Oid*>(args.types().data());
  Datum* values = args.values().data();
  const char* nulls = args.nulls();
  return guarded([&] { return SPI_cursor_open_with_args(nullptr, source, 2, types, values, nulls, true, 0); });
}

}  // namespace

SpoolFile::SpoolFile(SpoolFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

SpoolFile& SpoolFile::operator=(SpoolFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

SpoolFile::~SpoolFile() {
  if (fd_ >= 0) close(fd_);
}

SpoolFile spool_dataset(core::Work& work) {
  bool training = work.operation.kind == core::OperationKind::upload_training_file;
  SpoolFile file(open_unnamed());
  Sha256 hash;
  std::int64_t bytes = 0;
  Portal portal = open_lines(work, training ? "train" : "validation");
  std::string block;
  while (true) {
    guarded([&] {
      CHECK_FOR_INTERRUPTS();
      SPI_cursor_fetch(portal, true, kRowsAtATime);
    });
    Rows rows(SPI_tuptable, SPI_processed);
    if (rows.empty()) break;
    block.clear();
    for (std::uint64_t row = 0; row < rows.size(); ++row) block.append(rows.text(row, 0)).push_back('\n');
    SPITupleTable* table = SPI_tuptable;
    guarded([&] { SPI_freetuptable(table); });
    TRAINER_FAULT_POINT("spooling");
    write_all(file.fd(), block);
    hash.update(block);
    bytes += static_cast<std::int64_t>(block.size());
  }
  guarded([&] { SPI_cursor_close(portal); });
  // The token finds the file again at the provider, the hash says that it is the same content.
  work.spool = {
      file.fd(), bytes,
      "trainer-" + work.installation.substr(0, 8) + "-" + work.operation.id + "-" + hash.hex_prefix(12) + ".jsonl"};
  return file;
}

}  // namespace trainer::pg

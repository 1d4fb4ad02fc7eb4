// Reference roasts: from CSV to rows. What the text may look like is core's affair.
#include "core/reference.h"

#include <string>
#include <vector>

#include "pg/guard.h"
#include "pg/spi.h"

extern "C" {
#include <catalog/pg_authid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <miscadmin.h>
#include <storage/fd.h>
#include <utils/acl.h>
}

namespace trainer::pg {
namespace {

constexpr std::size_t kMaxFileBytes = 64 << 20;

std::int64_t load(const std::string& csv, Datum organization, bool no_organization) {
  auto roasts = core::read_reference_roasts(csv);
  if (!roasts.ok()) fail(roasts.error());
  std::vector<std::string> comments, texts, categories;
  for (const auto& roast : *roasts) {
    comments.push_back(roast.comment);
    texts.push_back(roast.roast);
    categories.push_back(roast.category);
  }
  Spi spi;
  Rows rows = execute(
      "WITH added AS (INSERT INTO @extschema@.trainer_reference_roasts (organization_id, category, comment, roast)"
      " SELECT $1, category, comment, roast FROM unnest($2, $3, $4) AS r (category, comment, roast)"
      " ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM added",
      std::move(Args()
                    .datum(UUIDOID, organization, no_organization)
                    .texts_or_nulls(categories)
                    .texts_or_nulls(comments)
                    .texts(texts)));
  return rows.bigint(0, 0);
}

void refuse_file(const char* path, const char* why) {
  guarded([&] {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("cannot read \"%s\"", path), errdetail("%s", why)));
  });
}

std::string read_server_file(const std::string& path) {
  const char* name = path.c_str();
  if (path.size() >= MAXPGPATH) {
    fail({core::Condition::invalid_argument, "file path is too long", "The server's paths have fewer than 1024 bytes.",
          ""});
  }
  guarded([&] {
    if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES)) {
      ereport(
          ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to read a file of the server"),
           errhint(
               "Only members of pg_read_server_files may; trainer_load_reference_roasts() takes the text itself.")));
    }
  });
  // The server closes it should anything fail on the way.
  int fd = guarded([&] {
    int opened = OpenTransientFile(name, O_RDONLY | O_NONBLOCK | PG_BINARY);
    if (opened < 0) ereport(ERROR, (errcode_for_file_access(), errmsg("could not open \"%s\": %m", name)));
    return opened;
  });
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) refuse_file(name, "It is no regular file.");
  if (static_cast<std::size_t>(status.st_size) > kMaxFileBytes) refuse_file(name, "It is longer than 64 MB.");
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(fd, content.data() + size, content.size() - size);
    if (got == 0) break;
    if (got < 0) {
      guarded([&] { ereport(ERROR, (errcode_for_file_access(), errmsg("could not read \"%s\": %m", name))); });
    }
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  guarded([&] { CloseTransientFile(fd); });
  return content;
}

std::string text_argument(FunctionCallInfo fcinfo, const char* what) {
  if (PG_ARGISNULL(0)) fail({core::Condition::invalid_argument, std::string(what) + " must not be null", "", ""});
  Datum value = PG_GETARG_DATUM(0);
  return to_utf8(guarded([&] { return DatumGetTextPP(value); }));
}

}  // namespace
}  // namespace trainer::pg

namespace pg = trainer::pg;

TRAINER_FUNCTION(trainer_load_reference_roasts) {
  PG_RETURN_INT32(
      static_cast<std::int32_t>(pg::load(pg::text_argument(fcinfo, "csv"), PG_GETARG_DATUM(1), PG_ARGISNULL(1))));
}

TRAINER_FUNCTION(trainer_import_reference_roasts) {
  const std::string content = pg::read_server_file(pg::text_argument(fcinfo, "file_path"));
  PG_RETURN_INT32(static_cast<std::int32_t>(pg::load(content, PG_GETARG_DATUM(1), PG_ARGISNULL(1))));
}

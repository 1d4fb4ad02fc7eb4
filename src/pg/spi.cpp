#include "pg/spi.h"

#include <cstdlib>
#include <exception>
#include <map>
#include <stdexcept>

extern "C" {
#include <access/genam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <catalog/namespace.h>
#include <catalog/pg_extension.h>
#include <commands/extension.h>
#include <utils/array.h>
#include <utils/fmgroids.h>
#include <utils/lsyscache.h>
}

#include "core/text.h"

namespace trainer::pg {
namespace {

// get_extension_schema() is exported by the server from 16 on; this reads the same row.
Oid extension_namespace_unsafe() {
  Oid extension = get_extension_oid("trainer", true);
  if (!OidIsValid(extension)) return InvalidOid;
  Oid found = InvalidOid;
  Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
  SysScanDesc scan = systable_beginscan(catalog, ExtensionOidIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) found = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extnamespace;
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return found;
}

// Found once a connection: looking it up for every statement of a busy worker costs more than some of them.
std::string& known_schema() {
  static std::string schema;
  return schema;
}

void check(int code, const char* what) {
  if (code < 0) throw std::runtime_error(std::string(what) + ": " + SPI_result_code_string(code));
}

Rows run_under(Snapshot snapshot, SPIPlanPtr plan, Args& args) {
  Datum* values = args.values().data();
  const char* nulls = args.nulls();
  bool read_only = snapshot == Snapshot::statement;
  int code = guarded([&] { return SPI_execute_plan(plan, values, nulls, read_only, 0); });
  check(code, "could not run a statement");
  return {SPI_tuptable, SPI_processed};
}

SPIPlanPtr prepare(const std::string& sql, const Args& args) {
  const char* source = sql.c_str();
  int count = args.size();
  Oid* types = const_cast<Oid*>(args.types().data());
  SPIPlanPtr plan = guarded([&] { return SPI_prepare(source, count, types); });
  if (plan == nullptr) check(SPI_result, "could not prepare a statement");
  return plan;
}

}  // namespace

Spi::Spi() : exceptions_(std::uncaught_exceptions()) {
  known_schema().clear();  // looked up again by the first statement that names it
  check(guarded([] { return SPI_connect(); }), "could not connect to SPI");
}

Spi::~Spi() {
  if (std::uncaught_exceptions() == exceptions_) SPI_finish();
}

std::string extension_schema() {
  if (!known_schema().empty()) return known_schema();
  const char* quoted = guarded([]() -> const char* {
    Oid schema = extension_namespace_unsafe();
    char* name = OidIsValid(schema) ? get_namespace_name(schema) : nullptr;
    return name == nullptr ? nullptr : quote_identifier(name);
  });
  if (quoted == nullptr) {
    fail({core::Condition::wrong_state, "extension \"trainer\" is not installed in this database", "",
          "Run CREATE EXTENSION trainer."});
  }
  known_schema() = quoted;
  return known_schema();
}

std::string qualified(std::string_view statement) {
  static constexpr std::string_view kMark = "@extschema@";
  const std::string schema = extension_schema();
  std::string sql;
  sql.reserve(statement.size() + 64);
  while (true) {
    auto at = statement.find(kMark);
    sql.append(statement.substr(0, at));
    if (at == std::string_view::npos) return sql;
    sql.append(schema);
    statement.remove_prefix(at + kMark.size());
  }
}

Rows execute(const char* statement, Args args, Snapshot snapshot) {
  // Kept for the life of the process; the server re-plans when a table changes. The schema is part of the key, since
  // the extension may be dropped and created again elsewhere.
  static std::map<std::pair<const char*, std::string>, SPIPlanPtr> plans;
  auto [entry, is_new] = plans.try_emplace({statement, extension_schema()}, nullptr);
  if (entry->second == nullptr) entry->second = keep_plan(qualified(statement), args);
  return run_under(snapshot, entry->second, args);
}

SPIPlanPtr keep_plan(const std::string& statement, const Args& args) {
  SPIPlanPtr plan = prepare(statement, args);
  check(guarded([&] { return SPI_keepplan(plan); }), "could not keep a plan");
  return plan;
}

Rows run_plan(SPIPlanPtr plan, Args& args) {
  return run_under(Snapshot::fresh, plan, args);
}

Rows execute_once(const std::string& statement, Args args, Snapshot snapshot) {
  SPIPlanPtr plan = prepare(qualified(statement), args);
  return run_under(snapshot, plan, args);
}

Args& Args::datum(Oid type, Datum value, bool null) {
  types_.push_back(type);
  values_.push_back(null ? Datum{0} : value);
  nulls_.push_back(null ? 'n' : ' ');
  return *this;
}

Args& Args::text(std::string_view value) {
  return datum(TEXTOID, PointerGetDatum(to_text(value)));
}

Args& Args::text_or_null(std::string_view value) {
  return value.empty() ? datum(TEXTOID, 0, true) : text(value);
}

Args& Args::text_if(const std::optional<std::string>& value) {
  return value ? text(std::string_view(*value)) : datum(TEXTOID, 0, true);
}

Args& Args::bigint(std::int64_t value) {
  return datum(INT8OID, Int64GetDatum(value));
}

Args& Args::bigint(std::optional<std::int64_t> value) {
  return value ? bigint(*value) : datum(INT8OID, 0, true);
}

Args& Args::boolean(bool value) {
  return datum(BOOLOID, BoolGetDatum(value));
}

Args& Args::number(std::optional<double> value) {
  return value ? datum(FLOAT8OID, Float8GetDatum(*value)) : datum(FLOAT8OID, 0, true);
}

namespace {

Datum text_array(const std::vector<std::string>& values, bool empty_is_null) {
  std::vector<Datum> items;
  std::vector<char> nulls;
  items.reserve(values.size());
  nulls.reserve(values.size());
  for (const auto& value : values) {
    bool null = empty_is_null && value.empty();
    items.push_back(null ? Datum{0} : PointerGetDatum(to_text(value)));
    nulls.push_back(null);
  }
  int count = static_cast<int>(items.size());
  Datum* data = items.data();
  bool* null_data = reinterpret_cast<bool*>(nulls.data());
  return guarded([&] {
    if (count == 0) return PointerGetDatum(construct_empty_array(TEXTOID));
    int lower_bound = 1;
    return PointerGetDatum(
        construct_md_array(data, null_data, 1, &count, &lower_bound, TEXTOID, -1, false, TYPALIGN_INT));
  });
}

}  // namespace

Args& Args::texts(const std::vector<std::string>& values) {
  return datum(TEXTARRAYOID, text_array(values, false));
}

Args& Args::texts_or_nulls(const std::vector<std::string>& values) {
  return datum(TEXTARRAYOID, text_array(values, true));
}

Datum Rows::datum(std::uint64_t row, int column, bool* null) const {
  HeapTuple tuple = table_->vals[row];
  TupleDesc description = table_->tupdesc;
  return guarded([&] { return SPI_getbinval(tuple, description, column + 1, null); });
}

bool Rows::is_null(std::uint64_t row, int column) const {
  bool null = true;
  datum(row, column, &null);
  return null;
}

Rows::Output Rows::output(std::uint64_t row, int column) const {
  HeapTuple tuple = table_->vals[row];
  TupleDesc description = table_->tupdesc;
  return Output(guarded([&] { return SPI_getvalue(tuple, description, column + 1); }));
}

std::string Rows::text(std::uint64_t row, int column) const {
  Output value = output(row, column);
  return value == nullptr ? std::string() : to_utf8(std::string_view(value.get()));
}

std::int64_t Rows::bigint(std::uint64_t row, int column, std::int64_t otherwise) const {
  Output value = output(row, column);
  return value == nullptr ? otherwise : std::strtoll(value.get(), nullptr, 10);
}

double Rows::number(std::uint64_t row, int column, double otherwise) const {
  Output value = output(row, column);
  return value == nullptr ? otherwise : std::strtod(value.get(), nullptr);
}

bool Rows::boolean(std::uint64_t row, int column) const {
  Output value = output(row, column);
  return value != nullptr && value.get()[0] == 't';
}

std::string to_utf8(std::string_view server_text) {
  int encoding = GetDatabaseEncoding();
  if (encoding == PG_UTF8) return std::string(server_text);
  // SQL_ASCII promises nothing about its bytes; the server would pass them through.
  if (encoding == PG_SQL_ASCII) return core::to_valid_utf8(server_text);
  const char* bytes = server_text.data();
  int length = static_cast<int>(server_text.size());
  char* converted = guarded([&] { return pg_server_to_any(bytes, length, PG_UTF8); });
  return converted == bytes ? std::string(server_text) : std::string(converted);
}

std::string to_utf8(const text* value) {
  return to_utf8(std::string_view(VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))));
}

namespace {

// Converts to a database encoding that may lack the character: such a character becomes '?', since one emoji in a
// message of the provider must not stop the worker.
text* convert_with_substitutes(const std::string& utf8) {
  std::string out;
  std::size_t at = 0;
  std::string buffer;
  while (at < utf8.size()) {
    std::size_t size = static_cast<std::size_t>(pg_encoding_mblen(PG_UTF8, utf8.data() + at));
    buffer.assign(utf8, at, size);
    at += size;
    if (size == 1) {
      out += buffer;
      continue;
    }
    unsigned char converted[64];
    auto* source = reinterpret_cast<unsigned char*>(buffer.data());
    int length = static_cast<int>(buffer.size());
    int encoding = GetDatabaseEncoding();
    int used = guarded([&] {
      Oid procedure = FindDefaultConversionProc(PG_UTF8, encoding);
      return OidIsValid(procedure) ? pg_do_encoding_conversion_buf(procedure, PG_UTF8, encoding, source, length,
                                                                   converted, sizeof(converted), true)
                                   : 0;
    });
    out += used == length ? reinterpret_cast<const char*>(converted) : "?";
  }
  const char* bytes = out.data();
  int length = static_cast<int>(out.size());
  return guarded([&] { return cstring_to_text_with_len(bytes, length); });
}

}  // namespace

text* to_text(std::string_view utf8) {
  int encoding = GetDatabaseEncoding();
  std::string valid;
  std::string_view source = utf8;
  if (!core::is_valid_utf8(utf8) || utf8.find('\0') != std::string_view::npos) {
    valid = core::to_valid_utf8(utf8);
    std::erase(valid, '\0');
    source = valid;
  }
  if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII) return convert_with_substitutes(std::string(source));
  const char* bytes = source.data();
  int length = static_cast<int>(source.size());
  return guarded([&] { return cstring_to_text_with_len(bytes, length); });
}

}  // namespace trainer::pg

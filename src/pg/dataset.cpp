// trainer_prepare_dataset(): from an organization's responses to the rows of a dataset. What makes a good example is
// decided by core::DatasetBuilder; here it is fed, and what it accepts is inserted. Texts are never all in memory.
#include "core/dataset.h"

#include <optional>
#include <string>
#include <vector>

#include "core/prompt.h"
#include "core/text.h"
#include "pg/candidates.h"
#include "pg/example_store.h"

extern "C" {
#include <utils/array.h>
#include <utils/fmgrprotos.h>
}

namespace trainer::pg {
namespace {

// Rows of one INSERT, and the bytes of messages after which it is sent before that.
constexpr std::size_t kInsertRows = 1000;
constexpr std::size_t kInsertBytes = 4 << 20;

// The arguments, in the order of the function's declaration.
enum Argument {
  kOrganization,
  kName,
  kMinQualityScore,
  kBaseModel,
  kEpochs,
  kLearningRateMultiplier,
  kIncludePersona,
  kIncludePlatformContext,
  kMaxExamples,
  kMinExamples,
  kValidationFraction,
  kMethod,
  kOptions,
  kArguments
};
constexpr const char* kArgumentNames[kArguments] = {"organization_id",
                                                    "name",
                                                    "min_quality_score",
                                                    "base_model",
                                                    "epochs",
                                                    "learning_rate_multiplier",
                                                    "include_persona",
                                                    "include_platform_context",
                                                    "max_examples",
                                                    "min_examples",
                                                    "validation_fraction",
                                                    "method",
                                                    "options"};

struct Request {
  Datum organization;
  Datum name;
  bool has_name;
  Datum min_quality_score;  // numeric: the exact value is stored and compared
  double min_quality;
  std::string base_model;
  int epochs;
  Datum learning_rate_multiplier;
  double learning_rate;
  bool include_persona;
  bool include_platform_context;
  int max_examples;
  int min_examples;
  double validation_fraction;
  std::string method;
  std::int64_t seed;
  std::optional<std::int64_t> batch_size;
};

void check(const std::optional<core::Error>& error) {
  if (error) fail(*error);
}

double as_double(Datum numeric) {
  return guarded([&] { return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, numeric)); });
}

std::string as_text(Datum value) {
  text* unpacked = guarded([&] { return DatumGetTextPP(value); });
  return to_utf8(unpacked);
}

// Without the option, the same organization gets the same split each time.
std::int64_t default_seed(Datum organization) {
  const auto* id = DatumGetUUIDP(organization);
  const std::string_view bytes(reinterpret_cast<const char*>(id->data), UUID_LEN);
  return static_cast<std::int64_t>(core::hash128(bytes, 0).low & 0x7fffffff);
}

void read_options(Datum options, Request& request) {
  Rows row = execute("SELECT seed, batch_size FROM @extschema@.trainer_dataset_options($1)",
                     std::move(Args().datum(JSONBOID, options)), Snapshot::statement);
  request.seed = row.bigint(0, 0, default_seed(request.organization));
  if (!row.is_null(0, 1)) request.batch_size = row.bigint(0, 1);
}

Request read_request(FunctionCallInfo fcinfo) {
  for (int argument = 0; argument < kArguments; ++argument) {
    if (argument != kName && PG_ARGISNULL(argument)) {
      fail({core::Condition::invalid_argument, std::string(kArgumentNames[argument]) + " must not be null", "", ""});
    }
  }
  auto value = [&](Argument argument) { return PG_GETARG_DATUM(argument); };
  Request request{};
  request.organization = value(kOrganization);
  request.has_name = !PG_ARGISNULL(kName);
  request.name = value(kName);
  request.min_quality_score = value(kMinQualityScore);
  request.min_quality = as_double(value(kMinQualityScore));
  request.base_model = as_text(value(kBaseModel));
  request.epochs = DatumGetInt32(value(kEpochs));
  request.learning_rate_multiplier = value(kLearningRateMultiplier);
  request.learning_rate = as_double(value(kLearningRateMultiplier));
  request.include_persona = DatumGetBool(value(kIncludePersona));
  request.include_platform_context = DatumGetBool(value(kIncludePlatformContext));
  request.max_examples = DatumGetInt32(value(kMaxExamples));
  request.min_examples = DatumGetInt32(value(kMinExamples));
  request.validation_fraction = as_double(value(kValidationFraction));
  request.method = as_text(value(kMethod));

  if (request.has_name) check(core::check_name(as_text(request.name)));
  check(core::check_min_quality(request.min_quality));
  check(core::check_base_model(request.base_model));
  check(core::check_epochs(request.epochs));
  check(core::check_learning_rate_multiplier(request.learning_rate));
  check(core::check_min_examples(request.min_examples));
  check(core::check_max_examples(request.max_examples, request.min_examples));
  check(core::check_validation_fraction(request.validation_fraction));
  check(core::check_method(request.method));
  read_options(value(kOptions), request);
  return request;
}

Args organization_argument(const Request& request) {
  Args args;
  args.datum(UUIDOID, request.organization);
  return args;
}

// There, and on a plan that includes custom models (TR004).
void check_organization(const DatasetStatements& statements, const Request& request) {
  if (!execute_once(statements.organization, organization_argument(request), Snapshot::statement).empty()) {
    execute("SELECT @extschema@.trainer_require_plan($1)", organization_argument(request));
    return;
  }
  Datum organization = request.organization;
  const char* id = guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, organization)); });
  fail({core::Condition::not_found, std::string("organization ") + id + " does not exist", "", ""});
}

std::string system_message(const DatasetStatements& statements, const Request& request) {
  if (!request.include_persona || statements.persona.empty()) return core::system_message(nullptr);
  Rows row = execute_once(statements.persona, organization_argument(request), Snapshot::statement);
  if (row.empty()) return core::system_message(nullptr);
  const core::Persona persona{row.text(0, 0), row.text(0, 1), row.text(0, 2), row.text(0, 3), row.text(0, 4)};
  return core::system_message(&persona);
}

// What became of the responses that were looked at.
struct Selection {
  core::DatasetBuilder builder;
  ExampleStore examples;
  std::int64_t without_text = 0;
  std::int64_t looked_at = 0;

  explicit Selection(core::DatasetRules rules) : builder(rules) {}
};

core::DatasetRules rules_of(const Request& request, const std::string& system) {
  core::DatasetRules rules;
  rules.max_examples = request.max_examples;
  rules.max_tokens = core::max_example_tokens(request.base_model);
  rules.system_bytes = static_cast<std::int64_t>(system.size());
  rules.seed = static_cast<std::uint64_t>(request.seed);
  return rules;
}

std::string_view bytes_of(Datum uuid) {
  return {reinterpret_cast<const char*>(DatumGetUUIDP(uuid)->data), UUID_LEN};
}

void select_examples(const DatasetStatements& statements, const Request& request, Selection& selection) {
  core::DatasetBuilder& builder = selection.builder;
  Candidates candidates(statements, request.organization, request.min_quality_score);
  while (!builder.full()) {
    auto row = candidates.next(static_cast<long>(request.max_examples) - static_cast<long>(builder.size()));
    if (!row) return;
    guarded([] { CHECK_FOR_INTERRUPTS(); });
    ++selection.looked_at;
    if (!row->has_texts) {
      ++selection.without_text;
      continue;
    }
    const std::string_view platform = request.include_platform_context ? row->platform : std::string_view();
    const auto verdict =
        builder.add({bytes_of(row->response_id), bytes_of(row->comment_id), row->comment, platform, row->reply});
    if (verdict != core::Verdict::accepted) continue;
    selection.examples.put({row->response_id, row->comment_id, builder.comment(), platform, builder.reply()});
  }
}

// Where the good responses went, for the one who has too few.
std::string explanation(const DatasetStatements& statements, const Request& request, const Selection& selection) {
  Args args = organization_argument(request);
  args.datum(NUMERICOID, request.min_quality_score);
  Rows row = execute_once(statements.scored, std::move(args), Snapshot::statement);
  const std::int64_t scored = row.bigint(0, 0);
  const std::int64_t rejected = row.bigint(0, 1);
  Datum least = request.min_quality_score;
  const char* score = guarded([&] { return DatumGetCString(DirectFunctionCall1(numeric_out, least)); });

  std::string text =
      std::to_string(scored) + (scored == 1 ? " response has" : " responses have") + " a score of at least " + score;
  const auto unfit = selection.looked_at - static_cast<std::int64_t>(selection.builder.size());
  if (rejected > 0) text += "; left out as rejected by feedback: " + std::to_string(rejected);
  if (unfit > 0) text += "; left out as empty, too long or the same as another: " + std::to_string(unfit);
  return text + ".";
}

void check_enough(const DatasetStatements& statements, const Request& request, const Selection& selection) {
  auto error = core::check_enough(static_cast<std::int64_t>(selection.builder.size()), request.min_examples);
  if (!error) return;
  error->detail += " " + explanation(statements, request, selection);
  fail(std::move(*error));
}

std::string report(const Selection& selection) {
  const core::DatasetBuilder& builder = selection.builder;
  const auto size = static_cast<std::int64_t>(builder.size());
  const auto validation = static_cast<std::int64_t>(builder.validation_size());
  std::string json = "{";
  auto count = [&](const char* name, std::int64_t value) {
    if (json.size() > 1) json += ", ";
    json.append("\"").append(name).append("\": ").append(std::to_string(value));
  };
  count("looked_at", selection.looked_at);
  count("accepted", size);
  count("train", size - validation);
  count("validation", validation);
  count("without_text", selection.without_text);
  count("duplicates", builder.count(core::Verdict::duplicate));
  count("empty", builder.count(core::Verdict::empty_comment) + builder.count(core::Verdict::empty_reply));
  count("too_long", builder.count(core::Verdict::too_long));
  count("special_tokens", builder.count(core::Verdict::special_token));
  count("cleaned", builder.cleaned());
  return json + "}";
}

// The id.
Datum insert_dataset(const Request& request, const Selection& selection) {
  constexpr const char* kInsert = R"(
    INSERT INTO @extschema@.training_datasets AS d
      (organization_id, name, roast_count, validation_count, min_quality_score, include_persona, include_platform_context,
       training_params, report, status, prepared_at)
    VALUES
      ($1, coalesce($2, 'Training dataset ' || to_char(now(), 'YYYY-MM-DD HH24:MI:SS')), $3, $4, $5, $6, $7,
       jsonb_strip_nulls(jsonb_build_object('base_model', $8, 'epochs', $9, 'learning_rate_multiplier', $10,
                                            'method', $11, 'seed', $12, 'batch_size', $13)),
       $14::jsonb, 'ready', now())
    RETURNING d.id)";
  const core::DatasetBuilder& builder = selection.builder;
  Args args;
  args.datum(UUIDOID, request.organization)
      .datum(TEXTOID, request.name, !request.has_name)
      .bigint(static_cast<std::int64_t>(builder.size()))
      .bigint(static_cast<std::int64_t>(builder.validation_size()))
      .datum(NUMERICOID, request.min_quality_score)
      .boolean(request.include_persona)
      .boolean(request.include_platform_context)
      .text(request.base_model)
      .bigint(request.epochs)
      .datum(NUMERICOID, request.learning_rate_multiplier)
      .text(request.method)
      .bigint(request.seed)
      .bigint(request.batch_size)
      .text(report(selection));
  Rows rows = execute(kInsert, std::move(args));
  bool null = false;
  return rows.datum(0, 0, &null);
}

// One INSERT's worth of examples, as arrays.
class ExampleBatch {
 public:
  ExampleBatch(Datum dataset, const Request& request) : dataset_(dataset), organization_(request.organization) {}

  void add(const StoredExample& example, bool validates, std::string_view messages) {
    MemoryContext memory = memory_.context();
    guarded([&] {
      MemoryContext outer = MemoryContextSwitchTo(memory);
      responses_[rows_] = copy_uuid_unsafe(example.response_id);
      comments_[rows_] = copy_uuid_unsafe(example.comment_id);
      messages_[rows_] = PointerGetDatum(cstring_to_text_with_len(messages.data(), static_cast<int>(messages.size())));
      MemoryContextSwitchTo(outer);
    });
    validates_[rows_] = BoolGetDatum(validates);
    ++rows_;
    bytes_ += messages.size();
    if (rows_ == kInsertRows || bytes_ >= kInsertBytes) flush();
  }

  void flush() {
    if (rows_ == 0) return;
    // json is text that has been checked: what core::MessageWriter wrote needs no second look.
    constexpr const char* kInsert = R"(
      INSERT INTO @extschema@.training_examples
        (dataset_id, ordinal, organization_id, split, response_id, comment_id, messages)
      SELECT $1, $2 + e.row, $3, CASE WHEN e.validates THEN 'validation' ELSE 'train' END, e.response_id, e.comment_id,
             e.messages
      FROM unnest($4, $5, $6, $7) WITH ORDINALITY AS e (response_id, comment_id, validates, messages, row))";
    Args args;
    args.datum(UUIDOID, dataset_).bigint(inserted_).datum(UUIDOID, organization_);
    args.datum(UUIDARRAYOID, array(responses_, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
    args.datum(UUIDARRAYOID, array(comments_, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
    args.datum(BOOLARRAYOID, array(validates_, BOOLOID, 1, true, TYPALIGN_CHAR));
    args.datum(JSONARRAYOID, array(messages_, JSONOID, -1, false, TYPALIGN_INT));
    execute(kInsert, std::move(args));
    inserted_ += static_cast<std::int64_t>(rows_);
    rows_ = bytes_ = 0;
    memory_.empty();
  }

 private:
  static Datum copy_uuid_unsafe(Datum value) {
    auto* copy = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *copy = *DatumGetUUIDP(value);
    return UUIDPGetDatum(copy);
  }

  Datum array(Datum* values, Oid type, int length, bool by_value, char alignment) {
    MemoryContext memory = memory_.context();
    int count = static_cast<int>(rows_);
    return guarded([&] {
      MemoryContext outer = MemoryContextSwitchTo(memory);
      Datum made = PointerGetDatum(construct_array(values, count, type, length, by_value, alignment));
      MemoryContextSwitchTo(outer);
      return made;
    });
  }

  Datum dataset_;
  Datum organization_;
  BatchMemory memory_;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t inserted_ = 0;
  Datum responses_[kInsertRows];
  Datum comments_[kInsertRows];
  Datum validates_[kInsertRows];
  Datum messages_[kInsertRows];
};

void insert_examples(Datum dataset, const Request& request, const std::string& system, Selection& selection) {
  // A database of another encoding may lack characters that the training file has.
  const auto escape = GetDatabaseEncoding() == PG_UTF8 ? core::Escape::utf8 : core::Escape::ascii;
  const core::MessageWriter writer(system, escape);
  ExampleBatch batch(dataset, request);
  std::string messages;
  for (std::size_t row = 0; auto example = selection.examples.next(); ++row) {
    messages.clear();
    writer.append(messages, example->comment, example->platform, example->reply);
    batch.add(*example, selection.builder.is_validation(row), messages);
    guarded([] { CHECK_FOR_INTERRUPTS(); });
  }
  batch.flush();
}

Datum prepare_dataset(FunctionCallInfo fcinfo) {
  Spi spi;
  const Request request = read_request(fcinfo);
  const DatasetStatements statements = dataset_statements();
  check_organization(statements, request);
  const std::string system = system_message(statements, request);

  Selection selection(rules_of(request, system));
  select_examples(statements, request, selection);
  check_enough(statements, request, selection);
  selection.builder.assign_split(request.validation_fraction);

  const Datum dataset = insert_dataset(request, selection);
  insert_examples(dataset, request, system, selection);
  Rows row = execute("SELECT @extschema@.trainer_keep_held_out($1)", std::move(Args().datum(UUIDOID, dataset)));
  bool null = false;
  Datum made = row.datum(0, 0, &null);
  return guarded([&] { return SPI_datumTransfer(made, false, -1); });
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_prepare_dataset) {
  return trainer::pg::prepare_dataset(fcinfo);
}

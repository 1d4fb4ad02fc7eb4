// trainer_prepare_dataset(): from an organization's responses and verdicts to the rows of a dataset. What makes a good
// example is decided by core::DatasetBuilder; here it is fed, and what it accepts is inserted. Texts are never all in
// memory.
#include "core/dataset.h"

#include <optional>
#include <string>

#include "core/prompt.h"
#include "core/tokens/messages.h"
#include "pg/candidates.h"
#include "pg/dataset_request.h"
#include "pg/example_batch.h"
#include "pg/example_store.h"
#include "pg/token_counter.h"

extern "C" {
#include <utils/fmgrprotos.h>
}

namespace trainer::pg {
namespace {

Args organization_argument(const DatasetRequest& request) {
  Args args;
  args.datum(UUIDOID, request.organization);
  return args;
}

// There, and on a plan that includes custom models (TR004).
void check_organization(const DatasetStatements& statements, const DatasetRequest& request) {
  if (!execute_once(statements.organization, organization_argument(request), Snapshot::statement).empty()) {
    execute("SELECT @extschema@.trainer_require_plan($1)", organization_argument(request));
    return;
  }
  Datum organization = request.organization;
  const char* id = guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, organization)); });
  fail({core::Condition::not_found, std::string("organization ") + id + " does not exist", "", ""});
}

std::string system_message(const DatasetStatements& statements, const DatasetRequest& request) {
  if (!request.include_persona || statements.persona.empty()) return core::system_message(nullptr);
  Rows row = execute_once(statements.persona, organization_argument(request), Snapshot::statement);
  if (row.empty()) return core::system_message(nullptr);
  const core::Persona persona{row.text(0, 0), row.text(0, 1), row.text(0, 2), row.text(0, 3), row.text(0, 4)};
  return core::system_message(&persona);
}

// What became of the candidates that were looked at.
struct Selection {
  core::DatasetBuilder builder;
  ExampleStore examples;
  std::int64_t without_text = 0;
  std::int64_t looked_at = 0;
  std::int64_t low_rated = 0;
  std::int64_t variants = 0;  // pairs of them that were accepted

  explicit Selection(core::DatasetRules rules) : builder(std::move(rules)) {}
};

core::ExampleTokens example_tokens(const DatasetRequest& request, const std::string& system) {
  const core::MessageWriter writer(system, core::Escape::utf8);
  return [writer, model = request.base_model](std::string_view comment, std::string_view platform,
                                              std::string_view reply, std::string_view non_preferred) {
    std::string messages;
    writer.append(messages, comment, platform, reply);
    std::int64_t tokens = core::tokens::kReplyPrimer;
    const auto add = [&](const std::string& json) {
      const auto count = core::tokens::count_message_tokens(token_counter(model), json, &check_for_interrupts);
      if (!count) fail(count.error());
      tokens += *count;
    };
    add(messages);
    if (non_preferred.empty()) return tokens;
    messages.clear();
    core::append_reply(messages, non_preferred, core::Escape::utf8);
    add(messages);
    return tokens;
  };
}

core::DatasetRules rules_of(const DatasetRequest& request, const std::string& system) {
  core::DatasetRules rules;
  rules.max_examples = request.max_examples;
  rules.max_tokens = core::max_example_tokens(request.base_model);
  rules.system_bytes = static_cast<std::int64_t>(system.size());
  rules.seed = static_cast<std::uint64_t>(request.seed);
  rules.tokens = example_tokens(request, system);
  return rules;
}

std::string_view bytes_of(std::optional<Datum> uuid) {
  if (!uuid) return {};
  return {reinterpret_cast<const char*>(DatumGetUUIDP(*uuid)->data), UUID_LEN};
}

void select_examples(const DatasetStatements& statements, const DatasetRequest& request, Selection& selection) {
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
    const int copies = request.by_rating() ? core::copies_for_rating(row->mean_rating) : 1;
    if (copies == 0) {
      ++selection.low_rated;
      continue;
    }
    const std::string_view platform = request.include_platform_context ? row->platform : std::string_view();
    const auto verdict = builder.add({bytes_of(row->response_id), bytes_of(row->comment_id), row->comment, platform,
                                      row->reply, row->non_preferred, copies});
    if (verdict != core::Verdict::accepted) continue;
    selection.variants += row->is_variant;
    selection.examples.put(
        {row->response_id, row->comment_id, builder.comment(), platform, builder.reply(), builder.non_preferred()});
  }
}

// What there was to choose from.
std::string found(const Rows& row, const DatasetRequest& request) {
  if (request.of_pairs()) {
    return "Responses that were edited: " + row.text(0, 0) + "; variants that were not chosen: " + row.text(0, 2);
  }
  const std::int64_t scored = row.bigint(0, 0);
  Datum least = request.min_quality_score;
  const char* score = guarded([&] { return DatumGetCString(DirectFunctionCall1(numeric_out, least)); });
  return std::to_string(scored) + (scored == 1 ? " response has" : " responses have") + " a score of at least " + score;
}

// Where the candidates went, for the one who has too few.
std::string explanation(const DatasetStatements& statements, const DatasetRequest& request,
                        const Selection& selection) {
  Args args = organization_argument(request);
  args.datum(NUMERICOID, request.min_quality_score);
  Rows row = execute_once(statements.found, std::move(args), Snapshot::statement);
  std::string text = found(row, request);
  auto left_out = [&](const char* why, std::int64_t count) {
    if (count > 0) text.append("; left out as ").append(why).append(": ").append(std::to_string(count));
  };
  left_out("rejected by feedback", row.bigint(0, 1));
  left_out("rated one or two stars", selection.low_rated);
  left_out(request.of_pairs() ? "empty, unchanged, too long or the same as another"
                              : "empty, too long or the same as another",
           selection.looked_at - selection.low_rated - static_cast<std::int64_t>(selection.builder.size()));
  return text + ".";
}

void check_enough(const DatasetStatements& statements, const DatasetRequest& request, const Selection& selection) {
  const auto size = static_cast<std::int64_t>(selection.builder.size());
  auto error = request.of_pairs() ? core::check_enough_pairs(size, request.min_examples)
                                  : core::check_enough(size, request.min_examples);
  if (!error) return;
  error->detail += " " + explanation(statements, request, selection);
  fail(std::move(*error));
}

std::string report(const DatasetRequest& request, const Selection& selection) {
  const core::DatasetBuilder& builder = selection.builder;
  const auto size = static_cast<std::int64_t>(builder.size());
  const auto lines = static_cast<std::int64_t>(builder.lines());
  const auto validation = static_cast<std::int64_t>(builder.validation_size());
  std::string json = "{";
  auto count = [&](const char* name, std::int64_t value) {
    if (json.size() > 1) json += ", ";
    json.append("\"").append(name).append("\": ").append(std::to_string(value));
  };
  count("looked_at", selection.looked_at);
  count("accepted", size);
  count("train", lines - validation);
  count("validation", validation);
  count("without_text", selection.without_text);
  count("duplicates", builder.count(core::Verdict::duplicate));
  count("empty", builder.count(core::Verdict::empty_comment) + builder.count(core::Verdict::empty_reply));
  count("too_long", builder.count(core::Verdict::too_long));
  count("special_tokens", builder.count(core::Verdict::special_token));
  count("cleaned", builder.cleaned());
  if (request.by_rating()) {
    count("low_rated", selection.low_rated);
    count("repeated", lines - size);
  }
  if (request.of_pairs()) {
    count("unchanged", builder.count(core::Verdict::same_replies));
    count("from_edits", size - selection.variants);
    count("from_variants", selection.variants);
  }
  return json + "}";
}

// The id.
Datum insert_dataset(const DatasetRequest& request, const Selection& selection) {
  constexpr const char* kInsert = R"(
    INSERT INTO @extschema@.training_datasets AS d
      (organization_id, name, roast_count, validation_count, min_quality_score, include_persona, include_platform_context,
       training_params, report, status, prepared_at)
    VALUES
      ($1, coalesce($2, 'Training dataset ' || to_char(now(), 'YYYY-MM-DD HH24:MI:SS')), $3, $4, $5, $6, $7,
       jsonb_strip_nulls(jsonb_build_object('base_model', $8, 'epochs', $9, 'learning_rate_multiplier', $10,
                                            'method', $11, 'seed', $12, 'batch_size', $13, 'beta', $15::numeric,
                                            'weight_by', $16)),
       $14::jsonb, 'ready', now())
    RETURNING d.id)";
  const core::DatasetBuilder& builder = selection.builder;
  Args args;
  args.datum(UUIDOID, request.organization)
      .datum(TEXTOID, request.name, !request.has_name)
      .bigint(static_cast<std::int64_t>(builder.lines()))
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
      .text(report(request, selection))
      .text_or_null(request.beta)
      .text_or_null(request.weight_by);
  Rows rows = execute(kInsert, std::move(args));
  bool null = false;
  return rows.datum(0, 0, &null);
}

void insert_examples(Datum dataset, const DatasetRequest& request, const std::string& system, Selection& selection) {
  // A database of another encoding may lack characters that the training file has.
  const auto escape = GetDatabaseEncoding() == PG_UTF8 ? core::Escape::utf8 : core::Escape::ascii;
  const core::MessageWriter writer(system, escape);
  ExampleBatch batch(dataset, request.organization, request.of_pairs());
  std::string messages;
  std::string non_preferred;
  for (std::size_t row = 0; auto example = selection.examples.next(); ++row) {
    messages.clear();
    non_preferred.clear();
    writer.append(messages, example->comment, example->platform, example->reply);
    if (request.of_pairs()) core::append_reply(non_preferred, example->non_preferred, escape);
    for (int copy = 0; copy < selection.builder.copies(row); ++copy) {
      batch.add(example->response_id, example->comment_id, selection.builder.is_validation(row), messages,
                non_preferred);
    }
    guarded([] { CHECK_FOR_INTERRUPTS(); });
  }
  batch.flush();
}

Datum prepare_dataset(FunctionCallInfo fcinfo) {
  Spi spi;
  const DatasetRequest request = read_dataset_request(fcinfo);
  const DatasetStatements statements = request.of_pairs() ? pair_statements() : dataset_statements(request.by_rating());
  check_organization(statements, request);
  const std::string system = system_message(statements, request);

  Selection selection(rules_of(request, system));
  select_examples(statements, request, selection);
  check_enough(statements, request, selection);
  selection.builder.assign_split(request.validation_fraction);

  const Datum dataset = insert_dataset(request, selection);
  insert_examples(dataset, request, system, selection);
  Rows row = execute("SELECT d FROM @extschema@.training_datasets AS d WHERE d.id = $1",
                     std::move(Args().datum(UUIDOID, dataset)));
  bool null = false;
  Datum made = row.datum(0, 0, &null);
  return guarded([&] { return SPI_datumTransfer(made, false, -1); });
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_prepare_dataset) {
  return trainer::pg::prepare_dataset(fcinfo);
}

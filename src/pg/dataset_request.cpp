#include "pg/dataset_request.h"

#include "core/hash.h"

extern "C" {
#include <utils/fmgrprotos.h>
#include <utils/uuid.h>
}

namespace trainer::pg {
namespace {

// The arguments, in the order of the function's declaration.
enum Argument {
  kOrganizationId,
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

void read_options(Datum options, DatasetRequest& request) {
  // By name, since the function of version 0.1.0 knows but the first two.
  constexpr const char* kOptionValues =
      "SELECT (o.known ->> 'seed')::bigint, (o.known ->> 'batch_size')::bigint, o.known ->> 'beta',"
      " o.known ->> 'weight_by'"
      " FROM (SELECT to_jsonb(t) AS known FROM @extschema@.trainer_dataset_options($1) AS t) AS o";
  Rows row = execute(kOptionValues, std::move(Args().datum(JSONBOID, options)), Snapshot::statement);
  request.seed = row.bigint(0, 0, default_seed(request.organization));
  if (!row.is_null(0, 1)) request.batch_size = row.bigint(0, 1);
  request.beta = row.text(0, 2);
  request.weight_by = row.text(0, 3);
  if (!request.beta.empty()) check(core::check_option_method("beta", core::kPreference, request.method));
  if (request.by_rating()) check(core::check_option_method("weight_by", core::kSupervised, request.method));
}

}  // namespace

DatasetRequest read_dataset_request(FunctionCallInfo fcinfo) {
  for (int argument = 0; argument < kArguments; ++argument) {
    if (argument != kName && PG_ARGISNULL(argument)) {
      fail({core::Condition::invalid_argument, std::string(kArgumentNames[argument]) + " must not be null", "", ""});
    }
  }
  auto value = [&](Argument argument) { return PG_GETARG_DATUM(argument); };
  DatasetRequest request{};
  request.organization = value(kOrganizationId);
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

}  // namespace trainer::pg

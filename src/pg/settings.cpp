#include "pg/settings.h"

#include <climits>

#include "core/api_key.h"
#include "core/dataset_parameters.h"
#include "core/text.h"
#include "core/url.h"
#include "core/webhook.h"
#include "pg/fault_point.h"
#include "pg/guard.h"

extern "C" {
#include <utils/varlena.h>
}

namespace trainer::pg {
namespace {

char* provider = nullptr;
char* api_base = nullptr;
char* api_ca_file = nullptr;
char* api_key_file = nullptr;
char* api_key_env = nullptr;
char* webhook_allowed_hosts = nullptr;
char* webhook_secret_file = nullptr;
char* instance_name = nullptr;
char* databases = nullptr;
char* plans_with_custom_models = nullptr;
char* organization_id = nullptr;
char* default_base_model = nullptr;
int max_workers = 0;
int max_concurrent_requests = 64;
int poll_interval_ms = 30000;
int request_timeout_ms = 60000;
int connect_timeout_ms = 5000;
int quiet_period_ms = 300000;
int model_grace_period_ms = 900000;
int breaker_cooldown_ms = 30000;
int experiment_interval_ms = 60000;
int max_response_kb = 16384;
int min_training_examples = 100;
int retrain_threshold = 100;
int retrain_cooldown_s = 86400;
int retrain_min_new_examples = 10;
double retrain_margin = 0.05;
double retry_learning_rate_factor = 0.5;
bool auto_deploy = true;
bool rollback_on_regression = true;
bool exemplar_fallback = true;

// A check hook refuses by returning false; the C++ below it must not let anything out.
bool refuse(const char* detail) {
  GUC_check_errdetail("%s", detail);
  return false;
}

// The server's own message quotes the value, and somebody will set the key itself where its file's name belongs.
bool refuse_unquoted(const char* name, const char* detail) {
  GUC_check_errmsg("invalid value for parameter \"%s\"", name);
  return refuse(detail);
}

template <class Check>
bool checked(const char* name, char** value, Check check) {
  if (*value == nullptr || **value == '\0') return true;
  char detail[512] = "The value could not be checked.";
  bool ok = false;
  try {
    if (auto error = check(std::string(*value))) {
      strlcpy(detail, error->detail.c_str(), sizeof(detail));
    } else {
      ok = true;
    }
  } catch (...) {
    ok = false;  // out of memory: refused with the general detail
  }
  return ok ? true : refuse_unquoted(name, detail);
}

bool check_secret_file(const char* name, char** value, GucSource source) {
  if (*value != nullptr && **value != '\0' && **value != '/') {
    return refuse_unquoted(name, "A file is named by its absolute path.");
  }
  if (checked(name, value, [](const std::string& path) { return core::check_key_file(path); })) return true;
  // A file whose mode somebody has changed must not keep the whole server from starting: the worker refuses to read it.
  if (!IsUnderPostmaster && source == PGC_S_FILE) {
    ereport(WARNING,
            (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("%s cannot be used", name),
             GUC_check_errdetail_string != nullptr ? errdetail_internal("%s", GUC_check_errdetail_string) : 0));
    return true;
  }
  return false;
}

bool check_api_key_file(char** value, void**, GucSource source) {
  return check_secret_file("trainer.api_key_file", value, source);
}

bool check_webhook_secret_file(char** value, void**, GucSource source) {
  return check_secret_file("trainer.webhook_secret_file", value, source);
}

bool check_webhook_hosts(char** value, void**, GucSource) {
  return checked("trainer.webhook_allowed_hosts", value,
                 [](const std::string& hosts) { return core::check_webhook_hosts(hosts); });
}

bool check_api_base(char** value, void**, GucSource) {
  return checked("trainer.api_base", value, [](const std::string& url) { return core::check_api_base(url); });
}

bool check_api_ca_file(char** value, void**, GucSource) {
  return *value == nullptr || **value == '\0' || **value == '/' || refuse("A file is named by its absolute path.");
}

bool check_provider(char** value, void**, GucSource) {
  if (*value != nullptr && std::string_view(*value) == "openai") return true;
  return refuse(
      "The only provider so far is \"openai\"; another service with the same wire is reached by trainer.api_base.");
}

bool check_databases(char** value, void**, GucSource) {
  // SplitIdentifierString works in place, and allocates with palloc: at most an SQL error, through frames without
  // destructors.
  List* names = NIL;
  if (SplitIdentifierString(pstrdup(*value), ',', &names)) return true;
  return refuse("This is a list of database names, separated by commas.");
}

bool check_organization_id(char** value, void**, GucSource) {
  if (*value == nullptr || **value == '\0' || core::is_uuid(*value)) return true;
  return refuse("This is a uuid, or empty.");
}

bool check_api_key_env(char** value, void**, GucSource) {
  return checked("trainer.api_key_env", value,
                 [](const std::string& variable) { return core::check_environment_name(variable); });
}

bool check_base_model(char** value, void**, GucSource) {
  if (*value == nullptr || **value == '\0') return refuse("A model is needed that is always there.");
  return checked("trainer.default_base_model", value,
                 [](const std::string& name) { return core::check_base_model(name); });
}

void string_setting(const char* name, const char* description, const char* more, char** variable, const char* initial,
                    GucContext context, int flags, GucStringCheckHook check = nullptr) {
  DefineCustomStringVariable(name, description, more, variable, initial, context, flags, check, nullptr, nullptr);
}

void int_setting(const char* name, const char* description, const char* more, int* variable, int initial, int least,
                 int most, GucContext context, int flags) {
  DefineCustomIntVariable(name, description, more, variable, initial, least, most, context, flags, nullptr, nullptr,
                          nullptr);
}

void define_provider_settings() {
  string_setting("trainer.provider", "Sets the provider that trains and serves the models.", nullptr, &provider,
                 "openai", PGC_SIGHUP, 0, check_provider);
  string_setting("trainer.api_base", "Sets the base URL of the provider's API.",
                 "Empty: the provider's own. Plain http is taken for a loopback address only.", &api_base, "",
                 PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_api_base);
  string_setting("trainer.api_ca_file", "Sets the file with the certificates that the provider's is checked against.",
                 "Empty: the system's.", &api_ca_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_api_ca_file);
  string_setting("trainer.api_key_file", "Sets the file that holds the provider's API key.",
                 "Only the server's user may be able to read it.", &api_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
                 check_api_key_file);
  string_setting("trainer.api_key_env", "Sets the name of the server's environment variable that holds the API key.",
                 "Used when trainer.api_key_file is empty.", &api_key_env, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
                 check_api_key_env);
  int_setting("trainer.request_timeout", "Sets the time that one request to the provider may take.", nullptr,
              &request_timeout_ms, 60000, 100, 3600000, PGC_SIGHUP, GUC_UNIT_MS);
  int_setting("trainer.connect_timeout", "Sets the time that a connection to the provider may take.", nullptr,
              &connect_timeout_ms, 5000, 100, 600000, PGC_SIGHUP, GUC_UNIT_MS);
  int_setting("trainer.max_response_size", "Sets the size that an answer of the provider may have.", nullptr,
              &max_response_kb, 16384, 64, 1048576, PGC_SIGHUP, GUC_UNIT_KB);
}

void define_webhook_settings() {
  string_setting("trainer.webhook_allowed_hosts",
                 "Sets the hosts that notifications may be sent to, separated by commas.",
                 "With the port where it is not 443. Plain http is taken for a loopback address only.",
                 &webhook_allowed_hosts, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_webhook_hosts);
  string_setting("trainer.webhook_secret_file",
                 "Sets the file that holds the secret by which notifications are signed.",
                 "Only the server's user may be able to read it.", &webhook_secret_file, "", PGC_SIGHUP,
                 GUC_SUPERUSER_ONLY, check_webhook_secret_file);
}

void define_worker_settings() {
  string_setting("trainer.instance_name", "Sets the name of this server among its copies.",
                 "A copy of the server's files that is started with another name starts paused.", &instance_name, "",
                 PGC_SIGHUP, 0);
  string_setting("trainer.databases", "Sets the databases that get a worker, separated by commas.",
                 "Empty: every database that has the extension.", &databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
                 check_databases);
  int_setting("trainer.max_concurrent_requests",
              "Sets the number of requests that one database's worker has in flight.", nullptr,
              &max_concurrent_requests, 64, 1, 4096, PGC_SIGHUP, 0);
  int_setting("trainer.poll_interval", "Sets the time between two looks at a job.", nullptr, &poll_interval_ms, 30000,
              10, 86400000, PGC_SIGHUP, GUC_UNIT_MS);
  int_setting("trainer.reconcile_quiet_period",
              "Sets how long a request whose answer was lost is looked for before it is sent again.",
              "Longer than the provider's lists may lag and a request may linger on the way.", &quiet_period_ms, 300000,
              100, 86400000, PGC_SIGHUP, GUC_UNIT_MS);
  int_setting("trainer.model_grace_period", "Sets how long a new model may take until it answers.", nullptr,
              &model_grace_period_ms, 900000, 0, 86400000, PGC_SIGHUP, GUC_UNIT_MS);
  // Shared memory is sized by it, so it exists only where the library is preloaded.
  if (process_shared_preload_libraries_in_progress) {
    int_setting("trainer.max_workers", "Sets the number of databases that may have a worker at a time.", nullptr,
                &max_workers, 8, 1, 256, PGC_POSTMASTER, 0);
  }
}

void define_serving_settings() {
  string_setting("trainer.default_base_model", "Sets the model that replies where no custom model does.", nullptr,
                 &default_base_model, "gpt-4o", PGC_SUSET, 0, check_base_model);
  int_setting("trainer.breaker_cooldown", "Sets how long a model that keeps failing is passed over.",
              "Then one session asks it again.", &breaker_cooldown_ms, 30000, 100, 86400000, PGC_SIGHUP, GUC_UNIT_MS);
  DefineCustomBoolVariable("trainer.rollback_on_regression",
                           "Sets whether the former model serves again when the one that serves has become worse.",
                           "Else it is only told.", &rollback_on_regression, true, PGC_SUSET, 0, nullptr, nullptr,
                           nullptr);
  int_setting("trainer.experiment_interval", "Sets how often running experiments are looked at.",
              "Looking often makes no decision wrong.", &experiment_interval_ms, 60000, 100, 86400000, PGC_SIGHUP,
              GUC_UNIT_MS);
}

void define_retraining_settings() {
  int_setting("trainer.retrain_threshold", "Sets how much feedback on a model has it trained anew.",
              "0 switches retraining off.", &retrain_threshold, 100, 0, INT_MAX, PGC_SIGHUP, 0);
  int_setting("trainer.retrain_cooldown", "Sets the time between two trainings of an organization.",
              "Of those that begin by themselves.", &retrain_cooldown_s, 86400, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S);
  int_setting("trainer.retrain_min_new_examples", "Sets how many examples must be new for a retraining.", nullptr,
              &retrain_min_new_examples, 10, 0, INT_MAX, PGC_SIGHUP, 0);
  DefineCustomRealVariable("trainer.retrain_margin",
                           "Sets by how much a new version may be worse than the one that serves, and replace it.",
                           "Of the score, from 0 to 1, and as a part of the validation loss.", &retrain_margin, 0.05, 0,
                           1, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
}

void define_training_settings() {
  int_setting("trainer.min_training_examples", "Sets the default least number of examples of a dataset.", nullptr,
              &min_training_examples, 100, 10, INT_MAX, PGC_USERSET, 0);
  string_setting("trainer.plans_with_custom_models", "Sets the plans that include custom models, separated by commas.",
                 nullptr, &plans_with_custom_models, "plus,creator_plus,custom", PGC_SUSET, GUC_LIST_INPUT);
  string_setting("trainer.organization_id", "Sets the organization whose rows a session of an app sees.",
                 "Of roles that trainer_grant() has let in without an expression of their own.", &organization_id, "",
                 PGC_USERSET, 0, check_organization_id);
  DefineCustomBoolVariable("trainer.auto_deploy", "Sets whether a model that answers goes live by itself.", nullptr,
                           &auto_deploy, true, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("trainer.exemplar_fallback",
                           "Sets whether a model that the provider refuses to train becomes an exemplar model.",
                           nullptr, &exemplar_fallback, true, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomRealVariable("trainer.retry_learning_rate_factor",
                           "Sets the factor on the learning rate when a failed job is tried once more.",
                           "0 switches the automatic retry off.", &retry_learning_rate_factor, 0.5, 0, 1, PGC_SIGHUP, 0,
                           nullptr, nullptr, nullptr);
}

std::chrono::milliseconds ms(int value) {
  return std::chrono::milliseconds(value);
}
std::string text_of(const char* value) {
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

void define_settings() {
  define_provider_settings();
  define_webhook_settings();
  define_worker_settings();
  define_training_settings();
  define_retraining_settings();
  define_serving_settings();
#ifdef TRAINER_TEST
  define_fault_setting();
#endif
  MarkGUCPrefixReserved("trainer");
}

Settings current_settings() {
  Settings s;
  s.provider = text_of(provider);
  s.api_base = text_of(api_base);
  s.api_ca_file = text_of(api_ca_file);
  s.api_key_file = text_of(api_key_file);
  s.api_key_env = text_of(api_key_env);
  s.webhook_allowed_hosts = text_of(webhook_allowed_hosts);
  s.webhook_secret_file = text_of(webhook_secret_file);
  s.instance_name = text_of(instance_name);
  s.max_concurrent_requests = max_concurrent_requests;
  s.poll_interval = ms(poll_interval_ms);
  s.request_timeout = ms(request_timeout_ms);
  s.connect_timeout = ms(connect_timeout_ms);
  s.quiet_period = ms(quiet_period_ms);
  s.model_grace_period = ms(model_grace_period_ms);
  s.breaker_cooldown = ms(breaker_cooldown_ms);
  s.experiment_interval = ms(experiment_interval_ms);
  s.default_base_model = text_of(default_base_model);
  s.max_response_kb = max_response_kb;
  s.retry_learning_rate_factor = retry_learning_rate_factor;
  s.auto_deploy = auto_deploy;
  return s;
}

bool database_is_wanted(const std::string& name) {
  const char* setting = databases == nullptr ? "" : databases;
  List* names = guarded([&] {
    List* parts = NIL;
    return SplitIdentifierString(pstrdup(setting), ',', &parts) ? parts : NIL;
  });
  ListCell* cell = nullptr;
  foreach (cell, names) {
    if (name == static_cast<const char*>(lfirst(cell))) return true;
  }
  return names == NIL;
}

int max_workers_setting() {
  return max_workers;
}

}  // namespace trainer::pg

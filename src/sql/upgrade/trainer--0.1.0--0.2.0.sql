\echo Use "ALTER EXTENSION trainer UPDATE TO '0.2.0'" to load this file. \quit

-- What changed in src/sql/ since 0.1.0, which is frozen in src/sql/released/, but for what the build puts in the place of the lines
-- that say "include": all functions, and files that are new as a whole; and 90_privileges.sql at the end. The upgraded catalogs equal a fresh installation's.

SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);  -- as 00_header.sql has it

CREATE TABLE @extschema@.trainer_grants (
  role name PRIMARY KEY,
  role_oid oid NOT NULL,
  level text NOT NULL CHECK (level IN ('app', 'analyst', 'admin', 'monitor')),
  organization text,
  CHECK ((level = 'app') = (organization IS NOT NULL))
);
COMMENT ON TABLE @extschema@.trainer_grants IS 'the roles that were let in, written by trainer_grant()';
COMMENT ON COLUMN @extschema@.trainer_grants.role IS 'by name: a dump may come to a server without the role';
COMMENT ON COLUMN @extschema@.trainer_grants.role_oid IS 'the role that was meant: another that takes the name later has nothing';
COMMENT ON COLUMN @extschema@.trainer_grants.organization IS 'of an app: the SQL expression that gives the organization of a session';
ALTER TABLE @extschema@.trainer_grants ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_grants', '');

ALTER TABLE @extschema@.trainer_pricing
  ADD base_input numeric CHECK (base_input >= 0), ADD base_cached numeric CHECK (base_cached >= 0), ADD base_output numeric CHECK (base_output >= 0);
COMMENT ON COLUMN @extschema@.trainer_pricing.input IS 'inference on a model that was tuned from this one';
COMMENT ON COLUMN @extschema@.trainer_pricing.base_input IS 'inference on the model itself';
UPDATE @extschema@.trainer_pricing AS p SET base_input = seed.input, base_cached = seed.cached, base_output = seed.output
FROM (VALUES
  ('gpt-4.1-2025-04-14', 2.00, 0.50, 8.00),
  ('gpt-4.1-mini-2025-04-14', 0.40, 0.10, 1.60),
  ('gpt-4.1-nano-2025-04-14', 0.10, 0.025, 0.40),
  ('gpt-4o-2024-08-06', 2.50, 1.25, 10.00),
  ('gpt-4o-mini-2024-07-18', 0.15, 0.075, 0.60)
) AS seed (model, input, cached, output) WHERE p.seeded AND p.model OPERATOR(pg_catalog.=) seed.model;

CREATE TABLE @extschema@.trainer_generations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  comment_id uuid NOT NULL,
  response_id uuid,
  custom_model_id uuid,
  rung text NOT NULL CHECK (rung IN ('fine_tuned', 'exemplar', 'base')),
  reason text NOT NULL,
  model text NOT NULL,
  prompt_tokens integer CHECK (prompt_tokens >= 0),
  cached_tokens integer CHECK (cached_tokens >= 0),
  completion_tokens integer CHECK (completion_tokens >= 0),
  cost_cents numeric CHECK (cost_cents >= 0 AND cost_cents < 'Infinity'),
  response_time_ms integer NOT NULL CHECK (response_time_ms >= 0),
  withheld boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_generations (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.trainer_generations (organization_id, created_at);
CREATE UNIQUE INDEX trainer_generations_response ON @extschema@.trainer_generations (organization_id, response_id);
COMMENT ON TABLE @extschema@.trainer_generations IS 'one row a reply: which model wrote it, why that one, what it cost and how long it took';
COMMENT ON COLUMN @extschema@.trainer_generations.response_id IS 'the app''s response that it became; null until somebody says so';
COMMENT ON COLUMN @extschema@.trainer_generations.custom_model_id IS 'null: the base model';
COMMENT ON COLUMN @extschema@.trainer_generations.cost_cents IS 'in US cents, a fraction of one; null when the model has no price';
COMMENT ON COLUMN @extschema@.trainer_generations.response_time_ms IS 'of the request that was answered; those that failed before it are not counted';
COMMENT ON COLUMN @extschema@.trainer_generations.withheld IS 'paid for and not used: the provider''s filter held it back, or it was empty';

-- Nobody is granted more than to read it: a row says what is paid for, and in whose name the reply is written.
CREATE TABLE @extschema@.trainer_generation_requests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  comment_id uuid NOT NULL,
  response_id uuid NOT NULL,
  requested_by name NOT NULL,
  role_oid oid NOT NULL,
  state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'sending', 'writing', 'done', 'failed')),
  temperature double precision NOT NULL,
  max_tokens integer NOT NULL,
  rungs json,
  rung integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  lost integer NOT NULL DEFAULT 0,
  reason text NOT NULL,
  response_text text,
  generation_id uuid,
  last_error text,
  due_at timestamptz NOT NULL DEFAULT now(),
  attempt integer NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX trainer_generation_requests_due ON @extschema@.trainer_generation_requests (due_at)
  WHERE state IN ('ready', 'sending', 'writing');
CREATE INDEX trainer_generation_requests_turn ON @extschema@.trainer_generation_requests (organization_id, due_at)
  WHERE state IN ('ready', 'sending', 'writing');
CREATE INDEX ON @extschema@.trainer_generation_requests (organization_id, comment_id);
COMMENT ON TABLE @extschema@.trainer_generation_requests IS 'replies that were asked for in the background, one row each';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.response_id IS 'the id that the reply has, or will have, among the app''s responses';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.requested_by IS 'who asked: the reply is written with the rights of this role, as long as it has role_oid too';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.state IS
  'ready: to be asked for; sending: under way; writing: the text is there, and waits for the app''s table to take it';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.rungs IS 'what each model would be asked, the best first; nothing once one has answered';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.rung IS 'the one that is asked, from 0';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.tries IS 'at this rung; of a reply that waits to be written: to write it';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.lost IS 'times that it was under way and nothing was recorded of it: the worker died';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.response_text IS 'a reply that the app''s table has not taken';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.due_at IS 'when it is next looked at: of a claimed one the end of its lease';

-- A counter that nobody waits for: its value is the sum of its rows.
CREATE TABLE @extschema@.trainer_model_usage (
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  replies bigint NOT NULL CHECK (replies > 0),
  time_ms bigint NOT NULL CHECK (time_ms >= 0),
  priced bigint NOT NULL CHECK (priced BETWEEN 0 AND replies),
  cost_cents numeric NOT NULL CHECK (cost_cents >= 0),
  folded boolean NOT NULL DEFAULT false,
  -- A session's row is of one reply: no app's rows add up to what a column cannot hold.
  CHECK (folded OR replies = 1 AND time_ms <= 86400000 AND cost_cents < 100000),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_model_usage (organization_id, custom_model_id);
CREATE INDEX trainer_model_usage_new ON @extschema@.trainer_model_usage (custom_model_id) WHERE NOT folded;
COMMENT ON TABLE @extschema@.trainer_model_usage IS 'replies of each model, their time and cost: the sum of its rows, which the worker folds into one';
COMMENT ON COLUMN @extschema@.trainer_model_usage.priced IS 'replies whose cost is known';

ALTER TABLE @extschema@.model_feedback
  DROP CONSTRAINT model_feedback_organization_id_custom_model_id_fkey,
  DROP CONSTRAINT IF EXISTS model_feedback_feedback_type_check, DROP CONSTRAINT IF EXISTS model_feedback_rating_check,
  DROP CONSTRAINT IF EXISTS model_feedback_quality_score_check, DROP CONSTRAINT IF EXISTS model_feedback_humor_effectiveness_check,
  DROP CONSTRAINT IF EXISTS model_feedback_edit_has_text,
  ADD edit_distance real, ADD xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX model_feedback_uncounted ON @extschema@.model_feedback (xid);
COMMENT ON COLUMN @extschema@.model_feedback.custom_model_id IS
  'the model that wrote the response, of the same organization; kept by triggers, since a foreign key would have all writers lock one row; null: the base model';
COMMENT ON COLUMN @extschema@.model_feedback.edit_distance IS
  'of an edit: Levenshtein''s distance by the length of the longer text, 0 (the same) to 1 (another altogether); of the first 1,000 characters';
COMMENT ON COLUMN @extschema@.model_feedback.xid IS 'the transaction that wrote the row: by it the row is counted once';
-- include src/sql/12_feedback_tables.sql
-- include src/sql/13_retraining_tables.sql
CREATE UNIQUE INDEX model_feedback_once ON @extschema@.model_feedback (organization_id, (metadata ->> 'idempotency_key'))
  WHERE metadata ? 'idempotency_key';

ALTER TABLE @extschema@.custom_models
  ADD kind text NOT NULL DEFAULT 'fine_tuned' CHECK (kind IN ('fine_tuned', 'exemplar')),
  DROP CONSTRAINT custom_models_active_has_model,
  ADD CONSTRAINT custom_models_active_has_model CHECK (NOT is_active OR kind = 'exemplar' OR fine_tuned_model_id IS NOT NULL);
COMMENT ON COLUMN @extschema@.custom_models.kind IS 'fine_tuned: trained by the provider; exemplar: examples that are shown to base_model';

-- include src/sql/14_variants_table.sql

CREATE INDEX ON @extschema@.training_examples (response_id);
CREATE INDEX ON @extschema@.training_examples (comment_id);
ALTER TABLE @extschema@.custom_models
  ADD erased_at timestamptz,
  ADD CONSTRAINT custom_models_active_not_erased CHECK (NOT is_active OR erased_at IS NULL);
-- include src/sql/16_experiment_tables.sql
-- include src/sql/18_drift_tables.sql
-- include src/sql/19_budget_tables.sql
-- include src/sql/19_metric_tables.sql
-- include src/sql/19_notification_tables.sql
COMMENT ON COLUMN @extschema@.custom_models.erased_at IS 'when its deletion at the provider was asked for: it serves no more';
ALTER TABLE @extschema@.trainer_operations
  DROP CONSTRAINT trainer_operations_kind_check,
  ADD CONSTRAINT trainer_operations_kind_check
    CHECK (kind IN ('upload_training_file', 'upload_validation_file', 'create_job', 'poll_job', 'fetch_result',
                    'verify_model', 'cancel_job', 'pause_job', 'resume_job', 'sweep_duplicates', 'delete_file', 'delete_model'));

CREATE TABLE @extschema@.trainer_exemplars (
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  ordinal integer NOT NULL CHECK (ordinal > 0),
  comment text NOT NULL,
  prompt text NOT NULL,
  reply text NOT NULL,
  response_id uuid,
  comment_id uuid,
  PRIMARY KEY (custom_model_id, ordinal),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_exemplars (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_exemplars IS 'the examples of the exemplar models';
COMMENT ON COLUMN @extschema@.trainer_exemplars.prompt IS 'the user''s turn, as it is shown to the chat model';

CREATE TABLE @extschema@.trainer_exemplar_terms (
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  term text NOT NULL,
  examples integer NOT NULL CHECK (examples > 0),
  ordinals integer[] NOT NULL,
  PRIMARY KEY (custom_model_id, term),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_exemplar_terms (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_exemplar_terms IS 'in which examples of an exemplar model a word occurs';

ALTER TABLE @extschema@.training_examples ADD non_preferred json;
COMMENT ON COLUMN @extschema@.training_examples.messages IS 'the chat messages, byte for byte as they are uploaded; of a preference pair the last one is the preferred reply';
COMMENT ON COLUMN @extschema@.training_examples.non_preferred IS 'of a preference pair: a list of one message, the reply that the other is preferred over; else null';

-- The key by which one roast is known, so that a file may be loaded twice.
CREATE FUNCTION @extschema@.trainer_reference_key(organization_id uuid, category text, comment text, roast text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT md5(concat_ws(E'\x01', coalesce($1::text, ''), coalesce($2, ''), coalesce($3, ''), $4)) $$;
COMMENT ON FUNCTION @extschema@.trainer_reference_key(uuid, text, text, text) IS 'equal for equal reference roasts';

CREATE TABLE @extschema@.trainer_reference_roasts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid,
  category text,
  comment text,
  roast text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  match_text text NOT NULL GENERATED ALWAYS AS (lower(left(coalesce(comment, roast), 1000))) STORED
);
CREATE INDEX ON @extschema@.trainer_reference_roasts (organization_id);
CREATE INDEX ON @extschema@.trainer_reference_roasts (category, id);
CREATE INDEX ON @extschema@.trainer_reference_roasts (md5(match_text));
CREATE UNIQUE INDEX trainer_reference_roasts_once ON @extschema@.trainer_reference_roasts
  (@extschema@.trainer_reference_key(organization_id, category, comment, roast));
COMMENT ON TABLE @extschema@.trainer_reference_roasts IS 'comments and replies collected by hand: how to reply';
COMMENT ON COLUMN @extschema@.trainer_reference_roasts.organization_id IS 'null: everybody''s';
COMMENT ON COLUMN @extschema@.trainer_reference_roasts.comment IS 'null: a reply that stands by itself';
COMMENT ON COLUMN @extschema@.trainer_reference_roasts.match_text IS 'what a comment is compared with: the first 1,000 characters, of which an index''s row has room for all trigrams';
-- What is used of pg_trgm, bound to wherever it lives: nothing else looks for a name in that schema.
DO $$
DECLARE
  trgm name := (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm');
BEGIN
  EXECUTE format('CREATE FUNCTION @extschema@.trainer_similarity(text, text) RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE '
                 'RETURN %I.similarity($1, $2)', trgm);
  EXECUTE format('CREATE FUNCTION @extschema@.trainer_text_distance(text, text) RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE '
                 'RETURN $1 OPERATOR(%I.<->) $2', trgm);
  EXECUTE format('CREATE INDEX ON @extschema@.trainer_reference_roasts USING gist (match_text %I.gist_trgm_ops)', trgm);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_similarity(text, text) IS 'share of common trigrams, 0 to 1: pg_trgm''s similarity()';
COMMENT ON FUNCTION @extschema@.trainer_text_distance(text, text) IS '1 - similarity, which an index on the text can order by: pg_trgm''s <->';

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['trainer_generations', 'trainer_generation_requests', 'trainer_model_usage', 'trainer_reference_roasts', 'trainer_exemplars', 'trainer_exemplar_terms'] LOOP
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', table_name);
    PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('@extschema@.%I', table_name)::pg_catalog.regclass, '');
  END LOOP;
END $$;

COMMENT ON COLUMN @extschema@.trainer_operations.misses IS 'times in a row that the provider did not show what was looked for; of a sweep, looks in a row that were answered, or, below zero, that failed';

-- They have other columns, which fit a terminal.
DROP VIEW @extschema@.trainer_progress, @extschema@.trainer_models, @extschema@.trainer_operations_pending, @extschema@.trainer_events;
DROP FUNCTION @extschema@.trainer_worker_status();
-- It returns more.
DROP FUNCTION @extschema@.trainer_dataset_options(jsonb);
-- They have one argument more.
DROP FUNCTION @extschema@.trainer_attach(regclass, regclass, regclass, regclass, regclass, jsonb);
DROP FUNCTION @extschema@.trainer_attach_relations(jsonb, jsonb);

-- include .deps/functions.sql
-- include src/sql/70_views.sql

CREATE TRIGGER trainer_meet_operation BEFORE INSERT ON @extschema@.trainer_operations
  FOR EACH ROW WHEN (NEW.created_at OPERATOR(pg_catalog.<>) pg_catalog.now())
  EXECUTE FUNCTION @extschema@.trainer_meet_operation();
CREATE TRIGGER trainer_meet_operation BEFORE INSERT ON @extschema@.trainer_generation_requests
  FOR EACH ROW WHEN (NEW.created_at OPERATOR(pg_catalog.<>) pg_catalog.now())
  EXECUTE FUNCTION @extschema@.trainer_meet_operation();
ALTER TABLE @extschema@.trainer_operations ENABLE ALWAYS TRIGGER trainer_meet_operation;
ALTER TABLE @extschema@.trainer_generation_requests ENABLE ALWAYS TRIGGER trainer_meet_operation;
CREATE TRIGGER trainer_keep_live_models BEFORE TRUNCATE ON @extschema@.custom_models
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_live_models();
CREATE TRIGGER trainer_keep_live_models BEFORE TRUNCATE ON @extschema@.trainer_operations
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_live_models();
CREATE TRIGGER trainer_keep_live_operation BEFORE DELETE ON @extschema@.trainer_operations
  FOR EACH ROW WHEN (OLD.state OPERATOR(pg_catalog.=) ANY (ARRAY['ready', 'sending', 'reconcile', 'checking']))
  EXECUTE FUNCTION @extschema@.trainer_keep_live_operation();

-- include src/sql/42_notification_triggers.sql
-- include src/sql/69_feedback_triggers.sql
-- include src/sql/74_experiment_triggers.sql
-- include src/sql/79_metrics_view.sql
-- include src/sql/79_budget_triggers.sql
-- What trainings have cost before there was a ledger.
INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, custom_model_id, counts_at)
SELECT m.organization_id, 'training', 'settled', m.training_cost_cents, m.id, coalesce(m.training_completed_at, m.created_at)
FROM @extschema@.custom_models AS m WHERE m.training_cost_cents OPERATOR(pg_catalog.>) 0;
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR UPDATE OR DELETE ON @extschema@.trainer_bindings
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.trainer_bindings ENABLE ALWAYS TRIGGER trainer_tell_sessions;
CREATE TRIGGER trainer_tell_sessions_of_new AFTER INSERT ON @extschema@.custom_models
  FOR EACH ROW WHEN (NEW.is_active OR NEW.kind = 'exemplar') EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
CREATE TRIGGER trainer_tell_sessions_of_change AFTER UPDATE ON @extschema@.custom_models
  FOR EACH ROW WHEN ((OLD.is_active OR NEW.is_active OR OLD.kind = 'exemplar' OR NEW.kind = 'exemplar')
    AND (OLD.id, OLD.organization_id, OLD.version, OLD.kind, OLD.is_active, OLD.verified_at, OLD.base_model, OLD.fine_tuned_model_id, OLD.training_dataset_id)
      IS DISTINCT FROM
        (NEW.id, NEW.organization_id, NEW.version, NEW.kind, NEW.is_active, NEW.verified_at, NEW.base_model, NEW.fine_tuned_model_id, NEW.training_dataset_id))
  EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
CREATE TRIGGER trainer_tell_sessions_of_loss AFTER DELETE ON @extschema@.custom_models
  FOR EACH ROW WHEN (OLD.is_active OR OLD.kind = 'exemplar') EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
CREATE TRIGGER trainer_tell_sessions_of_change AFTER UPDATE ON @extschema@.training_datasets
  FOR EACH ROW WHEN ((OLD.include_persona, OLD.include_platform_context) IS DISTINCT FROM (NEW.include_persona, NEW.include_platform_context))
  EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.custom_models ENABLE ALWAYS TRIGGER trainer_tell_sessions_of_new;
ALTER TABLE @extschema@.custom_models ENABLE ALWAYS TRIGGER trainer_tell_sessions_of_change;
ALTER TABLE @extschema@.custom_models ENABLE ALWAYS TRIGGER trainer_tell_sessions_of_loss;
ALTER TABLE @extschema@.training_datasets ENABLE ALWAYS TRIGGER trainer_tell_sessions_of_change;

-- A database that is bound already gets the foreign keys and triggers of trainer_attach().
UPDATE @extschema@.trainer_bindings SET foreign_keys = '{}';
SELECT @extschema@.trainer_bind_foreign_keys();
SELECT @extschema@.trainer_bind_triggers();
-- The worker has been waiting for this.
SELECT @extschema@.trainer_wake_worker();

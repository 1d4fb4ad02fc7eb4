\echo Use "CREATE EXTENSION trainer" to load this file. \quit

-- Nothing here is granted to PUBLIC. Tables get row-level security when they are made, functions lose PUBLIC's EXECUTE at the
-- end of the script (90_privileges.sql).
-- Tables. Every tenant-owned row carries organization_id, and foreign keys between tenant tables carry it too.

CREATE TABLE @extschema@.training_datasets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  name varchar(255) NOT NULL,
  description text,
  roast_count integer NOT NULL DEFAULT 0 CHECK (roast_count >= 0),
  validation_count integer NOT NULL DEFAULT 0 CHECK (validation_count BETWEEN 0 AND roast_count),
  min_quality_score numeric NOT NULL DEFAULT 0.7 CHECK (min_quality_score BETWEEN 0 AND 1),
  include_persona boolean NOT NULL DEFAULT true,
  include_platform_context boolean NOT NULL DEFAULT true,
  training_params jsonb NOT NULL DEFAULT '{}',
  report jsonb NOT NULL DEFAULT '{}',
  status varchar(20) NOT NULL DEFAULT 'preparing'
    CHECK (status IN ('preparing', 'ready', 'training', 'completed', 'failed')),
  prepared_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, id)
);
COMMENT ON TABLE @extschema@.training_datasets IS 'one immutable snapshot of training examples and the parameters they are trained with';
COMMENT ON COLUMN @extschema@.training_datasets.roast_count IS 'examples in the dataset, both splits';
COMMENT ON COLUMN @extschema@.training_datasets.validation_count IS 'examples of the validation split';
COMMENT ON COLUMN @extschema@.training_datasets.training_params IS 'base_model, epochs, learning_rate_multiplier, method and what else the job is created with';
COMMENT ON COLUMN @extschema@.training_datasets.report IS 'how many candidates were looked at, and why each of the others was left out';

CREATE TABLE @extschema@.training_examples (
  dataset_id uuid NOT NULL,
  ordinal integer NOT NULL CHECK (ordinal > 0),
  organization_id uuid NOT NULL,
  split text NOT NULL CHECK (split IN ('train', 'validation')),
  response_id uuid,
  comment_id uuid,
  messages json NOT NULL,
  PRIMARY KEY (dataset_id, ordinal),
  FOREIGN KEY (organization_id, dataset_id) REFERENCES @extschema@.training_datasets (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.training_examples (organization_id, dataset_id);
COMMENT ON TABLE @extschema@.training_examples IS 'the examples of a dataset, newest first';
COMMENT ON COLUMN @extschema@.training_examples.messages IS 'the chat messages, byte for byte as they are uploaded';

CREATE TABLE @extschema@.custom_models (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  name varchar(255) NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  base_model varchar(256) NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating', 'succeeded',
                      'deployed', 'failed', 'cancelled', 'retired')),
  -- the job
  training_dataset_id uuid,
  parent_model_id uuid,
  suffix varchar(64),
  training_file_id text,
  validation_file_id text,
  provider_job_id text UNIQUE,
  provider_status text,
  fine_tuned_model_id varchar(255),
  learning_rate_multiplier double precision CHECK (learning_rate_multiplier > 0),
  retries integer NOT NULL DEFAULT 0,
  cancel_requested_at timestamptz,
  training_started_at timestamptz,
  training_completed_at timestamptz,
  training_duration_seconds integer,
  estimated_finish timestamptz,
  current_step integer,
  total_steps integer,
  error_sqlstate text,
  error_code text,
  error_message text,
  -- what it learned
  training_loss numeric,
  validation_loss numeric,
  training_examples integer,
  trained_tokens bigint,
  -- what it does
  avg_response_time_ms integer,
  quality_score numeric(3,2),
  user_approval_rate numeric(3,2),
  is_active boolean NOT NULL DEFAULT false,
  verified_at timestamptz,
  deployed_at timestamptz,
  -- what it costs
  training_cost_cents numeric CHECK (training_cost_cents >= 0),
  inference_cost_per_roast_cents numeric CHECK (inference_cost_per_roast_cents >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, version),
  FOREIGN KEY (organization_id, training_dataset_id) REFERENCES @extschema@.training_datasets (organization_id, id),
  FOREIGN KEY (organization_id, parent_model_id) REFERENCES @extschema@.custom_models (organization_id, id),
  CONSTRAINT custom_models_active_has_model CHECK (NOT is_active OR fine_tuned_model_id IS NOT NULL)
) WITH (fillfactor = 80);  -- progress is written often, and no index covers it: room for HOT updates
CREATE UNIQUE INDEX custom_models_one_active ON @extschema@.custom_models (organization_id) WHERE is_active;
CREATE INDEX ON @extschema@.custom_models (organization_id, training_dataset_id);
CREATE INDEX ON @extschema@.custom_models (organization_id, parent_model_id);
COMMENT ON TABLE @extschema@.custom_models IS 'every version of every organization''s model: its job, what it learned, what it does and what it costs';
COMMENT ON COLUMN @extschema@.custom_models.provider_job_id IS 'the job at the provider; fine_tuned_model_id is only ever a model';
COMMENT ON COLUMN @extschema@.custom_models.provider_status IS 'the provider''s word for the state of the job, verbatim';
COMMENT ON COLUMN @extschema@.custom_models.training_cost_cents IS 'from trained_tokens and trainer_pricing, in US cents';
COMMENT ON COLUMN @extschema@.custom_models.inference_cost_per_roast_cents IS 'mean cost of a reply, in US cents; a fraction of one';

CREATE TABLE @extschema@.model_feedback (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid,
  response_id uuid,
  feedback_type varchar(20) NOT NULL CHECK (feedback_type IN ('approved', 'rejected', 'edited', 'regenerated')),
  original_roast text,
  edited_roast text,
  rating smallint CHECK (rating BETWEEN 1 AND 5),
  quality_score numeric(3,2) CHECK (quality_score BETWEEN 0 AND 1),
  tone_match boolean,
  humor_effectiveness numeric(3,2) CHECK (humor_effectiveness BETWEEN 0 AND 1),
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT model_feedback_edit_has_text CHECK (feedback_type <> 'edited' OR edited_roast IS NOT NULL),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id)
);
CREATE INDEX ON @extschema@.model_feedback (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.model_feedback (response_id, feedback_type);
COMMENT ON TABLE @extschema@.model_feedback IS 'one row a verdict on a response';

CREATE TABLE @extschema@.trainer_bindings (
  role text PRIMARY KEY CHECK (role IN ('organizations', 'comments', 'responses', 'quality', 'persona')),
  relation regclass NOT NULL,
  columns jsonb NOT NULL,
  foreign_keys text[] NOT NULL DEFAULT '{}',
  triggers text[] NOT NULL DEFAULT '{}',
  attached_by regrole NOT NULL,
  attached_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE @extschema@.trainer_bindings IS 'the app''s tables that the extension is bound to, written by trainer_attach()';
COMMENT ON COLUMN @extschema@.trainer_bindings.columns IS 'our name of each column: the app''s name of it';

CREATE TABLE @extschema@.trainer_pricing (
  model text NOT NULL,
  valid_from date NOT NULL,
  training numeric NOT NULL CHECK (training >= 0),
  input numeric NOT NULL CHECK (input >= 0),
  cached numeric CHECK (cached >= 0),
  output numeric NOT NULL CHECK (output >= 0),
  source text,
  seeded boolean NOT NULL DEFAULT false,
  PRIMARY KEY (model, valid_from)
);
COMMENT ON TABLE @extschema@.trainer_pricing IS 'prices of models in US dollars per 1,000,000 tokens; the newest row that is valid counts';
COMMENT ON COLUMN @extschema@.trainer_pricing.seeded IS 'came with the extension: not dumped; correct it by a row with a later valid_from';

-- The outbox. due_at of a claimed operation is the end of its lease; of a poll, simply the next poll.
CREATE TABLE @extschema@.trainer_operations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  kind text NOT NULL
    CHECK (kind IN ('upload_training_file', 'upload_validation_file', 'create_job', 'poll_job', 'fetch_result',
                    'verify_model', 'cancel_job', 'pause_job', 'resume_job', 'sweep_duplicates', 'delete_file')),
  state text NOT NULL DEFAULT 'ready'
    CHECK (state IN ('ready', 'sending', 'reconcile', 'checking', 'done', 'failed', 'cancelled')),
  argument text,
  due_at timestamptz NOT NULL DEFAULT now(),
  attempt integer NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0,
  sent_at timestamptz,
  misses integer NOT NULL DEFAULT 0,
  last_delivery text,
  last_http_status integer,
  last_code text,
  last_error text,
  last_request_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX trainer_operations_due ON @extschema@.trainer_operations (due_at)
  WHERE state IN ('ready', 'sending', 'reconcile', 'checking');
CREATE INDEX trainer_operations_turn ON @extschema@.trainer_operations (organization_id, due_at)
  WHERE state IN ('ready', 'sending', 'reconcile', 'checking');
CREATE INDEX ON @extschema@.trainer_operations (organization_id, custom_model_id);
-- A model has one operation of a kind under way, whoever asks for it and how often.
CREATE UNIQUE INDEX trainer_operations_once ON @extschema@.trainer_operations (custom_model_id, kind, coalesce(argument, ''))
  WHERE state IN ('ready', 'sending', 'reconcile', 'checking');
COMMENT ON TABLE @extschema@.trainer_operations IS 'the outbox: what the worker has to do at the provider, one row a call';
COMMENT ON COLUMN @extschema@.trainer_operations.id IS 'also the token that the provider echoes, by which a call whose answer was lost is found again';
COMMENT ON COLUMN @extschema@.trainer_operations.due_at IS 'when it is next looked at: of a claimed operation the end of its lease';
COMMENT ON COLUMN @extschema@.trainer_operations.epoch IS 'the incarnation of the worker that claimed it';
COMMENT ON COLUMN @extschema@.trainer_operations.misses IS 'times in a row that the provider did not show what was looked for';
COMMENT ON COLUMN @extschema@.trainer_operations.sent_at IS 'when it may last have been sent';

CREATE TABLE @extschema@.trainer_event_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL,
  custom_model_id uuid,
  kind text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_event_log (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_event_log IS 'what happened to each model, in the order it was recorded';

CREATE TABLE @extschema@.trainer_training_metrics (
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  provider_job_id text NOT NULL,
  step integer NOT NULL,
  train_loss double precision,
  train_accuracy double precision,
  valid_loss double precision,
  valid_accuracy double precision,
  full_valid_loss double precision,
  PRIMARY KEY (custom_model_id, provider_job_id, step),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_training_metrics (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_training_metrics IS 'losses of a job by step, from its events and its result file';

-- The provider's ids need to be unique within a job only.
CREATE TABLE @extschema@.trainer_checkpoints (
  id text NOT NULL,
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  model text NOT NULL,
  step integer NOT NULL,
  train_loss double precision,
  valid_loss double precision,
  full_valid_loss double precision,
  PRIMARY KEY (custom_model_id, id),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_checkpoints (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_checkpoints IS 'models that the provider kept along the way, one an epoch';

CREATE TABLE @extschema@.trainer_provider_events (
  id text NOT NULL,
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  provider_created_at timestamptz,
  level text,
  type text,
  message text,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (custom_model_id, id),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_provider_events (organization_id, custom_model_id, seq);
COMMENT ON TABLE @extschema@.trainer_provider_events IS 'the provider''s own log of each job';

-- One row. Which server this installation belongs to: a clone or a restored dump must not spend money.
CREATE TABLE @extschema@.trainer_installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  system_identifier bigint,
  database_oid oid,
  instance_name text,
  epoch bigint NOT NULL DEFAULT 0,
  paused boolean NOT NULL DEFAULT false,
  paused_reason text
);
COMMENT ON TABLE @extschema@.trainer_installation IS 'the server that this installation belongs to, and whether its worker is paused; written by the worker''s first start';
COMMENT ON COLUMN @extschema@.trainer_installation.epoch IS 'incarnation of the worker; an older one''s results are not recorded';

-- A restored dump brings the row of the database that it was taken from, and the worker may have begun the moment the
-- extension was there. Where the two meet, this database is the copy; the tokens of what is under way hold the first one's id.
CREATE FUNCTION @extschema@.trainer_meet_installation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE @extschema@.trainer_installation i
    SET id = NEW.id, paused = true, paused_reason = coalesce(NEW.paused_reason, 'the database was restored from a dump');
  IF FOUND THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_meet_installation() IS
  'pauses a worker that has begun before the dump of another database was restored under it';
CREATE TRIGGER trainer_meet_installation BEFORE INSERT ON @extschema@.trainer_installation
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_meet_installation();

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['training_datasets', 'training_examples', 'custom_models', 'model_feedback',
    'trainer_operations', 'trainer_event_log', 'trainer_training_metrics', 'trainer_checkpoints', 'trainer_provider_events',
    'trainer_bindings', 'trainer_pricing', 'trainer_installation'] LOOP
    EXECUTE format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', table_name);
    -- What the install script itself inserts must not be in the dump: the restore would insert it twice.
    PERFORM pg_catalog.pg_extension_config_dump(
      format('@extschema@.%I', table_name)::regclass,
      CASE table_name WHEN 'trainer_pricing' THEN 'WHERE NOT seeded' ELSE '' END);
  END LOOP;
  PERFORM pg_catalog.pg_extension_config_dump('@extschema@.trainer_event_log_id_seq', '');
  PERFORM pg_catalog.pg_extension_config_dump('@extschema@.trainer_provider_events_seq_seq', '');
END $$;
-- Prices: the seed, and what is computed from them.

-- Per 1,000,000 tokens: training, and inference on the fine-tuned model. Bases that are billed by the hour are not here.
INSERT INTO @extschema@.trainer_pricing (model, valid_from, training, input, cached, output, source, seeded)
SELECT model, '2026-11-22', training, input, cached, output, 'OpenAI''s price list for fine-tuning, as of 2026-11-22', true
FROM (VALUES
  ('gpt-4.1-2025-04-14', 25.00, 3.00, 0.75, 12.00),
  ('gpt-4.1-mini-2025-04-14', 5.00, 0.80, 0.20, 3.20),
  ('gpt-4.1-nano-2025-04-14', 1.50, 0.20, 0.05, 0.80),
  ('gpt-4o-2024-08-06', 25.00, 3.75, 1.875, 15.00),
  ('gpt-4o-mini-2024-07-18', 3.00, 0.30, 0.15, 1.20),
  ('gpt-3.5-turbo-0125', 8.00, 3.00, NULL, 6.00),
  ('davinci-002', 6.00, 12.00, NULL, 12.00),
  ('babbage-002', 0.40, 1.60, NULL, 1.60)
) AS seed (model, training, input, cached, output);

CREATE FUNCTION @extschema@.trainer_base_snapshot(model text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE base
    WHEN 'gpt-4.1' THEN 'gpt-4.1-2025-04-14'
    WHEN 'gpt-4.1-mini' THEN 'gpt-4.1-mini-2025-04-14'
    WHEN 'gpt-4.1-nano' THEN 'gpt-4.1-nano-2025-04-14'
    WHEN 'gpt-4o' THEN 'gpt-4o-2024-08-06'
    WHEN 'gpt-4o-mini' THEN 'gpt-4o-mini-2024-07-18'
    WHEN 'gpt-3.5-turbo' THEN 'gpt-3.5-turbo-0125'
    ELSE base
  END
  -- A tuned model is named ft:<base>:<organization>:<suffix>:<id>, at Azure <base>.ft-<id>.
  FROM (SELECT CASE WHEN model LIKE 'ft:%' THEN split_part(model, ':', 2)
                    ELSE regexp_replace(model, '[.]ft-[0-9a-f]+$', '') END AS base) AS named
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_snapshot(text) IS
  'the base snapshot that a model''s name, an alias or a tuned model''s name stands for';

CREATE FUNCTION @extschema@.trainer_training_cost_cents(base_model text, trained_tokens bigint) RETURNS numeric
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  -- Dollars per million tokens are cents per ten thousand. Before the first price is valid, the first one is the best known.
  SELECT trim_scale(trained_tokens * training / 10000)
  FROM @extschema@.trainer_pricing
  WHERE @extschema@.trainer_base_snapshot(model) = @extschema@.trainer_base_snapshot(base_model)
  ORDER BY valid_from <= current_date DESC,
           CASE WHEN valid_from <= current_date THEN current_date - valid_from ELSE valid_from - current_date END,
           model = base_model DESC
  LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@.trainer_training_cost_cents(text, bigint) IS
  'exact cost of training on so many tokens, in US cents; null when the model has no price';

CREATE FUNCTION @extschema@.trainer_calculate_training_cost(base_model text, trained_tokens bigint) RETURNS integer
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  cents numeric := @extschema@.trainer_training_cost_cents(base_model, trained_tokens);
BEGIN
  IF trained_tokens < 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = 'number of tokens must not be negative',
      DETAIL = format('The number is %s.', trained_tokens);
  END IF;
  IF cents IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = format('no price is known for training model "%s"', base_model),
      HINT = 'Add a row for it to trainer_pricing.';
  END IF;
  RETURN ceil(cents)::integer;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_calculate_training_cost(text, bigint) IS
  'cost of training on so many tokens, all epochs included, in US cents rounded up';
-- Bind to the app's tables: what they have to look like, trainer_attach() and trainer_detach().

CREATE FUNCTION @extschema@.trainer_host_columns(OUT role text, OUT name text, OUT kind text, OUT need text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('organizations', 'id', 'uuid', 'always'),
    ('organizations', 'plan_id', 'text', 'unless null'),
    ('comments', 'id', 'uuid', 'always'),
    ('comments', 'organization_id', 'uuid', 'always'),
    ('comments', 'original_text', 'text', 'always'),
    ('comments', 'platform', 'text', 'unless null'),
    ('responses', 'id', 'uuid', 'always'),
    ('responses', 'organization_id', 'uuid', 'always'),
    ('responses', 'comment_id', 'uuid', 'always'),
    ('responses', 'response_text', 'text', 'always'),
    ('responses', 'created_at', 'time', 'always'),
    ('quality', 'response_id', 'uuid', 'always'),
    ('quality', 'rqc_score', 'number', 'always'),
    ('persona', 'organization_id', 'uuid', 'always'),
    ('persona', 'lo_que_me_define', 'text', 'if there'),
    ('persona', 'lo_que_no_tolero', 'text', 'if there'),
    ('persona', 'lo_que_me_da_igual', 'text', 'if there'),
    ('persona', 'tone', 'text', 'if there'),
    ('persona', 'custom_style_prompt', 'text', 'if there')
$$;
COMMENT ON FUNCTION @extschema@.trainer_host_columns() IS
  'the columns that each role of the app''s tables has; need: always, unless mapped to JSON null, or used if there';

CREATE FUNCTION @extschema@.trainer_host_foreign_keys(OUT name text, OUT from_table text, OUT from_column text, OUT role text, OUT on_delete text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('training_datasets_host_organization_fkey', 'training_datasets', 'organization_id', 'organizations', 'CASCADE'),
    ('custom_models_host_organization_fkey', 'custom_models', 'organization_id', 'organizations', 'CASCADE'),
    ('model_feedback_host_organization_fkey', 'model_feedback', 'organization_id', 'organizations', 'CASCADE'),
    ('model_feedback_host_response_fkey', 'model_feedback', 'response_id', 'responses', 'SET NULL')
$$;
COMMENT ON FUNCTION @extschema@.trainer_host_foreign_keys() IS
  'the foreign keys to the id of the app''s tables, where those are tables';

CREATE FUNCTION @extschema@.trainer_base_type(type oid) RETURNS oid
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE base (oid, under) AS (
    SELECT t.oid, t.typbasetype FROM pg_type AS t WHERE t.oid = type
    UNION ALL
    SELECT t.oid, t.typbasetype FROM base JOIN pg_type AS t ON t.oid = base.under
  )
  SELECT oid FROM base WHERE under = 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_type(oid) IS 'the type itself, or what a domain is made of';

CREATE FUNCTION @extschema@.trainer_type_fits(type oid, kind text) RETURNS boolean
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE kind
    WHEN 'uuid' THEN oid = 'uuid'::regtype
    WHEN 'text' THEN typcategory = 'S' OR typtype = 'e'
    WHEN 'number' THEN oid IN ('numeric'::regtype, 'double precision'::regtype, 'real'::regtype)
    WHEN 'time' THEN oid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
  END
  FROM pg_type WHERE oid = @extschema@.trainer_base_type(type)
$$;
COMMENT ON FUNCTION @extschema@.trainer_type_fits(oid, text) IS
  'can a column of the type be read as a uuid, text, number or time?';

-- In dotted form whatever the caller's search path.
CREATE FUNCTION @extschema@.trainer_relation_name(relation regclass) RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION @extschema@.trainer_relation_name(regclass) IS 'schema and name, quoted; null when it is gone';

CREATE FUNCTION @extschema@.trainer_live_column(relation regclass, column_name text, OUT attnum smallint, OUT type oid)
RETURNS record
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.attnum, a.atttypid FROM pg_attribute AS a
  WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION @extschema@.trainer_live_column(regclass, text) IS 'number and type of a user''s column';

-- What is wrong with the mapping itself, whatever the tables are.
CREATE FUNCTION @extschema@.trainer_mapping_problems(mapping jsonb) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  role_name text;
  of_role jsonb;
BEGIN
  IF mapping IS NULL OR jsonb_typeof(mapping) <> 'object' THEN
    RETURN NEXT 'columns: not a JSON object';
    RETURN;
  END IF;
  FOR role_name, of_role IN SELECT key, value FROM jsonb_each(mapping) LOOP
    IF NOT EXISTS (SELECT FROM @extschema@.trainer_host_columns() WHERE role = role_name) THEN
      RETURN NEXT format('columns: no such role: %s', role_name);
    ELSIF of_role = 'null' AND role_name IN ('quality', 'persona') THEN
      CONTINUE;  -- not bound at all
    ELSIF jsonb_typeof(of_role) <> 'object' THEN
      RETURN NEXT format('columns: the mapping of %s is not a JSON object', role_name);
    ELSE
      RETURN QUERY
        SELECT CASE
          WHEN host.name IS NULL THEN format('columns: %s has no column %s to map', role_name, given.key)
          WHEN given.value = 'null' THEN format('columns: %s.%s cannot be left out', role_name, given.key)
          ELSE format('columns: %s.%s is not mapped to a name', role_name, given.key)
        END
        FROM jsonb_each(of_role) AS given
        LEFT JOIN @extschema@.trainer_host_columns() AS host ON host.role = role_name AND host.name = given.key
        WHERE host.name IS NULL
           OR (given.value = 'null' AND host.need = 'always')
           OR jsonb_typeof(given.value) NOT IN ('string', 'null');
    END IF;
  END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_mapping_problems(jsonb) IS 'what is wrong with the argument "columns" of trainer_attach()';

CREATE FUNCTION @extschema@.trainer_resolved_columns(of_role text, relation regclass, mapping jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_object_agg(host.name, coalesce(mapping ->> host.name, host.name)), '{}')
  FROM @extschema@.trainer_host_columns() AS host
  WHERE host.role = of_role
    AND CASE
      WHEN coalesce(mapping, '{}') ? host.name THEN mapping ->> host.name IS NOT NULL
      WHEN host.need = 'if there' THEN (@extschema@.trainer_live_column(relation, host.name)).attnum IS NOT NULL
      ELSE true
    END
$$;
COMMENT ON FUNCTION @extschema@.trainer_resolved_columns(text, regclass, jsonb) IS
  'our name of each column that is used: the app''s name of it';

-- kind: fit (the relation is not what it has to be) or privilege (the caller may not read it).
CREATE FUNCTION @extschema@.trainer_binding_problems(of_role text, relation regclass, columns jsonb, OUT kind text, OUT problem text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  shown text := @extschema@.trainer_relation_name($2);
  class pg_class;
BEGIN
  SELECT * INTO class FROM pg_class WHERE oid = $2;
  kind := 'fit';
  IF NOT FOUND THEN
    problem := format('%s: the relation with OID %s does not exist', $1, $2::oid);
  ELSIF class.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
    problem := format('%s: %s is not a table or a view', $1, shown);
  ELSIF class.relpersistence = 't' THEN
    problem := format('%s: %I is temporary', $1, class.relname);
  ELSIF $1 = 'persona' AND $3 - 'organization_id' = '{}' THEN
    problem := format('persona: %s has none of the columns that describe one', shown);
  END IF;
  IF problem IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  RETURN QUERY
    SELECT 'fit', CASE WHEN live.attnum IS NULL
      THEN format('%s.%s: no such column in %s%s', $1, host.name, shown,
                  CASE WHEN $3 ->> host.name <> host.name THEN format(': %s', $3 ->> host.name) END)
      ELSE format('%s.%s: %s.%I is of type %s, not %s', $1, host.name, shown, $3 ->> host.name, format_type(live.type, NULL),
                  CASE host.kind WHEN 'number' THEN 'numeric or double precision' WHEN 'time' THEN 'timestamptz' ELSE host.kind END)
      END
    FROM @extschema@.trainer_host_columns() WITH ORDINALITY AS host (role, name, kind, need, position)
    CROSS JOIN LATERAL @extschema@.trainer_live_column($2, $3 ->> host.name) AS live
    WHERE host.role = $1 AND $3 ? host.name
      AND (live.attnum IS NULL OR NOT @extschema@.trainer_type_fits(live.type, host.kind))
    ORDER BY host.position;

  IF NOT has_schema_privilege(class.relnamespace, 'USAGE') THEN
    RETURN QUERY SELECT 'privilege', format('%s: no USAGE on the schema of %s', $1, shown);
  END IF;
  RETURN QUERY
    SELECT 'privilege', format('%s: no SELECT on %s (%s)', $1, shown, string_agg(bound.value, ', ' ORDER BY bound.key))
    FROM jsonb_each_text($3) AS bound
    CROSS JOIN LATERAL @extschema@.trainer_live_column($2, bound.value) AS live
    WHERE live.attnum IS NOT NULL AND NOT has_column_privilege($2, live.attnum, 'SELECT')
    HAVING count(*) > 0;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_binding_problems(text, regclass, jsonb) IS
  'why a relation cannot be bound to a role by these columns; no rows when it can';

-- A foreign key needs a permanent table with a unique index on the column alone.
CREATE FUNCTION @extschema@.trainer_can_be_referenced(relation regclass, column_name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_class AS c
    JOIN pg_index AS i ON i.indrelid = c.oid
    WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
      AND i.indkey[0] = (@extschema@.trainer_live_column(relation, column_name)).attnum)
$$;
COMMENT ON FUNCTION @extschema@.trainer_can_be_referenced(regclass, text) IS 'can a foreign key of ours point at the column?';

CREATE FUNCTION @extschema@.trainer_drop_host_foreign_key(name text, from_table text, unless_to regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  from_relation regclass := format('@extschema@.%I', from_table)::regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = from_relation AND conname = name AND contype = 'f'
               AND confrelid IS DISTINCT FROM unless_to) THEN
    EXECUTE format('ALTER TABLE @extschema@.%I DROP CONSTRAINT %I', from_table, name);
  END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_drop_host_foreign_key(text, text, regclass) IS
  'drops a foreign key to the app''s tables, if there is one and it points elsewhere';

-- Makes the foreign keys what the bindings ask for, and notes them there.
CREATE FUNCTION @extschema@.trainer_bind_foreign_keys() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key record;
BEGIN
  FOR key IN
    SELECT host.*, b.relation, b.columns ->> 'id' AS id,
           coalesce(@extschema@.trainer_can_be_referenced(b.relation, b.columns ->> 'id'), false) AS possible
    FROM @extschema@.trainer_host_foreign_keys() AS host LEFT JOIN @extschema@.trainer_bindings AS b USING (role)
  LOOP
    PERFORM @extschema@.trainer_drop_host_foreign_key(key.name, key.from_table, CASE WHEN key.possible THEN key.relation END);
    CONTINUE WHEN NOT key.possible;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = format('@extschema@.%I', key.from_table)::regclass
                     AND conname = key.name) THEN
      EXECUTE format('ALTER TABLE @extschema@.%I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I) ON DELETE %s',
        key.from_table, key.name, key.from_column, @extschema@.trainer_relation_name(key.relation), key.id, key.on_delete);
    END IF;
    UPDATE @extschema@.trainer_bindings SET foreign_keys = foreign_keys || key.name WHERE role = key.role;
  END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_bind_foreign_keys() IS 'makes the foreign keys to the app''s tables what the bindings ask for';

CREATE FUNCTION @extschema@.trainer_attach_relations(given jsonb, mapping jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  problems text[];
BEGIN
  -- Two at a time would each see half of the other's work.
  LOCK TABLE @extschema@.trainer_bindings IN SHARE ROW EXCLUSIVE MODE;
  problems := ARRAY(
    SELECT * FROM @extschema@.trainer_mapping_problems($2)
    UNION ALL
    SELECT format('%s: no relation of this name in the search path', role)
    FROM unnest(ARRAY['organizations', 'comments', 'responses']) AS role WHERE given ->> role IS NULL
    UNION ALL
    SELECT format('%s: no relation to map the columns of', role)
    FROM unnest(ARRAY['quality', 'persona']) AS role WHERE given ->> role IS NULL AND jsonb_typeof($2 -> role) = 'object'
    UNION ALL
    SELECT found.problem
    FROM unnest(ARRAY['organizations', 'comments', 'responses', 'quality', 'persona']) AS role
    CROSS JOIN LATERAL (SELECT (given ->> role)::oid AS oid) AS relation
    CROSS JOIN LATERAL @extschema@.trainer_binding_problems(
      role, relation.oid, @extschema@.trainer_resolved_columns(role, relation.oid, $2 -> role)) AS found
    WHERE relation.oid IS NOT NULL AND $2 -> role IS DISTINCT FROM 'null');
  IF problems <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'host tables do not fit',
      DETAIL = array_to_string(problems, E'\n'),
      HINT = 'Name other tables or columns, for example trainer_attach(responses => ''app.replies'', '
             'columns => ''{"responses": {"response_text": "body"}, "organizations": {"plan_id": null}}''); '
             'null stands for a column that the app does not have.';
  END IF;

  DELETE FROM @extschema@.trainer_bindings;
  INSERT INTO @extschema@.trainer_bindings (role, relation, columns, attached_by)
    SELECT key, value::oid, @extschema@.trainer_resolved_columns(key, value::oid, $2 -> key), quote_ident(current_user)::regrole
    FROM jsonb_each_text(given) WHERE value IS NOT NULL AND $2 -> key IS DISTINCT FROM 'null';
  PERFORM @extschema@.trainer_bind_foreign_keys();
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_attach_relations(jsonb, jsonb) IS
  'trainer_attach() once the relations are known: the OID of each role''s relation, or null';

-- Here, and only here, the caller's search path counts: it finds the relations that are not named. The body is bound to our
-- functions when it is created, so that no path can put others in their place.
CREATE FUNCTION @extschema@.trainer_attach(
  organizations regclass DEFAULT NULL, comments regclass DEFAULT NULL, responses regclass DEFAULT NULL,
  quality regclass DEFAULT NULL, persona regclass DEFAULT NULL, columns jsonb DEFAULT '{}')
RETURNS TABLE (role text, relation regclass, columns jsonb, foreign_keys text[], triggers text[])
LANGUAGE sql
BEGIN ATOMIC
  SELECT @extschema@.trainer_attach_relations(
    pg_catalog.jsonb_build_object(
      'organizations', coalesce($1, pg_catalog.to_regclass('organizations'))::pg_catalog.oid,
      'comments', coalesce($2, pg_catalog.to_regclass('comments'))::pg_catalog.oid,
      'responses', coalesce($3, pg_catalog.to_regclass('responses'))::pg_catalog.oid,
      'quality', coalesce($4, pg_catalog.to_regclass('roast_metadata'))::pg_catalog.oid,
      'persona', coalesce($5, pg_catalog.to_regclass('roastr_persona'))::pg_catalog.oid),
    $6);
  SELECT b.role, b.relation, b.columns, b.foreign_keys, b.triggers
  FROM @extschema@.trainer_bindings AS b
  ORDER BY pg_catalog.array_position('{organizations,comments,responses,quality,persona}'::pg_catalog.text[], b.role);
END;
COMMENT ON FUNCTION @extschema@.trainer_attach(regclass, regclass, regclass, regclass, regclass, jsonb) IS
  'binds the extension to the app''s tables or views; null: the default name, by the search path; changes nothing on error';

CREATE FUNCTION @extschema@.trainer_detach() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  LOCK TABLE @extschema@.trainer_bindings IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM @extschema@.trainer_bindings;
  SELECT @extschema@.trainer_bind_foreign_keys();
$$;
COMMENT ON FUNCTION @extschema@.trainer_detach() IS 'undoes trainer_attach(): removes the foreign keys and triggers; data stays';
-- What trainer_check() says of the binding.

-- Is there an index on these columns first, in this order, that can be read newest first?
CREATE FUNCTION @extschema@.trainer_has_index(relation regclass, column_names text[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    CROSS JOIN LATERAL (
      SELECT bool_and(i.indkey[n - 1] = (@extschema@.trainer_live_column(relation, column_names[n])).attnum) AS fits,
             -- Of the columns behind the first: all ascending or all descending, nulls where the server puts them by default.
             count(DISTINCT i.indoption[n - 1]) FILTER (WHERE n > 1) <= 1
               AND coalesce(bool_and(i.indoption[n - 1] IN (0, 3)) FILTER (WHERE n > 1), true) AS sorted
      FROM generate_series(1, cardinality(column_names)) AS n) AS keys
    WHERE i.indrelid = relation AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts >= cardinality(column_names)
      AND keys.fits AND keys.sorted)
$$;
COMMENT ON FUNCTION @extschema@.trainer_has_index(regclass, text[]) IS
  'does the relation have an index that begins with these columns, sorted alike behind the first?';

-- Indexes that keep the building of a dataset flat however many rows there are. Those of views are their tables' affair.
CREATE FUNCTION @extschema@.trainer_check_indexes()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'index on ' || wanted.role, found, CASE WHEN found THEN 'There is one on ' ELSE 'There is none on ' END || shown || '.',
         CASE WHEN NOT found THEN format('CREATE INDEX ON %s (%s);', b.relation_name, shown_columns) END
  FROM (VALUES
    (1, 'comments', ARRAY['id']),
    (2, 'responses', ARRAY['organization_id', 'created_at', 'id']),
    (3, 'quality', ARRAY['response_id'])) AS wanted (position, role, names)
  JOIN (SELECT role, relation, columns, @extschema@.trainer_relation_name(relation) AS relation_name
        FROM @extschema@.trainer_bindings) AS b USING (role)
  JOIN pg_class AS c ON c.oid = b.relation AND c.relkind IN ('r', 'p', 'm')
  CROSS JOIN LATERAL (
    SELECT array_agg(b.columns ->> n ORDER BY i) AS app_columns,
           string_agg(format('%I', b.columns ->> n) || CASE WHEN i > 1 THEN ' DESC' ELSE '' END, ', ' ORDER BY i) AS shown_columns
    FROM unnest(wanted.names) WITH ORDINALITY AS name (n, i)) AS app
  CROSS JOIN LATERAL (
    SELECT @extschema@.trainer_has_index(b.relation, app_columns) AS found,
           format('%s (%s)', b.relation_name, shown_columns) AS shown) AS result
  ORDER BY wanted.position
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_indexes() IS 'do the bound tables have the indexes that datasets are built by?';

CREATE FUNCTION @extschema@.trainer_check_binding()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  again CONSTANT text := 'Run trainer_attach() again with the arguments that it was run with.';
  problems text;
  missing text;
BEGIN
  IF NOT EXISTS (SELECT FROM @extschema@.trainer_bindings) THEN
    RETURN QUERY SELECT 'binding', false, 'The extension is not bound to the app''s tables.', 'Run SELECT * FROM trainer_attach().';
    RETURN;
  END IF;

  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS b
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(b.role, b.relation, b.columns) AS p WHERE p.kind = 'fit';
  RETURN QUERY SELECT 'binding', problems IS NULL, coalesce(problems, 'The app''s tables fit.'),
    CASE WHEN problems IS NOT NULL THEN 'Run trainer_attach() again with what the tables and columns are called now.' END;

  -- They are constraints of our tables, and pg_dump leaves the definitions of an extension's tables to the extension.
  SELECT string_agg(k.name, ', ') INTO missing
  FROM @extschema@.trainer_bindings AS b
  JOIN @extschema@.trainer_host_foreign_keys() AS k USING (role)
  WHERE @extschema@.trainer_can_be_referenced(b.relation, b.columns ->> 'id')
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = format('@extschema@.%I', k.from_table)::regclass
                      AND c.conname = k.name AND c.confrelid = b.relation);
  RETURN QUERY SELECT 'foreign keys', missing IS NULL,
    coalesce('Missing: ' || missing || '. A restored dump comes without them.', 'All that the app''s tables allow are there.'),
    CASE WHEN missing IS NOT NULL THEN again END;

  RETURN QUERY SELECT * FROM @extschema@.trainer_check_indexes();

  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS b
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(b.role, b.relation, b.columns) AS p WHERE p.kind = 'privilege';
  RETURN QUERY SELECT 'privileges', problems IS NULL, coalesce(problems, format('Role %I may read the app''s tables.', current_user)),
    CASE WHEN problems IS NOT NULL THEN format('GRANT what is missing to %I.', current_user) END;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_binding() IS 'the rows of trainer_check() about the app''s tables';
-- Datasets: from the bound tables to examples (the work is done by src/pg/dataset.cpp), and what can be asked of them.

CREATE FUNCTION @extschema@.trainer_dataset_options(options jsonb, OUT seed bigint, OUT batch_size integer) RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key text;
  value jsonb;
  most numeric;
  least numeric;
BEGIN
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options are not a JSON object';
  END IF;
  FOR key, value IN SELECT * FROM jsonb_each(options) LOOP
    CASE key
      WHEN 'seed' THEN least := 0; most := 2147483647;
      WHEN 'batch_size' THEN least := 1; most := 256;
      ELSE
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', key),
          HINT = 'The options are seed and batch_size.';
    END CASE;
    IF jsonb_typeof(value) <> 'number' OR value::numeric <> trunc(value::numeric) OR value::numeric NOT BETWEEN least AND most THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is out of range', key),
        DETAIL = format('It must be a whole number between %s and %s.', least, most);
    END IF;
  END LOOP;
  seed := (options -> 'seed')::bigint;
  batch_size := (options -> 'batch_size')::integer;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_options(jsonb) IS 'the options of trainer_prepare_dataset(), checked';

-- The one place where statements over the app's tables are written: from regclasses and names that exist, quoted.
-- Parameters: $1 organization; of candidates $2 least score, $3 row limit, $4 and $5 where the last page ended.
CREATE FUNCTION @extschema@.trainer_dataset_statements(
  OUT organization text, OUT persona text, OUT candidates text, OUT more_candidates text, OUT scored text)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb;        -- role: relation, columns
  problems text;
  good text;
  rejected text;
  body text;
  score_type regtype;
BEGIN
  SELECT jsonb_object_agg(role, jsonb_build_object('relation', @extschema@.trainer_relation_name(relation), 'columns', columns))
    INTO b FROM @extschema@.trainer_bindings;
  IF b IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'extension is not bound to the app''s tables',
      HINT = 'Run SELECT * FROM trainer_attach().';
  END IF;
  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS bound
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(bound.role, bound.relation, bound.columns) AS p
  WHERE p.kind = 'fit';
  IF problems IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'host tables no longer fit', DETAIL = problems,
      HINT = 'Run trainer_attach() with what the tables and columns are called now.';
  END IF;
  IF NOT b ? 'quality' THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'no quality scores are bound',
      DETAIL = 'Examples are chosen by the quality score of a response.',
      HINT = 'Name the table or view that holds the scores, for example trainer_attach(quality => ''app.reviews'').';
  END IF;

  SELECT @extschema@.trainer_base_type((@extschema@.trainer_live_column(relation, columns ->> 'rqc_score')).type)
    INTO score_type FROM @extschema@.trainer_bindings WHERE role = 'quality';

  organization := format('SELECT FROM %s AS o WHERE o.%I = $1', b #>> '{organizations,relation}', b #>> '{organizations,columns,id}');

  IF b ? 'persona' THEN
    -- Should an organization have two, the same one is found each time.
    SELECT format('SELECT %s FROM %s AS p WHERE p.%I = $1 ORDER BY 1, 2, 3, 4, 5 LIMIT 1',
                  string_agg(CASE WHEN b #> ARRAY['persona', 'columns', name] IS NULL THEN 'NULL::text'
                                  ELSE format('p.%I::text', b #>> ARRAY['persona', 'columns', name]) END,
                             ', ' ORDER BY position),
                  b #>> '{persona,relation}', b #>> '{persona,columns,organization_id}')
      INTO persona
      FROM unnest('{lo_que_me_define,lo_que_no_tolero,lo_que_me_da_igual,tone,custom_style_prompt}'::text[])
        WITH ORDINALITY AS of_persona (name, position);
  END IF;

  -- A response with several scores is good when one of them is: they have no date by which one would be the last, and the veto
  -- is the rejection. The score is compared in its own type, or 0.7 as real would be below 0.7; NaN is above every number.
  good := format('EXISTS (SELECT FROM %1$s AS q WHERE q.%2$I = r.%3$I AND q.%4$I >= $2::%5$s AND q.%4$I < ''NaN''::%5$s)',
    b #>> '{quality,relation}', b #>> '{quality,columns,response_id}', b #>> '{responses,columns,id}',
    b #>> '{quality,columns,rqc_score}', score_type);
  rejected := format('EXISTS (SELECT FROM @extschema@.model_feedback AS f WHERE f.response_id = r.%I AND f.organization_id = $1 '
                     'AND f.feedback_type = ''rejected'')', b #>> '{responses,columns,id}');
  scored := format('SELECT count(*), count(*) FILTER (WHERE %s) FROM %s AS r WHERE r.%I = $1 AND %s',
    rejected, b #>> '{responses,relation}', b #>> '{responses,columns,organization_id}', good);

  body := format(
    'SELECT r.%1$I, r.%2$I, c.%3$I, c.%4$I::text, %5$s, coalesce(e.edited_roast, r.%6$I::text) '
    'FROM %7$s AS r '
    'JOIN %8$s AS c ON c.%3$I = r.%9$I AND c.%10$I = $1 '
    'LEFT JOIN LATERAL (SELECT f.edited_roast FROM @extschema@.model_feedback AS f '
      'WHERE f.response_id = r.%2$I AND f.organization_id = $1 AND f.feedback_type = ''edited'' '
      'ORDER BY f.created_at DESC, f.id DESC LIMIT 1) AS e ON true '
    'WHERE r.%11$I = $1 AND r.%1$I IS NOT NULL AND %12$s AND NOT %13$s',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}', b #>> '{comments,columns,id}',
    b #>> '{comments,columns,original_text}',
    CASE WHEN b #> '{comments,columns,platform}' IS NULL THEN 'NULL::text'
         ELSE format('c.%I::text', b #>> '{comments,columns,platform}') END,
    b #>> '{responses,columns,response_text}', b #>> '{responses,relation}', b #>> '{comments,relation}',
    b #>> '{responses,columns,comment_id}', b #>> '{comments,columns,organization_id}',
    b #>> '{responses,columns,organization_id}', good, rejected);
  candidates := body || format(' ORDER BY r.%1$I DESC, r.%2$I DESC LIMIT $3',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}');
  more_candidates := body || format(' AND (r.%1$I, r.%2$I) < ($4, $5) ORDER BY r.%1$I DESC, r.%2$I DESC LIMIT $3',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}');
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_statements() IS
  'the statements over the app''s tables that a dataset is built with; TR008 when those are not bound or no longer fit';

CREATE FUNCTION @extschema@.trainer_prepare_dataset(
  organization_id uuid, name text DEFAULT NULL, min_quality_score numeric DEFAULT 0.7, base_model text DEFAULT 'gpt-4o',
  epochs integer DEFAULT 3, learning_rate_multiplier numeric DEFAULT 0.1, include_persona boolean DEFAULT true,
  include_platform_context boolean DEFAULT true, max_examples integer DEFAULT 1000,
  min_examples integer DEFAULT
    coalesce(nullif(pg_catalog.current_setting('trainer.min_training_examples', true), ''), '100')::pg_catalog.int4,
  validation_fraction numeric DEFAULT 0.1, method text DEFAULT 'supervised', options jsonb DEFAULT '{}')
RETURNS @extschema@.training_datasets
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_prepare_dataset';
COMMENT ON FUNCTION @extschema@.trainer_prepare_dataset(
  uuid, text, numeric, text, integer, numeric, boolean, boolean, integer, integer, numeric, text, jsonb) IS
  'makes a dataset of an organization''s newest good responses; TR001 when there are too few';

CREATE FUNCTION @extschema@.trainer_known_dataset(dataset_id uuid) RETURNS @extschema@.training_datasets
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_dataset @extschema@.training_datasets;
BEGIN
  SELECT * INTO found_dataset FROM @extschema@.training_datasets AS d WHERE d.id = dataset_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'no_data_found',
      MESSAGE = format('training dataset %s does not exist', coalesce(dataset_id::text, 'NULL')),
      HINT = 'Make one with trainer_prepare_dataset().';
  END IF;
  RETURN found_dataset;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_known_dataset(uuid) IS 'the dataset; an error when there is none';

CREATE FUNCTION @extschema@.trainer_known_split(split text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF split IN ('train', 'validation') THEN
    RETURN split;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
    MESSAGE = format('split %s is not known', coalesce('"' || split || '"', 'NULL')),
    HINT = 'The splits are train and validation.';
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_known_split(text) IS 'the split; an error when it is not one';

-- Line breaks of JSON that was edited by hand stand between tokens, never in strings, so a space is as good.
CREATE FUNCTION @extschema@.trainer_dataset_jsonl(dataset_id uuid, split text DEFAULT 'train') RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT '{"messages":' || replace(replace(e.messages::text, E'\n', ' '), E'\r', ' ') || '}'
  FROM @extschema@.training_examples AS e
  WHERE e.dataset_id = (SELECT id FROM @extschema@.trainer_known_dataset($1))
    AND e.split = (SELECT @extschema@.trainer_known_split($2))
  ORDER BY e.ordinal
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_jsonl(uuid, text) IS
  'the lines of the training or validation file, byte for byte as uploaded but for the line feed at the end of each';
-- Is a dataset fit to be uploaded, and what would training on it cost? Examples may have been edited by hand since they were made,
-- so any JSON is looked at without failing.

CREATE FUNCTION @extschema@.trainer_max_example_tokens(model text) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_max_example_tokens';
COMMENT ON FUNCTION @extschema@.trainer_max_example_tokens(text) IS 'tokens of one example behind which the provider cuts it off';

CREATE FUNCTION @extschema@.trainer_estimated_tokens(bytes bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_estimated_tokens';
COMMENT ON FUNCTION @extschema@.trainer_estimated_tokens(bigint) IS 'tokens of a text of so many bytes, estimated';

-- The server cannot read the JSON escapes of U+0000, of half a surrogate pair, or of what its encoding lacks; nothing that is
-- checked depends on characters beyond ASCII. Three bytes for one, as most of them take. To rewrite the longest texts would take more
-- memory than a value may have.
CREATE FUNCTION @extschema@.trainer_readable_json(messages text) RETURNS json
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN octet_length(messages) > 67108864 THEN NULL
    WHEN strpos(messages, E'\\u') = 0 THEN messages::json
    ELSE regexp_replace(messages,
      E'\\\\u(?:0000|00[89a-fA-F][0-9a-fA-F]|0[1-9a-fA-F][0-9a-fA-F]{2}|[1-9a-fA-F][0-9a-fA-F]{3})',
      E'\\\\u003f\\\\u003f\\\\u003f', 'g')::json END
$$;
COMMENT ON FUNCTION @extschema@.trainer_readable_json(text) IS 'the same JSON with ? for escapes that the server may not be able to read; null when it is longer than 64 MB';

CREATE FUNCTION @extschema@.trainer_has_lone_surrogate(messages text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  -- Without escaped backslashes, every backslash that is left begins an escape.
  SELECT CASE WHEN strpos(messages, E'\\ud') = 0 AND strpos(messages, E'\\uD') = 0 THEN false
    ELSE replace(messages, E'\\\\', '') ~ E'\\\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\\\u[dD][c-fC-F])'
      OR replace(messages, E'\\\\', '') ~ E'(?<!\\\\u[dD][89abAB][0-9a-fA-F]{2})\\\\u[dD][c-fC-F]' END
$$;
COMMENT ON FUNCTION @extschema@.trainer_has_lone_surrogate(text) IS 'is half of a surrogate pair escaped in this JSON?';

-- In one statement: a call of a function for each message would take ten times as long. `content` of parts (images) is an array.
CREATE FUNCTION @extschema@.trainer_validate_dataset(dataset_id uuid)
RETURNS TABLE (ordinal integer, response_id uuid, severity text, code text, message text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH dataset AS (
    SELECT id, @extschema@.trainer_max_example_tokens(coalesce(training_params ->> 'base_model', '')) AS token_limit
    FROM @extschema@.trainer_known_dataset($1)),
  example AS NOT MATERIALIZED (
    SELECT e.ordinal, e.response_id, e.comment_id, e.split, e.messages::text AS line
    FROM @extschema@.training_examples AS e WHERE e.dataset_id = (SELECT id FROM dataset)),
  message AS (
    SELECT e.ordinal, e.response_id, m.position, m.value AS json, json_typeof(m.value) AS type,
           json_typeof(m.value -> 'role') AS role_type, m.value ->> 'role' AS role,
           json_typeof(m.value -> 'content') AS content_type, m.value ->> 'content' AS content,
           coalesce(json_typeof(m.value -> 'tool_calls') = 'array' OR json_typeof(m.value -> 'function_call') = 'object', false) AS calls,
           (m.value -> 'weight')::text AS weight
    FROM example AS e
    CROSS JOIN LATERAL (SELECT @extschema@.trainer_readable_json(e.line) AS list OFFSET 0) AS readable
    CROSS JOIN LATERAL json_array_elements(CASE WHEN json_typeof(list) = 'array' THEN list ELSE '[]' END)
      WITH ORDINALITY AS m (value, position)),
  unknown_key AS (
    SELECT m.ordinal, m.response_id, m.position, string_agg(key, ', ' ORDER BY key) AS names
    FROM message AS m CROSS JOIN LATERAL json_object_keys(CASE WHEN m.type = 'object' THEN m.json ELSE '{}' END) AS key
    WHERE key NOT IN ('role', 'content', 'name', 'weight', 'refusal', 'tool_calls', 'tool_call_id', 'function_call')
    GROUP BY m.ordinal, m.response_id, m.position),
  summary AS (
    SELECT m.ordinal, bool_or(role IN ('system', 'developer')) AS has_system, bool_or(role = 'user') AS has_user,
           bool_or(role = 'assistant') AS has_assistant,
           @extschema@.trainer_estimated_tokens(sum(octet_length(content))::bigint) AS tokens
    FROM message AS m GROUP BY m.ordinal),
  file AS (
    -- Each line is wrapped in {"messages":} and ends with a line feed.
    SELECT s.split, count(e.ordinal) AS examples, coalesce(sum(octet_length(e.line) + 14), 0) AS bytes
    FROM (VALUES ('train'), ('validation')) AS s (split) LEFT JOIN example AS e USING (split) GROUP BY s.split),
  problem AS (
    SELECT m.ordinal, m.response_id, 'error' AS severity, p.code, format('message %s %s', m.position, p.problem) AS problem
    FROM message AS m
    CROSS JOIN LATERAL (VALUES
      (m.type <> 'object', 'data_type', 'is not an object'),
      (m.type = 'object' AND m.role_type IS NULL, 'message_missing_key', 'has no role'),
      (m.type = 'object' AND m.content_type IS NULL AND NOT m.calls, 'message_missing_key', 'has no content'),
      (m.role_type <> 'string' OR m.role NOT IN ('system', 'developer', 'user', 'assistant', 'tool', 'function'),
        'unrecognized_role', 'has a role that does not exist'),
      (NOT m.calls AND (m.content_type NOT IN ('string', 'array') OR m.content IN ('', '[]')), 'missing_content', 'has no text as content'),
      (m.weight NOT IN ('0', '1') OR (m.weight IS NOT NULL AND m.role IS DISTINCT FROM 'assistant'),
        'invalid_weight', 'may have a weight of 0 or 1 only, and only from the assistant'),
      (strpos(m.content, '<|') > 0 AND m.content ~ '<[|][A-Za-z0-9_]+[|]>',
        'special_token', 'contains a special token, which the provider refuses')
    ) AS p (found, code, problem)
    WHERE p.found
    UNION ALL
    SELECT u.ordinal, u.response_id, 'error', 'message_unrecognized_key',
           format('message %s has keys that the provider does not take: %s', u.position, left(u.names, 200))
    FROM unknown_key AS u
    UNION ALL
    SELECT e.ordinal, e.response_id, p.severity, p.code, p.problem
    FROM example AS e
    LEFT JOIN summary AS s USING (ordinal)
    CROSS JOIN LATERAL (VALUES
      (octet_length(e.line) > 67108864, 'error', 'too_large', 'longer than 64 MB, and not looked into'),
      (s.ordinal IS NULL AND octet_length(e.line) <= 67108864, 'error', 'missing_messages_list', 'there is no list of messages'),
      (s.has_assistant IS NOT TRUE AND s.ordinal IS NOT NULL, 'error', 'example_missing_assistant_message', 'no message is from the assistant'),
      (s.has_system IS NOT TRUE AND s.ordinal IS NOT NULL, 'warning', 'missing_system_message', 'no message is from the system'),
      (s.has_user IS NOT TRUE AND s.ordinal IS NOT NULL, 'warning', 'missing_user_message', 'no message is from the user'),
      (s.tokens > (SELECT token_limit FROM dataset), 'warning', 'too_long',
        format('about %s tokens; the provider cuts an example off behind %s', s.tokens, (SELECT token_limit FROM dataset))),
      (strpos(e.line, E'\\u') > 0 AND @extschema@.trainer_has_lone_surrogate(e.line),
        'error', 'invalid_unicode', 'half of a surrogate pair is escaped'),
      (strpos(e.line, E'\\u0000') > 0 AND strpos(replace(e.line, E'\\\\', ''), E'\\u0000') > 0,
        'warning', 'control_character', 'the character U+0000 is escaped')
    ) AS p (found, severity, code, problem)
    WHERE p.found
    UNION ALL
    SELECT e.ordinal, e.response_id, 'error', 'shared_comment', 'an example of the training split answers the same comment'
    FROM example AS e
    WHERE e.split = 'validation'
      AND e.comment_id IN (SELECT t.comment_id FROM example AS t WHERE t.split = 'train' AND t.comment_id IS NOT NULL)
    UNION ALL
    SELECT NULL, NULL, 'error', 'too_few_examples', format('the training split has %s examples; the provider takes no fewer than 10', examples)
    FROM file WHERE split = 'train' AND examples < 10
    UNION ALL
    SELECT NULL, NULL, 'error', 'file_too_large', format('the %s file has %s bytes; the provider takes 536870912', split, bytes)
    FROM file WHERE bytes > 536870912
  )
  SELECT * FROM problem AS p ORDER BY p.ordinal NULLS LAST, p.severity COLLATE "C", p.code COLLATE "C", p.problem COLLATE "C"
$$;
COMMENT ON FUNCTION @extschema@.trainer_validate_dataset(uuid) IS
  'every example that the provider would refuse (error) or treat otherwise than meant (warning), and why; no rows when clean';

CREATE FUNCTION @extschema@.trainer_estimate_training_cost(dataset_id uuid)
RETURNS TABLE (base_model text, training_tokens bigint, epochs integer, billable_tokens bigint, cost_cents numeric, exact boolean, limits jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH dataset AS (
    SELECT d.id, d.training_params ->> 'base_model' AS base_model, (d.training_params ->> 'epochs')::integer AS epochs,
           @extschema@.trainer_max_example_tokens(d.training_params ->> 'base_model') AS token_limit
    FROM @extschema@.trainer_known_dataset($1) AS d),
  example AS (
    SELECT octet_length(e.messages::text) + 14 AS bytes,
           (SELECT @extschema@.trainer_estimated_tokens(sum(octet_length(m.value ->> 'content'))::bigint)
            FROM json_array_elements(CASE WHEN json_typeof(readable) = 'array' THEN readable ELSE '[]' END) AS m) AS tokens
    FROM @extschema@.training_examples AS e
    CROSS JOIN LATERAL @extschema@.trainer_readable_json(e.messages::text) AS readable
    WHERE e.dataset_id = (SELECT id FROM dataset) AND e.split = 'train'),
  total AS (
    SELECT sum(least(coalesce(x.tokens, 0), d.token_limit))::bigint AS tokens, coalesce(sum(x.bytes), 0) AS bytes,
           count(*) FILTER (WHERE x.tokens > d.token_limit) AS over_limit
    FROM dataset AS d LEFT JOIN example AS x ON true)
  SELECT d.base_model, t.tokens, d.epochs, t.tokens * d.epochs,
         @extschema@.trainer_training_cost_cents(d.base_model, t.tokens * d.epochs), false,
         jsonb_build_object('max_example_tokens', d.token_limit, 'examples_over_limit', t.over_limit,
                            'max_file_bytes', 536870912, 'training_file_bytes', t.bytes)
  FROM dataset AS d CROSS JOIN total AS t
$$;
COMMENT ON FUNCTION @extschema@.trainer_estimate_training_cost(uuid) IS
  'what training on the dataset would cost, in US cents, by an estimate of its tokens; validation examples are free';
-- Jobs: submitted, steered and watched in SQL, carried out by the worker.

CREATE FUNCTION @extschema@.trainer_wake_worker() RETURNS boolean
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_wake_worker() IS
  'wakes the database''s worker when the transaction commits; false when this server will not start one';

CREATE FUNCTION @extschema@.trainer_progress_bar(fraction double precision, width integer) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_progress_bar(double precision, integer) IS
  'a bar of so many cells for a fraction from 0 to 1';

CREATE FUNCTION @extschema@.trainer_log_event(organization_id uuid, custom_model_id uuid, kind text, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  payload jsonb := jsonb_build_object('kind', kind, 'organization_id', organization_id,
                                      'custom_model_id', custom_model_id);
BEGIN
  detail := jsonb_strip_nulls(detail);
  INSERT INTO @extschema@.trainer_event_log (organization_id, custom_model_id, kind, detail)
    VALUES (organization_id, custom_model_id, kind, detail);
  -- A payload has less than 8000 bytes; who needs the rest finds it in the row.
  IF octet_length(detail::text) < 7000 THEN
    payload := payload || jsonb_build_object('detail', detail);
  END IF;
  PERFORM pg_notify('trainer', payload::text);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_log_event(uuid, uuid, text, jsonb) IS
  'writes a row of the event log and sends NOTIFY trainer with it';

CREATE FUNCTION @extschema@.trainer_find_model(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
BEGIN
  SELECT * INTO model FROM @extschema@.custom_models WHERE id = custom_model_id FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'The models are listed by SELECT id, name, status FROM custom_models.';
  END IF;
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_find_model(uuid) IS 'the model''s row, locked; an error when there is none';

CREATE FUNCTION @extschema@.trainer_operation_id(custom_model_id uuid, kind text) RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  -- The token of a paid call must be the same on a server that has lost the operation's row and makes it anew.
  SELECT CASE WHEN $2 IN ('upload_training_file', 'upload_validation_file', 'create_job')
              THEN md5(concat_ws('/', $1, $2, (SELECT m.retries FROM @extschema@.custom_models m WHERE m.id = $1)))::uuid
              ELSE gen_random_uuid() END
$$;
COMMENT ON FUNCTION @extschema@.trainer_operation_id(uuid, text) IS
  'the id of a new operation; of a paid call it follows from the model, the kind and the number of retries';

CREATE FUNCTION @extschema@.trainer_add_operation(model @extschema@.custom_models, kind text, argument text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO @extschema@.trainer_operations (id, organization_id, custom_model_id, kind, argument)
    VALUES (@extschema@.trainer_operation_id(model.id, kind), model.organization_id, model.id, kind, argument)
    ON CONFLICT DO NOTHING;
  IF NOT @extschema@.trainer_wake_worker() THEN
    RAISE WARNING 'no trainer worker runs on this server'
      USING DETAIL = 'The request is kept and will be carried out once there is one.',
            HINT = 'Add trainer to shared_preload_libraries, leave room in max_worker_processes, and see trainer_check().';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_operation(@extschema@.custom_models, text, text) IS
  'gives the worker something to do for a model, once the transaction commits';

CREATE FUNCTION @extschema@.trainer_require_plan(organization_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bound @extschema@.trainer_bindings;
  plan text;
  plans text[];
BEGIN
  -- The first C function of a session loads the library: it brings the setting, and drops what was planted under its name.
  PERFORM @extschema@.trainer_progress_bar(0, 1);
  plans := (SELECT array_agg(btrim(name, ' "'))
            FROM unnest(string_to_array(current_setting('trainer.plans_with_custom_models'), ',')) AS name
            WHERE name ~ '[^ "]');
  SELECT * INTO bound FROM @extschema@.trainer_bindings WHERE role = 'organizations';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'trainer is not attached to the app''s tables'
      USING ERRCODE = 'TR008', HINT = 'Run SELECT * FROM trainer_attach().';
  END IF;
  -- The app may have no plans at all; the binding says so by a null.
  IF bound.columns->>'plan_id' IS NULL THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT %I::text FROM %s WHERE %I = $1', bound.columns->>'plan_id', bound.relation,
                 bound.columns->>'id')
    INTO plan USING organization_id;
  IF (plan = ANY (plans)) IS NOT TRUE THEN
    RAISE EXCEPTION 'the organization''s plan does not include custom models'
      USING ERRCODE = 'TR004',
            DETAIL = format('Organization %s has plan %s; the plans with custom models are %s.', organization_id,
                            coalesce(quote_literal(plan), 'none'), coalesce(array_to_string(plans, ', '), 'none')),
            HINT = 'Upgrade the organization''s plan, or add the plan to trainer.plans_with_custom_models.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_plan(uuid) IS 'an error unless the organization''s plan includes custom models';

CREATE FUNCTION @extschema@.trainer_require_new_snapshots() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'could not serialize access due to concurrent update'
      USING ERRCODE = 'serialization_failure', HINT = 'The transaction might succeed if retried.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_new_snapshots() IS
  'an error where trying again in the same transaction would see the same rows for ever';

CREATE FUNCTION @extschema@.trainer_add_model(
  dataset @extschema@.training_datasets, name text, suffix text, parent @extschema@.custom_models)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
  next_version integer;
  violated text;
BEGIN
  LOOP
    SELECT coalesce(max(version), 0) + 1 INTO next_version
      FROM @extschema@.custom_models m WHERE m.organization_id = dataset.organization_id;
    BEGIN
      INSERT INTO @extschema@.custom_models
        (organization_id, name, version, base_model, training_dataset_id, parent_model_id, suffix,
         learning_rate_multiplier, training_examples)
      VALUES
        (dataset.organization_id, coalesce(name, format('Custom model v%s', next_version)), next_version,
         coalesce(parent.fine_tuned_model_id, dataset.training_params->>'base_model'), dataset.id, parent.id, suffix,
         (dataset.training_params->>'learning_rate_multiplier')::double precision,
         dataset.roast_count - dataset.validation_count)
      RETURNING * INTO model;
      RETURN model;
    EXCEPTION WHEN unique_violation THEN
      -- Somebody else has just taken the version: take the next one.
      GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
      IF violated <> 'custom_models_organization_id_version_key' THEN
        RAISE;
      END IF;
      PERFORM @extschema@.trainer_require_new_snapshots();
    END;
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_model(@extschema@.training_datasets, text, text, @extschema@.custom_models) IS
  'a model row with the organization''s next version';

CREATE FUNCTION @extschema@.trainer_submit_training(
  dataset_id uuid, name text DEFAULT NULL, suffix text DEFAULT NULL, parent_model_id uuid DEFAULT NULL)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  dataset @extschema@.training_datasets;
  parent @extschema@.custom_models;
  model @extschema@.custom_models;
  examples bigint;
BEGIN
  SELECT * INTO dataset FROM @extschema@.training_datasets d WHERE d.id = dataset_id FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'training dataset % does not exist', coalesce(dataset_id::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'Make one with trainer_prepare_dataset().';
  END IF;
  IF dataset.status IN ('preparing', 'training') THEN
    RAISE EXCEPTION 'training dataset is %', CASE dataset.status WHEN 'training' THEN 'in training' ELSE 'not ready' END
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Dataset %s has status %s.', dataset.id, dataset.status);
  END IF;
  IF suffix !~ '^[A-Za-z0-9_-]{1,64}$' THEN
    RAISE EXCEPTION 'invalid suffix'
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'A suffix has 1 to 64 characters of A-Z, a-z, 0-9, _ and -.';
  END IF;
  IF name = '' OR char_length(name) > 255 THEN
    RAISE EXCEPTION 'invalid name'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'A name has 1 to 255 characters.';
  END IF;
  PERFORM @extschema@.trainer_require_plan(dataset.organization_id);
  IF parent_model_id IS NOT NULL THEN
    parent := @extschema@.trainer_find_model(parent_model_id);
    IF parent.organization_id <> dataset.organization_id OR parent.fine_tuned_model_id IS NULL THEN
      RAISE EXCEPTION 'cannot train on from the parent model'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'The parent is a trained model of the dataset''s own organization.';
    END IF;
  END IF;

  -- Examples may have been edited by hand since the dataset was made.
  SELECT count(*) INTO examples FROM @extschema@.training_examples e
    WHERE e.organization_id = dataset.organization_id AND e.dataset_id = dataset.id AND e.split = 'train';
  IF examples < 10 THEN
    RAISE EXCEPTION 'insufficient training data'
      USING ERRCODE = 'TR001',
            DETAIL = format('Examples in the training split: %s; the provider takes no fewer than 10.', examples),
            HINT = 'Make another dataset with trainer_prepare_dataset().';
  END IF;

  model := @extschema@.trainer_add_model(dataset, name, suffix, parent);
  UPDATE @extschema@.training_datasets d SET status = 'training', updated_at = now() WHERE d.id = dataset.id;
  PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'training_requested',
                                        jsonb_build_object('dataset_id', dataset.id, 'examples', dataset.roast_count));
  PERFORM @extschema@.trainer_add_operation(model, 'upload_training_file');
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_submit_training(uuid, text, text, uuid) IS
  'asks for a model trained from the dataset; returns at once, and nothing is sent before the transaction commits';

CREATE FUNCTION @extschema@.trainer_cancel_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
  unsent integer;
  file text;
BEGIN
  -- Operations first, then the model: the order in which the worker locks them.
  PERFORM FROM @extschema@.trainer_operations o
    WHERE o.custom_model_id = trainer_cancel_training.custom_model_id
      AND o.state IN ('ready', 'sending', 'reconcile', 'checking')
    ORDER BY o.id FOR UPDATE;
  model := @extschema@.trainer_find_model(custom_model_id);
  IF model.status NOT IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused') THEN
    RAISE EXCEPTION 'training has ended already'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s.', model.id, model.status);
  END IF;
  UPDATE @extschema@.custom_models m SET cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
    WHERE m.id = model.id RETURNING * INTO model;

  -- What is ready has certainly not been sent: it is over here and now.
  UPDATE @extschema@.trainer_operations o SET state = 'cancelled', finished_at = now()
    WHERE o.custom_model_id = model.id AND o.state = 'ready'
      AND o.kind IN ('upload_training_file', 'upload_validation_file', 'create_job');
  GET DIAGNOSTICS unsent = ROW_COUNT;
  IF unsent > 0 THEN
    UPDATE @extschema@.custom_models m
      SET status = 'cancelled', training_completed_at = now(), updated_at = now()
      WHERE m.id = model.id RETURNING * INTO model;
    UPDATE @extschema@.training_datasets d SET status = 'ready', updated_at = now()
      WHERE d.id = model.training_dataset_id AND d.status = 'training';
    FOREACH file IN ARRAY array_remove(ARRAY[model.training_file_id, model.validation_file_id], NULL) LOOP
      PERFORM @extschema@.trainer_add_operation(model, 'delete_file', file);
    END LOOP;
    -- A creation that was sent before, and taken for lost, may yet turn up.
    PERFORM @extschema@.trainer_add_operation(model, 'sweep_duplicates', o.id::text)
      FROM @extschema@.trainer_operations o
      WHERE o.custom_model_id = model.id AND o.kind = 'create_job' AND o.state = 'cancelled' AND o.sent_at IS NOT NULL;
    PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'training_cancelled', '{}');
  ELSIF model.provider_job_id IS NOT NULL THEN
    PERFORM @extschema@.trainer_add_operation(model, 'cancel_job');
  END IF;
  -- Else its job is being created at this moment: the first poll of it sees the wish.
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_cancel_training(uuid) IS
  'ends a training: at once when nothing has been sent, else the worker cancels the job at the provider';

CREATE FUNCTION @extschema@.trainer_order_job(custom_model_id uuid, kind text, statuses text[])
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
BEGIN
  IF model.provider_job_id IS NULL OR NOT model.status = ANY (statuses) THEN
    RAISE EXCEPTION 'training is not %', array_to_string(statuses, ' or ')
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s.', model.id, model.status);
  END IF;
  PERFORM @extschema@.trainer_add_operation(model, kind);
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_order_job(uuid, text, text[]) IS
  'asks the worker to pause or resume a model''s job, when the model is in one of the statuses';

CREATE FUNCTION @extschema@.trainer_pause_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM @extschema@.trainer_order_job(custom_model_id, 'pause_job', ARRAY['queued', 'running']) $$;
COMMENT ON FUNCTION @extschema@.trainer_pause_training(uuid) IS 'asks the provider to pause the model''s job';

CREATE FUNCTION @extschema@.trainer_resume_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM @extschema@.trainer_order_job(custom_model_id, 'resume_job', ARRAY['paused']) $$;
COMMENT ON FUNCTION @extschema@.trainer_resume_training(uuid) IS 'asks the provider to go on with a paused job';

CREATE FUNCTION @extschema@.trainer_monitor_training(custom_model_id uuid)
RETURNS TABLE (status text, provider_status text, percent_done numeric, step integer, total_steps integer,
               train_loss numeric, valid_loss numeric, estimated_finish timestamptz, elapsed interval, cost_cents numeric,
               error_code text, error_message text, next_poll timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT m.status::text, m.provider_status,
           CASE WHEN m.status IN ('evaluating', 'succeeded', 'deployed', 'retired') THEN 100
                ELSE round(coalesce(100.0 * m.current_step / nullif(m.total_steps, 0), 0), 1) END,
           m.current_step, m.total_steps, m.training_loss, m.validation_loss, m.estimated_finish,
           coalesce(m.training_completed_at, now()) - m.training_started_at, m.training_cost_cents, m.error_code,
           m.error_message,
           (SELECT o.due_at FROM @extschema@.trainer_operations o
            WHERE o.custom_model_id = m.id AND o.kind = 'poll_job' AND o.state = 'ready')
    FROM @extschema@.custom_models m WHERE m.id = trainer_monitor_training.custom_model_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
      USING ERRCODE = 'no_data_found';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_monitor_training(uuid) IS 'a model''s job as it is known now';

CREATE PROCEDURE @extschema@.trainer_wait_for_training(custom_model_id uuid, timeout interval DEFAULT '1 hour')
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model record;
  deadline timestamptz := clock_timestamp() + timeout;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'cannot wait for a training under isolation level %', current_setting('transaction_isolation')
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'The snapshot would never show the end of the job.';
  END IF;
  LOOP
    -- Each statement of a read committed transaction sees what is committed by then, and holds no snapshot between.
    SELECT m.status, m.error_sqlstate, m.error_code, m.error_message, m.created_at INTO model
      FROM @extschema@.custom_models m WHERE m.id = custom_model_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
        USING ERRCODE = 'no_data_found';
    END IF;
    EXIT WHEN model.status IN ('succeeded', 'deployed', 'retired');
    IF model.status = 'failed' THEN
      RAISE EXCEPTION '%', CASE model.error_sqlstate
          WHEN 'TR003' THEN 'the model does not answer'
          WHEN 'TR006' THEN 'the provider no longer trains models for this account'
          WHEN 'TR007' THEN 'the provider is unavailable'
          ELSE 'training job failed' END
        USING ERRCODE = coalesce(model.error_sqlstate, 'TR002'),
              DETAIL = format('%s: %s', coalesce(model.error_code, 'no code'), coalesce(model.error_message, 'no message')),
              HINT = CASE model.error_sqlstate
                WHEN 'TR006' THEN 'The provider is closing its training for new jobs. Another service with the same API can be set in trainer.api_base.'
                WHEN 'TR003' THEN 'trainer_deploy_model() tries the model again.'
                ELSE 'What happened is told by SELECT * FROM trainer_events.' END;
    ELSIF model.status = 'cancelled' THEN
      RAISE EXCEPTION 'training job was cancelled' USING ERRCODE = 'TR002';
    ELSIF model.status = 'pending' AND model.created_at = now() AND txid_current_if_assigned() IS NOT NULL THEN
      -- By its time, which is the transaction's: a row that was written under a savepoint has another xmin.
      RAISE EXCEPTION 'cannot wait for a training that this very transaction has submitted'
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Nothing is sent before the transaction commits.';
    ELSIF clock_timestamp() >= deadline THEN
      RAISE EXCEPTION 'training has not ended within %', timeout
        USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Its status is %s.', model.status);
    END IF;
    PERFORM pg_sleep(greatest(0, least(0.2, extract(epoch FROM deadline - clock_timestamp()))));
  END LOOP;
END $$;
COMMENT ON PROCEDURE @extschema@.trainer_wait_for_training(uuid, interval) IS
  'waits until a model''s training has ended; an error tells when it did not end well';
-- Models: which one serves.

CREATE FUNCTION @extschema@.trainer_activate_model(custom_model_id uuid, unless_newer boolean DEFAULT false)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
  serving @extschema@.custom_models;
BEGIN
  LOOP
    SELECT * INTO serving FROM @extschema@.custom_models m
      WHERE m.organization_id = model.organization_id AND m.is_active FOR UPDATE;
    IF serving.id = model.id THEN
      RETURN serving;
    END IF;
    IF unless_newer AND serving.version > model.version THEN
      PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'model_superseded',
                                            jsonb_build_object('serving', serving.id));
      RETURN model;
    END IF;
    UPDATE @extschema@.custom_models m SET is_active = false, status = 'retired', updated_at = now()
      WHERE m.id = serving.id;
    BEGIN
      UPDATE @extschema@.custom_models m
        SET is_active = true, status = 'deployed', deployed_at = clock_timestamp(), updated_at = now()
        WHERE m.id = model.id RETURNING * INTO model;
      PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'model_deployed',
                                            jsonb_build_object('previous', serving.id));
      RETURN model;
    EXCEPTION WHEN unique_violation THEN
      -- Another model went live at the same moment: it is the one to replace.
      PERFORM @extschema@.trainer_require_new_snapshots();
    END;
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_activate_model(uuid, boolean) IS
  'makes a model the one that serves its organization, unless a newer version does and that is not to be replaced';

CREATE FUNCTION @extschema@.trainer_deploy_model(
  custom_model_id uuid, strategy text DEFAULT 'immediate', options jsonb DEFAULT '{}')
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
BEGIN
  IF strategy IS DISTINCT FROM 'immediate' THEN
    RAISE EXCEPTION 'unknown deployment strategy %', coalesce(quote_literal(strategy), 'NULL')
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The strategy of this version is ''immediate''.';
  END IF;
  IF options IS DISTINCT FROM '{}'::jsonb THEN
    RAISE EXCEPTION 'invalid options'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The strategy ''immediate'' takes no options.';
  END IF;
  -- Operations first, then the model: the order in which the worker locks them.
  PERFORM FROM @extschema@.trainer_operations o
    WHERE o.custom_model_id = trainer_deploy_model.custom_model_id AND o.kind = 'verify_model'
      AND o.state IN ('ready', 'sending')
    ORDER BY o.id FOR UPDATE;
  model := @extschema@.trainer_find_model(custom_model_id);
  IF model.fine_tuned_model_id IS NULL OR model.status NOT IN ('evaluating', 'succeeded', 'deployed', 'retired', 'failed') THEN
    RAISE EXCEPTION 'the model cannot be deployed'
      USING ERRCODE = 'TR003', DETAIL = format('Model %s has status %s.', model.id, model.status),
            HINT = 'A model can be deployed once its training has succeeded.';
  END IF;
  IF model.verified_at IS NOT NULL THEN
    RETURN @extschema@.trainer_activate_model(model.id);
  END IF;
  -- It has never answered: the worker asks it again, and it goes live when it does.
  UPDATE @extschema@.custom_models m
    SET status = 'evaluating', error_sqlstate = NULL, error_code = NULL, error_message = NULL, updated_at = now()
    WHERE m.id = model.id RETURNING * INTO model;
  UPDATE @extschema@.trainer_operations o SET state = 'cancelled', finished_at = now()
    WHERE o.custom_model_id = model.id AND o.kind = 'verify_model' AND o.state IN ('ready', 'sending');
  PERFORM @extschema@.trainer_add_operation(model, 'verify_model', 'deploy');
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_deploy_model(uuid, text, jsonb) IS
  'makes a trained model the one that serves; one that has not answered yet is asked first';

CREATE FUNCTION @extschema@.trainer_rollback_model(organization_id uuid, reason text DEFAULT NULL)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  serving @extschema@.custom_models;
  previous @extschema@.custom_models;
BEGIN
  LOOP
    SELECT * INTO serving FROM @extschema@.custom_models m
      WHERE m.organization_id = trainer_rollback_model.organization_id AND m.is_active;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no custom model serves the organization'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = format('Organization: %s.', coalesce(organization_id::text, 'NULL'));
    END IF;
    SELECT * INTO previous FROM @extschema@.custom_models m
      WHERE m.organization_id = trainer_rollback_model.organization_id AND m.status = 'retired'
        AND m.verified_at IS NOT NULL AND m.deployed_at < serving.deployed_at
      ORDER BY m.deployed_at DESC LIMIT 1;
    -- First the model that goes live, then the one that serves: the order of trainer_activate_model(). What has changed
    -- while we waited for the locks is looked at again.
    PERFORM FROM @extschema@.custom_models m WHERE m.id = previous.id AND m.status = 'retired' FOR UPDATE;
    CONTINUE WHEN previous.id IS NOT NULL AND NOT FOUND;
    PERFORM FROM @extschema@.custom_models m WHERE m.id = serving.id AND m.is_active FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;
  -- What was taken back leaves the history of deployments: no later rollback returns to it.
  UPDATE @extschema@.custom_models m SET is_active = false, status = 'retired', deployed_at = NULL, updated_at = now()
    WHERE m.id = serving.id;
  IF previous.id IS NOT NULL THEN
    -- Its place in the history of deployments stays: another rollback goes further back.
    UPDATE @extschema@.custom_models m SET is_active = true, status = 'deployed', updated_at = now()
      WHERE m.id = previous.id RETURNING * INTO previous;
  END IF;
  PERFORM @extschema@.trainer_log_event(serving.organization_id, serving.id, 'model_rolled_back',
                                        jsonb_build_object('serving', previous.id, 'reason', reason));
  RETURN previous;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_rollback_model(uuid, text) IS
  'makes the model that served before serve again, and returns it; null when it is the base model from now on';

-- Its rows are all that is known of a job: without them nobody ends it, and it goes on to cost money.
CREATE FUNCTION @extschema@.trainer_keep_live_model() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  live boolean := OLD.status IN ('uploading', 'validating', 'queued', 'running', 'paused');
BEGIN
  IF OLD.status = 'pending' THEN
    -- Locked, so that the worker does not send at this very moment what is looked at here.
    SELECT coalesce(bool_or(o.state <> 'ready' OR o.attempt > 0), false) INTO live
      FROM (SELECT state, attempt FROM @extschema@.trainer_operations
            WHERE organization_id = OLD.organization_id AND custom_model_id = OLD.id FOR UPDATE) o;
  END IF;
  IF live THEN
    RAISE EXCEPTION 'cannot delete a model whose training is under way'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s.', OLD.id, OLD.status),
            HINT = 'Cancel it with trainer_cancel_training() first, and wait until its job has ended.';
  END IF;
  RETURN OLD;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_live_model() IS 'refuses to delete a model while the provider may be training it';
CREATE TRIGGER trainer_keep_live_model BEFORE DELETE ON @extschema@.custom_models
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_live_model();
-- The worker, seen and steered from SQL.

CREATE FUNCTION @extschema@.trainer_worker_slot(
  OUT preloaded boolean, OUT launcher boolean, OUT pid integer, OUT heartbeat timestamptz, OUT in_flight integer,
  OUT answered_at timestamptz, OUT last_error text, OUT last_error_at timestamptz)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_worker_slot() IS 'what shared memory says of this database''s worker';

CREATE FUNCTION @extschema@.trainer_probe_provider() RETURNS text
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_probe_provider() IS
  'asks the provider for its models, with the server''s key; null when it answers, else what is wrong';

CREATE FUNCTION @extschema@.trainer_worker_status(
  OUT running boolean, OUT paused boolean, OUT paused_reason text, OUT heartbeat timestamptz, OUT in_flight integer,
  OUT due bigint, OUT last_error text, OUT last_error_at timestamptz, OUT pid integer)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  slot record;
BEGIN
  SELECT * INTO slot FROM @extschema@.trainer_worker_slot();
  running := slot.pid IS NOT NULL;
  pid := slot.pid;
  heartbeat := slot.heartbeat;
  in_flight := coalesce(slot.in_flight, 0);
  last_error := slot.last_error;
  last_error_at := slot.last_error_at;
  SELECT i.paused, i.paused_reason INTO paused, paused_reason FROM @extschema@.trainer_installation i;
  paused := coalesce(paused, false);
  SELECT count(*) INTO due FROM @extschema@.trainer_operations o
    WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking') AND o.due_at <= now();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_worker_status() IS 'whether this database''s worker runs, and what it has to do';

CREATE FUNCTION @extschema@.trainer_pause_worker(reason text DEFAULT 'paused by hand') RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Not by ON CONFLICT: an insert beside a row is what a restored dump does.
  LOCK TABLE @extschema@.trainer_installation IN SHARE ROW EXCLUSIVE MODE;
  UPDATE @extschema@.trainer_installation i SET paused = true, paused_reason = coalesce(i.paused_reason, reason);
  IF NOT FOUND THEN
    INSERT INTO @extschema@.trainer_installation (paused, paused_reason) VALUES (true, reason);
  END IF;
  PERFORM @extschema@.trainer_wake_worker();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_pause_worker(text) IS
  'keeps the worker from starting anything new; what is under way is finished';

CREATE FUNCTION @extschema@.trainer_resume_worker() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Also the word of a person that this copy, and no other, is the one that works from now on.
  UPDATE @extschema@.trainer_installation SET paused = false, paused_reason = NULL,
    system_identifier = (SELECT c.system_identifier FROM pg_control_system() c),
    database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
    instance_name = current_setting('trainer.instance_name', true);
  PERFORM @extschema@.trainer_wake_worker();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_resume_worker() IS
  'lets the worker go on; of a copied database it says that this copy is the one that works';

CREATE FUNCTION @extschema@.trainer_check()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  slot record;
  status record;
  problem text;
BEGIN
  SELECT * INTO slot FROM @extschema@.trainer_worker_slot();
  SELECT * INTO status FROM @extschema@.trainer_worker_status();
  RETURN QUERY SELECT 'preload', slot.preloaded,
    CASE WHEN slot.preloaded THEN 'the library is preloaded' ELSE 'the library is not preloaded, so there is no worker' END,
    CASE WHEN NOT slot.preloaded THEN 'Add trainer to shared_preload_libraries and restart the server.' END;
  RETURN QUERY SELECT 'worker', status.running,
    CASE WHEN status.running THEN format('pid %s, heartbeat %s', status.pid, status.heartbeat)
         ELSE 'no worker runs for this database' END,
    CASE WHEN NOT status.running THEN 'See trainer.databases, trainer.max_workers, max_worker_processes and the server''s log.' END;
  RETURN QUERY SELECT 'not paused', NOT status.paused, coalesce(status.paused_reason, 'the worker may work'),
    CASE WHEN status.paused THEN 'trainer_resume_worker() lets it go on.' END;
  problem := @extschema@.trainer_probe_provider();
  RETURN QUERY SELECT 'provider', problem IS NULL, coalesce(problem, 'the provider answers, and takes the key'),
    CASE WHEN problem IS NOT NULL THEN 'See trainer.api_key_file and trainer.api_base.' END;
  RETURN QUERY SELECT 'schema', NOT has_schema_privilege('public', n.oid, 'CREATE'),
    CASE WHEN has_schema_privilege('public', n.oid, 'CREATE')
         THEN format('everybody may create objects in schema %I, where the extension lives', n.nspname)
         ELSE format('only chosen roles may create objects in schema %I', n.nspname) END,
    CASE WHEN has_schema_privilege('public', n.oid, 'CREATE')
         THEN format('Run REVOKE CREATE ON SCHEMA %I FROM PUBLIC.', n.nspname) END
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'trainer';
  RETURN QUERY SELECT * FROM @extschema@.trainer_check_binding();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_check() IS 'the doctor: what is set up, what is not, and what to do about it';
-- Views for people.

CREATE VIEW @extschema@.trainer_progress AS
SELECT m.organization_id, m.id AS custom_model_id, m.name, m.version, m.status,
       @extschema@.trainer_progress_bar(
         CASE WHEN m.status = 'evaluating' THEN 1
              ELSE coalesce(m.current_step::double precision / nullif(m.total_steps, 0), 0) END, 20) AS progress,
       m.current_step AS step, m.total_steps, round(m.training_loss, 4) AS train_loss,
       round(m.validation_loss, 4) AS valid_loss,
       date_trunc('second', now() - m.training_started_at) AS elapsed, m.estimated_finish,
       o.due_at AS next_step_at, o.kind AS next_step, o.last_error AS waits_because
FROM @extschema@.custom_models m
LEFT JOIN LATERAL (
  SELECT o.due_at, o.kind, o.last_error FROM @extschema@.trainer_operations o
  WHERE o.organization_id = m.organization_id AND o.custom_model_id = m.id
    AND o.state IN ('ready', 'sending', 'reconcile', 'checking') AND o.kind NOT IN ('sweep_duplicates', 'delete_file')
  ORDER BY o.due_at LIMIT 1) o ON true
WHERE m.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating')
ORDER BY m.created_at;
COMMENT ON VIEW @extschema@.trainer_progress IS 'every live job, with a bar';

CREATE VIEW @extschema@.trainer_models AS
SELECT m.organization_id, m.id AS custom_model_id, m.name, m.version, m.status, m.is_active AS serves, m.base_model,
       m.fine_tuned_model_id, round(m.training_loss, 4) AS training_loss, round(m.validation_loss, 4) AS validation_loss,
       m.training_cost_cents, m.user_approval_rate, m.deployed_at
FROM @extschema@.custom_models m
ORDER BY m.organization_id, m.version;
COMMENT ON VIEW @extschema@.trainer_models IS 'every model, and which one serves';

CREATE VIEW @extschema@.trainer_operations_pending AS
SELECT o.id, o.organization_id, o.custom_model_id, o.kind, o.state, o.attempt, o.due_at,
       greatest(o.due_at - now(), interval '0') AS due_in, o.last_delivery, o.last_http_status, o.last_code, o.last_error,
       o.last_request_id, now() - o.created_at AS age
FROM @extschema@.trainer_operations o
WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking')
ORDER BY o.due_at;
COMMENT ON VIEW @extschema@.trainer_operations_pending IS 'what the worker has to do, when, and why it waits';

CREATE VIEW @extschema@.trainer_events AS
SELECT e.id, e.created_at, e.organization_id, e.custom_model_id, m.name, e.kind, e.detail
FROM @extschema@.trainer_event_log e
LEFT JOIN @extschema@.custom_models m ON m.organization_id = e.organization_id AND m.id = e.custom_model_id
ORDER BY e.id;
COMMENT ON VIEW @extschema@.trainer_events IS 'what happened, oldest first';

-- A view reads with its owner's rights unless told otherwise, which servers before 15 cannot be.
DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW @extschema@.trainer_progress SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_models SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_operations_pending SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_events SET (security_invoker = true);
  END IF;
END $$;

-- A worker may be waiting for the extension to appear in this database.
SELECT @extschema@.trainer_wake_worker();
-- Last of the script: nothing of ours is left to PUBLIC, whatever the server or ALTER DEFAULT PRIVILEGES gave it.
DO $$
DECLARE
  object record;
BEGIN
  FOR object IN
    SELECT d.classid, p.oid::pg_catalog.regprocedure AS routine, c.oid::pg_catalog.regclass AS relation, c.relkind
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'trainer'
    LEFT JOIN pg_catalog.pg_proc AS p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
    LEFT JOIN pg_catalog.pg_class AS c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
    WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
      AND (p.oid IS NOT NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'S'))
  LOOP
    IF object.routine IS NOT NULL THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', object.routine);
    ELSIF object.relkind = 'S' THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC', object.relation);
    ELSE
      EXECUTE pg_catalog.format('REVOKE ALL ON TABLE %s FROM PUBLIC', object.relation);
    END IF;
  END LOOP;
END $$;

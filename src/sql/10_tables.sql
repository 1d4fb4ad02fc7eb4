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
  non_preferred json,
  PRIMARY KEY (dataset_id, ordinal),
  FOREIGN KEY (organization_id, dataset_id) REFERENCES @extschema@.training_datasets (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.training_examples (organization_id, dataset_id);
CREATE INDEX ON @extschema@.training_examples (response_id);
CREATE INDEX ON @extschema@.training_examples (comment_id);
COMMENT ON TABLE @extschema@.training_examples IS 'the examples of a dataset, newest first';
COMMENT ON COLUMN @extschema@.training_examples.messages IS 'the chat messages, byte for byte as they are uploaded; of a preference pair the last one is the preferred reply';
COMMENT ON COLUMN @extschema@.training_examples.non_preferred IS 'of a preference pair: a list of one message, the reply that the other is preferred over; else null';

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
  kind text NOT NULL DEFAULT 'fine_tuned' CHECK (kind IN ('fine_tuned', 'exemplar')),
  erased_at timestamptz,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, version),
  FOREIGN KEY (organization_id, training_dataset_id) REFERENCES @extschema@.training_datasets (organization_id, id),
  FOREIGN KEY (organization_id, parent_model_id) REFERENCES @extschema@.custom_models (organization_id, id),
  CONSTRAINT custom_models_active_has_model CHECK (NOT is_active OR kind = 'exemplar' OR fine_tuned_model_id IS NOT NULL),
  CONSTRAINT custom_models_active_not_erased CHECK (NOT is_active OR erased_at IS NULL)
) WITH (fillfactor = 80);  -- progress is written often, and no index covers it: room for HOT updates
CREATE UNIQUE INDEX custom_models_one_active ON @extschema@.custom_models (organization_id) WHERE is_active;
CREATE INDEX ON @extschema@.custom_models (organization_id, training_dataset_id);
CREATE INDEX ON @extschema@.custom_models (organization_id, parent_model_id);
COMMENT ON TABLE @extschema@.custom_models IS 'every version of every organization''s model: its job, what it learned, what it does and what it costs';
COMMENT ON COLUMN @extschema@.custom_models.kind IS 'fine_tuned: trained by the provider; exemplar: examples that are shown to base_model';
COMMENT ON COLUMN @extschema@.custom_models.erased_at IS 'when its deletion at the provider was asked for: it serves no more';
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
  edit_distance real CHECK (edit_distance BETWEEN 0 AND 1),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT model_feedback_edit_has_text CHECK (feedback_type <> 'edited' OR edited_roast IS NOT NULL)
);
CREATE INDEX ON @extschema@.model_feedback (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.model_feedback (response_id, feedback_type);
CREATE UNIQUE INDEX model_feedback_once ON @extschema@.model_feedback (organization_id, (metadata ->> 'idempotency_key'))
  WHERE metadata ? 'idempotency_key';
CREATE INDEX model_feedback_uncounted ON @extschema@.model_feedback (xid);
COMMENT ON TABLE @extschema@.model_feedback IS 'one row a verdict on a response';
COMMENT ON COLUMN @extschema@.model_feedback.custom_model_id IS
  'the model that wrote the response, of the same organization; kept by triggers, since a foreign key would have all writers lock one row; null: the base model';
COMMENT ON COLUMN @extschema@.model_feedback.edit_distance IS
  'of an edit: Levenshtein''s distance by the length of the longer text, 0 (the same) to 1 (another altogether); of the first 1,000 characters';
COMMENT ON COLUMN @extschema@.model_feedback.xid IS 'the transaction that wrote the row: by it the row is counted once';

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

CREATE TABLE @extschema@.trainer_pricing (
  model text NOT NULL,
  valid_from date NOT NULL,
  training numeric NOT NULL CHECK (training >= 0),
  input numeric NOT NULL CHECK (input >= 0),
  cached numeric CHECK (cached >= 0),
  output numeric NOT NULL CHECK (output >= 0),
  source text,
  seeded boolean NOT NULL DEFAULT false,
  base_input numeric CHECK (base_input >= 0),
  base_cached numeric CHECK (base_cached >= 0),
  base_output numeric CHECK (base_output >= 0),
  PRIMARY KEY (model, valid_from)
);
COMMENT ON TABLE @extschema@.trainer_pricing IS 'prices of models in US dollars per 1,000,000 tokens; the newest row that is valid counts';
COMMENT ON COLUMN @extschema@.trainer_pricing.input IS 'inference on a model that was tuned from this one';
COMMENT ON COLUMN @extschema@.trainer_pricing.base_input IS 'inference on the model itself';
COMMENT ON COLUMN @extschema@.trainer_pricing.seeded IS 'came with the extension: not dumped; correct it by a row with a later valid_from';

-- The outbox. due_at of a claimed operation is the end of its lease; of a poll, simply the next poll.
CREATE TABLE @extschema@.trainer_operations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  kind text NOT NULL
    CHECK (kind IN ('upload_training_file', 'upload_validation_file', 'create_job', 'poll_job', 'fetch_result',
                    'verify_model', 'cancel_job', 'pause_job', 'resume_job', 'sweep_duplicates', 'delete_file', 'delete_model')),
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
COMMENT ON COLUMN @extschema@.trainer_operations.misses IS 'times in a row that the provider did not show what was looked for; of a sweep, looks in a row that were answered, or, below zero, that failed';
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

-- A dump's tables may come in any order (pg_restore --jobs), so the row of the installation may come last. Operations that were
-- not made by the transaction that inserts them are another database's: its own worker has sent them, or will.
CREATE FUNCTION @extschema@.trainer_meet_operation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reason text := 'operations were restored from a dump';
BEGIN
  IF EXISTS (SELECT FROM @extschema@.trainer_installation WHERE paused) THEN
    RETURN NEW;
  END IF;
  LOCK TABLE @extschema@.trainer_installation IN SHARE ROW EXCLUSIVE MODE;
  UPDATE @extschema@.trainer_installation SET paused = true, paused_reason = reason;
  IF NOT FOUND THEN
    INSERT INTO @extschema@.trainer_installation (paused, paused_reason) VALUES (true, reason);
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_meet_operation() IS
  'pauses the worker when operations appear that this database has not made itself';
CREATE TRIGGER trainer_meet_operation BEFORE INSERT ON @extschema@.trainer_operations
  FOR EACH ROW WHEN (NEW.created_at OPERATOR(pg_catalog.<>) pg_catalog.now())
  EXECUTE FUNCTION @extschema@.trainer_meet_operation();
CREATE TRIGGER trainer_meet_operation BEFORE INSERT ON @extschema@.trainer_generation_requests
  FOR EACH ROW WHEN (NEW.created_at OPERATOR(pg_catalog.<>) pg_catalog.now())
  EXECUTE FUNCTION @extschema@.trainer_meet_operation();
-- Rows that come by replication are copies, too.
ALTER TABLE @extschema@.trainer_operations ENABLE ALWAYS TRIGGER trainer_meet_operation;
ALTER TABLE @extschema@.trainer_generation_requests ENABLE ALWAYS TRIGGER trainer_meet_operation;

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['training_datasets', 'training_examples', 'custom_models', 'model_feedback',
    'trainer_operations', 'trainer_event_log', 'trainer_training_metrics', 'trainer_checkpoints', 'trainer_provider_events',
    'trainer_generations', 'trainer_generation_requests', 'trainer_model_usage', 'trainer_reference_roasts', 'trainer_exemplars',
    'trainer_exemplar_terms',
    'trainer_bindings', 'trainer_grants', 'trainer_pricing', 'trainer_installation'] LOOP
    EXECUTE format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', table_name);
    -- What the install script itself inserts must not be in the dump: the restore would insert it twice.
    PERFORM pg_catalog.pg_extension_config_dump(
      format('@extschema@.%I', table_name)::regclass,
      CASE table_name WHEN 'trainer_pricing' THEN 'WHERE NOT seeded' ELSE '' END);
  END LOOP;
  PERFORM pg_catalog.pg_extension_config_dump('@extschema@.trainer_event_log_id_seq', '');
  PERFORM pg_catalog.pg_extension_config_dump('@extschema@.trainer_provider_events_seq_seq', '');
END $$;

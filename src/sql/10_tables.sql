-- Tables of trainings. Every tenant-owned row carries organization_id, and foreign keys between tenant tables carry it too.

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

-- The values are checked by the trigger that completes a row: an INSERT would parse and plan the text of each CHECK anew (src/pg/feedback_row.h).
CREATE TABLE @extschema@.model_feedback (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid,
  response_id uuid,
  feedback_type varchar(20) NOT NULL,
  original_roast text,
  edited_roast text,
  rating smallint,
  quality_score numeric(3,2),
  tone_match boolean,
  humor_effectiveness numeric(3,2),
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  edit_distance real,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id()
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

-- Tables of replies; at the end what holds for all tables so far.

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

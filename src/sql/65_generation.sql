-- Serving: what a comment is answered with, by which model, and what it cost. The work is done by src/worker/generate.cpp.

CREATE FUNCTION @extschema@.trainer_inference_cost_cents(
  model text, prompt_tokens integer, cached_tokens integer, completion_tokens integer, on_day date DEFAULT (now() AT TIME ZONE 'UTC')::date)
RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- In PL/pgSQL, which plans it once a session and not for each reply. Dollars per million tokens are cents per ten thousand. A tuned model
  -- has prices of its own; cached tokens are part of the prompt's.
  cents numeric := (
    WITH asked AS MATERIALIZED (
      SELECT @extschema@.trainer_base_snapshot($1) AS snapshot, $1 LIKE 'ft:%' OR $1 ~ '[.]ft-[0-9a-f]+$' AS is_tuned)
    SELECT trim_scale(((prompt_tokens - coalesce(cached_tokens, 0)) * input + coalesce(cached_tokens, 0) * coalesce(cached, input)
                       + completion_tokens * output) / 10000)
    FROM (SELECT p.valid_from, p.model, asked.is_tuned,
                 CASE WHEN asked.is_tuned THEN p.input ELSE p.base_input END AS input,
                 CASE WHEN asked.is_tuned THEN p.cached ELSE p.base_cached END AS cached,
                 CASE WHEN asked.is_tuned THEN p.output ELSE p.base_output END AS output
          FROM @extschema@.trainer_pricing AS p, asked
          WHERE @extschema@.trainer_base_snapshot(p.model) = asked.snapshot) AS price
    WHERE input IS NOT NULL AND output IS NOT NULL
    ORDER BY valid_from <= on_day DESC,
             CASE WHEN valid_from <= on_day THEN on_day - valid_from ELSE valid_from - on_day END,
             price.model = $1 DESC
    LIMIT 1);
BEGIN
  -- The reply is paid for and is to be recorded, whatever a price holds (NaN is more than any number).
  RETURN CASE WHEN cents >= 0 AND cents < 100000 THEN cents END;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_inference_cost_cents(text, integer, integer, integer, date) IS
  'cost of one reply in US cents; null when the model has no price, the tokens are not known, or it comes to 100,000 cents or more';

-- $1 is the comment. Organization, plan, comment, platform, user, and the persona.
CREATE FUNCTION @extschema@.trainer_comment_statement() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
BEGIN
  RETURN format(
    'SELECT c.%1$I, %2$s, c.%3$I::text, %4$s, %10$s, p.* FROM %5$s AS c JOIN %6$s AS o ON o.%7$I = c.%1$I LEFT JOIN LATERAL (%8$s) AS p ON true WHERE c.%9$I = $1',
    b #>> '{comments,columns,organization_id}',
    CASE WHEN b #>> '{organizations,columns,plan_id}' IS NULL THEN 'NULL::text'
         ELSE format('coalesce(o.%I::text, '''')', b #>> '{organizations,columns,plan_id}') END,
    b #>> '{comments,columns,original_text}',
    CASE WHEN b #>> '{comments,columns,platform}' IS NULL THEN 'NULL::text' ELSE format('c.%I::text', b #>> '{comments,columns,platform}') END,
    b #>> '{comments,relation}', b #>> '{organizations,relation}', b #>> '{organizations,columns,id}',
    coalesce(@extschema@.trainer_persona_query(b, format('c.%I', b #>> '{comments,columns,organization_id}')),
             'SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text LIMIT 0'),
    b #>> '{comments,columns,id}',
    CASE WHEN b #>> '{comments,columns,platform_user_id}' IS NULL THEN 'NULL::text' ELSE format('c.%I::text', b #>> '{comments,columns,platform_user_id}') END);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_comment_statement() IS
  'the statement over the app''s tables that reads what a reply needs; TR008 when those are not bound or no longer fit';

CREATE FUNCTION @extschema@.trainer_generation_options(options jsonb, OUT response_id uuid, OUT rung text) RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text;
BEGIN
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options are not a JSON object';
  END IF;
  SELECT key INTO unknown FROM jsonb_object_keys(options) AS key WHERE key NOT IN ('response_id', 'rung') LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', unknown),
      HINT = 'The options are response_id and rung.';
  END IF;
  rung := options ->> 'rung';
  IF rung NOT IN ('fine_tuned', 'exemplar', 'base') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "rung" is not known',
      HINT = 'The rungs are fine_tuned, exemplar and base.';
  END IF;
  response_id := options ->> 'response_id';
EXCEPTION WHEN invalid_text_representation THEN
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "response_id" is not a uuid';
END $$;
COMMENT ON FUNCTION @extschema@.trainer_generation_options(jsonb) IS 'the options of trainer_generate(), checked';

CREATE FUNCTION @extschema@.trainer_require_recordable(organization_id uuid, comment_id uuid, response_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The row itself, taken back at once: whatever would keep it out later does so here.
  INSERT INTO @extschema@.trainer_generations (organization_id, comment_id, response_id, rung, reason, model, response_time_ms)
    VALUES ($1, $2, $3, 'base', '', '', 0);
  RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION
  WHEN SQLSTATE 'TR000' THEN
    NULL;
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'cannot write down a reply for organization %', organization_id
      USING ERRCODE = 'insufficient_privilege', DETAIL = SQLERRM || '.',
        HINT = 'A role of level "app" writes for the organization of its session: SET trainer.organization_id.';
  WHEN unique_violation THEN
    RAISE EXCEPTION 'response % belongs to another generation', response_id USING ERRCODE = 'unique_violation';
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_recordable(uuid, uuid, uuid) IS
  'an error, before anything is paid for, when the session could not write a reply down';

CREATE FUNCTION @extschema@.trainer_generate(
  comment_id uuid, temperature numeric DEFAULT 0.8, max_tokens integer DEFAULT 200, options jsonb DEFAULT '{}',
  OUT response_text text, OUT rung text, OUT reason text, OUT custom_model_id uuid, OUT model text, OUT prompt_tokens integer,
  OUT completion_tokens integer, OUT cost_cents numeric, OUT response_time_ms integer, OUT generation_id uuid)
RETURNS record
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_generate(uuid, numeric, integer, jsonb) IS
  'a reply to the comment: from the best model of its organization that answers; which one, why, what it cost and how long it took';

CREATE FUNCTION @extschema@.trainer_prompt(comment_id uuid, options jsonb DEFAULT '{}') RETURNS json
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_prompt(uuid, jsonb) IS
  'the messages that trainer_generate() would send first, byte for byte; nothing is sent';

CREATE FUNCTION @extschema@.trainer_active_model(organization_id uuid) RETURNS uuid
LANGUAGE c VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_active_model(uuid) IS 'the custom model that serves the organization; null: the base model does';

CREATE FUNCTION @extschema@.trainer_link_response(generation_id uuid, response_id uuid) RETURNS @extschema@.trainer_generations
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  linked @extschema@.trainer_generations;
BEGIN
  UPDATE @extschema@.trainer_generations AS g SET response_id = trainer_link_response.response_id
    WHERE g.id = generation_id AND (g.response_id IS NULL OR g.response_id = trainer_link_response.response_id)
    RETURNING * INTO linked;
  IF linked.id IS NULL THEN
    RAISE EXCEPTION 'generation % does not exist, or belongs to another response', coalesce(generation_id::text, 'NULL')
      USING ERRCODE = 'no_data_found';
  END IF;
  RETURN linked;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_link_response(uuid, uuid) IS
  'says in which response of the app a reply was used, so that feedback on the response finds the model that wrote it';

-- Sessions append a row a reply and wait for nobody. The worker alone makes one row of many, and writes the means to the model.
CREATE FUNCTION @extschema@.trainer_fold_usage() RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH changed AS (
    SELECT DISTINCT u.custom_model_id FROM @extschema@.trainer_model_usage AS u WHERE NOT u.folded),
  gone AS (
    DELETE FROM @extschema@.trainer_model_usage AS u USING changed AS c WHERE u.custom_model_id = c.custom_model_id RETURNING u.*),
  total AS (
    INSERT INTO @extschema@.trainer_model_usage (organization_id, custom_model_id, replies, time_ms, priced, cost_cents, folded)
    SELECT g.organization_id, g.custom_model_id, sum(g.replies), sum(g.time_ms), sum(g.priced), sum(g.cost_cents), true
    FROM gone AS g GROUP BY 1, 2 RETURNING *),
  told AS (
    UPDATE @extschema@.custom_models AS m
    SET avg_response_time_ms = round(t.time_ms::numeric / t.replies)::integer,
        inference_cost_per_roast_cents = CASE WHEN t.priced > 0 THEN round(t.cost_cents / t.priced, 6) END
    FROM total AS t WHERE m.id = t.custom_model_id RETURNING 1)
  SELECT count(*) FROM told
$$;
COMMENT ON FUNCTION @extschema@.trainer_fold_usage() IS
  'adds up what models have done since the last time; run by the worker';

-- A session keeps the statement over the app's tables: another binding makes it forget.
CREATE FUNCTION @extschema@.trainer_tell_sessions() RETURNS trigger
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_tell_sessions() IS 'tells every session that what it keeps of a table''s rows is out of date';
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR UPDATE OR DELETE ON @extschema@.trainer_bindings
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.trainer_bindings ENABLE ALWAYS TRIGGER trainer_tell_sessions;

-- It keeps the models that serve an organization, too. The worker writes the progress of thousands of jobs to rows that do not serve, and means to
-- those that do: neither is told. By row and always, since a subscription to another database fires no others; TRUNCATE tells by itself.
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

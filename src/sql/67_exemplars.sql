-- Exemplar models: a dataset's examples, indexed, of which the most similar to a comment are shown to a chat model. No provider trains anything.

CREATE FUNCTION @extschema@.trainer_exemplar_words(content text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$ SELECT unnest(tsvector_to_array(to_tsvector('simple', content))) $$;
COMMENT ON FUNCTION @extschema@.trainer_exemplar_words(text) IS 'the words of a text, each once, as exemplars are indexed by them';

-- The postings are a table of ours and not an index over all models: what is read for a comment is then a few rows by key, however many
-- examples other organizations have, and how often a word occurs is known before its postings are read.
CREATE FUNCTION @extschema@.trainer_index_exemplars(model @extschema@.custom_models) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  indexed bigint;
BEGIN
  -- What is erased meanwhile is not copied.
  PERFORM FROM @extschema@.training_datasets AS d WHERE d.organization_id = model.organization_id AND d.id = model.training_dataset_id FOR SHARE;
  -- The last turns; a comment stands in quotes inside of the user's (core::user_message).
  INSERT INTO @extschema@.trainer_exemplars (organization_id, custom_model_id, ordinal, comment, prompt, reply, response_id, comment_id)
  SELECT model.organization_id, model.id, row_number() OVER (ORDER BY e.ordinal), coalesce(substring(t.prompt FROM '^[^"]*: "(.*)"$'), t.prompt), t.prompt, t.reply,
         e.response_id, e.comment_id
  FROM (SELECT x.ordinal, x.response_id, x.comment_id, x.messages, lag(x.messages::text) OVER (ORDER BY x.ordinal) AS before FROM @extschema@.training_examples AS x
        WHERE x.organization_id = model.organization_id AND x.dataset_id = model.training_dataset_id AND x.split = 'train') AS e,
    LATERAL (SELECT e.messages -> -2 ->> 'content' AS prompt, e.messages -> -1 ->> 'content' AS reply) AS t
  -- Not the copies of a dataset that is weighted by ratings.
  WHERE e.messages::text IS DISTINCT FROM e.before
    AND e.messages -> -2 ->> 'role' = 'user' AND e.messages -> -1 ->> 'role' = 'assistant' AND t.prompt <> '' AND t.reply <> '';
  GET DIAGNOSTICS indexed = ROW_COUNT;
  INSERT INTO @extschema@.trainer_exemplar_terms (organization_id, custom_model_id, term, examples, ordinals)
  SELECT model.organization_id, model.id, word, count(*), array_agg(x.ordinal ORDER BY x.ordinal)
  FROM @extschema@.trainer_exemplars AS x CROSS JOIN LATERAL @extschema@.trainer_exemplar_words(x.comment) AS word
  WHERE x.custom_model_id = model.id GROUP BY word;
  RETURN indexed;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_index_exemplars(@extschema@.custom_models) IS 'copies and indexes the examples of the model''s dataset, but for those that are held out';

CREATE FUNCTION @extschema@.trainer_finish_exemplar_model(model @extschema@.custom_models) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  indexed bigint := @extschema@.trainer_index_exemplars(model);
BEGIN
  UPDATE @extschema@.custom_models AS m
    SET kind = 'exemplar', status = 'succeeded', suffix = NULL, learning_rate_multiplier = NULL, training_examples = indexed,
        base_model = (SELECT d.training_params ->> 'base_model' FROM @extschema@.training_datasets AS d WHERE d.id = m.training_dataset_id),
        training_cost_cents = 0, training_started_at = now(), training_completed_at = now(), verified_at = now(), updated_at = now()
    WHERE m.id = model.id RETURNING * INTO model;
  PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'exemplar_model_made',
                                        jsonb_build_object('dataset_id', model.training_dataset_id, 'examples', indexed));
  -- A tuned model that serves is the better one: this one stands below it on the ladder.
  IF current_setting('trainer.auto_deploy')::boolean AND NOT EXISTS (
       SELECT FROM @extschema@.custom_models AS m WHERE m.organization_id = model.organization_id AND m.is_active AND m.kind = 'fine_tuned') THEN
    RETURN @extschema@.trainer_activate_model(model.id, true);
  END IF;
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_finish_exemplar_model(@extschema@.custom_models) IS
  'makes a new model an exemplar model, which serves at once unless a tuned one does';

-- What is left when the provider does not train for this account any more. A large dataset is left to a session: the worker has others to serve.
CREATE FUNCTION @extschema@.trainer_offer_exemplars(custom_model_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  refused @extschema@.custom_models;
  dataset @extschema@.training_datasets;
BEGIN
  IF NOT current_setting('trainer.exemplar_fallback')::boolean THEN
    RETURN;
  END IF;
  SELECT * INTO refused FROM @extschema@.custom_models AS m WHERE m.id = $1;
  SELECT * INTO dataset FROM @extschema@.training_datasets AS d WHERE d.id = refused.training_dataset_id;
  IF dataset.id IS NULL THEN
    RETURN;
  END IF;
  PERFORM @extschema@.trainer_log_event(refused.organization_id, refused.id, 'exemplar_model_offered',
    jsonb_build_object('dataset_id', dataset.id, 'hint', 'SELECT * FROM trainer_make_exemplar_model(dataset_id)'));
  IF dataset.roast_count <= 10000 THEN
    -- The refusal is recorded in any case, also where texts cannot be indexed.
    BEGIN
      PERFORM @extschema@.trainer_finish_exemplar_model(@extschema@.trainer_add_model(dataset, NULL, NULL, NULL));
    EXCEPTION
      WHEN lock_not_available OR deadlock_detected THEN
        RAISE;  -- the worker tries all of it again
      WHEN OTHERS THEN
        PERFORM @extschema@.trainer_log_event(refused.organization_id, refused.id, 'exemplar_model_failed',
          jsonb_build_object('dataset_id', dataset.id, 'sqlstate', SQLSTATE, 'message', SQLERRM));
    END;
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_offer_exemplars(uuid) IS
  'an exemplar model in the place of one that the provider refuses to train (setting trainer.exemplar_fallback), made at once from up to 10,000 examples';

CREATE FUNCTION @extschema@.trainer_make_exemplar_model(dataset_id uuid, name text DEFAULT NULL) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  dataset @extschema@.training_datasets := @extschema@.trainer_known_dataset(dataset_id);
BEGIN
  PERFORM @extschema@.trainer_require_plan(dataset.organization_id);
  RETURN @extschema@.trainer_finish_exemplar_model(@extschema@.trainer_add_model(dataset, name, NULL, NULL));
END $$;
COMMENT ON FUNCTION @extschema@.trainer_make_exemplar_model(uuid, text) IS 'an exemplar model of any dataset, whatever its method';

-- By the rarest words first, since they tell the most and have the fewest examples: no more than about a thousand are looked at. Weighted by
-- how rare the words are that are shared (idf), and by the similarity of trigrams. Of long texts the first 1,000 characters are compared.
CREATE FUNCTION @extschema@.trainer_exemplar_matches(custom_model_id uuid, comment text, most integer)
RETURNS TABLE (prompt text, reply text, ordinal integer, score double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH total AS (
    SELECT max(x.ordinal)::float8 AS examples FROM @extschema@.trainer_exemplars AS x WHERE x.custom_model_id = $1),
  known AS (
    SELECT t.examples, t.ordinals, sum(t.examples) OVER w AS so_far, row_number() OVER w AS place
    FROM @extschema@.trainer_exemplar_words(left($2, 1000)) AS word
    JOIN @extschema@.trainer_exemplar_terms AS t ON t.custom_model_id = $1 AND t.term = word
    WINDOW w AS (ORDER BY t.examples, t.term)),
  hit AS (
    SELECT o.ordinal, sum(ln(1 + total.examples / k.examples)) AS weight
    FROM known AS k CROSS JOIN total CROSS JOIN LATERAL unnest(k.ordinals[1:1000]) AS o (ordinal)
    WHERE k.so_far <= 1000 OR k.place = 1
    GROUP BY o.ordinal ORDER BY 2 DESC, 1 LIMIT 50)
  SELECT x.prompt, x.reply, x.ordinal, hit.weight * (0.1 + @extschema@.trainer_similarity(left(x.comment, 1000), left($2, 1000)))
  FROM hit JOIN @extschema@.trainer_exemplars AS x ON x.custom_model_id = $1 AND x.ordinal = hit.ordinal
  ORDER BY 4 DESC, 3 LIMIT $3
$$;
COMMENT ON FUNCTION @extschema@.trainer_exemplar_matches(uuid, text, integer) IS
  'the examples of an exemplar model that are the most similar to a comment, the best first';

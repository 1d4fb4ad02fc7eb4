-- Erasure: the texts leave our tables in the caller's transaction, the worker takes files and models away from the provider once it
-- has committed. What is meant is handed on as (organization, comment, response_ids); response_ids null: the whole organization.

CREATE FUNCTION @extschema@.trainer_responses_to_erase(organization_id uuid, comment_id uuid, response_id uuid) RETURNS uuid[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bound @extschema@.trainer_bindings;
  of_app uuid[];
BEGIN
  IF $2 IS NULL AND $3 IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT * INTO bound FROM @extschema@.trainer_bindings AS b
    WHERE b.role = 'responses' AND @extschema@.trainer_relation_name(b.relation) IS NOT NULL;
  IF FOUND AND $2 IS NOT NULL THEN
    EXECUTE format('SELECT array_agg(r.%I) FROM %s AS r WHERE r.%I = $1 AND r.%I = $2', bound.columns ->> 'id',
                   @extschema@.trainer_relation_name(bound.relation), bound.columns ->> 'organization_id', bound.columns ->> 'comment_id')
      INTO of_app USING $1, $2;
  END IF;
  -- The app may have deleted its own already.
  RETURN ARRAY(
    SELECT r.id FROM unnest(of_app || $3) AS r (id) WHERE r.id IS NOT NULL
    UNION SELECT e.response_id FROM @extschema@.training_examples AS e WHERE e.organization_id = $1 AND e.comment_id = $2 AND e.response_id IS NOT NULL
    UNION SELECT g.response_id FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1 AND g.comment_id = $2 AND g.response_id IS NOT NULL
    UNION SELECT q.response_id FROM @extschema@.trainer_generation_requests AS q WHERE q.organization_id = $1 AND q.comment_id = $2);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_responses_to_erase(uuid, uuid, uuid) IS
  'the response, and all responses to the comment, of the app and of our tables; null: every one of the organization';

-- Operations, models, datasets: the order of the worker and of trainer_cancel_training(); the model that serves is the last of the models,
-- as in trainer_activate_model(). Nothing that is about to be sent is sent meanwhile, and nobody submits a dataset.
CREATE FUNCTION @extschema@.trainer_lock_for_erasure(organization_id uuid, comment_id uuid, response_ids uuid[]) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  models uuid[];
  sending uuid;
BEGIN
  PERFORM FROM @extschema@.trainer_operations AS o
    WHERE o.organization_id = $1 AND o.state IN ('ready', 'sending', 'reconcile', 'checking') ORDER BY o.id FOR UPDATE;
  models := ARRAY(SELECT m.id FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 ORDER BY m.is_active, m.id FOR UPDATE);
  PERFORM FROM @extschema@.training_datasets AS d WHERE d.organization_id = $1 ORDER BY d.id FOR UPDATE;
  -- A file whose upload has no answer yet is found again by its content.
  SELECT m.id INTO sending FROM @extschema@.trainer_operations AS o
    JOIN @extschema@.custom_models AS m ON m.organization_id = o.organization_id AND m.id = o.custom_model_id
    WHERE o.organization_id = $1 AND o.kind IN ('upload_training_file', 'upload_validation_file') AND o.state IN ('sending', 'reconcile', 'checking')
      AND EXISTS (SELECT FROM @extschema@.training_examples AS e
                  WHERE e.organization_id = $1 AND e.dataset_id = m.training_dataset_id
                    AND ($3 IS NULL OR e.response_id = ANY ($3) OR e.comment_id = $2))
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'cannot erase what is being uploaded'
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('The file of model %s is on its way to the provider.', sending),
            HINT = 'Try again once it is known to be there: SELECT kind, state, last_error FROM trainer_operations_pending.';
  END IF;
  RETURN models;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_lock_for_erasure(uuid, uuid, uuid[]) IS
  'locks what an organization has under way, its models and its datasets, and returns the models; an error while what is erased is being uploaded';

-- Of what was erased before, the events are all that is left: so that models may be deleted later, and files of a job that ran at the time.
CREATE FUNCTION @extschema@.trainer_learners(organization_id uuid, comment_id uuid, response_ids uuid[])
RETURNS TABLE (custom_model_id uuid, how text, learned boolean, examples bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH link AS (
    SELECT l.custom_model_id AS id, l.how, l.learned, (l.how <> 'inherited')::integer AS examples
    FROM @extschema@.trainer_example_lineage($1, $3, $2) AS l
    UNION ALL
    SELECT m.id, CASE m.kind WHEN 'exemplar' THEN 'exemplar' ELSE 'trained' END, @extschema@.trainer_training_began(m),
           (SELECT count(*) FROM @extschema@.training_examples AS e WHERE e.organization_id = $1 AND e.dataset_id = m.training_dataset_id)
    FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND $3 IS NULL
    UNION ALL
    SELECT e.custom_model_id, e.detail ->> 'how', (e.detail ->> 'learned')::boolean, 0
    FROM @extschema@.trainer_event_log AS e
    WHERE e.organization_id = $1 AND e.kind = 'erased' AND (e.detail ->> 'comment_id' = $2::text OR e.detail ->> 'response_id' = ANY ($3::text[])))
  SELECT l.id, (array_agg(l.how ORDER BY l.learned DESC, array_position('{trained,exemplar,inherited,validated}'::text[], l.how)))[1],
         bool_or(l.learned), sum(l.examples)::bigint
  FROM link AS l JOIN @extschema@.custom_models AS m ON m.id = l.id
  -- Of a training of which nothing is sent, the dataset is what it will be without them.
  WHERE l.learned OR l.how = 'inherited' OR m.training_file_id IS NOT NULL
  GROUP BY l.id
$$;
COMMENT ON FUNCTION @extschema@.trainer_learners(uuid, uuid, uuid[]) IS
  'the models that what is to be erased went into, by their training, their files or a model before them; also what was erased before';

CREATE FUNCTION @extschema@.trainer_erase_examples(organization_id uuid, comment_id uuid, response_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  erased bigint;
BEGIN
  WITH gone AS (
    DELETE FROM @extschema@.training_examples AS e
    WHERE e.organization_id = $1 AND ($3 IS NULL OR e.response_id = ANY ($3) OR e.comment_id = $2) RETURNING e.dataset_id, e.split),
  fewer AS (
    SELECT d.id, count(*) AS examples, greatest(0, d.validation_count - count(*) FILTER (WHERE g.split = 'validation')) AS validation_count,
           d.roast_count - count(*) AS roast_count
    FROM gone AS g JOIN @extschema@.training_datasets AS d ON d.organization_id = $1 AND d.id = g.dataset_id GROUP BY d.id),
  told AS (
    UPDATE @extschema@.training_datasets AS d
    SET validation_count = f.validation_count, roast_count = greatest(f.validation_count, f.roast_count),
        report = d.report || jsonb_build_object('erased', coalesce((d.report ->> 'erased')::bigint, 0) + f.examples), updated_at = now()
    FROM fewer AS f WHERE d.organization_id = $1 AND d.id = f.id)
  SELECT count(*) INTO erased FROM gone;
  RETURN erased;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_erase_examples(uuid, uuid, uuid[]) IS 'deletes training examples; their datasets count what is left';

CREATE FUNCTION @extschema@.trainer_erase_exemplars(organization_id uuid, comment_id uuid, response_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  erased bigint;
BEGIN
  IF $3 IS NULL THEN
    DELETE FROM @extschema@.trainer_exemplar_terms AS t WHERE t.organization_id = $1;
    DELETE FROM @extschema@.trainer_exemplars AS x WHERE x.organization_id = $1;
    GET DIAGNOSTICS erased = ROW_COUNT;
    UPDATE @extschema@.custom_models AS m SET training_examples = 0 WHERE m.organization_id = $1 AND m.kind = 'exemplar';
    RETURN erased;
  END IF;
  WITH gone AS (
    DELETE FROM @extschema@.trainer_exemplars AS x WHERE x.organization_id = $1 AND (x.response_id = ANY ($3) OR x.comment_id = $2)
    RETURNING x.custom_model_id, x.ordinal),
  model AS (
    SELECT g.custom_model_id AS id, array_agg(g.ordinal) AS ordinals FROM gone AS g GROUP BY 1),
  term AS (
    SELECT t.custom_model_id, t.term, ARRAY(SELECT o FROM unnest(t.ordinals) AS o WHERE o <> ALL (m.ordinals) ORDER BY o) AS ordinals
    FROM model AS m JOIN @extschema@.trainer_exemplar_terms AS t ON t.custom_model_id = m.id AND t.ordinals && m.ordinals),
  unknown AS (
    DELETE FROM @extschema@.trainer_exemplar_terms AS t USING term AS n
    WHERE t.custom_model_id = n.custom_model_id AND t.term = n.term AND n.ordinals = '{}'),
  rarer AS (
    UPDATE @extschema@.trainer_exemplar_terms AS t SET examples = cardinality(n.ordinals), ordinals = n.ordinals FROM term AS n
    WHERE t.custom_model_id = n.custom_model_id AND t.term = n.term AND n.ordinals <> '{}'),
  told AS (
    UPDATE @extschema@.custom_models AS m SET training_examples = m.training_examples - cardinality(g.ordinals) FROM model AS g WHERE m.id = g.id)
  SELECT count(*) INTO erased FROM gone;
  RETURN erased;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_erase_exemplars(uuid, uuid, uuid[]) IS
  'takes examples out of the exemplar models, and words out of their index that occur in no other';

-- A verdict goes on to count, and a rejection to keep its response out of datasets; an edit has to have a text.
CREATE FUNCTION @extschema@.trainer_erase_texts(organization_id uuid, comment_id uuid, response_ids uuid[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  requests bigint;
  feedback bigint;
  variants bigint;
  reference_roasts bigint := 0;
BEGIN
  UPDATE @extschema@.trainer_comparisons AS c SET expected = NULL
    WHERE c.organization_id = $1 AND c.expected IS NOT NULL
      AND ($3 IS NULL OR EXISTS (SELECT FROM @extschema@.trainer_generation_requests AS q
                                 WHERE q.organization_id = $1 AND q.comparison_id = c.id AND q.comment_id = $2));
  DELETE FROM @extschema@.trainer_variants AS v
    WHERE v.organization_id = $1
      AND ($3 IS NULL OR v.comment_id = $2 OR v.generation_id IN (
             SELECT g.id FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1 AND g.response_id = ANY ($3)));
  GET DIAGNOSTICS variants = ROW_COUNT;
  -- A reply that waits holds its prompts, and those hold examples.
  DELETE FROM @extschema@.trainer_generation_requests AS q
    WHERE q.organization_id = $1
      AND ($3 IS NULL OR q.comment_id = $2 OR q.response_id = ANY ($3) OR EXISTS (
             SELECT FROM json_array_elements(q.rungs) AS r (asked), json_array_elements(r.asked -> 'messages') AS t (turn), @extschema@.trainer_exemplars AS x
             WHERE x.organization_id = $1 AND (x.response_id = ANY ($3) OR x.comment_id = $2) AND t.turn ->> 'content' = x.reply));
  GET DIAGNOSTICS requests = ROW_COUNT;
  UPDATE @extschema@.model_feedback AS f
    SET original_roast = NULL, edited_roast = CASE f.feedback_type WHEN 'edited' THEN '' END, metadata = '{}'
    WHERE f.organization_id = $1 AND ($3 IS NULL OR f.response_id = ANY ($3));
  GET DIAGNOSTICS feedback = ROW_COUNT;
  IF $3 IS NULL THEN
    DELETE FROM @extschema@.trainer_reference_roasts AS r WHERE r.organization_id = $1;
    GET DIAGNOSTICS reference_roasts = ROW_COUNT;
    -- What models are called, and where the organization is to be found.
    DELETE FROM @extschema@.trainer_notifications AS n WHERE n.organization_id = $1;
    DELETE FROM @extschema@.trainer_webhooks AS w WHERE w.organization_id = $1;
    -- Words of comments, as bits.
    DELETE FROM @extschema@.trainer_drift_streams AS d WHERE d.organization_id = $1;
  END IF;
  RETURN jsonb_build_object(
    'requests', requests, 'feedback', feedback, 'variants', variants, 'reference_roasts', reference_roasts,
    'examples', @extschema@.trainer_erase_examples($1, $2, $3), 'exemplars', @extschema@.trainer_erase_exemplars($1, $2, $3));
END $$;
COMMENT ON FUNCTION @extschema@.trainer_erase_texts(uuid, uuid, uuid[]) IS 'takes texts out of our tables; how many rows of each kind';

-- Without trainer_add_operation(), which would warn of a missing worker at each.
CREATE FUNCTION @extschema@.trainer_delete_at_provider(model @extschema@.custom_models, kind text, names text[]) RETURNS integer
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH wanted AS (
    SELECT n.name FROM unnest($3) AS n (name)
    WHERE n.name <> '' AND NOT EXISTS (
      SELECT FROM @extschema@.trainer_operations AS o
      WHERE o.organization_id = $1.organization_id AND o.custom_model_id = $1.id AND o.kind = $2 AND o.argument = n.name AND o.state = 'done')),
  added AS (
    INSERT INTO @extschema@.trainer_operations (organization_id, custom_model_id, kind, argument)
    SELECT $1.organization_id, $1.id, $2, w.name FROM wanted AS w ON CONFLICT DO NOTHING)
  SELECT count(*)::integer FROM wanted
$$;
COMMENT ON FUNCTION @extschema@.trainer_delete_at_provider(@extschema@.custom_models, text, text[]) IS
  'asks the worker to delete files or models of these names, and returns of how many; what is deleted already is not asked for again';

CREATE FUNCTION @extschema@.trainer_retire_erased(model @extschema@.custom_models) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF model.is_active THEN
    PERFORM @extschema@.trainer_rollback_model(model.organization_id, 'erased');
  END IF;
  UPDATE @extschema@.custom_models AS m
    SET status = 'retired', erased_at = coalesce(m.erased_at, now()), verified_at = NULL, deployed_at = NULL, updated_at = now() WHERE m.id = model.id;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_retire_erased(@extschema@.custom_models) IS
  'takes a model out of service for good; the one that served before it takes its place';

CREATE FUNCTION @extschema@.trainer_erase_model(model @extschema@.custom_models, learned boolean, delete_models boolean, OUT models integer, OUT note text)
RETURNS record
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
BEGIN
  models := 0;
  IF NOT learned THEN
    note := 'not needed: it has not learned it';
  ELSIF model.kind = 'exemplar' AND EXISTS (SELECT FROM @extschema@.trainer_exemplars AS x WHERE x.custom_model_id = model.id) THEN
    note := 'not needed: the examples are taken out of it';
  ELSIF NOT delete_models THEN
    note := CASE WHEN model.erased_at IS NULL THEN 'not asked for' ELSE 'asked for before' END;
  ELSIF model.kind = 'exemplar' THEN
    note := 'retired: it has no examples any more';
    PERFORM @extschema@.trainer_retire_erased(model);
  ELSE
    names := ARRAY(SELECT model.fine_tuned_model_id::text WHERE model.fine_tuned_model_id IS NOT NULL
                   UNION SELECT c.model FROM @extschema@.trainer_checkpoints AS c
                         WHERE c.organization_id = model.organization_id AND c.custom_model_id = model.id);
    IF names = '{}' AND model.erased_at IS NULL THEN
      note := 'not needed: no model came of it';
      RETURN;
    END IF;
    models := @extschema@.trainer_delete_at_provider(model, 'delete_model', names);
    note := CASE WHEN models > 0 THEN 'queued' ELSE 'done' END;
    PERFORM @extschema@.trainer_retire_erased(model);
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_erase_model(@extschema@.custom_models, boolean, boolean) IS
  'retires a model that learned what is erased, and asks the worker to delete it and its checkpoints at the provider, where that is wanted; how many, and what comes of it';

CREATE FUNCTION @extschema@.trainer_require_erasable(organization_id uuid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF organization_id IS NULL THEN
    RAISE EXCEPTION 'organization_id must not be null' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'cannot erase under isolation level %', current_setting('transaction_isolation')
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'The snapshot would not show what others have committed since it was taken.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_erasable(uuid) IS 'an error where an erasure could not be complete';

CREATE FUNCTION @extschema@.trainer_erase(
  organization_id uuid, comment_id uuid DEFAULT NULL, response_id uuid DEFAULT NULL, delete_models boolean DEFAULT false)
RETURNS TABLE (custom_model_id uuid, version integer, status text, serves boolean, fine_tuned_model_id text, how text, files_deleted integer,
  model_deletion text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  responses uuid[];
  locked uuid[];
  learners jsonb;
  told jsonb;
  model @extschema@.custom_models;
BEGIN
  PERFORM @extschema@.trainer_require_erasable($1);
  responses := @extschema@.trainer_responses_to_erase($1, $2, $3);
  locked := @extschema@.trainer_lock_for_erasure($1, $2, responses);
  SELECT coalesce(jsonb_object_agg(l.custom_model_id, to_jsonb(l)), '{}') INTO learners FROM @extschema@.trainer_learners($1, $2, responses) AS l;
  IF EXISTS (SELECT FROM jsonb_object_keys(learners) AS key WHERE key::uuid <> ALL (locked)) THEN
    RAISE EXCEPTION 'could not serialize access due to concurrent update'
      USING ERRCODE = 'serialization_failure', DETAIL = 'A model has been made meanwhile.', HINT = 'The transaction might succeed if retried.';
  END IF;
  PERFORM @extschema@.trainer_log_event($1, NULL, 'erasure',
    @extschema@.trainer_erase_texts($1, $2, responses) || jsonb_build_object('comment_id', $2, 'response_id', $3));
  -- The one that serves comes last: what takes its place is none that goes, too.
  FOR model IN SELECT * FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND learners ? m.id::text ORDER BY m.is_active, m.version LOOP
    told := learners -> model.id::text;
    IF model.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating') THEN
      told := told || jsonb_build_object('files', 0, 'models', 0, 'note', format('not touched: its training is under way (%s)', model.status));
    ELSE
      told := told || (SELECT to_jsonb(e) FROM @extschema@.trainer_erase_model(model, (told ->> 'learned')::boolean, coalesce($4, false)) AS e)
        || jsonb_build_object('files', @extschema@.trainer_delete_at_provider(model, 'delete_file', ARRAY[model.training_file_id, model.validation_file_id]));
    END IF;
    learners := jsonb_set(learners, ARRAY[model.id::text], told);
    PERFORM @extschema@.trainer_log_event($1, model.id, 'erased', told - 'custom_model_id' || jsonb_build_object('comment_id', $2, 'response_id', $3));
  END LOOP;
  IF EXISTS (SELECT FROM jsonb_each(learners) AS l WHERE (l.value ->> 'files')::integer + (l.value ->> 'models')::integer > 0) THEN
    PERFORM @extschema@.trainer_call_worker();
  END IF;
  RETURN QUERY
    SELECT m.id, m.version, m.status::text, m.is_active, m.fine_tuned_model_id::text, l.value ->> 'how', (l.value ->> 'files')::integer, l.value ->> 'note'
    FROM jsonb_each(learners) AS l JOIN @extschema@.custom_models AS m ON m.id = l.key::uuid ORDER BY m.version;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_erase(uuid, uuid, uuid, boolean) IS
  'takes a response, a comment with its responses, or (of neither) a whole organization out of our tables, and has the provider''s files deleted; '
  'a row for each model that learned it; delete_models: those are deleted at the provider, too';

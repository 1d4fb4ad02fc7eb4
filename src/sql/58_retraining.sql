-- Retraining: noticed where feedback is counted or a stream drifts (77_drift.sql), decided and begun by the worker (src/pg/retraining.cpp) in the name of who attached the tables.

-- A row for each model that serves and whose feedback has crossed the threshold again, unless one is open.
CREATE FUNCTION @extschema@.trainer_note_retraining(custom_model_id uuid, feedback bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  threshold integer := current_setting('trainer.retrain_threshold')::integer;
BEGIN
  IF threshold > 0 AND feedback >= threshold THEN
    INSERT INTO @extschema@.trainer_retraining_decisions (organization_id, custom_model_id, generation, feedback, reason)
      SELECT m.organization_id, m.id, last.generation + 1, $2, format('feedback: %s, the threshold is %s', $2, threshold)
      FROM @extschema@.custom_models AS m
      -- By what the last one had seen, and not by a number that another threshold gave it.
      CROSS JOIN LATERAL (SELECT coalesce(max(d.generation), 0) AS generation, coalesce(max(d.feedback), 0) AS feedback
                          FROM @extschema@.trainer_retraining_decisions AS d WHERE d.custom_model_id = m.id AND d.generation IS NOT NULL) AS last
      WHERE m.id = $1 AND m.is_active AND $2 / threshold > last.feedback / threshold
      ON CONFLICT DO NOTHING;
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_note_retraining(uuid, bigint) IS
  'a retraining to be decided, once each time that the feedback on a model has crossed trainer.retrain_threshold';

CREATE FUNCTION @extschema@.trainer_schedule_retraining(custom_model_id uuid, force boolean DEFAULT false)
RETURNS @extschema@.trainer_retraining_decisions
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Locked: sessions that ask at the same moment see each other's row.
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
  threshold integer := greatest(current_setting('trainer.retrain_threshold')::integer, 1);
  seen bigint := coalesce((SELECT c.feedback FROM @extschema@.trainer_count_feedback(model.organization_id) AS c WHERE c.custom_model_id = model.id), 0);
  made @extschema@.trainer_retraining_decisions;
BEGIN
  SELECT * INTO made FROM @extschema@.trainer_retraining_decisions AS d
    WHERE d.custom_model_id = model.id AND (d.decision IN ('due', 'not_now') OR NOT force AND d.generation IS NOT NULL AND d.feedback / threshold = seen / threshold);
  IF FOUND THEN
    IF made.forced OR NOT force THEN
      RETURN made;
    END IF;
    UPDATE @extschema@.trainer_retraining_decisions AS d SET forced = true, due_at = now(), decision = 'due', updated_at = now()
      WHERE d.id = made.id RETURNING * INTO made;
  ELSIF NOT force AND seen < threshold THEN
    -- Not a row: it says no more than the counts do.
    made.organization_id := model.organization_id;
    made.custom_model_id := model.id;
    made.feedback := seen;
    made.decision := 'not_now';
    made.reason := format('feedback: %s, the threshold is %s', seen, threshold);
    made.forced := false;
    RETURN made;
  ELSE
    INSERT INTO @extschema@.trainer_retraining_decisions AS d (organization_id, custom_model_id, generation, feedback, reason, forced)
      VALUES (model.organization_id, model.id,
              CASE WHEN NOT force THEN (SELECT coalesce(max(o.generation), 0) + 1 FROM @extschema@.trainer_retraining_decisions AS o WHERE o.custom_model_id = model.id) END, seen,
              CASE WHEN force THEN 'asked for by force' ELSE format('feedback: %s, the threshold is %s', seen, threshold) END, force)
      RETURNING * INTO made;
  END IF;
  PERFORM @extschema@.trainer_call_worker();
  RETURN made;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_schedule_retraining(uuid, boolean) IS
  'asks for a new version of the model when its feedback has crossed the threshold; force: also when it has not, during the cool-down, and after failures';

CREATE FUNCTION @extschema@.trainer_put_off_retraining(decision_id uuid, reason text, until timestamptz) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE @extschema@.trainer_retraining_decisions AS d
    SET decision = CASE WHEN $3 IS NULL THEN 'refused' ELSE 'not_now' END, reason = concat('drift of ' || d.drift || ': ', $2), due_at = $3,
        updated_at = clock_timestamp()
    WHERE d.id = $1 AND d.decision IN ('due', 'not_now')
$$;
COMMENT ON FUNCTION @extschema@.trainer_put_off_retraining(uuid, text, timestamptz) IS 'not now, but to be looked at again; until null: never';

-- Why not, if so; until null: for good. What costs nothing to look at comes first.
CREATE FUNCTION @extschema@.trainer_retraining_obstacle(
  asked @extschema@.trainer_retraining_decisions, model @extschema@.custom_models, OUT reason text, OUT until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  other @extschema@.custom_models;
  cool_down text := current_setting('trainer.retrain_cooldown');
BEGIN
  IF NOT model.is_active THEN
    reason := 'the model no longer serves';
    RETURN;
  END IF;
  SELECT * INTO other FROM @extschema@.custom_models AS m
    WHERE m.organization_id = model.organization_id AND m.version > model.version AND m.status NOT IN ('failed', 'cancelled')
    ORDER BY m.version DESC LIMIT 1;
  IF other.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating') THEN
    reason := format('version %s is in training', other.version);
    until := now() + interval '1 minute';
    RETURN;
  END IF;
  IF asked.forced THEN
    RETURN;
  END IF;
  -- Of the organization, whichever model served meanwhile.
  IF (SELECT count(*) = 3 AND bool_and(last.decision = 'failed') FROM (
        SELECT d.decision FROM @extschema@.trainer_retraining_decisions AS d
        WHERE d.organization_id = model.organization_id AND d.new_model_id IS NOT NULL ORDER BY d.created_at DESC LIMIT 3) AS last) THEN
    reason := 'three retrainings in a row have failed';
    RETURN;
  END IF;
  SELECT m.created_at + cool_down::interval INTO until FROM @extschema@.custom_models AS m
    WHERE m.organization_id = model.organization_id AND m.status <> 'cancelled' AND m.created_at + cool_down::interval > now()
    ORDER BY m.created_at DESC LIMIT 1;
  IF until IS NOT NULL THEN
    reason := format('the last training began less than %s ago', cool_down);
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_retraining_obstacle(@extschema@.trainer_retraining_decisions, @extschema@.custom_models) IS
  'what keeps a model from being trained anew, and until when; null when nothing does';

-- The newest good responses, as for any dataset: what the serving version has learned and is still among them, and what has come since.
CREATE FUNCTION @extschema@.trainer_prepare_retraining(model @extschema@.custom_models, least_new integer) RETURNS @extschema@.training_datasets
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old @extschema@.training_datasets;
  made @extschema@.training_datasets;
  new_examples bigint;
BEGIN
  SELECT * INTO old FROM @extschema@.training_datasets AS d WHERE d.id = model.training_dataset_id;
  made := @extschema@.trainer_prepare_dataset(
    model.organization_id, name => left(format('Retraining of %s, version %s', model.name, model.version), 255),
    min_quality_score => coalesce(old.min_quality_score, 0.7), base_model => coalesce(old.training_params ->> 'base_model', model.base_model),
    epochs => coalesce((old.training_params ->> 'epochs')::integer, 3),
    learning_rate_multiplier => coalesce((old.training_params ->> 'learning_rate_multiplier')::numeric, 0.1),
    include_persona => coalesce(old.include_persona, true), include_platform_context => coalesce(old.include_platform_context, true),
    max_examples => greatest(1000, old.roast_count), method => coalesce(old.training_params ->> 'method', 'supervised'),
    options => (SELECT coalesce(jsonb_object_agg(p.key, p.value), '{}') FROM jsonb_each(old.training_params) AS p
                WHERE p.key IN ('seed', 'batch_size', 'beta', 'weight_by')));
  made := @extschema@.trainer_keep_held_out(made.id);
  SELECT count(*) INTO new_examples FROM @extschema@.training_examples AS e
    WHERE e.organization_id = made.organization_id AND e.dataset_id = made.id
      AND NOT EXISTS (SELECT FROM @extschema@.training_examples AS o
                      WHERE o.organization_id = old.organization_id AND o.dataset_id = old.id AND o.messages::text = e.messages::text);
  IF new_examples < least_new THEN
    RAISE EXCEPTION USING ERRCODE = 'TR001', MESSAGE = 'too few new examples',
      DETAIL = format('New examples: %s; wanted: %s.', new_examples, least_new);
  END IF;
  RETURN made;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_prepare_retraining(@extschema@.custom_models, integer) IS
  'the dataset of a model''s next version, made as the last one was; TR001 when too little of it is new';

CREATE FUNCTION @extschema@.trainer_retrain(decision_id uuid) RETURNS @extschema@.trainer_retraining_decisions
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked @extschema@.trainer_retraining_decisions;
  model @extschema@.custom_models;
  made @extschema@.custom_models;
  obstacle record;
  detail text;
BEGIN
  -- The model first, and then the decision: the order of trainer_schedule_retraining().
  PERFORM FROM @extschema@.custom_models AS m WHERE m.id = (SELECT d.custom_model_id FROM @extschema@.trainer_retraining_decisions AS d WHERE d.id = decision_id) FOR UPDATE;
  SELECT * INTO asked FROM @extschema@.trainer_retraining_decisions AS d WHERE d.id = decision_id AND d.decision IN ('due', 'not_now') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  model := @extschema@.trainer_find_model(asked.custom_model_id);
  obstacle := @extschema@.trainer_retraining_obstacle(asked, model);
  IF obstacle.reason IS NOT NULL THEN
    PERFORM @extschema@.trainer_put_off_retraining(asked.id, obstacle.reason, obstacle.until);
  ELSE
    BEGIN
      made := @extschema@.trainer_submit_training(
        (@extschema@.trainer_prepare_retraining(model, CASE WHEN asked.forced THEN 0 ELSE current_setting('trainer.retrain_min_new_examples')::integer END)).id,
        -- From the serving model, and when that has failed, from the base.
        parent_model_id => CASE WHEN model.kind = 'fine_tuned' AND NOT EXISTS (
          SELECT FROM @extschema@.trainer_retraining_decisions AS d JOIN @extschema@.custom_models AS m ON m.id = d.new_model_id
          WHERE d.custom_model_id = model.id AND d.decision = 'failed' AND m.parent_model_id = model.id) THEN model.id END);
      UPDATE @extschema@.trainer_retraining_decisions AS d
        SET decision = 'training', reason = coalesce('drift of ' || d.drift, format('feedback: %s', d.feedback)), new_model_id = made.id, due_at = NULL, updated_at = clock_timestamp() WHERE d.id = asked.id;
      IF made.status = 'succeeded' THEN
        PERFORM @extschema@.trainer_begin_comparison(made);
      END IF;
    -- invalid_parameter_value: a budget, and no price.
    EXCEPTION WHEN SQLSTATE 'TR001' OR SQLSTATE 'TR004' OR SQLSTATE 'TR005' OR SQLSTATE 'TR008' OR invalid_parameter_value THEN
      GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
      PERFORM @extschema@.trainer_put_off_retraining(asked.id, concat_ws('. ', SQLERRM, nullif(detail, '')), now() + interval '1 hour');
    END;
  END IF;
  SELECT * INTO asked FROM @extschema@.trainer_retraining_decisions AS d WHERE d.id = asked.id;
  PERFORM @extschema@.trainer_log_event(asked.organization_id, asked.custom_model_id, 'retraining_' || asked.decision,
    jsonb_build_object('decision_id', asked.id, 'reason', asked.reason, 'new_model_id', asked.new_model_id));
  RETURN asked;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_retrain(uuid) IS
  'decides about a retraining that is due, and begins it or says why not; run by the worker as the role that attached the app''s tables';

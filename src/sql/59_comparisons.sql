-- The proof of a new version: old and new answer the same held-out comments, which none has been trained on, and the new one serves only when it is not
-- worse. The worker asks them as it asks for replies (src/pg/replies.cpp).

CREATE FUNCTION @extschema@.trainer_comment_key(messages json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  -- By the bytes, as core::MessageWriter writes them: a database of another encoding cannot read what they stand for.
  SELECT md5(coalesce(substring($1::text FROM '"role":"user","content":("(?:[^"\\]|\\.)*")'), $1::text))
$$;
COMMENT ON FUNCTION @extschema@.trainer_comment_key(json) IS 'equal for examples with the same user''s message';

-- A retraining is judged by comments that no version of the organization was trained on, and trains on none that one was judged by. A dataset's split follows the comments alone, by a hash; where it would
-- change for a comment that an earlier version knows, because there are more or fewer examples now, that one's side stays.
CREATE FUNCTION @extschema@.trainer_keep_held_out(dataset_id uuid) RETURNS @extschema@.training_datasets
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  dataset @extschema@.training_datasets;
BEGIN
  SELECT * INTO dataset FROM @extschema@.training_datasets AS d WHERE d.id = $1;
  IF NOT EXISTS (SELECT FROM @extschema@.custom_models AS m WHERE m.organization_id = dataset.organization_id) THEN
    RETURN dataset;
  END IF;
  WITH known AS MATERIALIZED (
    SELECT @extschema@.trainer_comment_key(e.messages) AS comment, min(e.split) AS split  -- 'train' before 'validation'
    FROM @extschema@.training_examples AS e
    WHERE e.organization_id = dataset.organization_id AND e.dataset_id <> dataset.id
      AND EXISTS (SELECT FROM @extschema@.custom_models AS m WHERE m.organization_id = e.organization_id AND m.training_dataset_id = e.dataset_id
                    AND (m.kind = 'exemplar' OR m.provider_job_id IS NOT NULL OR m.training_file_id IS NOT NULL))
    GROUP BY 1)
  UPDATE @extschema@.training_examples AS e SET split = known.split
    FROM known
    WHERE e.organization_id = dataset.organization_id AND e.dataset_id = dataset.id
      AND known.comment = @extschema@.trainer_comment_key(e.messages) AND e.split <> known.split;
  IF FOUND THEN
    UPDATE @extschema@.training_datasets AS d
      SET validation_count = s.validation, report = d.report || jsonb_build_object('train', d.roast_count - s.validation, 'validation', s.validation)
      FROM (SELECT count(*) FILTER (WHERE e.split = 'validation') AS validation FROM @extschema@.training_examples AS e
            WHERE e.organization_id = dataset.organization_id AND e.dataset_id = dataset.id) AS s
      WHERE d.id = dataset.id RETURNING d.* INTO dataset;
  END IF;
  RETURN dataset;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_held_out(uuid) IS
  'keeps on its side of the split what earlier versions of the organization were trained on, or were not';

-- What a model is asked: of an exemplar model the examples that fit stand before the comment. prompt: the messages of a held-out example without its reply.
CREATE FUNCTION @extschema@.trainer_comparison_messages(model @extschema@.custom_models, prompt jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN model.kind = 'exemplar' THEN
    (prompt - -1)
    || coalesce((SELECT jsonb_agg(turn.message ORDER BY x.score, x.ordinal, turn.place)
                 FROM @extschema@.trainer_exemplar_matches(model.id, prompt -> -1 ->> 'content', 5) AS x
                 CROSS JOIN LATERAL (VALUES (1, jsonb_build_object('role', 'user', 'content', x.prompt)),
                                            (2, jsonb_build_object('role', 'assistant', 'content', x.reply))) AS turn (place, message)), '[]')
    || jsonb_build_array(prompt -> -1)
  ELSE prompt END
$$;
COMMENT ON FUNCTION @extschema@.trainer_comparison_messages(@extschema@.custom_models, jsonb) IS 'the messages by which a model is asked for its answer to a held-out comment';

CREATE FUNCTION @extschema@.trainer_begin_comparison(model @extschema@.custom_models) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  proof @extschema@.trainer_retraining_decisions;
  requests uuid[];
BEGIN
  UPDATE @extschema@.trainer_retraining_decisions AS d SET decision = 'comparing', due_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE d.organization_id = model.organization_id AND d.new_model_id = model.id AND d.decision = 'training' RETURNING * INTO proof;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  WITH held_out AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY e.ordinal) AS ordinal, e.comment_id, e.messages::jsonb AS messages FROM @extschema@.training_examples AS e
    WHERE e.organization_id = model.organization_id AND e.dataset_id = model.training_dataset_id AND e.split = 'validation'
    ORDER BY e.ordinal LIMIT 20),
  asked AS (
    INSERT INTO @extschema@.trainer_comparisons (organization_id, decision_id, ordinal, custom_model_id, expected)
    SELECT model.organization_id, proof.id, h.ordinal, m.id, h.messages -> -1 ->> 'content'
    FROM held_out AS h CROSS JOIN @extschema@.custom_models AS m WHERE m.id IN (model.id, proof.custom_model_id)
    RETURNING id, ordinal, custom_model_id),
  requested AS (
    INSERT INTO @extschema@.trainer_generation_requests
        (organization_id, comment_id, response_id, comparison_id, requested_by, role_oid, temperature, max_tokens, reason, rungs)
      SELECT model.organization_id, coalesce(h.comment_id, a.id), a.id, a.id, r.rolname, r.oid, 0, 200, 'comparison',
             json_build_array(json_build_object('rung', m.kind, 'model', CASE m.kind WHEN 'exemplar' THEN m.base_model ELSE m.fine_tuned_model_id END,
                                                'custom_model_id', m.id, 'messages', @extschema@.trainer_comparison_messages(m, h.messages - -1)))
      FROM asked AS a JOIN held_out AS h USING (ordinal) JOIN @extschema@.custom_models AS m ON m.id = a.custom_model_id
      JOIN @extschema@.trainer_bindings AS b ON b.role = 'responses' JOIN pg_roles AS r ON r.oid = b.attached_by
      RETURNING id)
  SELECT array_agg(q.id) INTO requests FROM requested AS q;
  PERFORM @extschema@.trainer_reserve_requests(model.organization_id, requests);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_begin_comparison(@extschema@.custom_models) IS
  'asks a new version and the one that serves for answers to up to 20 held-out comments, when the new one comes of a retraining';

CREATE FUNCTION @extschema@.trainer_retrained() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  proof @extschema@.trainer_retraining_decisions;
  detail text;
BEGIN
  IF NEW.status = 'succeeded' THEN
    -- That a training has succeeded is recorded also where its proof cannot begin: texts that a database of another encoding cannot read.
    BEGIN
      PERFORM @extschema@.trainer_begin_comparison(NEW);
    EXCEPTION WHEN data_exception OR feature_not_supported OR program_limit_exceeded OR SQLSTATE 'TR005' THEN
      GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
      UPDATE @extschema@.trainer_retraining_decisions AS d
        SET decision = 'held_back', reason = concat_ws('. ', format('its comparison could not begin: %s', SQLERRM), nullif(detail, '')), due_at = NULL, updated_at = clock_timestamp()
        WHERE d.organization_id = NEW.organization_id AND d.new_model_id = NEW.id AND d.decision = 'training' RETURNING * INTO proof;
      IF FOUND THEN
        PERFORM @extschema@.trainer_log_event(proof.organization_id, proof.new_model_id, 'retraining_held_back',
          jsonb_build_object('decision_id', proof.id, 'reason', proof.reason));
      END IF;
    END;
  ELSE
    UPDATE @extschema@.trainer_retraining_decisions AS d
      SET decision = 'failed', reason = coalesce(NEW.error_code || ': ' || NEW.error_message, 'the training was ' || NEW.status), due_at = NULL,
          updated_at = clock_timestamp()
      WHERE d.organization_id = NEW.organization_id AND d.new_model_id = NEW.id AND d.decision IN ('training', 'comparing');
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_retrained() IS 'goes on with a retraining whose model has been trained, or has not';

-- Of texts of a thousand characters and more the beginnings are compared.
CREATE FUNCTION @extschema@.trainer_score_comparison(comparison_id uuid, reply text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE @extschema@.trainer_comparisons AS c
    SET score = @extschema@.trainer_similarity(left($2, 1000), left(c.expected, 1000)), expected = NULL
    WHERE c.id = $1
$$;
COMMENT ON FUNCTION @extschema@.trainer_score_comparison(uuid, text) IS 'compares a model''s answer with the one that people approved';

CREATE FUNCTION @extschema@.trainer_judge(proof @extschema@.trainer_retraining_decisions, OUT comparison jsonb, OUT problem text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  margin double precision := current_setting('trainer.retrain_margin')::double precision;
  pairs record;
  losses record;
BEGIN
  SELECT count(*) AS asked, count(*) FILTER (WHERE p.both) AS answered, avg(p.new) FILTER (WHERE p.both) AS new, avg(p.old) FILTER (WHERE p.both) AS old
    INTO pairs
    FROM (SELECT count(c.score) = 2 AS both, max(c.score) FILTER (WHERE c.custom_model_id = proof.new_model_id) AS new,
                 max(c.score) FILTER (WHERE c.custom_model_id = proof.custom_model_id) AS old
          FROM @extschema@.trainer_comparisons AS c WHERE c.organization_id = proof.organization_id AND c.decision_id = proof.id GROUP BY c.ordinal) AS p;
  SELECT n.validation_loss AS new, o.validation_loss AS old INTO losses
    FROM @extschema@.custom_models AS n, @extschema@.custom_models AS o WHERE n.id = proof.new_model_id AND o.id = proof.custom_model_id;
  comparison := jsonb_build_object('asked', pairs.asked, 'answered', pairs.answered, 'margin', margin,
    'score', jsonb_build_object('new', round(pairs.new::numeric, 4), 'old', round(pairs.old::numeric, 4)),
    'validation_loss', jsonb_build_object('new', losses.new, 'old', losses.old));
  problem := CASE
    WHEN pairs.asked = 0 THEN 'nothing was held out to compare the versions by'
    WHEN pairs.answered * 2 < pairs.asked THEN format('both versions have answered %s of %s held-out comments', pairs.answered, pairs.asked)
    WHEN pairs.new < pairs.old - margin THEN format('its score is %s, that of the version that serves %s', round(pairs.new::numeric, 3), round(pairs.old::numeric, 3))
    WHEN losses.new > losses.old * (1 + margin) THEN format('its validation loss is %s, that of the version that serves %s', round(losses.new, 4), round(losses.old, 4))
  END;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_judge(@extschema@.trainer_retraining_decisions) IS
  'how a new version compares with the one that serves; problem: why it is not to serve, null when it is no worse than by trainer.retrain_margin';

CREATE FUNCTION @extschema@.trainer_finish_comparison(decision_id uuid) RETURNS @extschema@.trainer_retraining_decisions
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  proof @extschema@.trainer_retraining_decisions;
  judged record;
BEGIN
  -- Models first, the one that serves last, and then the decision: the order of trainer_deploy_model().
  PERFORM FROM @extschema@.custom_models AS m
    WHERE m.id IN (SELECT unnest(ARRAY[d.new_model_id, d.custom_model_id]) FROM @extschema@.trainer_retraining_decisions AS d WHERE d.id = $1)
    ORDER BY m.is_active, m.id FOR UPDATE;
  SELECT * INTO proof FROM @extschema@.trainer_retraining_decisions AS d WHERE d.id = $1 AND d.decision = 'comparing' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM @extschema@.trainer_comparisons AS c JOIN @extschema@.trainer_generation_requests AS q
               ON q.organization_id = c.organization_id AND q.comparison_id = c.id
             WHERE c.organization_id = proof.organization_id AND c.decision_id = proof.id AND q.state IN ('ready', 'sending', 'writing')) THEN
    UPDATE @extschema@.trainer_retraining_decisions AS d SET due_at = clock_timestamp() + interval '1 second' WHERE d.id = proof.id RETURNING * INTO proof;
    RETURN proof;
  END IF;
  -- What serves does not change under a running test: the proof is judged, and acted on, when it has ended.
  IF @extschema@.trainer_lock_experiments(proof.organization_id) IS NOT NULL THEN
    UPDATE @extschema@.trainer_retraining_decisions AS d SET due_at = clock_timestamp() + interval '1 minute' WHERE d.id = proof.id RETURNING * INTO proof;
    RETURN proof;
  END IF;
  judged := @extschema@.trainer_judge(proof);
  -- What serves by now it was not compared with.
  IF judged.problem IS NULL AND NOT EXISTS (SELECT FROM @extschema@.custom_models AS m WHERE m.id = proof.custom_model_id AND m.is_active) THEN
    judged.problem := 'the version that it was compared with no longer serves';
  END IF;
  UPDATE @extschema@.trainer_comparisons AS c SET expected = NULL WHERE c.organization_id = proof.organization_id AND c.decision_id = proof.id;
  UPDATE @extschema@.trainer_retraining_decisions AS d
    SET decision = CASE WHEN judged.problem IS NULL AND current_setting('trainer.auto_deploy')::boolean THEN 'deployed' ELSE 'held_back' END,
        reason = coalesce(judged.problem, CASE WHEN current_setting('trainer.auto_deploy')::boolean THEN 'it is not worse than the version that serves'
                                               ELSE 'it is not worse than the version that serves; trainer.auto_deploy is off' END),
        comparison = judged.comparison, due_at = NULL, updated_at = clock_timestamp()
    WHERE d.id = proof.id RETURNING * INTO proof;
  PERFORM @extschema@.trainer_log_event(proof.organization_id, proof.new_model_id, 'retraining_' || proof.decision,
    jsonb_build_object('decision_id', proof.id, 'reason', proof.reason, 'comparison', proof.comparison));
  IF proof.decision = 'deployed' THEN
    PERFORM @extschema@.trainer_activate_model(proof.new_model_id, true);
  END IF;
  RETURN proof;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_finish_comparison(uuid) IS
  'once all answers are in: deploys the new version when it has proved itself, or holds it back; run by the worker';

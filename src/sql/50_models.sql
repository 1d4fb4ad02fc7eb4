-- Models: which one serves.

CREATE FUNCTION @extschema@.trainer_activate_model(custom_model_id uuid, unless_newer boolean DEFAULT false)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
  serving @extschema@.custom_models;
  running text;
BEGIN
  -- A version that comes of a retraining proves itself first.
  IF unless_newer AND EXISTS (SELECT FROM @extschema@.trainer_retraining_decisions AS d
                              WHERE d.organization_id = model.organization_id AND d.new_model_id = model.id
                                AND d.decision IN ('training', 'comparing', 'held_back')) THEN
    RETURN model;
  END IF;
  LOOP
    SELECT * INTO serving FROM @extschema@.custom_models m
      WHERE m.organization_id = model.organization_id AND m.is_active FOR UPDATE;
    IF serving.id = model.id THEN
      RETURN serving;
    END IF;
    -- What serves does not change under a running test: whoever ends that decides what comes next.
    running := CASE WHEN unless_newer THEN @extschema@.trainer_lock_experiments(model.organization_id) END;
    IF running IS NOT NULL THEN
      PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'deployment_waits', jsonb_build_object('reason', running || ' is running'));
      RETURN model;
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
        SET is_active = true, status = 'deployed', deployed_at = clock_timestamp(), serving_since = clock_timestamp(), updated_at = now()
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

CREATE FUNCTION @extschema@.trainer_deploy_options(strategy text, options jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(strategy NOT IN ('immediate', 'blue_green', 'canary'), true) THEN
    RAISE EXCEPTION 'unknown deployment strategy %', coalesce(quote_literal(strategy), 'NULL')
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The strategies are ''immediate'', ''blue_green'' and ''canary''.';
  ELSIF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION 'options are not a JSON object' USING ERRCODE = 'invalid_parameter_value';
  ELSIF strategy <> 'canary' AND options - 'force' <> '{}' OR jsonb_typeof(options -> 'force') <> 'boolean' THEN
    RAISE EXCEPTION 'invalid options'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The strategy %L takes the option "force", true or false.', strategy);
  END IF;
  RETURN options;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_deploy_options(text, jsonb) IS 'strategy and options of trainer_deploy_model(), checked; those of a canary are by trainer_rollout_options()';

CREATE FUNCTION @extschema@.trainer_deploy_model(
  custom_model_id uuid, strategy text DEFAULT 'immediate', options jsonb DEFAULT '{}')
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
  force boolean := coalesce((@extschema@.trainer_deploy_options(strategy, options) ->> 'force')::boolean, false);
  proof @extschema@.trainer_retraining_decisions;
  rollout @extschema@.trainer_rollouts;
BEGIN
  -- Operations first, then the model: the order in which the worker locks them.
  PERFORM FROM @extschema@.trainer_operations o
    WHERE o.custom_model_id = trainer_deploy_model.custom_model_id AND o.kind = 'verify_model'
      AND o.state IN ('ready', 'sending')
    ORDER BY o.id FOR UPDATE;
  model := @extschema@.trainer_find_model(custom_model_id);
  IF model.kind = 'fine_tuned' AND model.fine_tuned_model_id IS NULL OR model.status NOT IN ('evaluating', 'succeeded', 'deployed', 'retired', 'failed') THEN
    RAISE EXCEPTION 'the model cannot be deployed'
      USING ERRCODE = 'TR003', DETAIL = format('Model %s has status %s.', model.id, model.status),
            HINT = 'A model can be deployed once its training has succeeded.';
  END IF;
  IF model.erased_at IS NOT NULL THEN
    RAISE EXCEPTION 'the model cannot be deployed'
      USING ERRCODE = 'TR003', DETAIL = format('Model %s has been erased.', model.id);
  END IF;
  SELECT * INTO proof FROM @extschema@.trainer_retraining_decisions AS d
    WHERE d.organization_id = model.organization_id AND d.new_model_id = model.id AND d.decision IN ('comparing', 'held_back') FOR UPDATE;
  IF FOUND AND NOT force THEN
    RAISE EXCEPTION 'the model has not proved itself'
      USING ERRCODE = 'TR003',
            DETAIL = CASE proof.decision WHEN 'comparing' THEN 'It is being compared with the version that serves.' ELSE format('Held back: %s.', proof.reason) END,
            HINT = 'To deploy it all the same: trainer_deploy_model(..., options => ''{"force": true}'').';
  ELSIF FOUND THEN
    UPDATE @extschema@.trainer_retraining_decisions AS d
      SET decision = 'deployed', forced = true, reason = format('deployed by force: %s', d.reason), due_at = NULL, updated_at = clock_timestamp()
      WHERE d.id = proof.id;
    PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'deployment_forced', jsonb_build_object('decision_id', proof.id, 'reason', proof.reason));
  END IF;
  IF strategy <> 'canary' THEN
    -- Whoever does not want to wait for the last step puts it to serve himself.
    SELECT * INTO rollout FROM @extschema@.trainer_rollouts AS r
      WHERE r.organization_id = model.organization_id AND r.custom_model_id = model.id AND r.state = 'running' FOR UPDATE;
    IF FOUND THEN
      PERFORM @extschema@.trainer_end_rollout(rollout, 'promoted', 'by ' || session_user);
    END IF;
  END IF;
  PERFORM @extschema@.trainer_require_no_experiment(model.organization_id);
  IF strategy = 'canary' THEN
    PERFORM @extschema@.trainer_start_rollout(model, options);
    RETURN model;
  END IF;
  IF model.verified_at IS NOT NULL AND strategy = 'immediate' THEN
    RETURN @extschema@.trainer_activate_model(model.id);
  END IF;
  -- It has never answered, or not for a while: the worker asks it, and it goes live when it answers. The one that serves goes on until then, and stays ready to
  -- take over again.
  UPDATE @extschema@.custom_models m
    SET status = 'evaluating', error_sqlstate = NULL, error_code = NULL, error_message = NULL, updated_at = now()
    WHERE m.id = model.id RETURNING * INTO model;
  UPDATE @extschema@.trainer_operations o SET state = 'cancelled', finished_at = now()
    WHERE o.custom_model_id = model.id AND o.kind = 'verify_model' AND o.state IN ('ready', 'sending');
  PERFORM @extschema@.trainer_add_operation(model, 'verify_model', 'deploy');
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_deploy_model(uuid, text, jsonb) IS
  'makes a trained model the one that serves: immediate, once it has ever answered; blue_green, once it answers now; canary, step by step as its replies hold what they should; option force: also one that has not proved itself';

CREATE FUNCTION @extschema@.trainer_rollback_model(organization_id uuid, reason text DEFAULT NULL)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  serving @extschema@.custom_models;
  previous @extschema@.custom_models;
  test @extschema@.ab_tests;
  rollout @extschema@.trainer_rollouts;
BEGIN
  LOOP
    -- What is being rolled out goes back to what has served all the time.
    SELECT * INTO rollout FROM @extschema@.trainer_rollouts AS r
      WHERE r.organization_id = trainer_rollback_model.organization_id AND r.state = 'running' FOR UPDATE;
    IF FOUND THEN
      PERFORM @extschema@.trainer_end_rollout(rollout, 'rolled_back', coalesce(trainer_rollback_model.reason, 'by ' || session_user));
      SELECT * INTO previous FROM @extschema@.custom_models m WHERE m.organization_id = rollout.organization_id AND m.is_active;
      RETURN previous;
    END IF;
    -- Nothing is in the way of a rollback: a test that runs ends with what it has seen.
    SELECT * INTO test FROM @extschema@.ab_tests AS t
      WHERE t.organization_id = trainer_rollback_model.organization_id AND t.status = 'running' FOR UPDATE;
    IF FOUND THEN
      test := @extschema@.trainer_end_ab_test(test, 'stopped', 'rolled back');
    END IF;
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
    -- while we waited for the locks, also that an experiment was started, is looked at again.
    PERFORM FROM @extschema@.custom_models m WHERE m.id = previous.id AND m.status = 'retired' FOR UPDATE;
    CONTINUE WHEN previous.id IS NOT NULL AND NOT FOUND;
    PERFORM FROM @extschema@.custom_models m WHERE m.id = serving.id AND m.is_active FOR UPDATE;
    EXIT WHEN FOUND AND @extschema@.trainer_running_experiment(serving.organization_id) IS NULL;
  END LOOP;
  -- What was taken back leaves the history of deployments: no later rollback returns to it.
  UPDATE @extschema@.custom_models m SET is_active = false, status = 'retired', deployed_at = NULL, updated_at = now()
    WHERE m.id = serving.id;
  IF previous.id IS NOT NULL THEN
    -- Its place in the history of deployments stays: another rollback goes further back.
    UPDATE @extschema@.custom_models m SET is_active = true, status = 'deployed', serving_since = clock_timestamp(), updated_at = now()
      WHERE m.id = previous.id RETURNING * INTO previous;
  END IF;
  PERFORM @extschema@.trainer_log_event(serving.organization_id, serving.id, 'model_rolled_back',
                                        jsonb_build_object('serving', previous.id, 'reason', reason));
  RETURN previous;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_rollback_model(uuid, text) IS
  'makes the model that served before serve again, and returns it; null when it is the base model from now on';

CREATE FUNCTION @extschema@.trainer_is_left_over(status text, kind text, state text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  -- Of a model that was trained, the sweep looks for what is hardly ever there, and for hours: it goes with the model.
  SELECT $3 IN ('ready', 'sending', 'reconcile', 'checking')
     AND ($2 IN ('delete_file', 'delete_model') OR $2 = 'sweep_duplicates' AND $1 IN ('failed', 'cancelled'))
$$;
COMMENT ON FUNCTION @extschema@.trainer_is_left_over(text, text, text) IS
  'whether an operation of a model in that status is to take away what would stay at the provider without it';

-- Its rows are all that is known of a job: without them nobody ends it, and it goes on to cost money.
CREATE FUNCTION @extschema@.trainer_keep_live_model() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  live boolean := OLD.status IN ('uploading', 'validating', 'queued', 'running', 'paused');
  left_over text;
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
  -- The same goes for its files, and for a job whose creation had no answer: whoever cleans up knows them from these rows.
  SELECT string_agg(DISTINCT o.kind, ', ') INTO left_over FROM @extschema@.trainer_operations o
    WHERE o.organization_id = OLD.organization_id AND o.custom_model_id = OLD.id
      AND @extschema@.trainer_is_left_over(OLD.status, o.kind, o.state);
  IF left_over IS NOT NULL THEN
    RAISE EXCEPTION 'cannot delete a model of which something is left at the provider'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s, and still to be done for it: %s.', OLD.id, OLD.status, left_over),
            HINT = 'Wait until it is done: SELECT org, name, kind, due_in, last_error FROM trainer_operations_pending.';
  END IF;
  RETURN OLD;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_live_model() IS 'refuses to delete a model while the provider may be training it';
CREATE TRIGGER trainer_keep_live_model BEFORE DELETE ON @extschema@.custom_models
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_live_model();

-- TRUNCATE fires no trigger for each row, and CASCADE brings it here from the app's own tables. All tables that it empties are
-- locked before the first trigger fires, so the worker claims nothing meanwhile. Whoever may not see every row is refused.
CREATE FUNCTION @extschema@.trainer_keep_live_models() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
  live bigint;
BEGIN
  SELECT count(*) INTO live FROM @extschema@.custom_models m
    WHERE m.status IN ('uploading', 'validating', 'queued', 'running', 'paused')
       OR m.status = 'pending' AND EXISTS (
            SELECT FROM @extschema@.trainer_operations o
            WHERE o.organization_id = m.organization_id AND o.custom_model_id = m.id AND (o.state <> 'ready' OR o.attempt > 0));
  IF live > 0 THEN
    RAISE EXCEPTION 'cannot truncate "%" while trainings are under way', TG_TABLE_NAME
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Trainings under way: %s.', live),
            HINT = 'Cancel them with trainer_cancel_training() first, and wait until their jobs have ended.';
  END IF;
  SELECT count(*) INTO live FROM @extschema@.custom_models m
    JOIN @extschema@.trainer_operations o ON o.organization_id = m.organization_id AND o.custom_model_id = m.id
    WHERE @extschema@.trainer_is_left_over(m.status, o.kind, o.state);
  IF live > 0 THEN
    RAISE EXCEPTION 'cannot truncate "%" while something is left at the provider', TG_TABLE_NAME
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Files and jobs that are still to be taken away: %s.', live),
            HINT = 'Wait until it is done: SELECT org, name, kind, due_in, last_error FROM trainer_operations_pending.';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_live_models() IS 'refuses to truncate models or operations while the provider may be training one';
CREATE TRIGGER trainer_keep_live_models BEFORE TRUNCATE ON @extschema@.custom_models
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_live_models();
CREATE TRIGGER trainer_keep_live_models BEFORE TRUNCATE ON @extschema@.trainer_operations
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_live_models();

-- By hand: whoever deletes what the worker has still to do would leave the model waiting for ever, and a job unseen.
CREATE FUNCTION @extschema@.trainer_keep_live_operation() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- A model that is gone takes its operations with it.
  IF EXISTS (SELECT FROM @extschema@.custom_models m WHERE m.organization_id = OLD.organization_id AND m.id = OLD.custom_model_id) THEN
    RAISE EXCEPTION 'cannot delete an operation that is not finished'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('%s of model %s has state %s.', OLD.kind, OLD.custom_model_id, OLD.state),
            HINT = 'Cancel the training with trainer_cancel_training(), and wait until nothing of it is left to do.';
  END IF;
  RETURN OLD;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_live_operation() IS 'refuses to delete an operation that the worker has still to carry out';
CREATE TRIGGER trainer_keep_live_operation BEFORE DELETE ON @extschema@.trainer_operations
  FOR EACH ROW WHEN (OLD.state IN ('ready', 'sending', 'reconcile', 'checking')) EXECUTE FUNCTION @extschema@.trainer_keep_live_operation();

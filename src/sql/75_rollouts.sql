-- Rollouts: a new version takes over step by step, by what is seen of it. The rules are those of core/stats/canary.h; the worker carries them out.

CREATE FUNCTION @extschema@.trainer_canary_ladder(is_busy boolean) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_canary_ladder(boolean) IS
  'the steps of a canary when nobody gives any: with a thousand units a day and more, and with fewer, where the early steps would take weeks';

CREATE FUNCTION @extschema@.trainer_rollout_options(
  organization_id uuid, options jsonb, OUT unit text, OUT steps jsonb, OUT guardrails jsonb, OUT policy jsonb)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['force', 'unit', 'steps', 'margins', 'tolerances', 'approval_window', 'quality_window', 'alpha_rollback', 'alpha_promote', 'planned_units',
                                 'promote_on', 'on_harm', 'on_deadline', 'deadline', 'no_data_after', 'hold'];
  unknown text;
  windows jsonb;
  problem text;
BEGIN
  SELECT key INTO unknown FROM jsonb_object_keys(options) AS key WHERE NOT key = ANY (known) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', unknown),
      HINT = format('The options of strategy ''canary'' are %s.', array_to_string(known, ', '));
  END IF;
  unit := coalesce(options ->> 'unit', 'comment');
  steps := coalesce(options -> 'steps', @extschema@.trainer_canary_ladder((
      SELECT count(DISTINCT g.comment_id) FROM @extschema@.trainer_generations AS g
      WHERE g.organization_id = $1 AND NOT g.withheld AND g.created_at >= now() - interval '7 days') >= 7000));
  windows := jsonb_build_object(
    'user_approval', extract(epoch FROM coalesce(options ->> 'approval_window', '24 hours')::interval),
    'quality_score', extract(epoch FROM coalesce(options ->> 'quality_window', '1 hour')::interval), 'response_time_ms', 0, 'answered', 0);
  -- Scores are a guardrail where the app has any.
  SELECT jsonb_agg(jsonb_build_object('metric', m.key, 'margin', m.value, 'tolerance', coalesce(options #> ARRAY['tolerances', m.key], '0'),
                                      'seconds', windows -> m.key, 'on_harm', coalesce(options ->> 'on_harm', 'rollback')) ORDER BY m.key)
    INTO guardrails
    FROM jsonb_each(coalesce(options -> 'margins', '{"answered": 0.05, "user_approval": 0.05, "response_time_ms": 0.15}'
      || CASE WHEN EXISTS (SELECT FROM @extschema@.trainer_bindings AS b WHERE b.role = 'quality') THEN jsonb '{"quality_score": 0.03}' ELSE '{}' END)) AS m;
  policy := jsonb_build_object(
    'alpha_rollback', coalesce((options ->> 'alpha_rollback')::double precision, 0.05), 'alpha_promote', coalesce((options ->> 'alpha_promote')::double precision, 0.05),
    'planned_units', coalesce((options ->> 'planned_units')::double precision, 2000), 'promote_on', coalesce(options ->> 'promote_on', 'non_inferior'),
    'on_deadline', coalesce(options ->> 'on_deadline', 'hold'), 'deadline', coalesce(extract(epoch FROM (options ->> 'deadline')::interval), 0),
    'no_data_after', extract(epoch FROM coalesce(options ->> 'no_data_after', '24 hours')::interval), 'hold', coalesce((options ->> 'hold')::boolean, false));
  problem := CASE
    WHEN unit NOT IN ('comment', 'user') THEN 'The units are comment and user.'
    WHEN jsonb_typeof(steps) <> 'array' OR jsonb_array_length(steps) NOT BETWEEN 1 AND 20
      OR EXISTS (SELECT FROM jsonb_array_elements(steps) AS s WHERE coalesce(
        (s ->> 'share')::numeric NOT BETWEEN 0.001 AND 0.5 OR (s ->> 'units')::bigint NOT BETWEEN 1 AND 10000000 OR (s ->> 'margins')::numeric NOT BETWEEN 0.1 AND 100
          OR (s ->> 'seconds')::numeric NOT BETWEEN 0 AND 31536000, true))
      THEN 'A step has a share (0.001 to 0.5), units, margins (how many times, 0.1 to 100) and seconds.'
    -- Nobody crosses from one arm to the other while the share grows.
    WHEN EXISTS (SELECT FROM jsonb_array_elements(steps) WITH ORDINALITY AS s (step, n) JOIN jsonb_array_elements(steps) WITH ORDINALITY AS t (step, n) ON t.n = s.n + 1
                 WHERE (t.step ->> 'share')::numeric < (s.step ->> 'share')::numeric) THEN 'The shares of the steps do not shrink.'
    WHEN guardrails IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(guardrails) AS g WHERE coalesce(
        g ->> 'metric' NOT IN ('answered', 'user_approval', 'quality_score', 'response_time_ms') OR (g ->> 'margin')::double precision NOT BETWEEN 0.0001 AND 10
          OR (g ->> 'tolerance')::double precision NOT BETWEEN 0 AND 10 OR (g ->> 'seconds')::numeric NOT BETWEEN 0 AND 7776000, true))
      THEN 'Margins are of answered, user_approval, quality_score or response_time_ms, and more than 0; a window is between 0 and 90 days.'
    WHEN NOT coalesce(policy ->> 'promote_on' IN ('non_inferior', 'no_harm') AND policy ->> 'on_deadline' IN ('hold', 'rollback')
                      AND coalesce(options ->> 'on_harm', 'rollback') IN ('rollback', 'hold'), false)
      THEN 'promote_on is non_inferior or no_harm; on_harm and on_deadline are hold or rollback.'
    WHEN NOT coalesce((policy ->> 'alpha_rollback')::double precision BETWEEN 0.0001 AND 0.49 AND (policy ->> 'alpha_promote')::double precision BETWEEN 0.0001 AND 0.49
                      AND (policy ->> 'planned_units')::double precision BETWEEN 200 AND 1000000 AND (policy ->> 'deadline')::numeric BETWEEN 0 AND 31536000
                      AND (policy ->> 'no_data_after')::numeric BETWEEN 0 AND 31536000, false)
      THEN 'The alphas are between 0.0001 and 0.49, planned_units between 200 and 1,000,000, and times up to a year.'
  END;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'invalid options', DETAIL = problem;
  END IF;
EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range OR invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow OR cannot_coerce THEN
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('an option cannot be read: %s', SQLERRM);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_rollout_options(uuid, jsonb) IS 'the options of trainer_deploy_model() with strategy canary, checked, and what they are when nobody says';

CREATE FUNCTION @extschema@.trainer_start_rollout(model @extschema@.custom_models, options jsonb) RETURNS @extschema@.trainer_rollouts
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wanted record := @extschema@.trainer_rollout_options(model.organization_id, options);
  former uuid := (SELECT m.id FROM @extschema@.custom_models AS m WHERE m.organization_id = model.organization_id AND m.is_active);
  rollout @extschema@.trainer_rollouts;
BEGIN
  PERFORM @extschema@.trainer_servable_model(model.organization_id, model.id);
  IF former = model.id THEN
    RAISE EXCEPTION 'the model serves already' USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Model: %s.', model.id);
  END IF;
  INSERT INTO @extschema@.trainer_rollouts (organization_id, custom_model_id, former_model_id, unit, steps, guardrails, policy)
    VALUES (model.organization_id, model.id, former, wanted.unit, wanted.steps, wanted.guardrails, wanted.policy) RETURNING * INTO rollout;
  PERFORM @extschema@.trainer_log_event(rollout.organization_id, model.id, 'rollout_started',
    jsonb_build_object('rollout_id', rollout.id, 'former', former, 'steps', rollout.steps, 'guardrails', rollout.guardrails));
  RETURN rollout;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_start_rollout(@extschema@.custom_models, jsonb) IS 'begins with the first step of a model''s rollout; that no experiment runs has been looked at';

-- A row a guardrail: both arms, and for values from 0 to 1 each unit in the order of its assignment, for the test that holds at every number of units.
CREATE FUNCTION @extschema@.trainer_rollout_evidence(
  rollout_id uuid, OUT metric text, OUT is_higher_better boolean, OUT margin double precision, OUT tolerance double precision, OUT on_harm text,
  OUT custom_n bigint, OUT custom_sum double precision, OUT custom_squares double precision, OUT control_n bigint, OUT control_sum double precision,
  OUT control_squares double precision, OUT arms boolean[], OUT outcomes double precision[], OUT last_unit timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT g.metric, NOT is_log, CASE WHEN is_log THEN ln(1 + g.margin) ELSE g.margin END, CASE WHEN is_log THEN ln(1 + g.tolerance) ELSE g.tolerance END, g.on_harm,
         count(o.unit) FILTER (WHERE o.arm = 'custom'), coalesce(sum(o.outcome) FILTER (WHERE o.arm = 'custom'), 0),
         coalesce(sum(o.outcome * o.outcome) FILTER (WHERE o.arm = 'custom'), 0), count(o.unit) FILTER (WHERE o.arm = 'control'),
         coalesce(sum(o.outcome) FILTER (WHERE o.arm = 'control'), 0), coalesce(sum(o.outcome * o.outcome) FILTER (WHERE o.arm = 'control'), 0),
         CASE WHEN NOT is_log THEN array_agg(o.arm = 'custom' ORDER BY o.assigned_at, o.unit) FILTER (WHERE o.unit IS NOT NULL) END,
         CASE WHEN NOT is_log THEN array_agg(o.outcome ORDER BY o.assigned_at, o.unit) FILTER (WHERE o.unit IS NOT NULL) END,
         max(o.assigned_at + g.seconds * interval '1 s')
  FROM @extschema@.trainer_rollouts AS r
  CROSS JOIN LATERAL jsonb_to_recordset(r.guardrails) AS g (metric text, margin double precision, tolerance double precision, seconds double precision, on_harm text)
  CROSS JOIN LATERAL (SELECT g.metric = 'response_time_ms' AS is_log) AS scale
  LEFT JOIN LATERAL @extschema@.trainer_experiment_outcomes(r.id, r.organization_id, g.metric, g.seconds * interval '1 s',
    CASE r.unit WHEN 'user' THEN (SELECT max((w ->> 'seconds')::double precision) * interval '1 s' FROM jsonb_array_elements(r.guardrails) AS w) END) AS o ON true
  WHERE r.id = $1
  GROUP BY g.metric, g.margin, g.tolerance, g.on_harm, is_log, g.seconds
  ORDER BY g.metric
$$;
COMMENT ON FUNCTION @extschema@.trainer_rollout_evidence(uuid) IS 'what a rollout is decided by: each guardrail by the units whose outcome is known now';

CREATE FUNCTION @extschema@.trainer_decide_rollout(rollout_id uuid, OUT action text, OUT reason text, OUT evidence jsonb) RETURNS record
LANGUAGE c STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_decide_rollout(uuid) IS
  'hold, advance, promote or rollback, why, and each guardrail by which: of a rollout as it is now';

CREATE FUNCTION @extschema@.trainer_end_rollout(rollout @extschema@.trainer_rollouts, state text, reason text, evidence jsonb DEFAULT NULL)
RETURNS @extschema@.trainer_rollouts
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ended @extschema@.trainer_rollouts;
BEGIN
  UPDATE @extschema@.trainer_rollouts AS r
    SET state = $2, reason = $3, evidence = coalesce($4, r.evidence), ended_at = clock_timestamp()
    WHERE r.id = rollout.id RETURNING * INTO ended;
  PERFORM @extschema@.trainer_log_event(ended.organization_id, ended.custom_model_id, 'rollout_' || $2,
    jsonb_build_object('rollout_id', ended.id, 'reason', $3, 'step', ended.step, 'evidence', ended.evidence));
  RETURN ended;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_end_rollout(@extschema@.trainer_rollouts, text, text, jsonb) IS 'ends a rollout: from its commit on nothing is assigned any more';

-- Idempotent but for the step that it takes: two of it at a time wait for each other.
CREATE FUNCTION @extschema@.trainer_look_at_rollout(rollout_id uuid) RETURNS @extschema@.trainer_rollouts
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rollout @extschema@.trainer_rollouts;
  decided record;
BEGIN
  -- The model first, and then its rollout: the order of trainer_deploy_model().
  PERFORM FROM @extschema@.custom_models AS m WHERE m.id = (SELECT r.custom_model_id FROM @extschema@.trainer_rollouts AS r WHERE r.id = $1) FOR UPDATE;
  SELECT * INTO rollout FROM @extschema@.trainer_rollouts AS r WHERE r.id = $1 FOR UPDATE;
  IF NOT FOUND OR rollout.ended_at IS NOT NULL THEN
    RETURN rollout;
  END IF;
  IF EXISTS (SELECT FROM @extschema@.custom_models AS m
             WHERE m.organization_id = rollout.organization_id AND m.id IN (rollout.custom_model_id, rollout.former_model_id) AND m.erased_at IS NOT NULL) THEN
    RETURN @extschema@.trainer_end_rollout(rollout, 'cancelled', 'a model has been erased');
  END IF;
  decided := @extschema@.trainer_decide_rollout(rollout.id);
  IF decided.action = 'rollback' THEN
    RETURN @extschema@.trainer_end_rollout(rollout, 'rolled_back', decided.reason, decided.evidence);
  ELSIF decided.action = 'promote' AND NOT (rollout.policy ->> 'hold')::boolean THEN
    rollout := @extschema@.trainer_end_rollout(rollout, 'promoted', decided.reason, decided.evidence);
    PERFORM @extschema@.trainer_activate_model(rollout.custom_model_id);
    RETURN rollout;
  END IF;
  -- What does not pass by itself is told, once.
  IF decided.action IN ('hold', 'promote') AND decided.reason <> rollout.reason AND decided.reason IN ('srm', 'harm', 'no_data', 'deadline', 'safe') THEN
    PERFORM @extschema@.trainer_log_event(rollout.organization_id, rollout.custom_model_id, 'rollout_held',
      jsonb_build_object('rollout_id', rollout.id, 'step', rollout.step, 'reason', decided.reason, 'evidence', decided.evidence));
  END IF;
  UPDATE @extschema@.trainer_rollouts AS r
    SET step = r.step + CASE decided.action WHEN 'advance' THEN 1 ELSE 0 END, reason = decided.reason,
        evidence = decided.evidence, looked_at = clock_timestamp(),
        step_started_at = CASE decided.action WHEN 'advance' THEN clock_timestamp() ELSE r.step_started_at END
    WHERE r.id = rollout.id RETURNING * INTO rollout;
  IF decided.action = 'advance' THEN
    PERFORM @extschema@.trainer_log_event(rollout.organization_id, rollout.custom_model_id, 'rollout_advanced',
      jsonb_build_object('rollout_id', rollout.id, 'step', rollout.step, 'share', rollout.steps -> rollout.step -> 'share', 'evidence', rollout.evidence));
  END IF;
  RETURN rollout;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_look_at_rollout(uuid) IS
  'looks at a rollout as the worker does: holds it, takes the next step, puts the model to serve, or goes back to the former one';

-- A/B tests: what has come of one, and how it ends.

-- Of response times and costs the logarithm is compared: the means are geometric, and the difference is the ratio less 1.
CREATE FUNCTION @extschema@.trainer_measure_ab_test(
  ab_test_id uuid, OUT metric text, OUT is_primary boolean, OUT custom_n bigint, OUT custom_mean double precision, OUT control_n bigint,
  OUT control_mean double precision, OUT difference double precision, OUT lower double precision, OUT upper double precision,
  OUT p_value double precision, OUT decision text)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT m.metric, m.is_primary, c.custom_n, CASE WHEN is_log THEN exp(c.custom_sum / nullif(c.custom_n, 0)) ELSE c.custom_sum / nullif(c.custom_n, 0) END,
         c.control_n, CASE WHEN is_log THEN exp(c.control_sum / nullif(c.control_n, 0)) ELSE c.control_sum / nullif(c.control_n, 0) END,
         CASE WHEN is_log THEN exp(d.difference) - 1 ELSE d.difference END,
         CASE WHEN is_log THEN exp(d.lower) - 1 ELSE d.lower END,
         CASE WHEN is_log THEN exp(d.upper) - 1 ELSE d.upper END,
         d.p_value,
         CASE WHEN d.lower > 0 THEN CASE WHEN is_log THEN 'control' ELSE 'custom' END
              WHEN d.upper < 0 THEN CASE WHEN is_log THEN 'custom' ELSE 'control' END END
  FROM @extschema@.ab_tests AS t
  JOIN @extschema@.ab_test_metrics AS m ON m.ab_test_id = t.id
  CROSS JOIN LATERAL (SELECT m.metric IN ('response_time_ms', 'cost_cents') AS is_log) AS scale
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE o.arm = 'custom') AS custom_n, coalesce(sum(o.outcome) FILTER (WHERE o.arm = 'custom'), 0) AS custom_sum,
           coalesce(sum(o.outcome * o.outcome) FILTER (WHERE o.arm = 'custom'), 0) AS custom_squares,
           count(*) FILTER (WHERE o.arm = 'control') AS control_n, coalesce(sum(o.outcome) FILTER (WHERE o.arm = 'control'), 0) AS control_sum,
           coalesce(sum(o.outcome * o.outcome) FILTER (WHERE o.arm = 'control'), 0) AS control_squares
    FROM @extschema@.trainer_ab_test_outcomes(t.id, m.metric) AS o) AS c
  CROSS JOIN LATERAL @extschema@.trainer_mean_difference(c.custom_n, c.custom_sum, c.custom_squares, c.control_n, c.control_sum, c.control_squares,
    t.alpha, t.planned_units, CASE WHEN is_log THEN 1 ELSE 0.25 END) AS d
  WHERE t.id = $1
  ORDER BY m.is_primary DESC, m.metric
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_ab_test(uuid) IS
  'each metric of an A/B test by the units whose outcome is known now: the interval holds at every moment at once';

CREATE FUNCTION @extschema@.trainer_metric_text(metric text, value double precision) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE $1
    WHEN 'user_approval' THEN format('%s %%', round(($2 * 100)::numeric, 1))
    WHEN 'quality_score' THEN round($2::numeric, 3)::text
    WHEN 'response_time_ms' THEN format('%s ms', round($2::numeric))
    ELSE format('%s cents', trim_scale(round($2::numeric, 4)))
  END
$$;
COMMENT ON FUNCTION @extschema@.trainer_metric_text(text, double precision) IS 'a mean of a metric, as a person would write it';

CREATE FUNCTION @extschema@.trainer_difference_text(metric text, value double precision) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE $1
    WHEN 'user_approval' THEN to_char(($2 * 100)::numeric, 'FMSG990.0') || ' points'
    WHEN 'quality_score' THEN to_char($2::numeric, 'FMSG0.000')
    ELSE to_char(($2 * 100)::numeric, 'FMSG99999990.0') || ' %'
  END
$$;
COMMENT ON FUNCTION @extschema@.trainer_difference_text(text, double precision) IS 'a difference of a metric, as a person would write it';

CREATE FUNCTION @extschema@.trainer_ab_test_results(
  ab_test_id uuid, OUT metric text, OUT is_primary boolean, OUT custom_n bigint, OUT custom_mean double precision, OUT control_n bigint,
  OUT control_mean double precision, OUT difference double precision, OUT lower double precision, OUT upper double precision,
  OUT p_value double precision, OUT decided boolean, OUT decision text, OUT decided_at timestamptz, OUT sample_ratio_ok boolean,
  OUT sample_ratio_e double precision, OUT summary text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  test @extschema@.ab_tests;
  ratio record;
  seen record;
  names text[] := ARRAY['user_approval', 'approval', 'quality_score', 'quality', 'response_time_ms', 'response time', 'cost_cents', 'cost'];
BEGIN
  SELECT * INTO test FROM @extschema@.ab_tests AS t WHERE t.id = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'A/B test % does not exist', coalesce($1::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'The tests are listed by SELECT id, status, started_at FROM ab_tests.';
  END IF;
  SELECT * INTO ratio FROM @extschema@.trainer_experiment_ratio(test.id, test.organization_id, test.traffic::double precision);
  FOR seen IN
    -- What has ended stays as it was seen last, and what was decided once stays decided.
    SELECT m.metric, m.is_primary, v.custom_n, v.custom_mean, v.control_n, v.control_mean, v.difference, v.lower, v.upper,
           least(m.p_value, v.p_value) AS p_value, coalesce(m.decision, v.decision) AS decision,
           CASE WHEN m.decision IS NOT NULL THEN m.decided_at WHEN v.decision IS NOT NULL THEN clock_timestamp() END AS decided_at
    FROM @extschema@.ab_test_metrics AS m
    CROSS JOIN LATERAL (
      SELECT l.custom_n, l.custom_mean, l.control_n, l.control_mean, l.difference, l.lower, l.upper, l.p_value, l.decision
      FROM @extschema@.trainer_measure_ab_test(test.id) AS l WHERE l.metric = m.metric AND test.ended_at IS NULL
      UNION ALL
      SELECT m.custom_n, m.custom_mean, m.control_n, m.control_mean, m.difference, m.lower, m.upper, m.p_value, m.decision WHERE test.ended_at IS NOT NULL) AS v
    WHERE m.ab_test_id = test.id
    ORDER BY m.is_primary DESC, m.metric
  LOOP
    metric := seen.metric; is_primary := seen.is_primary; custom_n := seen.custom_n; custom_mean := seen.custom_mean; control_n := seen.control_n;
    control_mean := seen.control_mean; difference := seen.difference; lower := seen.lower; upper := seen.upper; p_value := seen.p_value;
    decision := CASE WHEN NOT ratio.is_broken THEN seen.decision END;
    decided := decision IS NOT NULL;
    decided_at := CASE WHEN decided THEN seen.decided_at END;
    sample_ratio_ok := NOT ratio.is_broken;
    sample_ratio_e := ratio.e_value;
    summary := CASE
      WHEN ratio.is_broken THEN format(
        'Not to be trusted: %s units went to custom and %s to control, which a share of %s %% does not explain%s.', ratio.custom_units, ratio.control_units,
        trim_scale(test.traffic * 100), CASE WHEN ratio.crossed > 0 THEN format('; %s met both', ratio.crossed) ELSE '' END)
      WHEN least(seen.custom_n, seen.control_n) < 50 THEN format(
        'Not enough data: the outcome of %s and %s units is known, of 50 it must be in each arm.', seen.custom_n, seen.control_n)
      ELSE format('%s: %s %s with the custom model, %s with the control, a difference of %s (between %s and %s).',
        CASE decision WHEN 'custom' THEN 'Better' WHEN 'control' THEN 'Worse' ELSE 'Not decided' END, names[array_position(names, seen.metric) + 1],
        @extschema@.trainer_metric_text(seen.metric, seen.custom_mean), @extschema@.trainer_metric_text(seen.metric, seen.control_mean),
        @extschema@.trainer_difference_text(seen.metric, seen.difference), @extschema@.trainer_difference_text(seen.metric, seen.lower),
        @extschema@.trainer_difference_text(seen.metric, seen.upper))
    END;
    RETURN NEXT;
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_ab_test_results(uuid) IS
  'a row a metric: both arms, their difference with an interval that holds however often it is looked at, for whom it is decided, and whether the shares are right';

CREATE FUNCTION @extschema@.trainer_end_ab_test(test @extschema@.ab_tests, status text, reason text) RETURNS @extschema@.ab_tests
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  ended @extschema@.ab_tests;
  broken boolean := (SELECT r.is_broken FROM @extschema@.trainer_experiment_ratio(test.id, test.organization_id, test.traffic::double precision) AS r);
BEGIN
  -- The one that serves comes last: the order of trainer_activate_model().
  PERFORM FROM @extschema@.custom_models AS m
    WHERE m.organization_id = test.organization_id AND m.id IN (test.custom_model_id, test.control_model_id) ORDER BY m.is_active, m.id FOR UPDATE;
  UPDATE @extschema@.ab_tests AS t
    SET status = $2, reason = CASE WHEN broken THEN 'the shares of the arms are not what they should be' ELSE $3 END, ended_at = clock_timestamp(),
        decision = CASE WHEN NOT broken THEN (SELECT m.decision FROM @extschema@.ab_test_metrics AS m WHERE m.ab_test_id = t.id AND m.is_primary) END
    WHERE t.id = test.id RETURNING * INTO ended;
  UPDATE @extschema@.custom_models AS m
    SET ab_test_enabled = m.id <> ended.custom_model_id AND m.ab_test_enabled,
        ab_test_wins = m.ab_test_wins + CASE WHEN m.id = CASE ended.decision WHEN 'custom' THEN ended.custom_model_id ELSE ended.control_model_id END AND ended.decision IS NOT NULL
                                             THEN 1 ELSE 0 END,
        updated_at = now()
    WHERE m.organization_id = ended.organization_id AND m.id IN (ended.custom_model_id, ended.control_model_id);
  PERFORM @extschema@.trainer_log_event(ended.organization_id, ended.custom_model_id, 'ab_test_' || $2,
    jsonb_build_object('ab_test_id', ended.id, 'decision', ended.decision, 'reason', ended.reason,
      'results', (SELECT jsonb_agg(jsonb_build_object('metric', r.metric, 'decision', r.decision, 'custom_n', r.custom_n, 'control_n', r.control_n, 'summary', r.summary))
                  FROM @extschema@.trainer_ab_test_results(ended.id) AS r)));
  RETURN ended;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_end_ab_test(@extschema@.ab_tests, text, text) IS
  'ends an A/B test with what its metrics say, counts the win, and tells of it';

-- Idempotent: it reads all there is, and what was decided once stays. Two of it at a time wait for each other.
CREATE FUNCTION @extschema@.trainer_look_at_ab_test(ab_test_id uuid) RETURNS @extschema@.ab_tests
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  test @extschema@.ab_tests;
  longest interval;
BEGIN
  SELECT * INTO test FROM @extschema@.ab_tests AS t WHERE t.id = $1 FOR UPDATE;
  IF NOT FOUND OR test.ended_at IS NOT NULL THEN
    RETURN test;
  END IF;
  UPDATE @extschema@.ab_test_metrics AS m
    SET custom_n = l.custom_n, custom_mean = l.custom_mean, control_n = l.control_n, control_mean = l.control_mean, difference = l.difference,
        lower = l.lower, upper = l.upper, p_value = least(m.p_value, l.p_value), looked_at = clock_timestamp(),
        decision = coalesce(m.decision, l.decision),
        decided_at = CASE WHEN m.decision IS NOT NULL THEN m.decided_at WHEN l.decision IS NOT NULL THEN clock_timestamp() END,
        decided_units = CASE WHEN m.decision IS NOT NULL THEN m.decided_units WHEN l.decision IS NOT NULL THEN l.custom_n + l.control_n END
    FROM @extschema@.trainer_measure_ab_test(test.id) AS l
    WHERE m.ab_test_id = test.id AND m.metric = l.metric;
  IF EXISTS (SELECT FROM @extschema@.custom_models AS m
             WHERE m.organization_id = test.organization_id AND m.id IN (test.custom_model_id, test.control_model_id) AND m.erased_at IS NOT NULL) THEN
    RETURN @extschema@.trainer_end_ab_test(test, 'stopped', 'a model has been erased');
  END IF;
  IF test.stop_on_decision
     AND EXISTS (SELECT FROM @extschema@.ab_test_metrics AS m WHERE m.ab_test_id = test.id AND m.is_primary AND m.decision IS NOT NULL)
     AND NOT (SELECT r.is_broken FROM @extschema@.trainer_experiment_ratio(test.id, test.organization_id, test.traffic::double precision) AS r) THEN
    RETURN @extschema@.trainer_end_ab_test(test, 'completed', 'decided');
  END IF;
  -- The outcome of the last unit is known two windows after the end: a user counts replies for one, and each reply waits for another.
  longest := (SELECT max(m.outcome_window) FROM @extschema@.ab_test_metrics AS m WHERE m.ab_test_id = test.id) * CASE test.unit WHEN 'user' THEN 2 ELSE 1 END;
  IF clock_timestamp() >= test.ends_at + longest THEN
    RETURN @extschema@.trainer_end_ab_test(test, 'completed', 'its duration is over');
  END IF;
  IF test.status = 'running' AND clock_timestamp() >= test.ends_at THEN
    UPDATE @extschema@.ab_tests AS t SET status = 'maturing' WHERE t.id = test.id RETURNING * INTO test;
    PERFORM @extschema@.trainer_log_event(test.organization_id, test.custom_model_id, 'ab_test_maturing', jsonb_build_object('ab_test_id', test.id));
  END IF;
  RETURN test;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_look_at_ab_test(uuid) IS
  'looks at a running A/B test as the worker does: writes down what is seen and decided, and ends it when it is decided or its time is over';

CREATE FUNCTION @extschema@.trainer_serve_base_model(organization_id uuid, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  serving @extschema@.custom_models;
BEGIN
  UPDATE @extschema@.custom_models AS m SET is_active = false, status = 'retired', updated_at = now()
    WHERE m.organization_id = $1 AND m.is_active RETURNING * INTO serving;
  IF FOUND THEN
    PERFORM @extschema@.trainer_log_event($1, serving.id, 'model_retired', jsonb_build_object('reason', $2));
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_serve_base_model(uuid, text) IS 'no custom model serves the organization any more; its last one can be deployed again';

CREATE FUNCTION @extschema@.trainer_stop_ab_test(ab_test_id uuid, keep text DEFAULT NULL) RETURNS @extschema@.ab_tests
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  test @extschema@.ab_tests;
  winner text := CASE keep WHEN 'base' THEN 'control' ELSE keep END;
BEGIN
  IF winner NOT IN ('custom', 'control') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('cannot keep %L', keep),
      HINT = 'keep is ''custom'', ''control'', or null to leave what serves as it is.';
  END IF;
  test := @extschema@.trainer_look_at_ab_test($1);
  IF test.id IS NULL THEN
    RAISE EXCEPTION 'A/B test % does not exist', coalesce($1::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'The tests are listed by SELECT id, status, started_at FROM ab_tests.';
  END IF;
  IF test.ended_at IS NULL THEN
    test := @extschema@.trainer_end_ab_test(test, 'stopped', 'stopped by ' || session_user);
  ELSIF winner IS NULL THEN
    RETURN test;  -- by the look, or by somebody else, with what was seen
  ELSE
    PERFORM @extschema@.trainer_require_no_experiment(test.organization_id);
  END IF;
  IF winner = 'control' AND test.control_model_id IS NULL THEN
    PERFORM @extschema@.trainer_serve_base_model(test.organization_id, format('A/B test %s', test.id));
  ELSIF winner IS NOT NULL THEN
    PERFORM @extschema@.trainer_deploy_model(CASE winner WHEN 'custom' THEN test.custom_model_id ELSE test.control_model_id END, options => '{"force": true}');
  END IF;
  UPDATE @extschema@.ab_tests AS t SET kept = coalesce(winner, t.kept) WHERE t.id = test.id RETURNING * INTO test;
  RETURN test;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_stop_ab_test(uuid, text) IS
  'ends an A/B test now, with what is known; keep: which of the two serves from now on (custom, control); null leaves that as it is';

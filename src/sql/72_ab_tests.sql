-- A/B tests: planned, started, read and stopped. The statistics are those of core/stats, by the functions of 17_statistics.sql.

CREATE FUNCTION @extschema@.trainer_ab_test_options(
  options jsonb, OUT custom_model_id uuid, OUT control_model_id uuid, OUT unit text, OUT stop_on_decision boolean, OUT approval_window interval,
  OUT quality_window interval, OUT minimum_effect double precision, OUT planned_units integer)
RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text;
BEGIN
  IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options are not a JSON object';
  END IF;
  SELECT key INTO unknown FROM jsonb_object_keys(options) AS key
    WHERE key NOT IN ('custom_model_id', 'control_model_id', 'unit', 'stop_on_decision', 'approval_window', 'quality_window', 'minimum_effect', 'planned_units')
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', unknown),
      HINT = 'The options are custom_model_id, control_model_id, unit, stop_on_decision, approval_window, quality_window, minimum_effect and planned_units.';
  END IF;
  custom_model_id := (options ->> 'custom_model_id')::uuid;
  control_model_id := (options ->> 'control_model_id')::uuid;
  unit := coalesce(options ->> 'unit', 'comment');
  stop_on_decision := coalesce((options ->> 'stop_on_decision')::boolean, true);
  -- A verdict takes a day; a reviewer's score an hour.
  approval_window := coalesce((options ->> 'approval_window')::interval, interval '24 hours');
  quality_window := coalesce((options ->> 'quality_window')::interval, interval '1 hour');
  minimum_effect := (options ->> 'minimum_effect')::double precision;
  planned_units := (options ->> 'planned_units')::integer;
  IF unit NOT IN ('comment', 'user') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "unit" is not known', HINT = 'The units are comment and user.';
  ELSIF least(approval_window, quality_window) < interval '0' OR greatest(approval_window, quality_window) > interval '90 days' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a window is out of range', DETAIL = 'It must be between 0 and 90 days.';
  ELSIF planned_units NOT BETWEEN 200 AND 1000000 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "planned_units" is out of range', DETAIL = 'It must be between 200 and 1,000,000.';
  END IF;
EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range OR invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('an option cannot be read: %s', SQLERRM);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_ab_test_options(jsonb) IS 'the options of trainer_start_ab_test(), checked';

CREATE FUNCTION @extschema@.trainer_require_ab_test(duration interval, traffic numeric, metric text, alpha numeric) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(duration <= interval '0' OR duration > interval '1 year', true) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'duration is out of range', DETAIL = 'It must be more than 0 and at most a year.';
  ELSIF coalesce(traffic NOT BETWEEN 0.01 AND 0.99, true) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'traffic is out of range',
      DETAIL = 'It is the share of the custom model, and must be between 0.01 and 0.99.';
  ELSIF coalesce(metric NOT IN ('user_approval', 'quality_score', 'response_time_ms', 'cost_cents'), true) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('metric %s is not known', coalesce(quote_literal(metric), 'NULL')),
      HINT = 'The metrics are user_approval, quality_score, response_time_ms and cost_cents.';
  ELSIF coalesce(alpha NOT BETWEEN 0.0001 AND 0.49, true) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'alpha is out of range', DETAIL = 'It must be between 0.0001 and 0.49.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_ab_test(interval, numeric, text, numeric) IS 'an error unless an A/B test can be about that';

CREATE FUNCTION @extschema@.trainer_servable_model(organization_id uuid, custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
BEGIN
  IF model.organization_id <> $1 THEN
    RAISE EXCEPTION 'custom model % does not exist', $2
      USING ERRCODE = 'no_data_found', DETAIL = format('Organization %s has no such model.', $1);
  ELSIF model.verified_at IS NULL OR model.erased_at IS NOT NULL OR model.status NOT IN ('succeeded', 'deployed', 'retired') THEN
    RAISE EXCEPTION 'the model cannot be put to serve'
      USING ERRCODE = 'TR003', DETAIL = format('Model %s has status %s%s.', model.id, model.status,
              CASE WHEN model.erased_at IS NOT NULL THEN ' and is erased' WHEN model.verified_at IS NULL THEN ' and has never answered' ELSE '' END),
            HINT = 'A model can take traffic once it has been trained and has answered.';
  END IF;
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_servable_model(uuid, uuid) IS 'the model''s row, locked; an error unless it is the organization''s and answers';

CREATE FUNCTION @extschema@.trainer_start_ab_test(
  organization_id uuid, duration interval DEFAULT '7 days', traffic numeric DEFAULT 0.5, metric text DEFAULT 'user_approval',
  alpha numeric DEFAULT 0.05, options jsonb DEFAULT '{}')
RETURNS @extschema@.ab_tests
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wanted record := @extschema@.trainer_ab_test_options(options);
  custom @extschema@.custom_models;
  test @extschema@.ab_tests;
  plan jsonb;
BEGIN
  PERFORM @extschema@.trainer_require_ab_test(duration, traffic, metric, alpha);
  wanted.custom_model_id := coalesce(wanted.custom_model_id,
    (SELECT m.id FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.is_active));
  IF wanted.custom_model_id IS NULL THEN
    RAISE EXCEPTION 'no custom model serves the organization'
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Organization: %s.', coalesce($1::text, 'NULL')),
            HINT = 'Deploy one, or name the one to test in option "custom_model_id".';
  ELSIF wanted.custom_model_id = wanted.control_model_id THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a model cannot be tested against itself';
  END IF;
  -- The one that serves comes last: the order of trainer_activate_model().
  PERFORM FROM @extschema@.custom_models AS m
    WHERE m.organization_id = $1 AND m.id IN (wanted.custom_model_id, wanted.control_model_id) ORDER BY m.is_active, m.id FOR UPDATE;
  custom := @extschema@.trainer_servable_model($1, wanted.custom_model_id);
  IF wanted.control_model_id IS NOT NULL THEN
    PERFORM @extschema@.trainer_servable_model($1, wanted.control_model_id);
  END IF;
  IF wanted.unit = 'user' AND NOT EXISTS (SELECT FROM @extschema@.trainer_bindings AS b WHERE b.role = 'comments' AND b.columns ? 'platform_user_id') THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'the app''s comments have no user',
      HINT = 'Map the column "platform_user_id" of comments in trainer_attach(), or assign by comment.';
  END IF;
  IF wanted.minimum_effect IS NOT NULL THEN
    SELECT to_jsonb(p) INTO plan FROM @extschema@.trainer_plan_ab_test($1, wanted.minimum_effect, traffic, metric, alpha) AS p;
  END IF;
  PERFORM @extschema@.trainer_require_no_experiment($1);
  INSERT INTO @extschema@.ab_tests (organization_id, custom_model_id, control_model_id, traffic, unit, metric, alpha, planned_units, stop_on_decision,
                                    plan, ends_at)
    VALUES ($1, custom.id, wanted.control_model_id, traffic, wanted.unit, metric, alpha,
            coalesce(wanted.planned_units, least(1000000, greatest(200, coalesce((plan ->> 'planned_units')::integer, 2000)))), wanted.stop_on_decision,
            plan, clock_timestamp() + duration)
    RETURNING * INTO test;
  INSERT INTO @extschema@.ab_test_metrics (organization_id, ab_test_id, metric, is_primary, outcome_window)
    SELECT $1, test.id, m.metric, m.metric = test.metric, m.outcome_window
    FROM (VALUES ('user_approval', wanted.approval_window), ('quality_score', wanted.quality_window), ('response_time_ms', interval '0'),
                 ('cost_cents', interval '0')) AS m (metric, outcome_window);
  UPDATE @extschema@.custom_models AS m
    SET ab_test_enabled = true, ab_test_started_at = test.started_at, ab_test_duration_days = round((extract(epoch FROM duration) / 86400)::numeric, 4),
        updated_at = now()
    WHERE m.id = custom.id;
  PERFORM @extschema@.trainer_log_event($1, custom.id, 'ab_test_started',
    jsonb_build_object('ab_test_id', test.id, 'control', wanted.control_model_id, 'traffic', traffic, 'metric', metric, 'ends_at', test.ends_at));
  PERFORM @extschema@.trainer_call_worker();
  RETURN test;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_start_ab_test(uuid, interval, numeric, text, numeric, jsonb) IS
  'tests a custom model against the base model or another version on live traffic: from its commit on every unit is assigned to one of the two';

-- From what the organization's replies of four weeks came to; where there are none, from the case that needs the most.
CREATE FUNCTION @extschema@.trainer_plan_ab_test(
  organization_id uuid, minimum_effect double precision, traffic numeric DEFAULT 0.5, metric text DEFAULT 'user_approval', alpha numeric DEFAULT 0.05,
  power numeric DEFAULT 0.8, OUT baseline double precision, OUT deviation double precision, OUT units_per_day double precision, OUT fixed_units bigint,
  OUT planned_units bigint, OUT expected_units bigint, OUT days double precision, OUT summary text)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  replies bigint;
  effect double precision := minimum_effect;
BEGIN
  PERFORM @extschema@.trainer_require_ab_test(interval '1 day', traffic, metric, alpha);
  SELECT count(DISTINCT g.comment_id) / 7.0 INTO units_per_day FROM @extschema@.trainer_generations AS g
    WHERE g.organization_id = $1 AND NOT g.withheld AND g.created_at >= now() - interval '7 days';
  SELECT count(o.outcome), avg(o.outcome), CASE metric WHEN 'user_approval' THEN 0 ELSE stddev_samp(o.outcome) END INTO replies, baseline, deviation
    FROM @extschema@.trainer_generations AS g
    LEFT JOIN LATERAL (SELECT max(f.quality_score) AS score, bool_or(f.feedback_type = 'approved' AND f.created_at < g.created_at + interval '1 day') AS approved
                       FROM @extschema@.model_feedback AS f WHERE f.organization_id = g.organization_id AND f.response_id = g.response_id) AS f ON true
    CROSS JOIN LATERAL (SELECT CASE metric
      WHEN 'user_approval' THEN coalesce(f.approved, false)::integer
      WHEN 'quality_score' THEN coalesce(g.quality_score, f.score)::double precision
      WHEN 'response_time_ms' THEN ln(greatest(g.response_time_ms, 1)::double precision)
      ELSE ln(greatest(g.cost_cents::double precision, 1e-6)) END AS outcome) AS o
    WHERE g.organization_id = $1 AND NOT g.withheld AND g.created_at BETWEEN now() - interval '28 days' AND now() - interval '1 day';
  IF replies < 50 THEN
    baseline := 0.5;
    deviation := CASE metric WHEN 'user_approval' THEN 0 WHEN 'quality_score' THEN 0.5 ELSE 1 END;
  END IF;
  IF metric IN ('response_time_ms', 'cost_cents') THEN
    IF coalesce(effect <= -1, true) THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'minimum effect is out of range', DETAIL = 'Of times and costs it is a ratio less 1.';
    END IF;
    effect := ln(1 + effect);
  ELSIF metric = 'user_approval' THEN
    -- A rate that is nearly 1 cannot get much better: what cannot be is not planned for.
    baseline := least(greatest(baseline, 0.001), 0.999);
    IF coalesce(baseline + effect NOT BETWEEN 0.0001 AND 0.9999, true) THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'minimum effect is out of range',
        DETAIL = format('The rate is %s now: with the effect it would not be between 0 and 1.', round(baseline::numeric, 3));
    END IF;
  END IF;
  IF coalesce(effect = 0, true) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'minimum effect is out of range', DETAIL = 'No number of units shows an effect of 0.';
  END IF;
  SELECT s.fixed_units, s.planned_units, s.expected_units, s.days INTO fixed_units, planned_units, expected_units, days
    FROM @extschema@.trainer_sample_size(effect, baseline, CASE WHEN metric = 'user_approval' THEN 0 ELSE greatest(deviation, 1e-6) END, traffic::double precision,
                                         alpha::double precision, power::double precision, units_per_day) AS s;
  summary := format('Plan for %s units, %s; an effect of this size is found after about %s.', planned_units,
                    CASE WHEN days IS NULL THEN 'of which there are none now' ELSE format('%s days at %s a day', round(days::numeric, 1), round(units_per_day::numeric, 1)) END,
                    expected_units)
    || CASE WHEN replies < 50 THEN format(' There are %s replies to go by: the worst case is assumed.', replies) ELSE '' END;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_plan_ab_test(uuid, double precision, numeric, text, numeric, numeric) IS
  'how many units, and at the organization''s traffic how many days, an A/B test takes to find an effect: points of a rate or score, or a ratio less 1 of times and costs';

CREATE FUNCTION @extschema@.trainer_ab_test_outcomes(
  ab_test_id uuid, metric text, OUT unit uuid, OUT arm text, OUT assigned_at timestamptz, OUT outcome double precision)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT o.* FROM @extschema@.ab_tests AS t JOIN @extschema@.ab_test_metrics AS m ON m.ab_test_id = t.id
  CROSS JOIN LATERAL @extschema@.trainer_experiment_outcomes(t.id, t.organization_id, m.metric, m.outcome_window,
    CASE t.unit WHEN 'user' THEN (SELECT max(w.outcome_window) FROM @extschema@.ab_test_metrics AS w WHERE w.ab_test_id = t.id) END) AS o
  WHERE t.id = $1 AND m.metric = $2
$$;
COMMENT ON FUNCTION @extschema@.trainer_ab_test_outcomes(uuid, text) IS 'what each unit of an A/B test came to, by one of its metrics';

-- What the units of an experiment came to: read from the replies that it has assigned.

-- A row a unit whose outcome is known: in the order of its first reply. A user counts once, by the mean of his replies within `exposure`; who is found in two arms
-- (by a role that writes what it likes) by the first. exposure is null where a unit is a comment: its first reply counts.
CREATE FUNCTION @extschema@.trainer_experiment_outcomes(
  experiment_id uuid, organization_id uuid, metric text, outcome_window interval, exposure interval, OUT unit uuid, OUT arm text, OUT assigned_at timestamptz,
  OUT outcome double precision)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH reply AS (
    SELECT g.unit, g.arm, g.custom_model_id, g.created_at, g.response_id, g.quality_score, g.scored_at, g.response_time_ms, g.cost_cents,
           min(g.created_at) OVER unit AS assigned_at, row_number() OVER unit AS place
    FROM @extschema@.trainer_generations AS g
    WHERE g.experiment_id = $1 AND g.organization_id = $2 AND NOT g.withheld
    WINDOW unit AS (PARTITION BY g.unit ORDER BY g.created_at, g.id)),
  counted AS (
    SELECT r.unit AS of_unit, (array_agg(r.arm ORDER BY r.place))[1] AS of_arm, min(r.assigned_at) AS first, array_agg(CASE $3
        WHEN 'user_approval' THEN CASE WHEN EXISTS (
          SELECT FROM @extschema@.model_feedback AS f
          WHERE f.organization_id = $2 AND f.response_id = r.response_id AND f.feedback_type = 'approved' AND f.created_at < r.created_at + $4) THEN 1 ELSE 0 END
        WHEN 'quality_score' THEN CASE WHEN r.scored_at < r.created_at + $4 THEN r.quality_score::double precision END
        WHEN 'answered' THEN (r.custom_model_id IS NOT DISTINCT FROM CASE r.arm
          WHEN 'custom' THEN rollout.custom_model_id ELSE rollout.former_model_id END)::integer
        WHEN 'response_time_ms' THEN ln(greatest(r.response_time_ms, 1)::double precision)
        ELSE ln(greatest(r.cost_cents::double precision, 1e-6))
      END) AS values
    FROM reply AS r LEFT JOIN @extschema@.trainer_rollouts AS rollout ON rollout.id = $1
    WHERE (r.place = 1 OR r.created_at < r.assigned_at + $5) AND r.assigned_at + coalesce($5, interval '0') + $4 <= clock_timestamp()
    GROUP BY r.unit)
  SELECT c.of_unit, c.of_arm, c.first, mean
  FROM counted AS c CROSS JOIN LATERAL (SELECT avg(v) AS mean FROM unnest(c.values) AS v) AS m
  WHERE mean IS NOT NULL
  ORDER BY c.first, c.of_unit
$$;
COMMENT ON FUNCTION @extschema@.trainer_experiment_outcomes(uuid, uuid, text, interval, interval) IS
  'what each unit of an experiment came to: 0 or 1 (approved; of a rollout also whether the arm''s own model answered), a score, or the logarithm of milliseconds or cents; only units whose window has passed';

CREATE FUNCTION @extschema@.trainer_experiment_ratio(
  experiment_id uuid, organization_id uuid, share double precision, OUT custom_units bigint, OUT control_units bigint, OUT crossed bigint,
  OUT e_value double precision, OUT is_broken boolean)
RETURNS record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH unit AS (
    SELECT (array_agg(g.arm ORDER BY g.created_at, g.id))[1] AS arm, count(DISTINCT g.arm) > 1 AS crossed
    FROM @extschema@.trainer_generations AS g WHERE g.experiment_id = $1 AND g.organization_id = $2 GROUP BY g.unit),
  counted AS (
    SELECT count(*) FILTER (WHERE u.arm = 'custom') AS custom, count(*) FILTER (WHERE u.arm = 'control') AS control, count(*) FILTER (WHERE u.crossed) AS crossed
    FROM unit AS u)
  SELECT c.custom, c.control, c.crossed, e.e_value, e.e_value >= 100 OR c.crossed * 100 > c.custom + c.control
  FROM counted AS c CROSS JOIN LATERAL @extschema@.trainer_sample_ratio(ARRAY[c.custom, c.control], ARRAY[$3, 1 - $3]) AS e
$$;
COMMENT ON FUNCTION @extschema@.trainer_experiment_ratio(uuid, uuid, double precision) IS
  'whether the arms got the shares that they should, share being that of custom: broken at an e-value of 100, a false alarm once in a hundred experiments, or when 1 unit in 100 met both arms';

CREATE FUNCTION @extschema@.trainer_running_experiment(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'an A/B test' FROM @extschema@.ab_tests AS t WHERE t.organization_id = $1 AND t.status = 'running'
  UNION ALL SELECT 'a rollout' FROM @extschema@.trainer_rollouts AS r WHERE r.organization_id = $1 AND r.state = 'running'
  LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@.trainer_running_experiment(uuid) IS 'what of the organization is running: an A/B test, a rollout; null: neither';

CREATE FUNCTION @extschema@.trainer_lock_experiments(organization_id uuid) RETURNS text
LANGUAGE c VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_lock_experiments(uuid) IS
  'trainer_running_experiment() of what is committed now; nobody else starts one of the organization until this transaction ends';

-- An experiment holds what serves as it is: the traffic of one arm must not change under it. The rows of models are locked before this.
CREATE FUNCTION @extschema@.trainer_require_no_experiment(organization_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  running text;
BEGIN
  -- Whoever puts a model to serve locks what serves, and then looks whether an experiment runs: one of the two sees the other.
  PERFORM FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.is_active FOR UPDATE;
  running := @extschema@.trainer_lock_experiments($1);
  IF running IS NOT NULL THEN
    RAISE EXCEPTION '% of the organization is running', running
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Organization: %s.', $1),
            HINT = CASE running
              WHEN 'an A/B test' THEN format('End it first: SELECT trainer_stop_ab_test(%L).',
                                             (SELECT t.id FROM @extschema@.ab_tests AS t WHERE t.organization_id = $1 AND t.status = 'running'))
              ELSE 'End it first: trainer_rollback_model() goes back, trainer_deploy_model() of its model goes on to the end.' END;
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_no_experiment(uuid) IS
  'an error while an A/B test or a rollout of the organization runs, and none of it starts until this transaction ends';

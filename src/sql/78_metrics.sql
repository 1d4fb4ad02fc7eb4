-- Metrics for a monitoring system, by the conventions of Prometheus: base units (money in US cents, as everywhere here), counters that never go down, and a number
-- of series that does not grow with the number of organizations. docs/monitoring.md says what each of them means.

-- In the order in which they are shown.
CREATE FUNCTION @extschema@.trainer_metric_families() RETURNS TABLE (name text, type text, help text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('trainer_info', 'gauge', 'The version of the library; always 1.'),
    ('trainer_worker_up', 'gauge', 'Whether this database has a worker.'),
    ('trainer_worker_paused', 'gauge', 'Whether the worker is paused and starts nothing new.'),
    ('trainer_worker_heartbeat_timestamp_seconds', 'gauge', 'When the worker last turned: every 10 seconds at the least.'),
    ('trainer_worker_in_flight_calls', 'gauge', 'Calls to the provider that the worker has under way.'),
    ('trainer_queue_items', 'gauge', 'What is to be done at the provider, or waits for an answer, by state.'),
    ('trainer_queue_due_items', 'gauge', 'How much of it is due.'),
    ('trainer_queue_oldest_due_seconds', 'gauge', 'For how long the oldest that is due has been due; 0 when nothing is.'),
    ('trainer_provider_answer_timestamp_seconds', 'gauge', 'When the worker last had a complete answer of the provider.'),
    ('trainer_provider_requests_total', 'counter', 'HTTP requests to the provider, by what they were for and what came of them.'),
    ('trainer_provider_request_duration_seconds', 'histogram', 'Time that a request to the provider took, the wait for a free connection included.'),
    ('trainer_provider_retries_total', 'counter', 'Calls that failed and were to be tried again.'),
    ('trainer_models', 'gauge', 'Models by status: trainings under way, and what came of the others.'),
    ('trainer_serving_models', 'gauge', 'Models that serve an organization.'),
    ('trainer_trainings_total', 'counter', 'Trainings that have ended, by how.'),
    ('trainer_training_success_ratio', 'gauge', 'Share of the trainings that succeeded, of those that succeeded or failed.'),
    ('trainer_training_duration_seconds', 'summary', 'Time that the trainings took which succeeded.'),
    ('trainer_generations_total', 'counter', 'Replies that models wrote, by the rung of the ladder, and whether a better one was there.'),
    ('trainer_feedback', 'gauge', 'Verdicts on responses, by type.'),
    ('trainer_model_approval_ratio', 'gauge', 'Share of approvals in the feedback on a model, of the 100 models that began to serve last.'),
    ('trainer_model_feedback', 'gauge', 'Verdicts on a model, of the 100 models that began to serve last.'),
    ('trainer_ab_tests_total', 'counter', 'A/B tests that have ended, by who won.'),
    ('trainer_rollouts_total', 'counter', 'Rollouts that have ended, by how.'),
    ('trainer_arm_approval_ratio', 'gauge', 'Share of approvals in an arm of an experiment, of the 50 A/B tests and the 50 rollouts that began last.'),
    ('trainer_arm_units', 'gauge', 'Comments or users of an arm that this share is of.'),
    ('trainer_running_experiments', 'gauge', 'A/B tests and rollouts that run.'),
    ('trainer_drifted_streams', 'gauge', 'Organizations of which a stream is not what it was.'),
    ('trainer_cost_cents_total', 'counter', 'What was spent, in US cents, as far as prices are known.'),
    ('trainer_budgets', 'gauge', 'Budgets, by what counts to them.'),
    ('trainer_budget_limit_cents', 'gauge', 'What an organization may spend in a period, in US cents, of 100 budgets: those that are nearly spent first.'),
    ('trainer_budget_left_cents', 'gauge', 'What is left of it, with what is reserved taken off.'),
    ('trainer_webhook_messages', 'gauge', 'Messages that are on their way to webhooks, by state.'),
    ('trainer_webhook_messages_total', 'counter', 'Messages to webhooks that have come to their end, by which.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_metric_families() IS 'the metrics that there are: name, type and meaning';

CREATE FUNCTION @extschema@.trainer_process_counters() RETURNS jsonb
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_process_counters() IS
  'what the worker and the sessions of this database have counted in shared memory since the server started: rows of trainer_measure(); [] where the library is not preloaded';

CREATE FUNCTION @extschema@.trainer_measure_worker() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH slot AS MATERIALIZED (
    SELECT * FROM @extschema@.trainer_worker_slot()),
  live AS MATERIALIZED (
    SELECT 'operations' AS queue, o.state, count(*) AS n, count(*) FILTER (WHERE o.due_at <= now()) AS due, min(o.due_at) AS oldest
    FROM @extschema@.trainer_operations AS o WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking') GROUP BY o.state
    UNION ALL
    SELECT 'replies', q.state, count(*), count(*) FILTER (WHERE q.due_at <= now()), min(q.due_at)
    FROM @extschema@.trainer_generation_requests AS q WHERE q.state IN ('ready', 'sending', 'writing') GROUP BY q.state),
  queue AS (
    SELECT q.queue, coalesce(sum(l.due), 0) AS due, greatest(coalesce(extract(epoch FROM now() - min(l.oldest)), 0), 0) AS age
    FROM (VALUES ('operations'), ('replies')) AS q (queue) LEFT JOIN live AS l USING (queue) GROUP BY q.queue)
  SELECT 'trainer_info', '', jsonb_build_object('version', @extschema@.trainer_library_version()), 1
  UNION ALL SELECT 'trainer_worker_up', '', '{}', (s.pid IS NOT NULL)::integer FROM slot AS s
  UNION ALL SELECT 'trainer_worker_paused', '', '{}', coalesce((SELECT i.paused FROM @extschema@.trainer_installation AS i), false)::integer
  UNION ALL SELECT 'trainer_worker_heartbeat_timestamp_seconds', '', '{}', extract(epoch FROM s.heartbeat) FROM slot AS s WHERE s.pid IS NOT NULL
  UNION ALL SELECT 'trainer_worker_in_flight_calls', '', '{}', coalesce(s.in_flight, 0) FROM slot AS s
  UNION ALL SELECT 'trainer_provider_answer_timestamp_seconds', '', '{}', extract(epoch FROM s.answered_at) FROM slot AS s WHERE s.answered_at IS NOT NULL
  UNION ALL
  SELECT 'trainer_queue_items', '', jsonb_build_object('queue', q.queue, 'state', q.state), coalesce(l.n, 0)
  FROM (VALUES ('operations', 'ready'), ('operations', 'sending'), ('operations', 'reconcile'), ('operations', 'checking'),
               ('replies', 'ready'), ('replies', 'sending'), ('replies', 'writing')) AS q (queue, state) LEFT JOIN live AS l USING (queue, state)
  UNION ALL SELECT 'trainer_queue_due_items', '', jsonb_build_object('queue', q.queue), q.due FROM queue AS q
  UNION ALL SELECT 'trainer_queue_oldest_due_seconds', '', jsonb_build_object('queue', q.queue), q.age FROM queue AS q
  UNION ALL
  SELECT c.family, c.suffix, c.labels, c.value
  FROM jsonb_to_recordset(@extschema@.trainer_process_counters()) AS c (family text, suffix text, labels jsonb, value double precision)
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_worker() IS 'the rows of trainer_measure() about the worker, its queues and the provider';

CREATE FUNCTION @extschema@.trainer_measure_models() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH model AS MATERIALIZED (
    SELECT m.status, m.kind, m.is_active, count(*) AS n FROM @extschema@.custom_models AS m GROUP BY 1, 2, 3),
  total AS MATERIALIZED (
    SELECT t.name, t.label, sum(t.n) AS n, sum(t.amount) AS amount FROM @extschema@.trainer_metric_totals AS t GROUP BY 1, 2),
  training AS (
    SELECT r.result, coalesce(t.n, 0) AS n, coalesce(t.amount, 0) AS seconds
    FROM (VALUES ('succeeded'), ('failed'), ('cancelled')) AS r (result) LEFT JOIN total AS t ON t.name = 'trainings' AND t.label = r.result)
  SELECT 'trainer_models', '', jsonb_build_object('status', s.status), coalesce((SELECT sum(m.n) FROM model AS m WHERE m.status = s.status), 0)
  FROM unnest('{pending,uploading,validating,queued,running,paused,evaluating,succeeded,deployed,failed,cancelled,retired}'::text[]) AS s (status)
  UNION ALL
  SELECT 'trainer_serving_models', '', jsonb_build_object('kind', k.kind), coalesce((SELECT sum(m.n) FROM model AS m WHERE m.is_active AND m.kind = k.kind), 0)
  FROM (VALUES ('fine_tuned'), ('exemplar')) AS k (kind)
  UNION ALL SELECT 'trainer_trainings_total', '', jsonb_build_object('result', t.result), t.n FROM training AS t
  UNION ALL
  SELECT 'trainer_training_success_ratio', '', '{}', sum(t.n) FILTER (WHERE t.result = 'succeeded') / sum(t.n)
  FROM training AS t WHERE t.result IN ('succeeded', 'failed') HAVING sum(t.n) > 0
  UNION ALL SELECT 'trainer_training_duration_seconds', '_sum', '{}', t.seconds FROM training AS t WHERE t.result = 'succeeded'
  UNION ALL SELECT 'trainer_training_duration_seconds', '_count', '{}', t.n FROM training AS t WHERE t.result = 'succeeded'
  UNION ALL SELECT 'trainer_cost_cents_total', '', '{"activity": "training"}', coalesce((SELECT t.amount FROM total AS t WHERE t.name = 'training_cost'), 0)
  UNION ALL
  SELECT 'trainer_ab_tests_total', '', jsonb_build_object('winner', w.winner), coalesce((SELECT t.n FROM total AS t WHERE t.name = 'ab_tests' AND t.label = w.winner), 0)
  FROM (VALUES ('custom'), ('control'), ('none')) AS w (winner)
  UNION ALL
  SELECT 'trainer_rollouts_total', '', jsonb_build_object('result', r.result), coalesce((SELECT t.n FROM total AS t WHERE t.name = 'rollouts' AND t.label = r.result), 0)
  FROM (VALUES ('promoted'), ('rolled_back'), ('cancelled')) AS r (result)
  UNION ALL
  SELECT 'trainer_webhook_messages_total', '', jsonb_build_object('result', r.result),
         coalesce((SELECT t.n FROM total AS t WHERE t.name = 'webhook_messages' AND t.label = r.result), 0)
  FROM unnest('{delivered,failed,cancelled}'::text[]) AS r (result)
  UNION ALL
  SELECT 'trainer_running_experiments', '', '{"type": "ab_test"}', count(*) FROM @extschema@.ab_tests AS t WHERE t.status IN ('running', 'maturing')
  UNION ALL
  SELECT 'trainer_running_experiments', '', '{"type": "rollout"}', count(*) FROM @extschema@.trainer_rollouts AS r WHERE r.state = 'running'
  UNION ALL
  SELECT 'trainer_drifted_streams', '', jsonb_build_object('stream', s.stream, 'change', CASE WHEN c.is_worse THEN 'worse' ELSE 'other' END), count(d.stream)
  FROM @extschema@.trainer_drift_stream_list() AS s
  CROSS JOIN (VALUES (true), (false)) AS c (is_worse)
  LEFT JOIN @extschema@.trainer_drift_streams AS d ON d.stream = s.stream AND d.is_worse = c.is_worse AND d.since IS NOT NULL
  GROUP BY s.stream, c.is_worse
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_models() IS 'the rows of trainer_measure() about models, trainings and experiments';

-- As the worker saw it when it last looked: adding up anew is what a look takes time for. An organization has one running test and one rollout at the most.
CREATE FUNCTION @extschema@.trainer_measure_arms() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH experiment AS MATERIALIZED (
    SELECT 'ab_test' AS type, t.organization_id, m.custom_n, m.custom_mean, m.control_n, m.control_mean
    FROM (SELECT t.id, t.organization_id FROM @extschema@.ab_tests AS t WHERE t.status = 'running' ORDER BY t.started_at DESC, t.id LIMIT 50) AS t
    JOIN @extschema@.ab_test_metrics AS m ON m.ab_test_id = t.id AND m.metric = 'user_approval'
    UNION ALL
    SELECT 'rollout', r.organization_id, e.canary_n, e.canary_mean, e.control_n, e.control_mean
    FROM (SELECT r.organization_id, r.evidence FROM @extschema@.trainer_rollouts AS r WHERE r.state = 'running' ORDER BY r.started_at DESC, r.id LIMIT 50) AS r
    CROSS JOIN LATERAL jsonb_to_recordset(r.evidence)
      AS e (metric text, canary_n bigint, canary_mean double precision, control_n bigint, control_mean double precision)
    WHERE e.metric = 'user_approval'),
  arm AS (
    SELECT jsonb_build_object('type', e.type, 'organization_id', e.organization_id, 'arm', a.arm) AS labels, coalesce(a.n, 0) AS n, a.mean
    FROM experiment AS e CROSS JOIN LATERAL (VALUES ('custom', e.custom_n, e.custom_mean), ('control', e.control_n, e.control_mean)) AS a (arm, n, mean))
  SELECT 'trainer_arm_approval_ratio', '', a.labels, a.mean FROM arm AS a WHERE a.n > 0
  UNION ALL SELECT 'trainer_arm_units', '', a.labels, a.n FROM arm AS a
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_arms() IS 'the rows of trainer_measure() about the arms of experiments';

-- A model is told of by its ids, as long as it serves: a hundred at the most, however many organizations there are.
CREATE FUNCTION @extschema@.trainer_measure_feedback() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH told AS MATERIALIZED (
    SELECT f.custom_model_id, sum(f.feedback) AS feedback, sum(f.approved) AS approved, sum(f.rejected) AS rejected, sum(f.edited) AS edited,
           sum(f.regenerated) AS regenerated
    FROM (SELECT t.* FROM @extschema@.trainer_feedback_totals AS t
          UNION ALL
          SELECT t.* FROM @extschema@.trainer_feedback_rollup AS r, @extschema@.trainer_tally_feedback(NULL, r.watermark, NULL, NULL) AS t) AS f
    GROUP BY f.custom_model_id),
  shown AS MATERIALIZED (
    SELECT jsonb_build_object('organization_id', m.organization_id, 'model_id', m.id, 'version', m.version::text) AS labels, t.feedback, t.approved
    FROM (SELECT m.id, m.organization_id, m.version FROM @extschema@.custom_models AS m
          WHERE m.is_active ORDER BY m.serving_since DESC NULLS LAST, m.id LIMIT 100) AS m
    LEFT JOIN told AS t ON t.custom_model_id = m.id)
  SELECT 'trainer_feedback', '', jsonb_build_object('type', f.type), coalesce(f.n, 0)
  FROM (SELECT sum(t.approved) AS approved, sum(t.rejected) AS rejected, sum(t.edited) AS edited, sum(t.regenerated) AS regenerated FROM told AS t) AS s
  CROSS JOIN LATERAL (VALUES ('approved', s.approved), ('rejected', s.rejected), ('edited', s.edited), ('regenerated', s.regenerated)) AS f (type, n)
  UNION ALL SELECT 'trainer_model_approval_ratio', '', s.labels, s.approved / s.feedback FROM shown AS s WHERE s.feedback > 0
  UNION ALL SELECT 'trainer_model_feedback', '', s.labels, coalesce(s.feedback, 0) FROM shown AS s
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_feedback() IS 'the rows of trainer_measure() about feedback';

-- A hundred at the most, since each is added up: those first that a warning has been given for in this period.
CREATE FUNCTION @extschema@.trainer_measure_budgets() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH shown AS MATERIALIZED (
    SELECT jsonb_build_object('organization_id', b.organization_id, 'scope', b.scope, 'period', b.period) AS labels, b.limit_cents,
           b.limit_cents - @extschema@.trainer_spent(b.organization_id, b.scope, b.start) AS left_cents
    FROM (SELECT t.organization_id, t.scope, t.period, t.limit_cents, p.start
          FROM @extschema@.trainer_budgets AS t CROSS JOIN LATERAL (SELECT @extschema@.trainer_period_start(t.period) AS start) AS p
          ORDER BY t.warned_for = p.start DESC NULLS LAST, t.updated_at DESC, t.organization_id, t.scope, t.period LIMIT 100) AS b)
  SELECT 'trainer_budgets', '', jsonb_build_object('scope', s.scope), count(b.scope)
  FROM (VALUES ('training'), ('inference'), ('all')) AS s (scope) LEFT JOIN @extschema@.trainer_budgets AS b ON b.scope = s.scope GROUP BY s.scope
  UNION ALL SELECT 'trainer_budget_limit_cents', '', s.labels, s.limit_cents FROM shown AS s
  UNION ALL SELECT 'trainer_budget_left_cents', '', s.labels, s.left_cents FROM shown AS s
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure_budgets() IS 'the rows of trainer_measure() about budgets';

CREATE FUNCTION @extschema@.trainer_measure() RETURNS TABLE (family text, suffix text, labels jsonb, value double precision)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM @extschema@.trainer_measure_worker()
  UNION ALL SELECT * FROM @extschema@.trainer_measure_models()
  UNION ALL SELECT * FROM @extschema@.trainer_measure_feedback()
  UNION ALL SELECT * FROM @extschema@.trainer_measure_arms()
  UNION ALL SELECT * FROM @extschema@.trainer_measure_budgets()
  UNION ALL
  SELECT 'trainer_webhook_messages', '', jsonb_build_object('state', s.state), count(d.state)
  FROM unnest('{ready,sending}'::text[]) AS s (state)
  LEFT JOIN @extschema@.trainer_webhook_deliveries AS d ON d.state = s.state AND d.state IN ('ready', 'sending') GROUP BY s.state
$$;
COMMENT ON FUNCTION @extschema@.trainer_measure() IS 'the metrics as they are now: a row a series';

-- As the text format escapes them.
CREATE FUNCTION @extschema@.trainer_metric_labels(labels jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce('{' || string_agg(format('%s="%s"', l.key, replace(replace(replace(l.value, '\', '\\'), '"', '\"'), E'\n', '\n')), ',' ORDER BY l.key = 'le', l.key) || '}', '')
  FROM jsonb_each_text(labels) AS l
$$;
COMMENT ON FUNCTION @extschema@.trainer_metric_labels(jsonb) IS 'labels as Prometheus reads them';

CREATE FUNCTION @extschema@.trainer_metrics_prometheus() RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1
AS $$
  WITH sample AS (
    SELECT m.family, string_agg(m.family || m.suffix || @extschema@.trainer_metric_labels(m.labels) || ' ' || m.value || E'\n', '' ORDER BY m.place) AS lines
    FROM @extschema@.trainer_measure() WITH ORDINALITY AS m (family, suffix, labels, value, place) GROUP BY m.family)
  SELECT string_agg(format(E'# HELP %1$s %2$s\n# TYPE %1$s %3$s\n%4$s', f.name, f.help, f.type, s.lines), '' ORDER BY f.place)
  FROM @extschema@.trainer_metric_families() WITH ORDINALITY AS f (name, type, help, place) JOIN sample AS s ON s.family = f.name
$$;
COMMENT ON FUNCTION @extschema@.trainer_metrics_prometheus() IS 'trainer_metrics in the text format of Prometheus';

-- What has ended is counted where it ends: the rows may be deleted later.
CREATE FUNCTION @extschema@.trainer_count_end() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  counted text := TG_ARGV[0];
BEGIN
  IF counted = 'trainings' THEN
    INSERT INTO @extschema@.trainer_metric_totals (name, label, amount) VALUES (counted, NEW.status, coalesce(NEW.training_duration_seconds, 0));
  ELSIF counted = 'training_cost' THEN
    INSERT INTO @extschema@.trainer_metric_totals (name, label, amount) VALUES (counted, '', NEW.training_cost_cents - coalesce(OLD.training_cost_cents, 0));
  ELSIF counted = 'ab_tests' THEN
    INSERT INTO @extschema@.trainer_metric_totals (name, label) VALUES (counted, coalesce(NEW.decision, 'none'));
  ELSE
    INSERT INTO @extschema@.trainer_metric_totals (name, label) VALUES (counted, NEW.state);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_count_end() IS 'counts a training, its cost, an A/B test, a rollout or a message to a webhook';

CREATE FUNCTION @extschema@.trainer_fold_metrics() RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH changed AS (
    SELECT DISTINCT t.name, t.label FROM @extschema@.trainer_metric_totals AS t WHERE NOT t.folded),
  gone AS (
    DELETE FROM @extschema@.trainer_metric_totals AS t USING changed AS c WHERE t.name = c.name AND t.label = c.label RETURNING t.*),
  total AS (
    INSERT INTO @extschema@.trainer_metric_totals (name, label, n, amount, folded)
    SELECT g.name, g.label, sum(g.n), sum(g.amount), true FROM gone AS g GROUP BY 1, 2 RETURNING 1)
  SELECT count(*) FROM total
$$;
COMMENT ON FUNCTION @extschema@.trainer_fold_metrics() IS 'makes one row of the many of a counter of trainer_metric_totals; run by the worker';

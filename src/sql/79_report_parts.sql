-- The other parts of the page of trainer_report(), and the page itself.

-- --- versions ------------------------------------------------------------------------------------------------------------------

-- One plot a version, all on one scale: to compare them by eye.
CREATE FUNCTION @extschema@.trainer_report_losses(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH model AS MATERIALIZED (
    SELECT m.id, m.version, m.provider_job_id, m.training_loss, m.validation_loss FROM @extschema@.custom_models AS m
    WHERE m.organization_id = $1
      AND EXISTS (SELECT FROM @extschema@.trainer_training_metrics AS t WHERE t.custom_model_id = m.id AND t.provider_job_id = m.provider_job_id AND t.train_loss IS NOT NULL)
    ORDER BY m.version DESC LIMIT 6),
  loss AS MATERIALIZED (
    SELECT m.version, s.series, t.step::double precision AS x, s.y
    FROM model AS m JOIN @extschema@.trainer_training_metrics AS t ON t.custom_model_id = m.id AND t.provider_job_id = m.provider_job_id
    CROSS JOIN LATERAL (VALUES (1::bigint, t.train_loss), (2, coalesce(t.full_valid_loss, t.valid_loss))) AS s (series, y)
    WHERE s.y IS NOT NULL),
  curves AS (
    SELECT l.version, array_agg(l.series ORDER BY l.series, l.x) AS series, array_agg(l.x ORDER BY l.series, l.x) AS x, array_agg(l.y ORDER BY l.series, l.x) AS y,
           array_fill('NaN'::double precision, ARRAY[count(*)::integer]) AS none, greatest(max(l.x), 1) AS steps,
           CASE WHEN bool_or(l.series = 2) THEN '{Training,Validation}'::text[] ELSE '{Training}' END AS names
    FROM loss AS l GROUP BY l.version),
  scale AS (SELECT ARRAY[0, greatest(max(l.y) * 1.04, 0.1)] AS y FROM loss AS l WHERE l.y < 1e9)
  SELECT @extschema@.trainer_html('<div class="grid">%m</div>', string_agg(
    @extschema@.trainer_html('<figure><h3>%t</h3>%m<figcaption>%t</figcaption></figure>', @extschema@.trainer_version_text(c.version),
      @extschema@.trainer_plot(@extschema@.trainer_version_text(c.version) || ': loss by step', array_to_string(c.names, ' and '), '', false,
        '{300, 190}', ARRAY[0, c.steps], s.y, c.names, array_fill('line'::text, ARRAY[cardinality(c.names)]), c.series, c.x, c.y, c.none, c.none),
      concat_ws(', ', 'Loss by step, of ' || @extschema@.trainer_count_text(c.steps::numeric) || ': training ' || coalesce(round(m.training_loss, 3)::text, 'not known yet'),
                'validation ' || round(m.validation_loss, 3)) || '.'), '' ORDER BY c.version DESC))
  FROM curves AS c JOIN model AS m ON m.version = c.version CROSS JOIN scale AS s HAVING count(*) > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_losses(uuid) IS 'losses of the last six versions by step, for the page of trainer_report(); null: none are known';

CREATE FUNCTION @extschema@.trainer_report_versions(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Model', 'State', 'Base', 'Examples', 'Loss, training', 'Loss, validation', 'Cost', 'Trained'] AS all),
  model AS (SELECT m.* FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 ORDER BY m.version DESC LIMIT 12)
  SELECT @extschema@.trainer_report_section('versions', 'Versions and how they learned',
    (SELECT @extschema@.trainer_html('%m%m%m', @extschema@.trainer_report_losses($1), @extschema@.trainer_report_table('The last versions, the newest first.', h.all, string_agg(
       @extschema@.trainer_report_row(h.all, ARRAY[
         @extschema@.trainer_html('Version %t<br/><bdi class="note">%t</bdi>', m.version::text, left(m.name, 80)),
         @extschema@.trainer_html('%t%m%m', m.status, CASE WHEN m.is_active THEN ' <span class="badge">serves</span>' END,
           CASE WHEN m.status = 'failed' THEN @extschema@.trainer_html('<br/><bdi class="bad">%t</bdi>', coalesce(left(m.error_message, 200), m.error_code, '')) END),
         @extschema@.trainer_html('<bdi>%t</bdi>%t', left(m.base_model, 60), CASE m.kind WHEN 'exemplar' THEN ' with examples' ELSE '' END),
         coalesce(@extschema@.trainer_count_text(m.training_examples), '-'),
         coalesce(round(m.training_loss, 3)::text, '-'), coalesce(round(m.validation_loss, 3)::text, '-'), coalesce(@extschema@.trainer_money_text(m.training_cost_cents), '-'),
         coalesce(@extschema@.trainer_day_text(m.training_completed_at), '-')]), '' ORDER BY m.version DESC)),
       CASE WHEN total.n > 12 THEN @extschema@.trainer_html('<p class="note">And %t before them.</p>', (total.n - 12)::text) END)
     FROM model AS m CROSS JOIN headings AS h CROSS JOIN (SELECT count(*) AS n FROM @extschema@.custom_models AS a WHERE a.organization_id = $1) AS total
     GROUP BY h.all, total.n),
    'No training yet: trainer_prepare_dataset() makes a dataset of approved replies, and trainer_submit_training() trains a model on it.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_versions(uuid) IS 'the versions of a model, for the page of trainer_report()';

-- --- test and rollout ----------------------------------------------------------------------------------------------------------

-- The one that runs, or the last one of the last 30 days.
CREATE FUNCTION @extschema@.trainer_report_test(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Measure', 'New', 'Control', 'Difference', 'In words'] AS all),
  test AS (
    SELECT t.*, coalesce(t.ended_at, t.ends_at) AS until, t.ended_at IS NULL AS is_live FROM @extschema@.ab_tests AS t
    WHERE t.organization_id = $1 AND (t.ended_at IS NULL OR t.ended_at > $2 - interval '30 days') ORDER BY t.ended_at DESC NULLS FIRST LIMIT 1)
  SELECT @extschema@.trainer_html('<h3>%t: %t against %t</h3><p class="sub">%t. Since %t, %t %t. %t of the traffic goes to the new one, by %t.</p>%m',
    CASE WHEN t.is_live THEN 'A/B test under way' ELSE 'Last A/B test' END, lower(@extschema@.trainer_version_text(m.version)), lower(@extschema@.trainer_version_text(c.version)),
    CASE WHEN t.is_live THEN CASE t.status WHEN 'running' THEN 'Running' ELSE 'The last outcomes are waited for' END
         ELSE CASE t.decision WHEN 'custom' THEN 'Decided for the new one' WHEN 'control' THEN 'Decided for the control' ELSE 'Ended without a decision' END || coalesce(' (' || left(t.reason, 120) || ')', '') END,
    @extschema@.trainer_day_text(t.started_at), CASE WHEN t.is_live THEN 'until' ELSE 'ended' END, @extschema@.trainer_day_text(t.until), @extschema@.trainer_percent_text(t.traffic::double precision), t.unit,
    (SELECT @extschema@.trainer_report_table('The intervals hold at every look: who looks often is not misled.', h.all, string_agg(
       @extschema@.trainer_report_row(h.all, ARRAY[
         @extschema@.trainer_html('%t%m', CASE r.metric WHEN 'user_approval' THEN 'Approval' WHEN 'quality_score' THEN 'Quality score' WHEN 'response_time_ms' THEN 'Response time' ELSE 'Cost of a reply' END,
           CASE WHEN r.is_primary THEN ' <span class="badge">decides</span>' END),
         @extschema@.trainer_html('%t<br/><span class="note">of %t</span>', coalesce(@extschema@.trainer_metric_text(r.metric, r.custom_mean), '-'), @extschema@.trainer_count_text(r.custom_n)),
         @extschema@.trainer_html('%t<br/><span class="note">of %t</span>', coalesce(@extschema@.trainer_metric_text(r.metric, r.control_mean), '-'), @extschema@.trainer_count_text(r.control_n)),
         @extschema@.trainer_html('%m%t', @extschema@.trainer_plot_strip(r.difference, r.lower, r.upper, -extent.most, extent.most, 0, 'The difference with its interval; the mark is no difference'),
           coalesce(@extschema@.trainer_difference_text(r.metric, r.difference), '-')),
         @extschema@.trainer_html('%t', r.summary)]), '' ORDER BY r.is_primary DESC, r.metric))
     FROM @extschema@.trainer_ab_test_results(t.id) AS r
     CROSS JOIN LATERAL (SELECT greatest(abs(r.lower), abs(r.upper), 1e-6) * 1.15 AS most) AS extent CROSS JOIN headings AS h GROUP BY h.all))
  FROM test AS t JOIN @extschema@.custom_models AS m ON m.id = t.custom_model_id LEFT JOIN @extschema@.custom_models AS c ON c.id = t.control_model_id
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_test(uuid, timestamptz) IS 'the A/B test that runs, or ended in the last 30 days, for the page of trainer_report(); null: there is none';

CREATE FUNCTION @extschema@.trainer_report_rollout(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Guardrail', 'New / control', 'Effect', 'Says'] AS all),
  rollout AS (
    SELECT r.* FROM @extschema@.trainer_rollouts AS r
    WHERE r.organization_id = $1 AND (r.ended_at IS NULL OR r.ended_at > $2 - interval '30 days') ORDER BY r.ended_at DESC NULLS FIRST LIMIT 1)
  SELECT @extschema@.trainer_html('<h3>%t of version %t%t</h3><p class="sub">Since %t. %t</p><ol class="steps">%m</ol>%m',
    CASE WHEN r.ended_at IS NULL THEN 'Rollout' ELSE 'Last rollout' END, m.version::text, CASE WHEN r.ended_at IS NULL THEN '' ELSE ': ' || replace(r.state, '_', ' ') END, @extschema@.trainer_day_text(r.started_at),
    CASE r.reason WHEN 'baking' THEN 'The step has not lasted long enough yet.' WHEN 'too_few' THEN 'The step waits for more outcomes.' WHEN 'inconclusive' THEN 'Not yet shown to be safe: it waits for more outcomes.'
      WHEN 'safe' THEN 'Shown to be safe.' WHEN 'srm' THEN 'Held: the arms did not get their shares.' WHEN 'harm' THEN 'The new version did harm.'
      WHEN 'no_data' THEN 'Held: no outcomes come in.' WHEN 'deadline' THEN 'Its time was over.' ELSE left(r.reason, 160) END,
    (SELECT string_agg(CASE WHEN s.place = r.step + 1 AND r.ended_at IS NULL THEN @extschema@.trainer_html('<li class="now" aria-current="step">Step %t, now: %t of the traffic</li>', s.place::text, s.share)
                       ELSE @extschema@.trainer_html('<li>Step %t%t: %t</li>', s.place::text, CASE WHEN s.place <= r.step THEN ', done' ELSE '' END, s.share) END, '' ORDER BY s.place)
     FROM (SELECT e.place, @extschema@.trainer_percent_text((e.step ->> 'share')::double precision) AS share FROM jsonb_array_elements(r.steps) WITH ORDINALITY AS e (step, place) LIMIT 20) AS s),
    (SELECT @extschema@.trainer_report_table('What it is watched by. The control gets as much of the traffic as the new version.', h.all, string_agg(
       @extschema@.trainer_report_row(h.all, ARRAY[
         @extschema@.trainer_html('%t', CASE g.metric WHEN 'user_approval' THEN 'Approval' WHEN 'quality_score' THEN 'Quality score' WHEN 'response_time_ms' THEN 'Response time' WHEN 'answered' THEN 'Answers itself' ELSE g.metric END),
         @extschema@.trainer_html('%t / %t', @extschema@.trainer_count_text(g.canary_n), @extschema@.trainer_count_text(g.control_n)),
         @extschema@.trainer_html('%t', coalesce(CASE g.metric WHEN 'response_time_ms' THEN @extschema@.trainer_difference_text(g.metric, exp(-g.effect) - 1)
           WHEN 'quality_score' THEN @extschema@.trainer_difference_text(g.metric, g.effect) ELSE @extschema@.trainer_difference_text('user_approval', g.effect) END, '-')),
         CASE WHEN g.harmed THEN '<span class="bad">harm</span>' WHEN g.safe THEN '<span class="good">safe</span>' ELSE 'not clear yet' END]), '' ORDER BY g.metric))
     FROM jsonb_to_recordset(r.evidence) AS g (metric text, canary_n numeric, control_n numeric, effect double precision, harmed boolean, safe boolean) CROSS JOIN headings AS h GROUP BY h.all))
  FROM rollout AS r JOIN @extschema@.custom_models AS m ON m.id = r.custom_model_id
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_rollout(uuid, timestamptz) IS 'the rollout that runs, or ended in the last 30 days, for the page of trainer_report(); null: there is none';

CREATE FUNCTION @extschema@.trainer_report_training(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT string_agg(@extschema@.trainer_html('<h3>Training of version %t: %t</h3><p><progress max="100" value="%t" aria-label="How much of the training is done"></progress></p><p class="sub">%t</p>',
    m.version::text, m.status, coalesce(done.percent, 0)::text, concat_ws('; ', 'step ' || m.current_step || ' of ' || m.total_steps, 'training loss ' || round(m.training_loss, 3),
      'about until ' || @extschema@.trainer_time_text(m.estimated_finish), 'asked for on ' || @extschema@.trainer_time_text(m.created_at)) || '.'), '' ORDER BY m.version)
  FROM (SELECT l.* FROM @extschema@.custom_models AS l WHERE l.organization_id = $1 AND l.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating')
        ORDER BY l.version DESC LIMIT 3) AS m
  CROSS JOIN LATERAL (SELECT round(least(100.0 * m.current_step / nullif(m.total_steps, 0), 100)) AS percent) AS done
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_training(uuid) IS 'the trainings under way, for the page of trainer_report(); null: there are none';

-- --- costs, drift, events ------------------------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.trainer_report_cost_plot(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH day AS MATERIALIZED (
    SELECT g.custom_model_id, date_trunc('day', g.created_at AT TIME ZONE 'UTC') AS day, sum(g.cost_cents) AS cents
    FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1 AND g.created_at > $2 - interval '30 days' AND g.created_at <= $2 GROUP BY 1, 2),
  series AS (
    SELECT j.custom_model_id, m.version, row_number() OVER (ORDER BY m.version DESC NULLS LAST) AS series
    FROM (SELECT DISTINCT d.custom_model_id FROM day AS d WHERE d.cents > 0) AS j LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.id = j.custom_model_id),
  -- What is not among the five newest is one.
  named AS (SELECT least(s.series, 6) AS series, CASE WHEN min(s.series) < 6 THEN min(@extschema@.trainer_version_text(s.version)) ELSE 'Older' END AS name FROM series AS s GROUP BY 1),
  bar AS (
    SELECT least(s.series, 6) AS series, extract(epoch FROM d.day + interval '12 hours')::double precision AS x, sum(d.cents)::double precision AS y
    FROM day AS d JOIN series AS s ON s.custom_model_id IS NOT DISTINCT FROM d.custom_model_id WHERE d.cents IS NOT NULL GROUP BY 1, 2)
  SELECT @extschema@.trainer_html('<figure>%m<figcaption>Cost of the replies in US cents, by day and by the model that wrote them.</figcaption></figure>',
    @extschema@.trainer_plot('Cost of replies by day', (SELECT string_agg(n.name, ', ' ORDER BY n.series) FROM named AS n), '', true, '{520, 220, 300, 200}',
      ARRAY[extract(epoch FROM date_trunc('day', ($2 - interval '30 days') AT TIME ZONE 'UTC')), extract(epoch FROM date_trunc('day', $2 AT TIME ZONE 'UTC') + interval '1 day')]::double precision[], '{}',
      (SELECT array_agg(n.name ORDER BY n.series) FROM named AS n), (SELECT array_agg('bar'::text) FROM named AS n), array_agg(b.series ORDER BY b.series, b.x), array_agg(b.x ORDER BY b.series, b.x),
      array_agg(b.y ORDER BY b.series, b.x), array_fill('NaN'::double precision, ARRAY[count(*)::integer]), array_fill('NaN'::double precision, ARRAY[count(*)::integer])))
  FROM bar AS b HAVING count(*) > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_cost_plot(uuid, timestamptz) IS 'cost of replies by day, for the page of trainer_report(); null: nothing was spent';

CREATE FUNCTION @extschema@.trainer_report_budgets(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Budget', 'Limit', 'Used', 'Left'] AS all),
  budget AS (
    SELECT b.scope, b.period, b.limit_cents, @extschema@.trainer_spent($1, b.scope, @extschema@.trainer_period_start(b.period, $2)) AS used
    FROM @extschema@.trainer_budgets AS b WHERE b.organization_id = $1)
  SELECT @extschema@.trainer_report_table('Budgets: what is spent or reserved counts as used.', h.all, string_agg(
           @extschema@.trainer_report_row(h.all, ARRAY[
             @extschema@.trainer_html('%t, %t', CASE b.scope WHEN 'all' THEN 'Everything' WHEN 'training' THEN 'Training' ELSE 'Replies' END,
               CASE b.period WHEN 'total' THEN 'in total' ELSE 'this ' || b.period END),
             @extschema@.trainer_money_text(b.limit_cents),
             CASE WHEN b.limit_cents > 0 THEN @extschema@.trainer_html('%m%t', @extschema@.trainer_plot_strip(
               least(b.used / b.limit_cents, 1)::double precision, least(b.used / b.limit_cents, 1)::double precision, least(b.used / b.limit_cents, 1)::double precision, 0, 1, 0.9,
               'From nothing to the limit; the mark is nine tenths'), @extschema@.trainer_percent_text((b.used / b.limit_cents)::double precision))
             ELSE @extschema@.trainer_money_text(b.used) END,
             @extschema@.trainer_money_text(greatest(b.limit_cents - b.used, 0))]), '' ORDER BY b.scope, b.period))
  FROM budget AS b CROSS JOIN headings AS h GROUP BY h.all
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_budgets(uuid, timestamptz) IS 'the budgets and what is left of them, for the page of trainer_report(); null: there are none';

CREATE FUNCTION @extschema@.trainer_report_costs(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Model', 'Replies', 'Cost', 'A reply', 'Training'] AS all),
  reply AS (
    SELECT g.custom_model_id, count(*) AS replies, count(g.cost_cents) AS priced, sum(g.cost_cents) AS cents
    FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1 AND g.created_at > $2 - interval '30 days' AND g.created_at <= $2 GROUP BY 1),
  training AS (
    SELECT m.id AS custom_model_id, m.training_cost_cents AS cents FROM @extschema@.custom_models AS m
    WHERE m.organization_id = $1 AND m.training_completed_at > $2 - interval '30 days' AND m.training_completed_at <= $2 AND m.training_cost_cents IS NOT NULL),
  model AS (SELECT custom_model_id FROM reply UNION SELECT custom_model_id FROM training),
  line AS (
    SELECT m.version, r.replies, r.priced, r.cents, t.cents AS training
    FROM model AS l LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.id = l.custom_model_id
    LEFT JOIN reply AS r ON r.custom_model_id IS NOT DISTINCT FROM l.custom_model_id LEFT JOIN training AS t ON t.custom_model_id = l.custom_model_id
    ORDER BY m.version DESC NULLS LAST LIMIT 12)
  SELECT @extschema@.trainer_report_section('costs', 'What it costs',
    nullif(concat(@extschema@.trainer_report_budgets($1, $2), (SELECT @extschema@.trainer_html('<div class="pair"><div>%m</div><div>%m</div></div>',
       coalesce(@extschema@.trainer_report_cost_plot($1, $2), '<p class="none">No reply of the last 30 days has a price.</p>'),
       @extschema@.trainer_report_table('The last 30 days.', h.all, string_agg(
         @extschema@.trainer_report_row(h.all, ARRAY[
           @extschema@.trainer_html('%t', @extschema@.trainer_version_text(l.version)),
           @extschema@.trainer_html('%t%t', @extschema@.trainer_count_text(coalesce(l.replies, 0)), CASE WHEN l.priced < l.replies THEN format(', %s without a price', l.replies - l.priced) ELSE '' END),
           coalesce(@extschema@.trainer_money_text(l.cents), '-'), coalesce(@extschema@.trainer_money_text(l.cents / nullif(l.priced, 0)), '-'),
           coalesce(@extschema@.trainer_money_text(l.training), '-')]), '' ORDER BY l.version DESC NULLS LAST)))
     FROM line AS l CROSS JOIN headings AS h GROUP BY h.all)), ''),
    'No costs yet: nothing has been trained, and no reply generated, in the last 30 days.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_costs(uuid, timestamptz) IS 'what replies and trainings of the last 30 days cost, for the page of trainer_report()';

-- Of scores and verdicts their mean, of what is slow or an error its share, of comments how many there were.
CREATE FUNCTION @extschema@.trainer_drift_window_text(stream text, seen jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT concat_ws(', ', CASE WHEN $1 = 'quality_score' THEN round(($2 ->> 'mean')::numeric, 3)::text WHEN $2 ? 'mean' THEN @extschema@.trainer_percent_text(($2 ->> 'mean')::double precision) END,
    CASE WHEN $1 = 'response_time_ms' AND $2 ? 'p95' THEN format('slower than %s ms', $2 ->> 'p95') END,
    CASE WHEN $2 ? 'mean' THEN 'of ' ELSE '' END || @extschema@.trainer_plural_text(($2 ->> 'n')::numeric, CASE WHEN $2 ? 'mean' THEN 'reply' ELSE 'comment' END, CASE WHEN $2 ? 'mean' THEN 'replies' ELSE 'comments' END))
  WHERE $2 IS NOT NULL
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_window_text(text, jsonb) IS 'reference or current of trainer_drift_report(), in words';

CREATE FUNCTION @extschema@.trainer_report_drift(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['What', 'Then', 'Now', 'State'] AS all),
  stream AS (
    SELECT d.* FROM @extschema@.trainer_drift_report($1) WITH ORDINALITY AS d (stream, reference, current, statistic, threshold, drifted, since, place))
  SELECT @extschema@.trainer_report_section('drift', 'Is all as it was?',
    CASE WHEN bool_or(s.reference IS NOT NULL) THEN @extschema@.trainer_report_table('What was when the model was put to serve, and what is now.', h.all, string_agg(
      @extschema@.trainer_report_row(h.all, ARRAY[
        @extschema@.trainer_html('%t', @extschema@.trainer_drift_stream_text(s.stream)),
        @extschema@.trainer_html('%t', coalesce(@extschema@.trainer_drift_window_text(s.stream, s.reference), '-')),
        @extschema@.trainer_html('%t', coalesce(@extschema@.trainer_drift_window_text(s.stream, s.current), '-')),
        CASE WHEN s.drifted THEN @extschema@.trainer_html('<span class="bad">drifted since %t</span>', @extschema@.trainer_day_text(s.since))
             WHEN s.statistic IS NULL THEN '<span class="sub">too little to say</span>' ELSE '<span class="good">as it was</span>' END]), '' ORDER BY s.place)) END,
    'Too little to say: a week of replies of the model that serves, and 300 of them, are needed to compare with.')
  FROM stream AS s CROSS JOIN headings AS h GROUP BY h.all
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_drift(uuid) IS 'what has drifted and what has not, for the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_report_events(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_report_section('events', 'What happened lately',
    (SELECT @extschema@.trainer_html('<ol class="events">%m</ol>', string_agg(
       @extschema@.trainer_html('<li><time datetime="%t">%t</time><span>%t%t%m</span></li>', to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), @extschema@.trainer_time_text(e.created_at),
         CASE WHEN e.kind LIKE 'ab\_test%' THEN 'A/B' || replace(substr(e.kind, 3), '_', ' ') ELSE upper(left(e.kind, 1)) || replace(substr(e.kind, 2), '_', ' ') END, coalesce(', version ' || m.version, ''),
         CASE WHEN e.words <> '' THEN @extschema@.trainer_html(': <bdi class="note">%t</bdi>', left(e.words, 200)) END), '' ORDER BY e.id DESC))
     FROM (SELECT l.id, l.kind, l.created_at, l.custom_model_id,
             concat_ws('; ', @extschema@.trainer_drift_stream_text(l.detail ->> 'stream'), l.detail ->> 'reason', l.detail ->> 'code', coalesce(l.detail ->> 'message', l.detail ->> 'error')) AS words
           FROM @extschema@.trainer_event_log AS l WHERE l.organization_id = $1 ORDER BY l.id DESC LIMIT 25) AS e
     LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.id = e.custom_model_id HAVING count(*) > 0),
    'Nothing has happened yet.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_events(uuid) IS 'the last 25 events, for the page of trainer_report()';

-- --- the page ------------------------------------------------------------------------------------------------------------------

-- Valid HTML and well-formed XML. Its policy forbids whatever is not the one style that it brings, should anything else ever get in.
CREATE FUNCTION @extschema@.trainer_report_page(organization_id uuid, title text, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_html($page$<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-%t'; base-uri 'none'; form-action 'none'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta name="referrer" content="no-referrer"/>
<title>%t: models, %t</title>
<style>%m</style>
</head>
<body>
<header>
<h1><bdi>%t</bdi></h1>
<p class="sub">How its models do, on %t. All times are UTC.</p>
<nav aria-label="Parts of the page"><a href="#approval">Approval</a><a href="#versions">Versions</a><a href="#now">Test and rollout</a><a href="#costs">Costs</a><a href="#drift">Drift</a><a href="#events">Events</a></nav>
%m
</header>
<main>
<div class="tiles"><section><h2>Serves now</h2>%m</section><section><h2>Approval, last 30 days</h2>%m</section><section><h2>Going on</h2>%m</section><section><h2>Cost, last 30 days</h2>%m</section></div>
%m
%m
%m
%m
%m
%m
</main>
<footer><p>Made by trainer_report(). Organization %t. Replies, verdicts and costs are of the time up to %t.</p></footer>
</body>
</html>
$page$,
    encode(sha256(convert_to(style.text, 'UTF8')), 'base64'), head.name, @extschema@.trainer_day_text($3), style.text, head.name, @extschema@.trainer_time_text($3),
    @extschema@.trainer_report_notices($1),
    @extschema@.trainer_report_serving($1, $3), @extschema@.trainer_report_verdicts($1, $3), @extschema@.trainer_report_going_on($1), @extschema@.trainer_report_spent($1, $3),
    @extschema@.trainer_report_approval($1, $3),
    @extschema@.trainer_report_section('now', 'What is being tried', nullif(concat_ws('<div class="wait"></div>', @extschema@.trainer_report_test($1, $3), @extschema@.trainer_report_rollout($1, $3),
      @extschema@.trainer_report_training($1)), ''), 'Nothing: no training, no A/B test and no rollout is under way, and none of the last 30 days has ended.'),
    @extschema@.trainer_report_versions($1),
    @extschema@.trainer_report_costs($1, $3), @extschema@.trainer_report_drift($1), @extschema@.trainer_report_events($1), $1::text, @extschema@.trainer_time_text($3))
  FROM (SELECT @extschema@.trainer_report_style() AS text) AS style, (SELECT left(coalesce(nullif(btrim($2), ''), 'Organization ' || $1), 200) AS name) AS head
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_page(uuid, text, timestamptz) IS 'the page of trainer_report(), of what is known now, with the days that lead up to a moment';

CREATE FUNCTION @extschema@.trainer_report(organization_id uuid, title text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM @extschema@.trainer_require_reportable(organization_id);
  RETURN @extschema@.trainer_report_page(organization_id, title, now());
END $$;
COMMENT ON FUNCTION @extschema@.trainer_report(uuid, text) IS
  'one HTML page that needs nothing else: how an organization''s models do, read with the caller''s rights; title: its heading, by default the organization''s id';

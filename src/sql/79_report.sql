-- trainer_report(): how an organization's models do, as one page that needs nothing else: no script, no font, no picture from elsewhere. Each part is a function of
-- the organization and of the moment that the page is of, reads with the caller's rights, and is bounded: by days, by versions, by events. Text goes in by
-- %t of trainer_html(), which escapes it; %m is for markup that came out of it.

CREATE FUNCTION @extschema@.trainer_require_reportable(organization_id uuid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known boolean := EXISTS (SELECT FROM @extschema@.custom_models AS m WHERE m.organization_id = $1)
    OR EXISTS (SELECT FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1)
    OR EXISTS (SELECT FROM @extschema@.model_feedback AS f WHERE f.organization_id = $1)
    OR EXISTS (SELECT FROM @extschema@.training_datasets AS d WHERE d.organization_id = $1);
BEGIN
  IF NOT known THEN
    BEGIN
      EXECUTE (SELECT format('SELECT EXISTS (SELECT FROM %s AS o WHERE o.%I = $1)', @extschema@.trainer_relation_name(b.relation), b.columns ->> 'id')
               FROM @extschema@.trainer_bindings AS b WHERE b.role = 'organizations') INTO known USING $1;
    EXCEPTION WHEN insufficient_privilege OR null_value_not_allowed THEN
      NULL;  -- not the caller's to read, or not bound
    END;
  END IF;
  IF NOT known THEN
    RAISE EXCEPTION 'organization % is not known', coalesce($1::text, 'NULL')
      USING ERRCODE = 'no_data_found', DETAIL = 'There is no row of it that the caller may see.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_reportable(uuid) IS 'an error unless the caller sees something of the organization';

-- --- at a glance ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.trainer_report_serving(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(
    (SELECT @extschema@.trainer_html('<p class="big">Version %t</p><p><bdi>%t</bdi></p><p class="sub">%t<bdi>%t</bdi>%t</p>', m.version::text, left(m.name, 120),
       CASE m.kind WHEN 'exemplar' THEN 'Examples shown to ' ELSE 'Tuned from ' END, left(m.base_model, 80),
       coalesce(', serves since ' || @extschema@.trainer_day_text(coalesce(m.serving_since, m.deployed_at)), ''))
     FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.is_active),
    '<p class="big">Base model</p><p class="sub">No model of its own serves yet.</p>')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_serving(uuid, timestamptz) IS 'the model that serves, for the page of trainer_report()';

-- The model that serves against the one before it, or the base model: not a test, since each had other comments.
CREATE FUNCTION @extschema@.trainer_report_change(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH counted AS (SELECT c.* FROM @extschema@.trainer_count_feedback($1) AS c),
  serving AS (SELECT m.* FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.is_active),
  former AS (
    SELECT m.id, m.version, c.approved, c.feedback
    FROM serving AS s JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.deployed_at < s.deployed_at JOIN counted AS c ON c.custom_model_id = m.id
    ORDER BY m.deployed_at DESC LIMIT 1),
  other AS (
    SELECT f.version, f.approved, f.feedback FROM former AS f
    UNION ALL SELECT NULL, c.approved, c.feedback FROM counted AS c WHERE c.custom_model_id IS NULL AND NOT EXISTS (SELECT FROM former))
  SELECT @extschema@.trainer_html('<p><span class="%t">%t</span> %t</p>',
    CASE WHEN d.lower > 0 THEN 'good' WHEN d.upper < 0 THEN 'bad' ELSE 'sub' END,
    CASE WHEN d.lower > 0 THEN 'Better than ' WHEN d.upper < 0 THEN 'Worse than ' ELSE 'No clear difference to ' END || lower(@extschema@.trainer_version_text(o.version)),
    format('(%s, between %s and %s, of all verdicts on both).', @extschema@.trainer_difference_text('user_approval', d.difference),
           @extschema@.trainer_difference_text('user_approval', d.lower), @extschema@.trainer_difference_text('user_approval', d.upper)))
  FROM serving AS s JOIN counted AS c ON c.custom_model_id = s.id CROSS JOIN other AS o
  CROSS JOIN LATERAL @extschema@.trainer_mean_difference(c.feedback, c.approved, c.approved, o.feedback, o.approved, o.approved) AS d
  WHERE d.lower IS NOT NULL
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_change(uuid) IS 'whether the model that serves is better than the one before it, for the page of trainer_report(); null: too few verdicts';

CREATE FUNCTION @extschema@.trainer_report_verdicts(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN f.n = 0 THEN '<p class="big">No verdicts</p><p class="sub">Nobody has judged a reply in the last 30 days.</p>' ELSE
    @extschema@.trainer_html('<p class="big">%t</p><p>of %t (95 %% interval: %t to %t).</p>%m', @extschema@.trainer_percent_text(f.approved::double precision / f.n),
      @extschema@.trainer_plural_text(f.n, 'verdict', 'verdicts'), round(i.lower::numeric * 100)::text, @extschema@.trainer_percent_text(i.upper),
      @extschema@.trainer_report_change($1)) END
  FROM (SELECT count(*) AS n, count(*) FILTER (WHERE v.feedback_type = 'approved') AS approved
        FROM @extschema@.model_feedback AS v WHERE v.organization_id = $1 AND v.created_at > $2 - interval '30 days' AND v.created_at <= $2) AS f
  CROSS JOIN LATERAL @extschema@.trainer_proportion_interval(f.approved, f.n) AS i
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_verdicts(uuid, timestamptz) IS 'approval of the last 30 days, for the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_report_going_on(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH live AS (
    SELECT 1 AS place, 'Training' AS big, format('Version %s is %s', m.version, CASE m.status WHEN 'pending' THEN 'waiting to be sent' WHEN 'running' THEN 'being trained' ELSE m.status END)
           || coalesce(format(', %s of it done', @extschema@.trainer_percent_text(least(m.current_step::double precision / nullif(m.total_steps, 0), 1))), '') AS words
    FROM @extschema@.custom_models AS m
    WHERE m.organization_id = $1 AND m.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating')
    UNION ALL
    SELECT 2, 'A/B test', format('%s against %s', m.version_text, coalesce(c.version_text, 'base model'))
    FROM @extschema@.ab_tests AS t
    JOIN LATERAL (SELECT lower(@extschema@.trainer_version_text(m.version)) AS version_text FROM @extschema@.custom_models AS m WHERE m.id = t.custom_model_id) AS m ON true
    LEFT JOIN LATERAL (SELECT lower(@extschema@.trainer_version_text(m.version)) AS version_text FROM @extschema@.custom_models AS m WHERE m.id = t.control_model_id) AS c ON true
    WHERE t.organization_id = $1 AND t.status IN ('running', 'maturing')
    UNION ALL
    SELECT 3, 'Rollout', format('version %s, step %s of %s', m.version, r.step + 1, jsonb_array_length(r.steps))
    FROM @extschema@.trainer_rollouts AS r JOIN @extschema@.custom_models AS m ON m.id = r.custom_model_id
    WHERE r.organization_id = $1 AND r.state = 'running')
  SELECT coalesce((SELECT @extschema@.trainer_html('<p class="big">%t</p>%m', string_agg(l.big, ', ' ORDER BY l.place),
                     string_agg(@extschema@.trainer_html('<p>%t.</p>', upper(left(l.words, 1)) || substr(l.words, 2)), '' ORDER BY l.place))
                   FROM (SELECT * FROM live ORDER BY place LIMIT 5) AS l HAVING count(*) > 0),
                  '<p class="big">Nothing</p><p class="sub">No training, no test and no rollout is under way.</p>')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_going_on(uuid) IS 'trainings, test and rollout under way, for the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_report_spent(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_html('<p class="big">%t</p><p>Training %t, replies %t.</p>%m', @extschema@.trainer_money_text(t.cents + r.cents), @extschema@.trainer_money_text(t.cents),
    @extschema@.trainer_money_text(r.cents), CASE WHEN r.priced > 0 THEN
      @extschema@.trainer_html('<p class="sub">%t a reply, of %t.</p>', @extschema@.trainer_money_text(r.cents / r.priced), @extschema@.trainer_plural_text(r.replies, 'reply', 'replies')) END)
  FROM (SELECT coalesce(sum(m.training_cost_cents), 0) AS cents FROM @extschema@.custom_models AS m
        WHERE m.organization_id = $1 AND m.training_completed_at > $2 - interval '30 days' AND m.training_completed_at <= $2) AS t
  CROSS JOIN (SELECT coalesce(sum(g.cost_cents), 0) AS cents, count(g.cost_cents) AS priced, count(*) AS replies FROM @extschema@.trainer_generations AS g
              WHERE g.organization_id = $1 AND g.created_at > $2 - interval '30 days' AND g.created_at <= $2) AS r
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_spent(uuid, timestamptz) IS 'what the last 30 days cost, for the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_drift_stream_text(stream text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE $1 WHEN 'quality_score' THEN 'Quality score' WHEN 'user_approval' THEN 'Approval' WHEN 'response_time_ms' THEN 'Slow replies'
    WHEN 'errors' THEN 'Replies of another model' WHEN 'input_length' THEN 'Length of comments' WHEN 'platform_mix' THEN 'Platforms' WHEN 'input_vocabulary' THEN 'Words of comments' ELSE $1 END
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_stream_text(text) IS 'a stream of trainer_drift_report(), as a person would call it';

-- What somebody should know of before all else.
CREATE FUNCTION @extschema@.trainer_report_notices(organization_id uuid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH notice AS (
    SELECT 1 AS place, format('%s has drifted since %s: it is no longer what it was when the model was put to serve.', @extschema@.trainer_drift_stream_text(d.stream),
                              @extschema@.trainer_day_text(d.since)) AS words
    FROM @extschema@.trainer_drift_report($1) AS d WHERE d.drifted
    UNION ALL
    SELECT 2, format('The training of version %s has failed%s', m.version, coalesce(': ' || left(m.error_message, 200), '.'))
    FROM (SELECT l.* FROM @extschema@.custom_models AS l WHERE l.organization_id = $1 AND l.kind = 'fine_tuned' ORDER BY l.version DESC LIMIT 1) AS m WHERE m.status = 'failed'
    UNION ALL
    SELECT 3, 'The rollout is held: ' || CASE r.reason WHEN 'srm' THEN 'its arms did not get their shares.' WHEN 'harm' THEN 'the new version does harm.'
      WHEN 'no_data' THEN 'no outcomes come in.' WHEN 'deadline' THEN 'its time is over.' END
    FROM @extschema@.trainer_rollouts AS r WHERE r.organization_id = $1 AND r.state = 'running' AND r.reason IN ('srm', 'harm', 'no_data', 'deadline'))
  SELECT @extschema@.trainer_html('<div class="notice" role="note"><strong>To look at</strong><ul>%m</ul></div>', string_agg(@extschema@.trainer_html('<li>%t</li>', n.words), '' ORDER BY n.place))
  FROM notice AS n HAVING count(*) > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_notices(uuid) IS 'what has gone wrong, for the page of trainer_report(); null: nothing';

-- --- approval ------------------------------------------------------------------------------------------------------------------

-- By week, where verdicts go back more than three weeks, else by day; of the last five models that were judged.
CREATE FUNCTION @extschema@.trainer_report_approval_plot(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH verdict AS MATERIALIZED (
    SELECT f.custom_model_id, f.feedback_type = 'approved' AS is_approved, f.created_at AT TIME ZONE 'UTC' AS at
    FROM @extschema@.model_feedback AS f WHERE f.organization_id = $1 AND f.created_at > $2 - interval '90 days' AND f.created_at <= $2),
  bin AS (
    SELECT CASE WHEN min(v.at) < ($2 AT TIME ZONE 'UTC') - interval '21 days' THEN 'week' ELSE 'day' END AS unit, date_trunc('day', min(v.at)) AS first FROM verdict AS v),
  model AS (
    SELECT j.custom_model_id, m.version, row_number() OVER (ORDER BY m.version NULLS FIRST) AS series
    FROM (SELECT DISTINCT v.custom_model_id FROM verdict AS v) AS j
    LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.id = j.custom_model_id
    ORDER BY m.version DESC NULLS LAST LIMIT 5),
  placed AS (SELECT m.custom_model_id, m.version, row_number() OVER (ORDER BY m.series) AS series FROM model AS m),
  point AS (
    SELECT p.series, extract(epoch FROM date_trunc(b.unit, v.at) + ('1 ' || b.unit)::interval / 2)::double precision AS x, count(*) AS n,
           count(*) FILTER (WHERE v.is_approved) AS approved
    FROM verdict AS v JOIN placed AS p ON p.custom_model_id IS NOT DISTINCT FROM v.custom_model_id CROSS JOIN bin AS b GROUP BY 1, 2),
  shown AS (
    SELECT p.series, p.x, 100.0 * p.approved / p.n AS y, i.lower * 100 AS low, i.upper * 100 AS high
    FROM point AS p CROSS JOIN LATERAL @extschema@.trainer_proportion_interval(p.approved, p.n) AS i
    UNION ALL
    SELECT (SELECT count(*) FROM placed) + r.place, r.x, 0, 'NaN', 'NaN'
    FROM (SELECT row_number() OVER (ORDER BY m.version) AS place, extract(epoch FROM m.deployed_at)::double precision AS x FROM @extschema@.custom_models AS m, bin AS b
          WHERE m.organization_id = $1 AND m.deployed_at AT TIME ZONE 'UTC' BETWEEN b.first AND $2 AT TIME ZONE 'UTC') AS r),
  series AS (
    SELECT p.series, @extschema@.trainer_version_text(p.version) AS name, 'interval' AS mark FROM placed AS p
    UNION ALL
    SELECT (SELECT count(*) FROM placed) + row_number() OVER (ORDER BY m.version), 'v' || m.version, 'rule' FROM @extschema@.custom_models AS m, bin AS b
    WHERE m.organization_id = $1 AND m.deployed_at AT TIME ZONE 'UTC' BETWEEN b.first AND $2 AT TIME ZONE 'UTC')
  SELECT @extschema@.trainer_html('<figure>%m<figcaption>Share of the verdicts that approve, by %t. The wide bars are 95 %% intervals: the fewer verdicts, the longer. %t</figcaption></figure>',
    @extschema@.trainer_plot('Approval over time', (SELECT string_agg(s.name, ', ' ORDER BY s.series) FROM series AS s WHERE s.mark = 'interval'), ' %', true,
      '{520, 250, 300, 220}', ARRAY[extract(epoch FROM b.first), extract(epoch FROM $2) + 43200]::double precision[], '{0, 100}',
      (SELECT array_agg(s.name ORDER BY s.series) FROM series AS s), (SELECT array_agg(s.mark ORDER BY s.series) FROM series AS s),
      (SELECT array_agg(p.series ORDER BY p.series, p.x) FROM shown AS p), (SELECT array_agg(p.x ORDER BY p.series, p.x) FROM shown AS p),
      (SELECT array_agg(p.y ORDER BY p.series, p.x) FROM shown AS p)::double precision[], (SELECT array_agg(p.low ORDER BY p.series, p.x) FROM shown AS p),
      (SELECT array_agg(p.high ORDER BY p.series, p.x) FROM shown AS p)),
    b.unit, CASE WHEN EXISTS (SELECT FROM series AS s WHERE s.mark = 'rule') THEN 'Upright lines: when a version began to serve.' ELSE '' END)
  FROM bin AS b WHERE b.first IS NOT NULL
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_approval_plot(uuid, timestamptz) IS 'approval over the last 90 days, for the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_report_approval(organization_id uuid, at timestamptz) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH headings AS (SELECT ARRAY['Model', 'Verdicts', 'Approval', 'Interval', 'Stars'] AS all),
  judged AS (
    SELECT m.version, m.is_active, c.feedback, c.approved, i.lower, i.upper,
           (SELECT round(sum(s.n * s.star) / nullif(sum(s.n), 0), 1) FROM unnest(c.stars) WITH ORDINALITY AS s (n, star)) AS rating
    FROM @extschema@.trainer_count_feedback($1) AS c
    LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.id = c.custom_model_id
    CROSS JOIN LATERAL @extschema@.trainer_proportion_interval(c.approved, c.feedback) AS i
    ORDER BY m.version DESC NULLS LAST LIMIT 8)
  SELECT @extschema@.trainer_report_section('approval', 'Is it good, and is it getting better?',
    (SELECT @extschema@.trainer_html('<div class="pair"><div>%m</div><div>%m</div></div>',
       coalesce(@extschema@.trainer_report_approval_plot($1, $2), '<p class="none">No verdicts in the last 90 days.</p>'),
       @extschema@.trainer_report_table('All verdicts so far, by the model that wrote the reply.', h.all, string_agg(
         @extschema@.trainer_report_row(h.all, ARRAY[
           @extschema@.trainer_html('%t%m', @extschema@.trainer_version_text(j.version), CASE WHEN j.is_active THEN ' <span class="badge">serves</span>' END),
           @extschema@.trainer_count_text(j.feedback), @extschema@.trainer_percent_text(j.approved::double precision / j.feedback),
           @extschema@.trainer_html('%m%t to %t', @extschema@.trainer_plot_strip(j.approved::double precision / j.feedback, j.lower, j.upper, 0, 1, 0.5, 'From 0 to 100 %; the mark is 50 %'),
             round(j.lower::numeric * 100)::text, @extschema@.trainer_percent_text(j.upper)),
           coalesce(j.rating::text, '-')]), '' ORDER BY j.version DESC NULLS LAST)))
     FROM judged AS j CROSS JOIN headings AS h GROUP BY h.all),
    'No verdicts yet: trainer_collect_feedback() takes what people think of the replies.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_approval(uuid, timestamptz) IS 'what people say of the replies, for the page of trainer_report()';

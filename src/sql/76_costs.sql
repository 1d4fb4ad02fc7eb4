-- What custom models cost beside the base model, and which base to train next. docs/money.md tells how it is counted, and what it does not say.

-- In dollars per million tokens, which are the cents of ten thousand. Like a reply's cost null where there is no price, or one that makes no sense.
CREATE FUNCTION @extschema@.trainer_inference_prices(model text, on_day date, OUT input numeric, OUT cached numeric, OUT output numeric) RETURNS record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_inference_cost_cents($1, 10000, 0, 0, $2), @extschema@.trainer_inference_cost_cents($1, 10000, 10000, 0, $2),
         @extschema@.trainer_inference_cost_cents($1, 0, 0, 10000, $2)
$$;
COMMENT ON FUNCTION @extschema@.trainer_inference_prices(text, date) IS
  'what a model costs on a day, in US dollars per 1,000,000 tokens: prompt, the part of it that is cached, completion';

-- A row a side, model and day. A try is a reply that was asked for, however many variants it came in. One reply of a comment is kept: none that a person
-- had made again, and of the others the chosen one, the one that became a response, the last one. What an organization asks of its models to compare
-- them is no reply.
CREATE FUNCTION @extschema@.trainer_reply_costs(organization_id uuid, begins timestamptz)
RETURNS TABLE (is_custom boolean, model text, day date, replies bigint, tries bigint, kept bigint, priced bigint, cost_cents numeric, counted bigint,
               prompt_tokens bigint, cached_tokens bigint, completion_tokens bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH reply AS (
    SELECT g.rung <> 'base' AS is_custom, g.model, (g.created_at AT TIME ZONE 'UTC')::date AS day, coalesce(v.set_id, g.id) AS try, g.cost_cents, g.prompt_tokens,
           coalesce(g.cached_tokens, 0) AS cached_tokens, g.completion_tokens, g.prompt_tokens + g.completion_tokens IS NOT NULL AS is_counted, usable.is_usable
             AND row_number() OVER (PARTITION BY g.comment_id, usable.is_usable
                                    ORDER BY v.chosen_at IS NOT NULL DESC, g.response_id IS NOT NULL DESC, g.created_at DESC, g.id) = 1 AS is_kept
    FROM @extschema@.trainer_generations AS g
    LEFT JOIN @extschema@.trainer_variants AS v ON v.organization_id = $1 AND v.generation_id = g.id
    LEFT JOIN (SELECT DISTINCT f.response_id FROM @extschema@.model_feedback AS f
               WHERE f.organization_id = $1 AND f.feedback_type = 'regenerated') AS again ON again.response_id = g.response_id
    CROSS JOIN LATERAL (SELECT NOT g.withheld AND again.response_id IS NULL AS is_usable) AS usable
    WHERE g.organization_id = $1 AND g.created_at >= $2 AND g.reason !~ '^comparison\M'),
  total AS (
    SELECT r.is_custom, r.model, r.day, count(*) AS replies, count(DISTINCT r.try) AS tries, count(*) FILTER (WHERE r.is_kept) AS kept,
           count(r.cost_cents) AS priced, coalesce(sum(r.cost_cents), 0) AS cost_cents, count(*) FILTER (WHERE r.is_counted) AS counted,
           coalesce(sum(r.prompt_tokens) FILTER (WHERE r.is_counted), 0) AS prompt_tokens,
           coalesce(sum(r.cached_tokens) FILTER (WHERE r.is_counted), 0) AS cached_tokens,
           coalesce(sum(r.completion_tokens) FILTER (WHERE r.is_counted), 0) AS completion_tokens,
           -- What was replied before its price was known.
           count(*) FILTER (WHERE late.is_so) AS late, coalesce(sum(r.prompt_tokens - r.cached_tokens) FILTER (WHERE late.is_so), 0) AS late_prompt,
           coalesce(sum(r.cached_tokens) FILTER (WHERE late.is_so), 0) AS late_cached,
           coalesce(sum(r.completion_tokens) FILTER (WHERE late.is_so), 0) AS late_completion
    FROM reply AS r CROSS JOIN LATERAL (SELECT r.is_counted AND r.cost_cents IS NULL AS is_so) AS late
    GROUP BY 1, 2, 3)
  SELECT t.is_custom, t.model, t.day, t.replies, t.tries, t.kept, t.priced + CASE WHEN late.cents IS NOT NULL THEN t.late ELSE 0 END,
         t.cost_cents + coalesce(late.cents, 0), t.counted, t.prompt_tokens, t.cached_tokens, t.completion_tokens
  FROM total AS t
  LEFT JOIN LATERAL (
    SELECT (t.late_prompt * p.input + t.late_cached * p.cached + t.late_completion * p.output) / 10000 AS cents
    FROM @extschema@.trainer_inference_prices(t.model, t.day) AS p) AS late ON t.late > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_reply_costs(uuid, timestamptz) IS
  'an organization''s replies since then, by model and day: how often one was asked for, how many were kept, their cost and tokens; a reply without a cost at the price of its day, where there is one by now';

CREATE FUNCTION @extschema@.trainer_compare_inference_costs(
  organization_id uuid, since interval DEFAULT '30 days', OUT base_cost_cents numeric, OUT custom_cost_cents numeric, OUT savings_cents numeric,
  OUT savings_percent numeric, OUT responses bigint, OUT note text)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  begins timestamptz;
  base_model text;
  seen record;
  same numeric;  -- the custom models' replies, as if the base model had written each of them
BEGIN
  IF (since > interval '0') IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'since is out of range', HINT = 'It must be longer than 0.';
  END IF;
  PERFORM @extschema@.trainer_progress_bar(0, 1);  -- loads the library, which brings the setting
  begins := now() - since;
  -- What would answer without a custom model: what last did.
  base_model := @extschema@.trainer_base_snapshot(coalesce(
    (SELECT g.model FROM @extschema@.trainer_generations AS g
     WHERE g.organization_id = $1 AND g.created_at >= begins AND g.rung = 'base' ORDER BY g.created_at DESC, g.id LIMIT 1),
    current_setting('trainer.default_base_model')));

  WITH side AS MATERIALIZED (
    SELECT c.* FROM @extschema@.trainer_reply_costs($1, begins) AS c),
  of_base AS MATERIALIZED (
    SELECT coalesce(sum(s.replies), 0) AS replies, coalesce(sum(s.tries), 0) AS tries, coalesce(sum(s.kept), 0) AS kept, coalesce(sum(s.counted), 0) AS counted,
           sum(s.prompt_tokens) / nullif(sum(s.counted), 0) AS prompt, sum(s.cached_tokens) / nullif(sum(s.counted), 0) AS cached,
           sum(s.completion_tokens) / nullif(sum(s.counted), 0) AS completion
    FROM side AS s WHERE NOT s.is_custom AND @extschema@.trainer_base_snapshot(s.model) = base_model),
  of_custom AS (
    -- At the prices of the day of each reply. Those whose tokens are not known count as the others of their day.
    SELECT s.replies, s.tries, s.kept, s.priced, s.cost_cents,
           s.replies * ((u.prompt - u.cached) * p.input + u.cached * p.cached + u.completion * p.output) / 10000 AS same
    FROM side AS s CROSS JOIN of_base AS b
    CROSS JOIN LATERAL (
      SELECT coalesce(b.prompt, s.prompt_tokens::numeric / nullif(s.counted, 0)) AS prompt, coalesce(b.cached, s.cached_tokens::numeric / nullif(s.counted, 0)) AS cached,
             coalesce(b.completion, s.completion_tokens::numeric / nullif(s.counted, 0)) AS completion) AS u
    CROSS JOIN LATERAL @extschema@.trainer_inference_prices(base_model, s.day) AS p
    WHERE s.is_custom)
  SELECT c.*, b.replies AS base_replies, b.tries AS base_tries, b.kept AS base_kept, b.counted AS base_counted INTO seen
  FROM of_base AS b CROSS JOIN (
    SELECT coalesce(sum(o.replies), 0) AS replies, coalesce(sum(o.tries), 0) AS tries, coalesce(sum(o.kept), 0) AS kept, coalesce(sum(o.priced), 0) AS priced,
           sum(o.cost_cents) AS cents, sum(o.same) * sum(o.replies) / nullif(sum(o.replies) FILTER (WHERE o.same IS NOT NULL), 0) AS same
    FROM of_custom AS o) AS c;

  responses := seen.kept;
  IF seen.replies = 0 THEN
    note := format('No custom model has replied within %s: there is nothing to compare. Kept responses of %s: %s.', since, base_model, seen.base_kept);
    RETURN;
  END IF;
  custom_cost_cents := trim_scale(round(seen.cents * seen.replies / nullif(seen.priced, 0), 4));
  same := seen.same * CASE WHEN seen.kept = 0 THEN 0
                           WHEN seen.base_kept = 0 THEN 1
                           ELSE seen.base_tries * seen.kept / (seen.base_kept * seen.tries) END;
  base_cost_cents := trim_scale(round(same, 4));
  savings_cents := base_cost_cents - custom_cost_cents;
  savings_percent := round(100 * savings_cents / nullif(base_cost_cents, 0), 2);
  note := concat_ws(' ',
    format('Kept responses of custom models: %s, of %s tries, beside as many of %s%s.', seen.kept, seen.tries, base_model,
           CASE WHEN seen.base_kept > 0 THEN format(' (%s, of %s tries)', seen.base_kept, seen.base_tries) END),
    CASE WHEN seen.base_replies = 0 THEN 'It has not replied within that time: tokens and tries are those of the custom models.'
         WHEN seen.base_kept = 0 THEN 'None of its replies was kept: the tries are those of the custom models.'
         WHEN seen.base_kept < 50 THEN 'So few of its responses say little about how often it has to try.' END,
    CASE WHEN seen.base_replies > 0 AND seen.base_counted = 0 THEN 'The tokens of its replies are not known: they are those of the custom models.' END,
    CASE WHEN seen.same IS NULL THEN format('No price is known for %s, or no tokens.', base_model) END,
    CASE WHEN seen.priced = 0 THEN 'The cost of none of the custom models'' replies is known.'
         WHEN seen.priced < seen.replies THEN
           format('The cost of %s of %s replies is not known: they count as the mean of the others.', seen.replies - seen.priced, seen.replies) END);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_compare_inference_costs(uuid, interval) IS
  'what the responses of custom models have cost, all tries included, and what as many of the base model would have; note: what was compared with what';

-- What the bases of an organization's versions have to show: each judged reply counts once, as approved or not.
CREATE FUNCTION @extschema@.trainer_base_evidence(organization_id uuid)
RETURNS TABLE (base_model text, kind text, versions bigint, trained_tokens numeric, judged bigint, approved bigint, mean_score numeric, tests_won bigint, tests_lost bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH version AS MATERIALIZED (
    SELECT m.id, @extschema@.trainer_base_snapshot(m.base_model) AS base, m.kind, m.trained_tokens,
           (SELECT count(*) FROM @extschema@.ab_tests AS t WHERE t.organization_id = $1
              AND CASE t.decision WHEN 'custom' THEN t.custom_model_id WHEN 'control' THEN t.control_model_id END = m.id) AS won,
           (SELECT count(*) FROM @extschema@.ab_tests AS t WHERE t.organization_id = $1
              AND CASE t.decision WHEN 'custom' THEN t.control_model_id WHEN 'control' THEN t.custom_model_id END = m.id) AS lost
    FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.status IN ('succeeded', 'deployed', 'retired')),
  reply AS (
    SELECT v.base, v.kind, bool_or(f.feedback_type = 'approved') AS is_approved, avg(f.quality_score) AS score
    FROM @extschema@.model_feedback AS f JOIN version AS v ON v.id = f.custom_model_id
    WHERE f.organization_id = $1 GROUP BY v.base, v.kind, coalesce(f.response_id, f.id)),
  judged AS (
    SELECT r.base, r.kind, count(*) AS judged, count(*) FILTER (WHERE r.is_approved) AS approved, avg(r.score) AS score FROM reply AS r GROUP BY 1, 2)
  SELECT v.base, v.kind, count(*), avg(v.trained_tokens), coalesce(max(j.judged), 0), coalesce(max(j.approved), 0), max(j.score), sum(v.won)::bigint, sum(v.lost)::bigint
  FROM version AS v LEFT JOIN judged AS j ON j.base = v.base AND j.kind = v.kind
  GROUP BY v.base, v.kind
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_evidence(uuid) IS
  'what people, scores and A/B tests say of an organization''s versions, by the base that they were made from';

-- The newest A/B test of approval between versions of two bases: both answered at the same time, which all judged replies did not.
CREATE FUNCTION @extschema@.trainer_base_test(
  organization_id uuid, base_model text, kind text, other_base text, other_kind text, OUT difference double precision, OUT lower double precision, OUT upper double precision)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT turned.sign * m.difference, CASE turned.sign WHEN 1 THEN m.lower ELSE - m.upper END, CASE turned.sign WHEN 1 THEN m.upper ELSE - m.lower END
  FROM @extschema@.ab_tests AS t
  JOIN @extschema@.ab_test_metrics AS m ON m.organization_id = t.organization_id AND m.ab_test_id = t.id AND m.metric = 'user_approval' AND m.lower IS NOT NULL
  JOIN @extschema@.custom_models AS a ON a.organization_id = t.organization_id AND a.id = t.custom_model_id
  JOIN @extschema@.custom_models AS b ON b.organization_id = t.organization_id AND b.id = t.control_model_id
  CROSS JOIN LATERAL (SELECT CASE
    WHEN (@extschema@.trainer_base_snapshot(a.base_model), a.kind, @extschema@.trainer_base_snapshot(b.base_model), b.kind) = ($2, $3, $4, $5) THEN 1
    WHEN (@extschema@.trainer_base_snapshot(b.base_model), b.kind, @extschema@.trainer_base_snapshot(a.base_model), a.kind) = ($2, $3, $4, $5) THEN -1
  END AS sign) AS turned
  WHERE t.organization_id = $1 AND turned.sign IS NOT NULL
    AND NOT (SELECT r.is_broken FROM @extschema@.trainer_experiment_ratio(t.id, t.organization_id, t.traffic::double precision) AS r)
  ORDER BY t.started_at DESC, t.id LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_test(uuid, text, text, text, text) IS
  'how much more of the first base''s replies were approved than of the other''s, in the last A/B test of the two that is to be trusted; no row without one';

-- Every base that was tried or has a price, with what it costs an organization: by the mean tokens of its replies of 90 days, and of its trainings.
CREATE FUNCTION @extschema@.trainer_base_costs(organization_id uuid)
RETURNS TABLE (base_model text, kind text, training_price numeric, input_price numeric, output_price numeric, training_cost_cents numeric,
               reply_cost_cents numeric, month_cost_cents numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH evidence AS MATERIALIZED (
    SELECT e.* FROM @extschema@.trainer_base_evidence($1) AS e),
  reply AS MATERIALIZED (
    SELECT g.rung, count(*) FILTER (WHERE g.created_at >= now() - interval '30 days') AS of_month, count(*) AS n, avg(g.prompt_tokens) AS prompt,
           avg(coalesce(g.cached_tokens, 0)) AS cached, avg(g.completion_tokens) AS completion
    FROM @extschema@.trainer_generations AS g
    WHERE g.organization_id = $1 AND g.created_at >= now() - interval '90 days' AND g.prompt_tokens + g.completion_tokens IS NOT NULL AND g.reason !~ '^comparison\M'
    GROUP BY 1),
  base AS (
    SELECT e.base_model, e.kind FROM evidence AS e
    UNION SELECT @extschema@.trainer_base_snapshot(p.model), 'fine_tuned' FROM @extschema@.trainer_pricing AS p)
  SELECT b.base_model, b.kind, t.price, p.input, p.output, trim_scale(round(cost.training, 4)), trim_scale(round(cost.reply, 6)),
         trim_scale(round(cost.training + cost.reply * (SELECT coalesce(sum(r.of_month), 0) FROM reply AS r), 4))
  FROM base AS b
  CROSS JOIN LATERAL (SELECT CASE b.kind WHEN 'exemplar' THEN 0 ELSE @extschema@.trainer_training_cost_cents(b.base_model, 10000) END AS price) AS t
  CROSS JOIN LATERAL @extschema@.trainer_inference_prices(CASE b.kind WHEN 'fine_tuned' THEN 'ft:' || b.base_model || ':' ELSE b.base_model END, (now() AT TIME ZONE 'UTC')::date) AS p
  -- Of replies of its kind, since each kind has prompts of its own; where there are none, of all.
  LEFT JOIN LATERAL (
    SELECT sum(r.n * r.prompt) / sum(r.n) AS prompt, sum(r.n * r.cached) / sum(r.n) AS cached, sum(r.n * r.completion) / sum(r.n) AS completion
    FROM reply AS r WHERE r.rung = b.kind OR NOT EXISTS (SELECT FROM reply AS o WHERE o.rung = b.kind)) AS mean ON true
  CROSS JOIN LATERAL (
    SELECT t.price * CASE b.kind WHEN 'exemplar' THEN 0 ELSE (SELECT sum(e.trained_tokens * e.versions) / sum(e.versions) FROM evidence AS e WHERE e.trained_tokens > 0) END / 10000 AS training,
           ((mean.prompt - mean.cached) * p.input + mean.cached * p.cached + mean.completion * p.output) / 10000 AS reply) AS cost
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_costs(uuid) IS
  'what a training, a reply and a month of an organization would cost on each base: one training and as many replies as in the last 30 days';

CREATE FUNCTION @extschema@.trainer_recommend_base_model(organization_id uuid)
RETURNS TABLE (base_model text, kind text, recommended boolean, versions bigint, training_price numeric, input_price numeric, output_price numeric,
               training_cost_cents numeric, reply_cost_cents numeric, month_cost_cents numeric, judged bigint, approval_rate numeric, approval_lower numeric,
               approval_upper numeric, mean_score numeric, ab_tests_won bigint, ab_tests_lost bigint, verdict text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  margin double precision;
  least_judged CONSTANT bigint := 50;
BEGIN
  PERFORM @extschema@.trainer_progress_bar(0, 1);  -- loads the library, which brings the setting
  margin := current_setting('trainer.retrain_margin')::double precision;
  RETURN QUERY
    WITH candidate AS MATERIALIZED (
      SELECT c.*, coalesce(e.versions, 0) AS versions, coalesce(e.judged, 0) AS judged, coalesce(e.approved, 0) AS approved, e.mean_score,
             coalesce(e.tests_won, 0) AS won, coalesce(e.tests_lost, 0) AS lost
      FROM @extschema@.trainer_base_costs($1) AS c LEFT JOIN @extschema@.trainer_base_evidence($1) AS e ON e.base_model = c.base_model AND e.kind = c.kind),
    best AS MATERIALIZED (
      SELECT c.* FROM candidate AS c WHERE c.judged >= least_judged
      ORDER BY c.approved::numeric / c.judged DESC, c.judged DESC, c.base_model COLLATE "C", c.kind LIMIT 1),
    compared AS MATERIALIZED (
      SELECT c.*, b.base_model AS best, (c.base_model, c.kind) = (b.base_model, b.kind) AS is_best, t.lower IS NOT NULL AS is_tested,
             CASE WHEN t.lower IS NOT NULL THEN t.difference ELSE d.difference END AS difference, coalesce(t.lower, d.lower) AS lower, coalesce(t.upper, d.upper) AS upper
      FROM candidate AS c LEFT JOIN best AS b ON c.judged >= least_judged
      LEFT JOIN LATERAL @extschema@.trainer_mean_difference(c.judged, c.approved, c.approved, b.judged, b.approved, b.approved) AS d ON true
      LEFT JOIN LATERAL @extschema@.trainer_base_test($1, c.base_model, c.kind, b.base_model, b.kind) AS t ON true),
    judged AS (
      SELECT c.*, coalesce(c.is_best OR c.lower > - margin, false) AS holds FROM compared AS c),
    placed AS (
      SELECT j.*, row_number() OVER (ORDER BY CASE WHEN j.holds THEN 0 WHEN j.versions > 0 THEN 1 ELSE 2 END, j.month_cost_cents NULLS LAST,
                                              j.output_price NULLS LAST, j.base_model COLLATE "C", j.kind) AS place
      FROM judged AS j)
    SELECT p.base_model, p.kind, chosen.is_it, p.versions, p.training_price, p.input_price, p.output_price, p.training_cost_cents, p.reply_cost_cents,
           p.month_cost_cents, p.judged, round(p.approved::numeric / nullif(p.judged, 0), 4), round(i.lower::numeric, 4), round(i.upper::numeric, 4),
           round(p.mean_score, 4), p.won, p.lost,
           CASE
             WHEN p.versions = 0 THEN 'Not tried: no version of this organization was made from it.'
             WHEN p.judged < least_judged THEN format('Too few judged replies: %s, of %s that are needed.', p.judged, least_judged)
             ELSE concat(
               CASE WHEN chosen.is_it THEN 'The cheapest that holds the quality' WHEN p.holds AND p.month_cost_cents IS NULL THEN 'Holds the quality, and its cost is not known'
                    WHEN p.holds THEN 'Holds the quality, and costs more' WHEN p.upper <= - margin THEN 'Does not hold the quality'
                    ELSE 'Not shown to hold the quality' END,
               CASE WHEN p.is_best THEN '; no other is approved more.'
                    ELSE format(': approval %s from %s (between %s and %s, by %s); the margin is %s (trainer.retrain_margin).',
                                @extschema@.trainer_difference_text('user_approval', p.difference), p.best, @extschema@.trainer_difference_text('user_approval', p.lower),
                                @extschema@.trainer_difference_text('user_approval', p.upper), CASE WHEN p.is_tested THEN 'an A/B test' ELSE 'all judged replies' END,
                                @extschema@.trainer_difference_text('user_approval', - margin)) END)
           END
    FROM placed AS p
    CROSS JOIN LATERAL (SELECT p.place = 1 AND p.holds AND p.month_cost_cents IS NOT NULL AS is_it) AS chosen
    LEFT JOIN LATERAL @extschema@.trainer_proportion_sequence(p.approved, p.judged) AS i ON true
    ORDER BY p.place;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_recommend_base_model(uuid) IS
  'which base to train next: the cheapest of those whose versions people approve no less, by the margin, than the best; then what was tried, and what was not';

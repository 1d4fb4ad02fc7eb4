-- What custom models cost beside the base model, and which base to train next: each figure against plain SQL over the same rows.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
SELECT trainer_pause_worker('a regression test');
CREATE SCHEMA costs;
SET search_path = costs, public;
SET timezone = 'UTC';
\pset format unaligned
\set SHOW_CONTEXT never
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END $$;
-- One reply, so many days ago, at the prices of that day unless it is said to have no cost.
CREATE FUNCTION reply(organization int, about text, model text, days int, prompt int, cached int, completion int, response text DEFAULT NULL,
                      has_cost boolean DEFAULT true, rung text DEFAULT NULL, withheld boolean DEFAULT false, reason text DEFAULT '') RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO trainer_generations (organization_id, comment_id, response_id, rung, reason, model, prompt_tokens, cached_tokens, completion_tokens, cost_cents,
                                   response_time_ms, withheld, created_at)
  VALUES (org(organization), md5(organization || about)::uuid, md5(organization || response)::uuid, coalesce(rung, CASE WHEN model LIKE 'ft:%' THEN 'fine_tuned' ELSE 'base' END), reason, model,
          prompt, cached, completion, CASE WHEN has_cost THEN trainer_inference_cost_cents(model, prompt, cached, completion, current_date - days) END, 100, withheld,
          now() - days * interval '1 day')
  RETURNING id
$$;
CREATE FUNCTION again(organization int, response text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(organization), md5(organization || response)::uuid, 'regenerated')
$$;

-- The price of a day: gpt-4o costs more since ten days ago, and a tuned gpt-4o-mini less.
UPDATE trainer_pricing SET valid_from = current_date - 100 WHERE seeded;
INSERT INTO trainer_pricing (model, valid_from, training, input, cached, output, base_input, base_cached, base_output) VALUES
  ('gpt-4o', current_date - 10, 25, 4, 2, 16, 5, 2.5, 20), ('gpt-4o-mini-2024-07-18', current_date - 10, 3, 0.2, 0.1, 0.8, 0.15, 0.075, 0.6);
SELECT * FROM trainer_inference_prices('gpt-4o-2024-08-06', current_date - 11);
SELECT * FROM trainer_inference_prices('gpt-4o-2024-08-06', current_date - 10);
SELECT * FROM trainer_inference_prices('ft:gpt-4o-mini-2024-07-18:a::b', current_date - 10);
SELECT * FROM trainer_inference_prices('gpt-99', current_date);

-- --- what was replied ---

-- By the base model 100 comments, of which 40 were tried twice: 20 of these by verdict, 20 by another reply alone. By a custom model 200, and 10 tries more.
SELECT count(reply(1, 'b' || n, 'gpt-4o-2024-08-06', 20 + n % 9, 400 + n % 7, 10 * (n % 3), 50 + n % 5, 'b' || n)) FROM generate_series(1, 100) AS n;
SELECT count(*) FROM generate_series(1, 20) AS n, again(1, 'b' || n);
SELECT count(reply(1, 'b' || n, 'gpt-4o-2024-08-06', 19, 500, 0, 60)) FROM generate_series(1, 40) AS n;
SELECT count(reply(1, 'c' || n, 'ft:gpt-4o-mini-2024-07-18:acme::AbC123', n % 15, 300 + n % 11, NULL, 40 + n % 3, 'c' || n)) FROM generate_series(1, 200) AS n;
SELECT count(reply(1, 'c' || n, 'ft:gpt-4o-mini-2024-07-18:acme::AbC123', n % 15, 310, 300, 41)) FROM generate_series(1, 10) AS n;
-- What does not count: older than the window, another organization's, answers that versions are compared by.
SELECT reply(1, 'old', 'ft:gpt-4o-mini-2024-07-18:acme::AbC123', 31, 1000000, 0, 1000) IS NOT NULL AS old, reply(2, 'c1', 'gpt-4o', 5, 1000000, 0, 1000) IS NOT NULL AS of_another,
  reply(1, 'compared', 'ft:gpt-4o-mini-2024-07-18:acme::AbC123', 5, 1000000, 0, 1000, reason => 'comparison; rate_limited') IS NOT NULL AS compared;

SELECT * FROM trainer_compare_inference_costs(org(1));
-- The same by hand: prices from the table above, tries and kept responses from how they were made.
WITH base AS (
  SELECT avg(prompt_tokens) AS prompt, avg(cached_tokens) AS cached, avg(completion_tokens) AS completion
  FROM trainer_generations WHERE organization_id = org(1) AND rung = 'base'),
custom AS (
  SELECT CASE WHEN now() - created_at > '10.5 days' THEN
           ((prompt - cached) * 2.50 + cached * 1.25 + completion * 10) / 10000 ELSE ((prompt - cached) * 5 + cached * 2.5 + completion * 20) / 10000 END AS same,
         CASE WHEN now() - created_at > '10.5 days' THEN
           ((prompt_tokens - coalesce(cached_tokens, 0)) * 0.30 + coalesce(cached_tokens, 0) * 0.15 + completion_tokens * 1.20) / 10000
           ELSE ((prompt_tokens - coalesce(cached_tokens, 0)) * 0.20 + coalesce(cached_tokens, 0) * 0.10 + completion_tokens * 0.80) / 10000 END AS paid
  FROM trainer_generations, base WHERE organization_id = org(1) AND rung = 'fine_tuned' AND created_at > now() - interval '30.5 days' AND reason = '')
SELECT trim_scale(round(sum(same) * (140 / 100.0) / (210 / 200.0), 4)) AS base, trim_scale(round(sum(paid), 4)) AS custom,
       round(100 * (sum(same) * (140 / 100.0) / (210 / 200.0) - sum(paid)) / (sum(same) * (140 / 100.0) / (210 / 200.0)), 2) AS percent FROM custom;
-- Within two weeks the base model has not replied.
SELECT * FROM trainer_compare_inference_costs(org(1), since => '14 days 12 hours');
SELECT trim_scale(round(sum(((prompt_tokens - coalesce(cached_tokens, 0)) * 2.50 + coalesce(cached_tokens, 0) * 1.25 + completion_tokens * 10) / 10000
         * CASE WHEN now() - created_at > '10.5 days' THEN 1 ELSE 2 END), 4)) AS base
FROM trainer_generations WHERE organization_id = org(1) AND rung = 'fine_tuned' AND created_at > now() - interval '14.5 days' AND reason = '';

-- --- edges ---

-- Nothing at all, nothing of a custom model, and an organization that nobody knows.
SELECT * FROM trainer_compare_inference_costs(org(9));
SELECT * FROM trainer_compare_inference_costs(org(2));
SELECT * FROM trainer_compare_inference_costs(NULL);
-- A custom model that costs more, nothing that was kept, and what costs nothing.
SELECT reply(3, 'x', 'ft:gpt-4o-2024-08-06:a::b', 5, 1000, 0, 100) IS NOT NULL, reply(3, 'y', 'gpt-4o', 5, 1000, 0, 100) IS NOT NULL;
SELECT base_cost_cents, custom_cost_cents, savings_cents, savings_percent, responses, note FROM trainer_compare_inference_costs(org(3));
SELECT reply(4, 'x', 'ft:gpt-4o-2024-08-06:a::b', 5, 1000, 0, 100, 'x') IS NOT NULL, again(4, 'x') IS NOT NULL, reply(4, 'y', 'ft:gpt-4o-2024-08-06:a::b', 5, 1000, 0, 0, withheld => true) IS NOT NULL;
SELECT * FROM trainer_compare_inference_costs(org(4));
SELECT reply(5, 'x', 'ft:gpt-4o-2024-08-06:a::b', 5, 0, 0, 0) IS NOT NULL;
SELECT * FROM trainer_compare_inference_costs(org(5));
-- The base model's only reply was made again, by the custom model.
SELECT reply(6, 'x', 'gpt-4o', 6, 1000, 0, 100, 'x') IS NOT NULL, again(6, 'x') IS NOT NULL, reply(6, 'x', 'ft:gpt-4o-2024-08-06:a::b', 5, 500, 0, 100) IS NOT NULL;
SELECT * FROM trainer_compare_inference_costs(org(6));
-- Three variants are one try, of which one is kept: here the custom model's. An exemplar model is a custom model.
SELECT reply(7, 'v', 'gpt-4o', 5, 1000, 0, 100) AS one, reply(7, 'v', 'gpt-4o', 5, 1000, 0, 100, rung => 'exemplar') AS two, reply(7, 'v', 'gpt-4o', 5, 1000, 0, 100) AS three \gset
INSERT INTO trainer_variants (organization_id, comment_id, set_id, generation_id, rung, temperature, response_text, rank, score, chosen_at)
SELECT org(7), md5('7v')::uuid, org(1), v.id, v.rung, 1, '', v.n, 0, v.chosen
FROM (VALUES (:'one'::uuid, 'base', 1, NULL), (:'two', 'exemplar', 2, now()), (:'three', 'base', 3, NULL)) AS v (id, rung, n, chosen);
SELECT reply(7, 'w', 'gpt-4o', 5, 1000, 0, 100) IS NOT NULL;
SELECT * FROM trainer_compare_inference_costs(org(7));
-- Costs and tokens that are not known; a price that came later counts for what was replied on its day.
SELECT count(reply(8, 'x' || n, 'ft:gpt-77:a::b', 5, CASE WHEN n < 4 THEN 1000 END, 0, CASE WHEN n < 4 THEN 100 END)) FROM generate_series(1, 4) AS n;
SELECT * FROM trainer_compare_inference_costs(org(8));
INSERT INTO trainer_pricing (model, valid_from, training, input, cached, output) VALUES ('gpt-77', current_date - 50, 1, 10, 5, 20);
SELECT * FROM trainer_compare_inference_costs(org(8));
SELECT reply(8, 'b', 'gpt-78', 5, NULL, NULL, NULL) IS NOT NULL;
SELECT * FROM trainer_compare_inference_costs(org(8));
INSERT INTO trainer_pricing (model, valid_from, training, input, output, base_input, base_output) VALUES ('gpt-78', current_date - 50, 1, 1, 1, 'NaN', 1);
SELECT base_cost_cents, note FROM trainer_compare_inference_costs(org(8));
SELECT * FROM unnest('{NULL,0,-1 day}'::text[]) AS since, error_of(format('SELECT trainer_compare_inference_costs(org(1), %L)', since));

-- --- which base ---

CREATE FUNCTION model(organization int, version int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5(organization || 'm' || version)::uuid $$;
CREATE FUNCTION version(organization int, version int, base text, judged int, approved int, score numeric DEFAULT NULL, kind text DEFAULT 'fine_tuned', status text DEFAULT 'retired') RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO custom_models (id, organization_id, name, version, base_model, status, kind, trained_tokens, fine_tuned_model_id)
    VALUES (model(organization, version), org(organization), 'Model', version, base, status, kind, CASE kind WHEN 'fine_tuned' THEN 100000 * version END, 'ft:x');
  -- The first hundred are judged twice: rejected, and then approved if at all.
  INSERT INTO model_feedback (organization_id, custom_model_id, response_id, feedback_type, quality_score)
    SELECT org(organization), model(organization, version), md5(organization || 'm' || version || 'r' || n)::uuid, CASE WHEN verdict = 2 AND n <= approved THEN 'approved' ELSE 'rejected' END, score
    FROM generate_series(1, judged) AS n, generate_series(CASE WHEN n <= 100 THEN 1 ELSE 2 END, 2) AS verdict;
  RETURN (SELECT count(*) FROM model_feedback WHERE custom_model_id = model(organization, version));
END $$;
CREATE VIEW advice AS
SELECT n AS organization, r.base_model, r.kind, r.recommended, r.versions, r.month_cost_cents AS month, r.judged, r.approval_rate AS rate, r.approval_lower AS lower, r.approval_upper AS upper,
       r.mean_score AS score, r.ab_tests_won AS won, r.ab_tests_lost AS lost, r.verdict
FROM generate_series(1, 20) AS n, trainer_recommend_base_model(org(n)) WITH ORDINALITY AS r
ORDER BY n, r.ordinality;

-- Nobody has tried anything: prices, and no recommendation.
SELECT base_model, kind, recommended, versions, training_price, input_price, output_price, training_cost_cents, reply_cost_cents, month_cost_cents, judged, approval_rate, approval_lower, approval_upper, verdict
FROM trainer_recommend_base_model(org(10));

-- gpt-4o is approved most; gpt-4o-mini hardly less, and two versions of it say so; gpt-4.1 is as good and dearer; nano is worse; gpt-4.1-mini has been judged too little, as has an exemplar model.
SELECT version(11, 1, 'gpt-4o', 2000, 1640, 0.9), version(11, 2, 'gpt-4o-mini-2024-07-18', 1400, 1130, 0.8), version(11, 3, 'ft:gpt-4o-mini-2024-07-18:acme::AbC123', 600, 497, 0.6),
  version(11, 4, 'gpt-4.1', 2000, 1634), version(11, 5, 'gpt-4.1-nano', 400, 120), version(11, 6, 'gpt-4.1-mini', 49, 49), version(11, 7, 'gpt-4o-mini', 10, 5, kind => 'exemplar'),
  version(11, 8, 'gpt-99', 2000, 1630), version(11, 9, 'gpt-3.5-turbo', 0, 0, status => 'failed'), version(11, 10, 'gpt-3.5-turbo', 100, 78);
SELECT count(reply(11, 'c' || n, 'ft:gpt-4o-2024-08-06:a::b', 10 + n % 40, 300 + n % 5, n % 7, 40 + n % 3)) FROM generate_series(1, 400) AS n;
SELECT count(reply(11, 'e' || n, 'gpt-4o-mini', 10, 900, 600, 44, rung => 'exemplar')) FROM generate_series(1, 20) AS n;
SELECT * FROM advice WHERE organization = 11;
-- Its costs by hand: a training of the mean tokens, a reply of the mean tokens of its kind, and the replies of thirty days.
WITH mean AS (
  SELECT rung, avg(prompt_tokens) AS prompt, avg(cached_tokens) AS cached, avg(completion_tokens) AS completion FROM trainer_generations WHERE organization_id = org(11) GROUP BY 1),
price (base_model, kind, training, input, cached, output) AS (VALUES ('gpt-4o-2024-08-06', 'fine_tuned', 25, 4, 2, 16), ('gpt-4o-mini-2024-07-18', 'fine_tuned', 3, 0.2, 0.1, 0.8),
  ('gpt-4o-mini-2024-07-18', 'exemplar', 0, 0.15, 0.075, 0.6), ('gpt-4.1-nano-2025-04-14', 'fine_tuned', 1.5, 0.20, 0.05, 0.80)),
cost AS (
  SELECT p.*, p.training * (100000 * (1 + 2 + 3 + 4 + 5 + 6 + 8 + 10) / 8.0) / 10000 AS training_cost, ((m.prompt - m.cached) * p.input + m.cached * p.cached + m.completion * p.output) / 10000 AS reply_cost
  FROM price AS p JOIN mean AS m ON m.rung = p.kind)
SELECT c.base_model, c.kind, trim_scale(round(c.training_cost, 4)) AS training, trim_scale(round(c.reply_cost, 6)) AS reply,
       (r.training_price, r.input_price, r.output_price) = (c.training, c.input, c.output) AS prices, r.training_cost_cents = round(c.training_cost, 4) AS training_is_right, r.reply_cost_cents = round(c.reply_cost, 6) AS reply_is_right,
       r.month_cost_cents = round(c.training_cost + c.reply_cost * (SELECT count(*) FROM trainer_generations WHERE organization_id = org(11) AND created_at >= now() - interval '30 days'), 4) AS month_is_right
FROM cost AS c JOIN trainer_recommend_base_model(org(11)) AS r USING (base_model, kind) ORDER BY 1, 2;
-- Rates, scores and intervals by hand: the boundary is that of the confidence sequence in docs/statistics.md.
WITH seen (base_model, n, k) AS (VALUES ('gpt-4o-2024-08-06', 2000, 1640), ('gpt-4o-mini-2024-07-18', 2000, 1627), ('gpt-3.5-turbo-0125', 100, 78)),
plan AS (SELECT (2 * ln(1 / 0.05::float8) + ln(1 + 2 * ln(1 / 0.05::float8))) / 2000 AS rho2),
moment AS (SELECT s.base_model, s.n::float8 AS n1, s.k / s.n::float8 AS p1, s.k * (1 - s.k / s.n::float8) AS m1, 2000::float8 AS n0, 1640 / 2000::float8 AS p0, 1640 * (1 - 1640 / 2000::float8) AS m0 FROM seen AS s),
interval_of AS (
  SELECT m.base_model, m.p1 - m.p0 AS difference, sqrt(greatest((m.m1 + 0.25) / m.n1 ^ 2 + (m.m0 + 0.25) / m.n0 ^ 2,
           (m.m1 + m.m0 + m.n1 * m.n0 / (m.n1 + m.n0) * (m.p1 - m.p0) ^ 2 + 0.25) / (m.n1 + m.n0) * (1 / m.n1 + 1 / m.n0)))
         * sqrt((1 + 1 / ((m.n1 + m.n0) * plan.rho2)) * (2 * ln(1 / 0.05::float8) + ln(1 + (m.n1 + m.n0) * plan.rho2))) AS half
  FROM moment AS m, plan)
SELECT base_model, round((100 * difference)::numeric, 1) AS points, round((100 * (difference - half))::numeric, 1) AS lower, round((100 * (difference + half))::numeric, 1) AS upper FROM interval_of;
-- Stirling's series, which is exact enough from 10 on.
CREATE FUNCTION lgamma_of(x float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS $$
  SELECT (x - 0.5) * ln(x) - x + ln(2 * pi()) / 2 + 1 / (12 * x) - 1 / (360 * x ^ 3) $$;
-- A rate is in its interval, whose ends are where the mixture over all rates is twenty times as likely.
SELECT bool_and(abs(ln(20) - (lgamma_of(k + 0.5) + lgamma_of(n - k + 0.5) - lgamma_of(n + 1) - ln(pi()) - k * ln(p) - (n - k) * ln(1 - p))) < 1e-6) AS at_the_ends
FROM (SELECT judged::float8 AS n, round(judged * approval_rate)::float8 AS k FROM trainer_recommend_base_model(org(11)) WHERE base_model = 'gpt-3.5-turbo-0125') AS r,
     LATERAL (SELECT lower AS p FROM trainer_proportion_sequence(k::bigint, n::bigint) UNION ALL SELECT upper FROM trainer_proportion_sequence(k::bigint, n::bigint)) AS e;
SELECT * FROM trainer_proportion_sequence(0, 0);
SELECT round(lower::numeric, 4) AS lower, upper FROM trainer_proportion_sequence(10, 10);
SELECT code, message FROM error_of('SELECT trainer_proportion_sequence(2, 1)');

-- An A/B test says more than all verdicts: here the cheap base was judged by friends, and lost when both answered at the same time.
SELECT version(12, 1, 'gpt-4o', 1000, 800), version(12, 2, 'gpt-4o-mini', 1000, 790);
CREATE FUNCTION test(organization int, custom int, control int, difference float8, lower float8, upper float8, decision text, days int) RETURNS void LANGUAGE sql AS $$
  WITH test AS (
    INSERT INTO ab_tests (organization_id, custom_model_id, control_model_id, status, traffic, unit, metric, alpha, planned_units, stop_on_decision, started_at, ends_at, ended_at, decision)
    VALUES (org(organization), model(organization, custom), model(organization, control), 'completed', 0.5, 'comment', 'user_approval', 0.05, 2000, true, now() - days * interval '1 day', now(), now(), decision) RETURNING id)
  INSERT INTO ab_test_metrics (organization_id, ab_test_id, metric, is_primary, outcome_window, difference, lower, upper) SELECT org(organization), id, 'user_approval', true, '1 day', difference, lower, upper FROM test
$$;
SELECT base_model, recommended, won, lost, verdict FROM advice WHERE organization = 12 AND judged > 0;
SELECT test(12, 2, 1, -0.08, -0.12, -0.04, 'control', 5), test(12, 1, 2, -0.3, -0.4, -0.2, 'control', 6);
SELECT base_model, recommended, won, lost, verdict FROM advice WHERE organization = 12 AND judged > 0;
-- A newer one the other way round: its interval is turned. One whose arms did not get their shares is not believed.
SELECT test(12, 1, 2, 0.01, -0.02, 0.04, NULL, 4), test(12, 2, 1, -0.5, -0.6, -0.4, 'control', 3);
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, response_time_ms, experiment_id, arm, unit)
SELECT org(12), org(n), 'base', '', 'x', 1, (SELECT ab_test_id FROM ab_test_metrics WHERE difference = -0.5), 'custom', org(n) FROM generate_series(1, 100) AS n;
SELECT base_model, recommended, won, lost, verdict FROM advice WHERE organization = 12 AND judged > 0;

-- A newest one that is below the margin as a whole.
SELECT test(12, 2, 1, -0.08, -0.12, -0.06, 'control', 1);
SELECT base_model, recommended, won, lost, verdict FROM advice WHERE organization = 12 AND judged > 0;

-- --- days are UTC's ---

-- At any hour, one of the two zones has another day than UTC.
SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset
INSERT INTO trainer_pricing (model, valid_from, training, input, cached, output, base_input, base_cached, base_output)
SELECT 'gpt-3.5-turbo-0125', :'today'::date + d, 10 + d, 10 + d, 10 + d, 10 + d, 10 + d, 10 + d, 10 + d FROM generate_series(-1, 1) AS d;
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, prompt_tokens, completion_tokens, response_time_ms, created_at)
SELECT org(19), org(n::int), 'base', '', 'gpt-3.5-turbo-0125', 10000, 0, 1, at
FROM unnest('{2026-03-10 23:30+00, 2026-03-11 00:30+00}'::timestamptz[]) WITH ORDINALITY AS r (at, n);
CREATE FUNCTION days() RETURNS TABLE (training numeric, reply numeric, price numeric, days text) LANGUAGE sql AS $$
  SELECT trainer_training_cost_cents('gpt-3.5-turbo-0125', 10000), trainer_inference_cost_cents('ft:gpt-3.5-turbo-0125:a::b', 10000, 0, 0),
         (SELECT r.input_price FROM trainer_recommend_base_model(org(19)) AS r WHERE r.base_model = 'gpt-3.5-turbo-0125'),
         (SELECT string_agg(to_char(c.day, 'YYYY-MM-DD'), ' ' ORDER BY c.day) FROM trainer_reply_costs(org(19), '2026-03-01') AS c)
$$;
SET timezone = 'Pacific/Kiritimati';
SELECT * FROM days();
SET timezone = 'Etc/GMT+12';
SELECT * FROM days();
SET timezone = 'UTC';

-- --- who may look ---

CREATE ROLE regress_costs_app;
CREATE ROLE regress_costs_analyst;
SELECT (trainer_grant('regress_costs_app', 'app')).level, (trainer_grant('regress_costs_analyst', 'analyst')).level;
GRANT USAGE ON SCHEMA costs TO PUBLIC;
SET ROLE regress_costs_app;
SET trainer.organization_id = '00000000-0000-0000-0000-000000000003';
SELECT custom_cost_cents, responses FROM trainer_compare_inference_costs(org(3));
SELECT custom_cost_cents, responses FROM trainer_compare_inference_costs(org(1));
SELECT count(*) FILTER (WHERE versions > 0) AS tried, count(*) > 5 AS prices FROM trainer_recommend_base_model(org(11));
RESET ROLE;
SET ROLE regress_costs_analyst;
SELECT responses FROM trainer_compare_inference_costs(org(1));
SELECT count(*) FILTER (WHERE versions > 0) AS tried FROM trainer_recommend_base_model(org(11));
RESET ROLE;
SELECT trainer_revoke('regress_costs_app'), trainer_revoke('regress_costs_analyst');
DROP ROLE regress_costs_app, regress_costs_analyst;
RESET search_path;
DROP SCHEMA costs CASCADE;
DROP EXTENSION trainer;

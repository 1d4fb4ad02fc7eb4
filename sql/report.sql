-- trainer_report(): the page is well-formed, shows an organization's own and nothing of others, and no text becomes markup.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY default
\pset format unaligned
SELECT trainer_pause_worker('a regression test');
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('b0000000' || lpad(n::text, 24, '0'))::uuid $$;
-- A page whose moment is fixed; its text, without what is between < and >; how often something is in it.
CREATE FUNCTION page(n int, title text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$ SELECT trainer_report_page(org(n), title, '2026-06-15 12:00+00') $$;
CREATE FUNCTION words(page text) RETURNS text LANGUAGE sql AS $$ SELECT btrim(regexp_replace(regexp_replace(regexp_replace(page, '<style>.*</style>', ''), '<[^<>]*>', ' ', 'g'), '\s+', ' ', 'g')) $$;
CREATE FUNCTION times(page text, what text) RETURNS int LANGUAGE sql AS $$ SELECT (length(page) - length(replace(page, what, ''))) / length(what) $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 4) AS n;
SELECT count(*) FROM trainer_attach();

-- --- markup ---
SELECT trainer_html('<b title="%t">%t</b>%m %%', E'" onload="x', '<script>alert(1)</script>', '<i/>');
SELECT trainer_html('%t', E'a\u2028b \u202E]]> \x01 caf\u00e9' || chr(133));
SELECT trainer_html('%t|%m|', NULL, NULL);
SELECT trainer_html('%t %t', 'one');
\echo :SQLSTATE
SELECT trainer_html('%s', 'one');
SELECT trainer_html('%t', VARIADIC ARRAY[['a', 'b'], ['c', 'd']]);
SELECT trainer_plot('<t>', 'd', '', false, '{330, 200}', '{}', '{}', '{a}', '{pie}', '{1}', '{0}', '{0}', '{0}', '{0}');
\echo :SQLSTATE
SELECT trainer_plot('', '', '', false, '{330, 200}', '{}', '{}', '{a}', '{line}', '{2}', '{0}', '{0}', '{0}', '{0}');
SELECT trainer_plot('', '', '', false, '{330, 200}', '{}', '{}', '{a}', '{line}', '{1, 1}', '{0}', '{0}', '{0}', '{0}');
SELECT trainer_plot('', '', '', false, '{330}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT trainer_plot('', '', '', false, '{1, 1}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT trainer_plot('', '', '', false, '{330, 200}', '{1, 1}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT trainer_plot('', '', '', false, '{330, 200}', '{}', '{}', '{a}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT trainer_plot('<t>', 'd', ' %', false, '{330, 200}', '{}', '{0, 100}', '{<a>,b}', '{line,interval}', '{1, 1, 2}', '{0, 1, 1}', '{10, 20, 90}', '{NaN, NaN, 80}', '{NaN, NaN, 95}');
SELECT times(trainer_plot('', '', '', true, '{720, 280, 330, 200}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), '<svg') AS two_sizes;
SELECT trainer_plot_strip(0.5, 0.25, 0.75, 0, 1, 0.5, '"'), trainer_plot_strip('NaN', 0, 0, 0, 1, 0, '') = '' AS nothing;
SELECT round(lower::numeric, 4) AS lower, round(upper::numeric, 4) AS upper FROM trainer_proportion_interval(81, 263);
SELECT * FROM trainer_proportion_interval(0, 0);
SELECT * FROM trainer_proportion_interval(2, 1);
SELECT trainer_money_text(n) FROM unnest(ARRAY[0, 0.00042, 0.1234567, 12.34, 99.96, 123456]) AS n;
SELECT trainer_plural_text(n, 'reply', 'replies') FROM unnest(ARRAY[0, 1, 1234567]) AS n;

-- --- who is not known, and who has nothing yet ---
SELECT trainer_report(org(9));
\echo :SQLSTATE
SELECT trainer_report(NULL);
SELECT words(page(1));
SELECT xmlparse(DOCUMENT page(1)) IS NOT NULL AS well_formed, trainer_report(org(1)) LIKE '<!DOCTYPE html>%' AS is_page;

-- --- whatever the texts are ---
\set hostile 'E\'<script>alert(1)</script> " onload="x" \\\'y\\\' ]]> <!-- \\u2028 \\u202Eevil \\x01 & &lt; %t %m\''
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, provider_job_id, fine_tuned_model_id, is_active, verified_at, deployed_at, serving_since, training_completed_at,
                           training_loss, validation_loss, training_examples, training_cost_cents, error_message)
VALUES (model(1), org(2), 'one', 1, 'gpt-4o', 'retired', 'job1', 'ft:1', false, '2026-05-01', '2026-05-01', NULL, '2026-05-01', 1.2345, 1.5, 1200, 2500, NULL),
       (model(2), org(2), :hostile, 2, left(:hostile, 256), 'deployed', 'job2', 'ft:2', true, '2026-06-01', '2026-06-01', '2026-06-01', '2026-06-01', 1.0, NULL, 1300, 2600, NULL),
       (model(3), org(2), 'three', 3, 'gpt-4o', 'running', 'job3', NULL, false, NULL, NULL, NULL, NULL, 2.0, NULL, 1400, NULL, NULL),
       (model(4), org(2), 'four', 4, 'gpt-4o', 'failed', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, :hostile),
       (model(5), org(3), 'the secret of another', 1, 'gpt-4o', 'deployed', 'job5', 'ft:5', true, '2026-06-01', '2026-06-01', '2026-06-01', '2026-06-01', 1.0, 1.1, 10, 777777, NULL);
UPDATE custom_models SET created_at = '2026-06-15 10:00+00', current_step = 30, total_steps = 120 WHERE id = model(3);
INSERT INTO trainer_training_metrics (organization_id, custom_model_id, provider_job_id, step, train_loss, valid_loss)
SELECT org(2), model(m), 'job' || m, n, 3.0 / (1 + n / 20.0), CASE WHEN n % 10 = 0 THEN 3.2 / (1 + n / 22.0) END FROM generate_series(1, 2) AS m, generate_series(1, 100) AS n;
INSERT INTO trainer_training_metrics (organization_id, custom_model_id, provider_job_id, step, train_loss) VALUES (org(2), model(3), 'job3', 1, 'NaN'), (org(2), model(3), 'job3', 2, 'Infinity'), (org(2), model(3), 'job3', 3, 2);
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type, rating, created_at)
SELECT org(2), CASE WHEN n % 3 > 0 THEN model(1 + n % 2) END, CASE WHEN n % 10 < 7 THEN 'approved' ELSE 'rejected' END, 1 + n % 5, timestamptz '2026-04-15 10:00+00' + n * interval '2 hours'
FROM generate_series(1, 600) AS n;
INSERT INTO trainer_generations (organization_id, comment_id, custom_model_id, rung, reason, model, cost_cents, response_time_ms, created_at)
SELECT org(2), org(n), CASE WHEN n % 3 > 0 THEN model(1 + n % 2) END, 'fine_tuned', '', 'x', CASE WHEN n % 7 > 0 THEN 0.05 END, 300, timestamptz '2026-05-20 10:00+00' + n * interval '2 hours' FROM generate_series(1, 300) AS n;
INSERT INTO ab_tests (id, organization_id, custom_model_id, control_model_id, status, traffic, unit, metric, alpha, planned_units, stop_on_decision, started_at, ends_at, ended_at, reason)
VALUES (org(70), org(2), model(2), model(1), 'stopped', 0.5, 'comment', 'user_approval', 0.05, 2000, true, '2026-06-02', '2026-06-09', '2026-06-08', :hostile);
INSERT INTO ab_test_metrics (organization_id, ab_test_id, metric, is_primary, outcome_window, custom_n, custom_mean, control_n, control_mean, difference, lower, upper)
VALUES (org(2), org(70), 'user_approval', true, '1 day', 400, 0.8, 390, 0.75, 0.05, -0.01, 0.11);
INSERT INTO trainer_rollouts (organization_id, custom_model_id, former_model_id, unit, steps, step, guardrails, policy, reason, evidence, started_at)
VALUES (org(2), model(2), model(1), 'comment', '[{"share": 0.05}, {"share": 0.25}, {"share": 0.5}]', 1, '[]', '{}', :hostile,
        jsonb_build_array(jsonb_build_object('metric', :hostile, 'canary_n', 50, 'control_n', 60, 'effect', 0.01, 'harmed', false, 'safe', true)), '2026-06-10');
INSERT INTO trainer_event_log (organization_id, custom_model_id, kind, detail, created_at)
SELECT org(2), model(2), :hostile, jsonb_build_object('reason', :hostile, 'stream', :hostile, 'code', :hostile, 'message', :hostile), timestamptz '2026-06-14' + n * interval '1 minute' FROM generate_series(1, 30) AS n;
SELECT (trainer_set_budget(org(2), 'inference', 20)).scope, (trainer_set_budget(org(2), 'all', 0, 'total')).period;
SELECT page(2, :hostile) AS page \gset
SELECT xmlparse(DOCUMENT :'page') IS NOT NULL AS well_formed, octet_length(:'page') < 200000 AS is_small, :'page' ~ '^[[:ascii:]]*$' AS is_ascii;
SELECT times(lower(:'page'), '<script') AS scripts, times(:'page', ' onload="') AS handlers, times(:'page', 'http') AS addresses, times(:'page', 'http-equiv') + times(:'page', 'http://www.w3.org/1999/xhtml') AS known,
       times(:'page', 'url(') AS fetched, times(:'page', '@import') AS imported, times(:'page', ' style="') AS styles, times(:'page', '&#x202e;') AS turned, times(:'page', 'nan') AS none;
SELECT DISTINCT (regexp_matches(:'page', '<([a-z0-9]+)', 'g'))[1] AS elements ORDER BY 1;
-- What there is of elements and attributes is ours, whatever the texts.
SELECT times(:'page', 'alert(1)') AS hostile_texts, times(:'page', '&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;') AS escaped, times(:'page', '%t %m') AS no_patterns;
SELECT times(:'page', 'the secret of another') AS of_others, times(:'page', '7,777') AS costs_of_others, times(:'page', '<li><time') AS events;
SELECT words(regexp_replace(:'page', '<section id="events".*', '')) AS words;
SELECT (regexp_match(:'page', 'style-src ''(sha256-[^'']+)'''))[1] = 'sha256-' || encode(sha256(convert_to((regexp_match(:'page', '<style>(.*)</style>'))[1], 'UTF8')), 'base64') AS is_its_style;

-- A budget is shown also where nothing was spent.
SELECT (trainer_set_budget(org(1), 'all', 500)).limit_cents;
SELECT times(page(1, 'Spends nothing'), '<caption>Budgets') AS budgets, times(page(1, 'Spends nothing'), 'No costs yet') AS no_costs;

-- --- how much of it there is ---
-- The page is bounded, however many versions have served and whatever has happened.
INSERT INTO organizations VALUES (org(5), 'plus');
INSERT INTO custom_models (organization_id, name, version, base_model, status, kind, created_at, deployed_at)
SELECT org(5), 'many', n, 'gpt-4o-mini-2024-07-18', 'retired', 'fine_tuned', at, at FROM (SELECT n, '2026-06-14 00:00+00'::timestamptz - (2000 - n) * interval '1 hour' AS at FROM generate_series(1, 2000) AS n) AS v;
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type, created_at)
SELECT org(5), id, 'approved', deployed_at FROM custom_models WHERE organization_id = org(5);
INSERT INTO trainer_event_log (organization_id, kind, detail) SELECT org(5), 'model_deployed', '{}' FROM generate_series(1, 2000);
SELECT octet_length(page(5)) < 100000 AS is_small, times(page(5), '<line class="r"') BETWEEN 50 AND 300 AS rules_are_bounded, times(page(5), '<li><time') AS events,
       xmlparse(DOCUMENT page(5)) IS NOT NULL AS well_formed;

-- --- with the caller's rights ---
CREATE ROLE trainer_regress_report_app;
CREATE ROLE trainer_regress_report_analyst;
CREATE ROLE trainer_regress_report_nobody;
SELECT level FROM trainer_grant('trainer_regress_report_app', 'app', $$'00000000-0000-0000-0000-000000000002'$$);
SELECT level FROM trainer_grant('trainer_regress_report_analyst', 'analyst');
SET ROLE trainer_regress_report_app;
SELECT xmlparse(DOCUMENT trainer_report(org(2))) IS NOT NULL AS its_own;
SELECT trainer_report(org(3));
SELECT times(trainer_report_page(org(3), NULL, '2026-06-15'), 'secret') AS of_others;
SET ROLE trainer_regress_report_analyst;
SELECT times(trainer_report(org(3)), 'the secret of another') > 0 AS sees_all, xmlparse(DOCUMENT trainer_report(org(2))) IS NOT NULL AS well_formed;
SET ROLE trainer_regress_report_nobody;
SELECT trainer_report(org(2));
RESET ROLE;
SELECT trainer_revoke('trainer_regress_report_app'), trainer_revoke('trainer_regress_report_analyst');
DROP ROLE trainer_regress_report_app, trainer_regress_report_analyst, trainer_regress_report_nobody;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org, model, page, words, times;

-- Eight weeks of replies to the sample bakery's customers, for test/t/102_page.pl: by what served then, with what people thought of them. All by md5: the same on every run.
CREATE TEMP TABLE bakery AS SELECT id FROM organizations WHERE slug = 'corner-oven';
CREATE TEMP TABLE served (model uuid, version int, days numeric, until numeric, approved numeric, cents numeric);
INSERT INTO served SELECT m.id, v.version, v.days, v.until, v.approved, v.cents
FROM (VALUES (NULL, 56, 49, 0.60, 0.11), (1, 49, 32, 0.68, 0.16), (2, 32, 16, 0.76, 0.15), (3, 16, 0, 0.84, 0.13)) AS v (version, days, until, approved, cents)
LEFT JOIN custom_models AS m ON m.organization_id = (SELECT id FROM bakery) AND m.version = v.version;
UPDATE custom_models AS m SET deployed_at = now() - s.days * interval '1 day', serving_since = CASE WHEN m.is_active THEN now() - s.days * interval '1 day' END,
  verified_at = now() - s.days * interval '1 day', training_completed_at = now() - s.days * interval '1 day', created_at = now() - s.days * interval '1 day' - interval '1 hour'
FROM served AS s WHERE s.model = m.id;

-- A reply every 40 minutes, but fewer at night; of two in three somebody says something.
CREATE FUNCTION pg_temp.chance(id uuid, place int) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT (get_byte(uuid_send(id), place) + 0.5) / 256 $$;
CREATE TEMP TABLE made AS
SELECT md5('history' || i)::uuid AS id, a.at, s.model, s.approved, s.cents
FROM generate_series(1, 56 * 36) AS i CROSS JOIN LATERAL (SELECT now() - interval '56 days' + i * interval '40 minutes' AS at) AS a
JOIN served AS s ON a.at >= now() - s.days * interval '1 day' AND a.at < now() - s.until * interval '1 day'
WHERE a.at < now() - interval '5 days' AND (extract(hour FROM a.at) BETWEEN 7 AND 22 OR i % 3 = 0);
INSERT INTO comments (id, organization_id, platform, original_text, created_at)
SELECT id, (SELECT id FROM bakery), 'bluesky', 'What about the bread of day ' || get_byte(uuid_send(id), 9) % 40 || '?', at FROM made;
INSERT INTO responses (id, organization_id, comment_id, response_text, created_at) SELECT id, (SELECT id FROM bakery), id, 'Reply ' || id, at FROM made;
INSERT INTO roast_metadata (response_id, rqc_score) SELECT id, round(0.6 + approved * 0.3 + (pg_temp.chance(id, 0) - 0.5) / 5, 3) FROM made;
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, cost_cents, response_time_ms, created_at)
SELECT (SELECT id FROM bakery), id, id, model, CASE WHEN model IS NULL THEN 'base' ELSE 'fine_tuned' END, 'active model', 'x', round(cents * (0.6 + pg_temp.chance(id, 3)), 4), 300 + get_byte(uuid_send(id), 4) * 3, at FROM made;
-- A verdict of the past has to say whose the reply was.
INSERT INTO model_feedback (organization_id, response_id, custom_model_id, feedback_type, rating, created_at)
SELECT (SELECT id FROM bakery), id, model, CASE WHEN pg_temp.chance(id, 1) < approved THEN 'approved' WHEN pg_temp.chance(id, 2) < 0.6 THEN 'rejected' ELSE 'regenerated' END,
  CASE WHEN pg_temp.chance(id, 1) < approved THEN 4 + get_byte(uuid_send(id), 5) % 2 ELSE 1 + get_byte(uuid_send(id), 5) % 3 END, at + interval '5 minutes'
FROM made WHERE pg_temp.chance(id, 6) < 0.66;
-- Drift looks in batches, first at what was, then at what is.
SELECT trainer_look_at_drift((SELECT id FROM bakery)) FROM generate_series(1, 12);

-- The second version came by a rollout, which has been promoted; the third is held against the second now, for five days.
INSERT INTO trainer_rollouts (organization_id, custom_model_id, former_model_id, state, unit, steps, step, guardrails, policy, reason, evidence, started_at, step_started_at, ended_at)
SELECT (SELECT id FROM bakery), s.model, f.model, 'promoted', 'comment', '[{"share": 0.05}, {"share": 0.1}, {"share": 0.25}, {"share": 0.5}]', 3, '[{}]', '{}', 'safe',
  '[{"metric": "user_approval", "canary_n": 320, "control_n": 331, "effect": 0.071, "harmed": false, "safe": true},
    {"metric": "response_time_ms", "canary_n": 320, "control_n": 331, "effect": 0.018, "harmed": false, "safe": true}]', now() - interval '19 days', now() - interval '17 days', now() - interval '16 days'
FROM served AS s, served AS f WHERE s.version = 3 AND f.version = 2;
CREATE TEMP TABLE test AS SELECT id FROM trainer_start_ab_test((SELECT id FROM bakery), duration => '10 days', options => jsonb_build_object('control_model_id', (SELECT model FROM served WHERE version = 2)));
UPDATE ab_tests SET started_at = now() - interval '5 days', ends_at = now() + interval '5 days' WHERE id = (SELECT id FROM test);
CREATE TEMP TABLE tested AS
SELECT t.id, t.at, CASE WHEN get_byte(uuid_send(t.id), 7) % 2 = 0 THEN 'custom' ELSE 'control' END AS arm, get_byte(uuid_send(t.id), 7) % 2 = 0 AS is_new
FROM (SELECT md5('tested' || i)::uuid AS id, now() - interval '5 days' + i * interval '8 minutes' AS at FROM generate_series(1, 890) AS i) AS t;
INSERT INTO comments (id, organization_id, platform, original_text, created_at) SELECT id, (SELECT id FROM bakery), 'bluesky', 'What about the rolls of today?', at FROM tested;
INSERT INTO responses (id, organization_id, comment_id, response_text, created_at) SELECT id, (SELECT id FROM bakery), id, 'Reply ' || id, at FROM tested;
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, cost_cents, response_time_ms, created_at, experiment_id, arm, unit, quality_score, scored_at)
SELECT (SELECT id FROM bakery), t.id, t.id, (SELECT model FROM served WHERE version = CASE WHEN t.is_new THEN 3 ELSE 2 END), 'fine_tuned', 'experiment', 'x',
  round(0.13 * (0.6 + pg_temp.chance(t.id, 3)), 4), 300 + get_byte(uuid_send(t.id), 4) * 3, t.at, (SELECT id FROM test), t.arm, t.id, round(0.78 + (pg_temp.chance(t.id, 8) - 0.5) / 4, 2), t.at + interval '1 minute' FROM tested AS t;
INSERT INTO model_feedback (organization_id, response_id, custom_model_id, feedback_type, rating, created_at)
SELECT (SELECT id FROM bakery), t.id, (SELECT model FROM served WHERE version = CASE WHEN t.is_new THEN 3 ELSE 2 END), CASE WHEN pg_temp.chance(t.id, 1) < CASE WHEN t.is_new THEN 0.84 ELSE 0.76 END THEN 'approved' ELSE 'rejected' END, 1 + get_byte(uuid_send(t.id), 5) % 5, t.at + interval '5 minutes'
FROM tested AS t;
SELECT (trainer_set_budget((SELECT id FROM bakery), 'inference', 300)).scope, (trainer_set_budget((SELECT id FROM bakery), 'all', 5000, 'total')).period;

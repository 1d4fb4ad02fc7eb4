-- Three A/B tests whose models say what the desks have said, and hear what was said of it; looked at five times each. What the extension says is kept in
-- `seen`. Each caption is said once at most.
\set a caption-desk-a
\set b caption-desk-b

CREATE TABLE comparison (id int PRIMARY KEY, custom text, control text, organization_id uuid, test uuid);
INSERT INTO comparison (id, custom, control)
VALUES (1, 'desk A', 'desk B'),
       (2, 'desk B', 'desk B'),          -- by lot: there is nothing to find
       (3, 'desk A: better', 'desk A: worse'); -- its captions by the votes of all others, nearly: there is something to find

-- What each model has to say, in its order: ids are digests.
CREATE TABLE caption AS
SELECT side.comparison, side.arm, r.id AS raw_id, row_number() OVER (PARTITION BY side.comparison, side.arm ORDER BY r.id) AS place
FROM (SELECT r.id, o.slug, ntile(2) OVER (PARTITION BY o.id ORDER BY s.rqc_score DESC, r.id) AS half
      FROM raw_responses AS r JOIN raw_organizations AS o ON o.id = r.organization_id JOIN raw_scores AS s ON s.response_id = r.id) AS r
CROSS JOIN LATERAL (
  SELECT 1, CASE r.slug WHEN :'a' THEN 'custom' ELSE 'control' END WHERE r.slug IN (:'a', :'b')
  UNION ALL SELECT 2, CASE WHEN get_byte(sha256(r.id::text::bytea), 0) < 128 THEN 'custom' ELSE 'control' END WHERE r.slug = :'b'
  UNION ALL SELECT 3, CASE r.half WHEN 1 THEN 'custom' ELSE 'control' END WHERE r.slug = :'a') AS side (comparison, arm);

UPDATE comparison SET organization_id = md5('organization ' || id)::uuid;
INSERT INTO organizations (id, name, slug, plan_id) SELECT organization_id, custom || ' / ' || control, 'comparison-' || id, 'plus' FROM comparison;
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at, deployed_at)
SELECT md5('control ' || id)::uuid, organization_id, control, 1, 'gpt-4o', 'retired', 'ft:control-' || id, false, now(), now() FROM comparison
UNION ALL
SELECT md5('custom ' || id)::uuid, organization_id, custom, 2, 'gpt-4o', 'deployed', 'ft:custom-' || id, true, now(), now() FROM comparison;

-- An id or a salt that is drawn anew would send the units elsewhere in each run.
CREATE SEQUENCE test_number;
ALTER TABLE ab_tests ALTER id SET DEFAULT md5('test ' || nextval('votes.test_number'))::uuid, ALTER salt SET DEFAULT 'votes';
UPDATE comparison AS c
SET test = (trainer_start_ab_test(c.organization_id, duration => '1 year', options => jsonb_build_object('control_model_id', md5('control ' || c.id)::uuid,
              'stop_on_decision', false, 'approval_window', '432 hours', 'quality_window', '1 hour'))).id;

-- Comments come every three hours and are answered by the next caption of their arm, until one has none left. Times are those since the start of the test. A
-- score comes within 64 minutes, some too late to count; so do verdicts, which take up to three weeks in the files. What a reply costs and how long
-- it takes is made up, from the length of the caption.
CREATE TABLE unit AS
WITH assigned AS (
  SELECT c.id AS comparison, n, i.id AS comment_id,
         CASE WHEN trainer_bucket(t.id::text, t.salt, t.unit, i.id::text) < t.traffic * 1000000 THEN 'custom' ELSE 'control' END AS arm
  FROM comparison AS c JOIN ab_tests AS t ON t.id = c.test
  CROSS JOIN generate_series(1, (SELECT count(*) FROM raw_responses)) AS n
  CROSS JOIN LATERAL (SELECT md5(format('comment %s %s', c.id, n))::uuid AS id) AS i),
answered AS (
  SELECT a.*, c.raw_id, bool_and(c.raw_id IS NOT NULL) OVER (PARTITION BY a.comparison ORDER BY a.n) AS is_served
  FROM (SELECT *, row_number() OVER (PARTITION BY comparison, arm ORDER BY n) AS place FROM assigned) AS a
  LEFT JOIN caption AS c USING (comparison, arm, place))
SELECT a.comparison, a.n, a.arm, a.comment_id, md5(format('response %s %s', a.comparison, a.n))::uuid AS response_id, a.raw_id, a.n * interval '3 hours' AS at,
       a.n * interval '3 hours' + get_byte(sha256(a.comment_id::text::bytea), 0) * interval '15 seconds' AS scored_at,
       200 + 15 * length(r.response_text) AS response_time_ms, 0.0005 * length(r.response_text) AS cost_cents
FROM answered AS a JOIN raw_responses AS r ON r.id = a.raw_id
WHERE a.is_served;
CREATE UNIQUE INDEX ON unit (response_id);
ANALYZE unit, raw_responses, raw_scores, raw_feedback;

-- Looked at between two comments, and when the last window has passed.
CREATE TABLE moment AS
SELECT comparison, place, label, coalesce(lag(until) OVER (PARTITION BY comparison ORDER BY place), interval '0') AS since, until
FROM (SELECT comparison, count(*) AS units FROM unit GROUP BY 1) AS u
CROSS JOIN LATERAL (
  SELECT place, percent || ' %' AS label, (u.units * percent / 100) * interval '3 hours' + interval '90 minutes' AS until
  FROM unnest(ARRAY[10, 25, 50, 100]) WITH ORDINALITY AS p (percent, place)
  UNION ALL SELECT 5, 'end', u.units * interval '3 hours' + interval '432 hours 90 minutes') AS m;

CREATE TABLE seen (comparison int, place bigint, metric text, is_primary boolean, custom_n bigint, custom_mean double precision, control_n bigint,
  control_mean double precision, difference double precision, lower double precision, upper double precision, p_value double precision, decided boolean,
  decision text, decided_at timestamptz, sample_ratio_ok boolean, sample_ratio_e double precision, summary text);

DO $$
DECLARE
  m record;
  start timestamptz;
BEGIN
  FOR m IN SELECT o.*, c.organization_id, c.test FROM moment AS o JOIN comparison AS c ON c.id = o.comparison ORDER BY o.comparison, o.place LOOP
    INSERT INTO comments (id, organization_id, platform, original_text)
      SELECT comment_id, m.organization_id, 'newyorker', 'Reader ' || n || ' asks for a caption' FROM unit
      WHERE comparison = m.comparison AND at > m.since AND at <= m.until;
    INSERT INTO responses (id, organization_id, comment_id, response_text)
      SELECT u.response_id, m.organization_id, u.comment_id, r.response_text FROM unit AS u JOIN raw_responses AS r ON r.id = u.raw_id
      WHERE u.comparison = m.comparison AND u.at > m.since AND u.at <= m.until;
    INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms, cost_cents, experiment_id,
                                     arm, unit)
      SELECT m.organization_id, comment_id, response_id, md5(arm || ' ' || comparison)::uuid, 'fine_tuned', 'A/B test', format('ft:%s-%s', arm, comparison),
             response_time_ms, cost_cents, m.test, arm, md5(comment_id::text)::uuid FROM unit
      WHERE comparison = m.comparison AND at > m.since AND at <= m.until;
    INSERT INTO roast_metadata (response_id, rqc_score)
      SELECT u.response_id, s.rqc_score FROM unit AS u JOIN raw_scores AS s ON s.response_id = u.raw_id
      WHERE u.comparison = m.comparison AND u.scored_at > m.since AND u.scored_at <= m.until;
    PERFORM trainer_collect_feedback(u.response_id, f.feedback_type, rating => f.rating, metadata => jsonb_build_object('idempotency_key', f.id))
      FROM unit AS u JOIN raw_responses AS r ON r.id = u.raw_id JOIN raw_feedback AS f ON f.response_id = r.id
      WHERE u.comparison = m.comparison AND u.at + (f.created_at - r.created_at) > m.since AND u.at + (f.created_at - r.created_at) <= m.until;
    -- The clock is not ours to set: instead, everything has happened as long ago as it would have by now.
    start := clock_timestamp() - m.until;
    UPDATE ab_tests SET started_at = start, ends_at = start + interval '1 year' WHERE id = m.test;
    UPDATE trainer_generations AS g SET created_at = start + u.at, scored_at = CASE WHEN g.scored_at IS NOT NULL THEN start + u.scored_at END
      FROM unit AS u WHERE u.comparison = m.comparison AND g.response_id = u.response_id;
    UPDATE model_feedback AS g SET created_at = start + u.at + (f.created_at - r.created_at)
      FROM unit AS u JOIN raw_responses AS r ON r.id = u.raw_id JOIN raw_feedback AS f ON f.response_id = r.id
      WHERE u.comparison = m.comparison AND g.response_id = u.response_id AND g.metadata ->> 'idempotency_key' = f.id::text;
    INSERT INTO seen SELECT m.comparison, m.place, r.* FROM trainer_ab_test_results(m.test) AS r;
    PERFORM trainer_look_at_ab_test(m.test);
  END LOOP;
END $$;

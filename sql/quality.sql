-- Quality: which responses are found poor, and by which rule; variants of a reply, how they are ranked, and what a choice does. The provider is
-- replaced by recorded answers, as in serving.sql.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
SELECT trainer_pause_worker('a regression test');
CREATE SCHEMA quality;
SET search_path = quality, public;
\pset format unaligned
\set SHOW_CONTEXT never

CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid, lo_que_me_define text, lo_que_no_tolero text);
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION comment_of(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('c' || n)::uuid $$;
CREATE FUNCTION response(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('r' || n)::uuid $$;
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := regexp_replace(message, '[0-9a-f-]{36}', 'ID');
  detail := regexp_replace(detail, '[0-9a-f-]{36}', 'ID');
  RETURN NEXT;
END $$;

-- --- the report ---

SELECT code, message FROM error_of('SELECT trainer_quality_report(org(1))');
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 3) AS n;
INSERT INTO comments SELECT comment_of(n), org(1 + n / 50), 'x', 'Comment ' || n FROM generate_series(1, 99) AS n;
INSERT INTO responses SELECT response(n), org(1 + n / 50), comment_of(n), 'Reply ' || n, timestamptz '2026-01-01' - n * interval '1 day' FROM generate_series(1, 70) AS n;
INSERT INTO roastr_persona VALUES (org(1), 'A bakery.', 'Insults to our staff, or to 12345 of its cats at www.cats.org.'), (org(2), 'A podcast.', NULL);
UPDATE responses AS r SET response_text = t.response_text
FROM (VALUES (11, ''), (12, E' \r\n\t'), (13, NULL), (14, 'Same old.'), (15, E'\n SAME old.'), (16, 'same OLD. '), (17, 'Twice'), (18, 'Twice'),
  (19, 'Thrice to one'), (20, 'Thrice to one'), (21, 'Thrice to one'), (22, 'Our STAFF insults nobody, least of all our staff.'), (23, 'An insult: 12345 cats of www.cats.org.'),
  (24, 'No staff here. ' || repeat('x', 3000)), (25, repeat('word ', 300000)), (60, 'Same old.'), (61, 'Our staff')) AS t (n, response_text) WHERE r.id = response(t.n);
UPDATE responses SET comment_id = comment_of(19) WHERE id IN (response(20), response(21));
INSERT INTO roast_metadata VALUES (response(1), 0.9), (response(2), 0.5), (response(3), 0.2), (response(3), 0.8), (response(4), 'NaN'), (response(5), 0.699), (response(6), 0.7),
  (response(8), -1), (response(10), 0.1), (response(10), 'NaN'), (response(60), 0.3);
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status) VALUES (org(11), org(1), 'Model', 1, 'gpt-4o', 'pending');
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)
SELECT org(1), comment_of(n), response(n), org(11), 'fine_tuned', '', 'x', 1 FROM generate_series(2, 7) AS n;
SELECT count(trainer_collect_feedback(response(n), type, rating => rating))
FROM (VALUES (7, 'rejected', 2), (7, 'rejected', NULL), (7, 'approved', 5), (8, 'approved', 1), (9, 'regenerated', NULL), (10, 'regenerated', NULL),
  (10, 'regenerated', 1), (61, 'rejected', NULL)) AS f (n, type, rating);
SELECT count(trainer_collect_feedback(response(8), 'edited', 'Better', 1));
-- Of no response that is known.
INSERT INTO model_feedback (organization_id, feedback_type) VALUES (org(1), 'rejected');

CREATE FUNCTION report(organization int, below numeric DEFAULT 0.7)
RETURNS TABLE (response text, of_its_comment boolean, model int, rule text, detail text, value numeric, threshold numeric) LANGUAGE sql STABLE AS $$
  SELECT 'r' || n, q.comment_id = r.comment_id, (SELECT m.version FROM custom_models AS m WHERE m.id = q.custom_model_id), q.rule, q.detail, q.value, q.threshold
  FROM trainer_quality_report(org(organization), below) WITH ORDINALITY AS q LEFT JOIN generate_series(1, 70) AS n ON response(n) = q.response_id LEFT JOIN responses AS r ON r.id = q.response_id
  ORDER BY q.ordinality
$$;
SELECT * FROM report(1);
-- Another organization's responses are no repetition here.
SELECT * FROM report(2);
SELECT count(*) FROM report(3);
SELECT count(*) FROM trainer_quality_report(NULL);
SELECT below, string_agg(response, ' ' ORDER BY response) AS low FROM unnest('{0,0.5,0.51,0.7,1}'::numeric[]) AS below, report(1, below) WHERE rule = 'low_score' GROUP BY 1 ORDER BY 1;
-- Scores of another type: 0.7 is not below 0.7.
ALTER TABLE roast_metadata ALTER rqc_score TYPE real;
SELECT string_agg(response || ' ' || value, ', ') AS low FROM report(1) WHERE rule = 'low_score';
ALTER TABLE roast_metadata ALTER rqc_score TYPE double precision USING rqc_score::text::double precision;
SELECT string_agg(response || ' ' || value, ', ') AS low FROM report(1) WHERE rule = 'low_score';
SELECT * FROM unnest('{NULL,NaN,-0.01,1.01}'::text[]) AS below, error_of(format('SELECT trainer_quality_report(org(1), %L)', below));
-- What is not bound is not looked at.
SELECT count(*) FROM trainer_attach(columns => '{"quality": null, "persona": null}');
SELECT rule, count(*) FROM report(1) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM trainer_attach();

-- With the caller's rights: the app's own policies decide what an app's role sees of the app's tables.
CREATE ROLE regress_quality_app;
CREATE ROLE regress_quality_analyst;
SELECT (trainer_grant('regress_quality_app', 'app')).level, (trainer_grant('regress_quality_analyst', 'analyst')).level;
GRANT USAGE ON SCHEMA quality TO PUBLIC;
GRANT SELECT ON organizations, comments, responses, roastr_persona TO regress_quality_app, regress_quality_analyst;
ALTER TABLE responses ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON responses TO regress_quality_app USING (organization_id = nullif(current_setting('trainer.organization_id', true), '')::uuid);
CREATE POLICY everything ON responses TO regress_quality_analyst USING (true);
SET ROLE regress_quality_app;
SET trainer.organization_id = '00000000-0000-0000-0000-000000000001';
SELECT code, message FROM error_of('SELECT trainer_quality_report(org(1))');
RESET ROLE;
GRANT SELECT ON roast_metadata TO regress_quality_app, regress_quality_analyst;
SET ROLE regress_quality_app;
SELECT rule, count(*) FROM report(1) GROUP BY 1 ORDER BY 1;
SELECT count(*) AS of_another FROM report(2);
RESET trainer.organization_id;
SELECT count(*) AS of_none FROM report(1);
RESET ROLE;
SET ROLE regress_quality_analyst;
SELECT n, count(*) FROM generate_series(1, 2) AS n, report(n) GROUP BY 1 ORDER BY 1;
RESET ROLE;

-- --- how variants are ranked ---

CREATE FUNCTION ranked(organization int, variants text[], given text[] DEFAULT '{}') RETURNS TABLE (rank int, variant text, score numeric, parts jsonb) LANGUAGE sql STABLE AS $$
  SELECT r.rank, left(variants[r.ordinal], 40), r.score, r.parts FROM trainer_rank_variants(org(organization), variants, given) AS r
$$;
-- Nothing to compare with: the order in which they were made, but for odd lengths and what is there already.
SELECT * FROM ranked(3, ARRAY['Fresher than the question, and warmer.', 'Too short to say it.', 'Nineteen characters', repeat('long ', 56), repeat('long ', 57), NULL]);
SELECT * FROM ranked(3, ARRAY['Fresher than the question.', E' FRESHER than the question.\n', 'Said before, to the very same comment.', 'Said by nobody so far, in any case.'],
  ARRAY['said before, to the very same comment. ', NULL]);
INSERT INTO model_feedback (organization_id, feedback_type, original_roast, edited_roast) VALUES
  (org(3), 'approved', 'Our bread is fresher than the question.', NULL), (org(3), 'edited', 'Buy our bread, it is the best in town!', 'The oven has read your comment, and rose.'),
  (org(3), 'rejected', 'Buy our bread, it is the best in town!', NULL), (org(3), 'rejected', 'Mind your own oven.', NULL), (org(3), 'regenerated', 'Nobody minds what was regenerated.', NULL), (org(1), 'approved', 'What another has approved.', NULL);
SELECT * FROM ranked(3, ARRAY['Buy our bread, it is the best in town.', 'Our bread is fresher than the question!', 'The oven has read your comment, and rose.', 'Nobody minds what was regenerated.',
  'What another has approved.', 'Something else altogether, then.']);
SELECT count(*) AS sums FROM ranked(3, ARRAY['Our bread is in town', 'x', 'Buy it']) AS r WHERE r.score = (SELECT sum(value::numeric) FROM jsonb_each_text(r.parts));
-- The newest hundred of each count.
INSERT INTO model_feedback (organization_id, feedback_type, original_roast, created_at)
SELECT org(3), type, coalesce(CASE n WHEN 1 THEN 'The very oldest verdict of ' WHEN 2 THEN 'One verdict younger than that, of ' END || type || ' kind', 'Filled'), '2026-01-01'::timestamptz + n * interval '1 day'
FROM generate_series(1, 99) AS n, unnest('{approved,rejected}'::text[]) AS type;
SELECT * FROM ranked(3, ARRAY['The very oldest verdict of approved kind', 'One verdict younger than that, of approved kind', 'The very oldest verdict of rejected kind', 'One verdict younger than that, of rejected kind']);
DELETE FROM model_feedback;

-- --- variants of a reply ---

INSERT INTO model_feedback (organization_id, feedback_type, original_roast) VALUES (org(1), 'approved', 'Our bread is fresher than any question.'), (org(1), 'rejected', 'Early again, are you?');
UPDATE custom_models SET status = 'deployed', fine_tuned_model_id = 'ft:gpt-4o-2024-08-06:acme::B1', is_active = true, verified_at = '2026-01-01', base_model = 'gpt-4o-2024-08-06';
CREATE FUNCTION test_answers(answers json) RETURNS json LANGUAGE c AS '$libdir/trainer', 'trainer_test_answers';
-- The provider answers with these, in turn; null: with an error.
CREATE FUNCTION answer(texts text[]) RETURNS int LANGUAGE sql AS $$
  SELECT json_array_length(test_answers(json_agg(CASE WHEN text IS NULL THEN
      json_build_object('status', 404, 'body', '{"error":{"message":"The model does not exist.","type":"invalid_request_error","param":null,"code":"model_not_found"}}')
    ELSE json_build_object('status', 200, 'body', json_build_object('id', 'chatcmpl-1', 'object', 'chat.completion', 'created', 1767225600, 'model', 'gpt-4o-2024-08-06',
      'choices', json_build_array(json_build_object('index', 0, 'message', json_build_object('role', 'assistant', 'content', text), 'finish_reason', 'stop')),
      'usage', json_build_object('prompt_tokens', 120, 'completion_tokens', 30, 'total_tokens', 150))::text) END ORDER BY n)))
  FROM unnest(texts) WITH ORDINALITY AS t (text, n)
$$;
-- What was asked for.
CREATE FUNCTION asked() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT concat_ws(' ', request ->> 'model', request ->> 'temperature', request ->> 'max_completion_tokens') FROM json_array_elements(test_answers(NULL)) AS request
$$;
SELECT answer('{"You again, and so early in the day?",Short,"The bread is fresher than this question of yours."}') AS requests_before;
SELECT rank, response_text, score, parts, rung, model, custom_model_id = org(11) AS of_model, temperature, cost_cents FROM trainer_generate_variants(comment_of(1));
SELECT * FROM asked();
SELECT rank, rung, temperature, response_text, score, parts, set_id = first_value(set_id) OVER () AS one_set, chosen_at, custom_model_id = org(11) AS of_model,
       organization_id = org(1) AND comment_id = comment_of(1) AS of_its_comment,
       (SELECT g.response_id IS NULL AND g.comment_id = v.comment_id AND g.custom_model_id = v.custom_model_id FROM trainer_generations AS g WHERE g.id = v.generation_id) AS generation
FROM trainer_variants AS v ORDER BY rank;
-- As many as one likes, from cool to warm; one is made as any reply is.
SELECT n, answer(ARRAY(SELECT 'This is a reply, and its number is ' || i FROM generate_series(1, n) AS i)) AS asked_before,
       (SELECT string_agg(concat_ws(' ', v.rank, v.temperature), ', ' ORDER BY v.temperature) FROM trainer_generate_variants(comment_of(2), n) AS v) AS rank_and_temperature
FROM unnest('{1,2,4,8}'::int[]) AS n;
SELECT count(*), count(DISTINCT set_id) AS sets FROM trainer_variants;
-- At rungs that are named, in turn; a rung that fails goes to the next one.
SELECT count(*) FROM answer('{"A first reply from a tuned model","A second one from the base model",NULL,"A third one, from the base model"}');
SELECT rank, response_text, rung, custom_model_id = org(11) AS of_model, temperature FROM trainer_generate_variants(comment_of(3), options => '{"rung": ["fine_tuned", "base"], "max_tokens": 50}');
SELECT * FROM asked();
SELECT count(*) FROM answer('{"A reply from the base model, asked for."}');
SELECT rung, model, custom_model_id FROM trainer_generate_variants(comment_of(3), 1, '{"rung": "base"}');
-- What the app has replied to the comment so far, and what an earlier variant says, comes last.
UPDATE responses SET response_text = 'The bread is fresher than this question.' WHERE id = response(4);
SELECT count(*) FROM answer('{"the bread is fresher than this question.","We rose before you did this morning.","We rose before you did this morning. "}');
SELECT rank, response_text, score, parts ->> 'duplicate' AS duplicate FROM trainer_generate_variants(comment_of(4));
DELETE FROM model_feedback;
-- No model answers, from the second one on: what was paid for is kept.
SELECT count(*) AS before FROM trainer_variants \gset
SELECT count(*) FROM answer('{"The one reply that there is of it.",NULL,NULL}');
SELECT rank, response_text FROM trainer_generate_variants(comment_of(5));
SELECT count(*) FROM answer('{NULL,NULL}');
SELECT code, message FROM error_of('SELECT trainer_generate_variants(comment_of(5))');
SELECT count(*) - :before AS kept FROM trainer_variants;

-- --- what is refused, before anything is asked for ---

SELECT count(*) FROM answer('{"Never asked for"}');
SELECT e.* FROM unnest(ARRAY['comment_of(1), 0', 'comment_of(1), 9', 'comment_of(1), NULL', 'comment_of(999)', 'NULL', 'comment_of(1), options => NULL', $$comment_of(1), options => '[]'$$,
  $$comment_of(1), options => '{"temperature": 1}'$$, $$comment_of(1), options => '{"rung": "best"}'$$, $$comment_of(1), options => '{"rung": []}'$$, $$comment_of(1), options => '{"rung": ["base", null]}'$$,
  $$comment_of(1), options => '{"rung": {"base": 1}}'$$, $$comment_of(1), options => '{"max_tokens": 0}'$$, $$comment_of(1), options => '{"max_tokens": 1.5}'$$, $$comment_of(1), options => '{"max_tokens": "5"}'$$])
  WITH ORDINALITY AS t (arguments, n), error_of(format('SELECT trainer_generate_variants(%s)', arguments)) AS e ORDER BY n;
BEGIN READ ONLY;
SELECT code, message FROM error_of('SELECT trainer_generate_variants(comment_of(1))');
ROLLBACK;
SELECT count(*) AS requests FROM asked();

-- --- a choice ---

CREATE FUNCTION variant(comment int, of_rank int) RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT id FROM trainer_variants WHERE comment_id = comment_of(comment) AND rank = of_rank $$;
SELECT rank, chosen_at = now() AS chosen FROM trainer_choose_variant(variant(1, 2));
SELECT rank, chosen_at < now() AS chosen_before FROM trainer_choose_variant(variant(1, 2));
SELECT count(*) AS feedback FROM model_feedback;
SELECT * FROM error_of('SELECT trainer_choose_variant(variant(1, 1))');
SELECT string_agg(rank::text, ' ') AS chosen FROM trainer_variants WHERE chosen_at IS NOT NULL;
-- The response that it became may come later.
INSERT INTO responses SELECT response(100 + n), org(1), comment_of(c), 'You again?', now() FROM (VALUES (1, 1), (2, 1), (3, 4), (6, 6)) AS t (n, c);
INSERT INTO responses VALUES (response(109), org(2), comment_of(1), 'Of another organization', now());
SELECT e.* FROM unnest(ARRAY['NULL', 'org(99)', 'variant(1, 2), response(999)', 'variant(1, 2), response(3)', 'variant(1, 2), response(109)', 'variant(4, 1), response(4)'])
  WITH ORDINALITY AS t (arguments, n), error_of(format('SELECT trainer_choose_variant(%s)', arguments)) AS e ORDER BY n;
SELECT rank FROM trainer_choose_variant(variant(1, 2), response(101));
SELECT rank FROM trainer_choose_variant(variant(1, 2), response(101));
SELECT rank FROM trainer_choose_variant(variant(1, 2));
SELECT code, message FROM error_of('SELECT trainer_choose_variant(variant(1, 2), response(102))');
SELECT feedback_type, custom_model_id = org(11) AS of_model, original_roast, metadata = jsonb_build_object('variant', variant(1, 2), 'idempotency_key', variant(1, 2)) AS metadata FROM model_feedback;
SELECT g.response_id = response(101) AS linked FROM trainer_generations AS g JOIN trainer_variants AS v ON v.generation_id = g.id WHERE v.id = variant(1, 2);
SELECT rank FROM trainer_choose_variant(variant(4, 1), response(103));
-- The others are preferences, and no rejections.
SELECT feedback, approved, rejected FROM trainer_feedback_summary(org(1));
SELECT c.response_text AS chosen, o.response_text AS not_chosen FROM trainer_variants AS c JOIN trainer_variants AS o ON o.set_id = c.set_id AND o.chosen_at IS NULL
WHERE c.chosen_at IS NOT NULL ORDER BY c.comment_id = comment_of(1) DESC, o.rank;

-- --- an app's role, for its own organization ---

SET ROLE regress_quality_app;
SET trainer.organization_id = '00000000-0000-0000-0000-000000000001';
SELECT count(*) FROM answer('{"A reply that an app has asked for.","Another one that it has asked for."}');
SELECT rank, response_text FROM trainer_generate_variants(comment_of(6), 2);
SELECT rank FROM trainer_choose_variant(variant(6, 1), response(106));
SELECT count(*) FROM model_feedback WHERE response_id = response(106);
UPDATE trainer_variants SET rank = 9;
DELETE FROM trainer_variants;
INSERT INTO trainer_variants (id, organization_id, comment_id, set_id, rung, temperature, response_text, rank, score) VALUES (org(5), org(1), org(5), org(5), 'base', 1, 'x', 1, 1);
SET trainer.organization_id = '00000000-0000-0000-0000-000000000002';
SELECT count(*) AS of_another FROM trainer_variants;
SELECT answer('{"Never asked for"}') AS requests_before;
SELECT code, message FROM error_of('SELECT trainer_generate_variants(comment_of(6))');
SELECT count(*) AS requests FROM asked();
INSERT INTO trainer_variants (organization_id, comment_id, set_id, rung, temperature, response_text, rank, score) VALUES (org(1), org(5), org(5), 'base', 1, 'x', 1, 1);
RESET ROLE;
SELECT id AS theirs FROM trainer_variants WHERE comment_id = comment_of(2) LIMIT 1 \gset
SET ROLE regress_quality_app;
SELECT code, message FROM error_of(format('SELECT trainer_choose_variant(%L)', :'theirs'));
RESET ROLE;
SET ROLE regress_quality_analyst;
SELECT count(*) > 0 AS seen FROM trainer_variants;
SELECT trainer_generate_variants(comment_of(1));
RESET ROLE;

-- --- an organization that goes takes them along ---

SELECT count(*) > 0 AS there FROM trainer_variants WHERE organization_id = org(1);
DELETE FROM organizations WHERE id = org(1);
SELECT count(*) FROM trainer_variants;

DROP OWNED BY regress_quality_app, regress_quality_analyst;
DROP SCHEMA quality CASCADE;
DROP EXTENSION trainer CASCADE;
DROP ROLE regress_quality_app, regress_quality_analyst;

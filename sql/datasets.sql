-- Datasets: which responses become examples, and what is uploaded of them.
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE SCHEMA app;
SET search_path = app, public;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid NOT NULL, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid NOT NULL, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid, lo_que_me_define text, lo_que_no_tolero text, lo_que_me_da_igual text, tone text);
CREATE INDEX ON responses (organization_id, created_at DESC, id DESC);
CREATE INDEX ON roast_metadata (response_id);
-- ids that can be read: org(1), comment(7), response(7)
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION comment(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('c0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION response(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('a0000000' || lpad(n::text, 24, '0'))::uuid $$;

-- Not bound yet.
SELECT trainer_prepare_dataset(org(1));
\echo :SQLSTATE
SELECT role FROM trainer_attach(columns => '{"quality": null}');
SELECT trainer_prepare_dataset(org(1));
SELECT role FROM trainer_attach();

-- Organization 1: 40 comments with 4 responses each, a new one every minute; half of them score 0.7 or more.
-- Organization 2: its own, which must never be seen by the other.
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 3) AS n;
INSERT INTO comments SELECT comment(n), org(1), 'bluesky', 'comment ' || n FROM generate_series(1, 40) AS n;
INSERT INTO responses SELECT response(n), org(1), comment(1 + n % 40), 'reply ' || n, timestamptz '2026-01-01 00:00+00' + n * interval '1 minute'
FROM generate_series(1, 160) AS n;
INSERT INTO roast_metadata SELECT response(n), CASE WHEN n % 2 = 0 THEN 0.7 ELSE 0.69 END FROM generate_series(1, 160) AS n;
INSERT INTO comments VALUES (comment(900), org(2), 'bluesky', 'not yours');
INSERT INTO responses VALUES (response(900), org(2), comment(900), 'not yours', '2027-01-01');
-- A response that answers another organization's comment.
INSERT INTO responses VALUES (response(901), org(1), comment(900), 'stolen', '2027-01-01');
INSERT INTO roast_metadata VALUES (response(900), 1), (response(901), 1);

-- Too few: the error says how many there are, how many are needed, and where the others went; nothing is left behind.
SELECT trainer_prepare_dataset(org(1));
\echo :SQLSTATE
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT org(1), response(n), 'rejected' FROM generate_series(2, 20, 2) AS n;
-- Another organization's verdict does not count.
-- (None can be written while the app's tables are bound.)
SET session_replication_role = replica;
INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(2), response(22), 'rejected');
RESET session_replication_role;
SELECT trainer_prepare_dataset(org(1));
SELECT trainer_prepare_dataset(org(3));
SELECT (SELECT count(*) FROM training_datasets) AS datasets, (SELECT count(*) FROM training_examples) AS examples;
-- The default least number is a setting.
SET trainer.min_training_examples = 71;
SELECT trainer_prepare_dataset(org(1));
SET trainer.min_training_examples = 70;
SELECT organization_id, name LIKE 'Training dataset ____-__-__ __:__:__' AS named, roast_count, validation_count, min_quality_score, include_persona,
       include_platform_context, training_params, report, status, prepared_at IS NOT NULL AS prepared
FROM trainer_prepare_dataset(org(1));
SELECT split, count(*), count(DISTINCT comment_id) AS comments, min(ordinal), max(ordinal) FROM training_examples GROUP BY split ORDER BY split;
SELECT count(*) AS shared FROM training_examples AS t JOIN training_examples AS v USING (comment_id) WHERE t.split = 'train' AND v.split = 'validation';
-- Newest first; neither rejected, nor below the score, nor of another organization.
SELECT array_agg(right(response_id::text, 3)::int ORDER BY ordinal) =
  (SELECT array_agg(n ORDER BY n DESC) FROM generate_series(22, 160) AS n WHERE n % 2 = 0) AS newest_first FROM training_examples;
SELECT DISTINCT d.organization_id = e.organization_id AS own FROM training_examples AS e JOIN training_datasets AS d ON d.id = e.dataset_id;
SELECT * FROM trainer_validate_dataset((SELECT id FROM training_datasets));

-- The same each time: the same split for the same seed, another for another.
CREATE TEMP TABLE first AS SELECT response_id, split FROM training_examples;
DELETE FROM training_datasets;
SELECT roast_count FROM trainer_prepare_dataset(org(1));
SELECT count(*) AS differ FROM (TABLE first EXCEPT SELECT response_id, split FROM training_examples) AS d;
DELETE FROM training_datasets;
SELECT training_params FROM trainer_prepare_dataset(org(1), options => '{"seed": 3, "batch_size": 8}');
SELECT count(*) > 0 AS differ FROM (TABLE first EXCEPT SELECT response_id, split FROM training_examples) AS d;
DELETE FROM training_datasets;

-- Bounded by max_examples, the newest ones; and everything else that can be asked for.
SELECT name, roast_count, validation_count, min_quality_score, training_params, report FROM trainer_prepare_dataset(
  organization_id => org(1), name => 'small', min_quality_score => 0.695, base_model => 'gpt-4.1-mini', epochs => 5,
  learning_rate_multiplier => 1.25, include_persona => false, include_platform_context => false, max_examples => 20, min_examples => 10,
  validation_fraction => 0, method => 'supervised', options => '{"seed": 7}');
SELECT min(right(response_id::text, 3)::int), max(right(response_id::text, 3)::int), count(*) FROM training_examples;
SELECT trainer_dataset_jsonl(id) FROM training_datasets LIMIT 1;
SELECT trainer_dataset_jsonl(id, 'validation') FROM training_datasets;
DELETE FROM training_datasets;

-- Edited responses are used as they were edited last, also when there was no text before.
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, created_at) VALUES
  (org(1), response(160), 'edited', 'edited first', '2026-02-01'), (org(1), response(160), 'edited', 'edited last', '2026-02-02'),
  (org(1), response(160), 'approved', NULL, '2026-02-03'), (org(1), response(154), 'edited', 'there was nothing', '2026-02-02');
SET session_replication_role = replica;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, created_at) VALUES
  (org(2), response(158), 'edited', 'by a stranger', '2026-02-02');
RESET session_replication_role;
-- Without text, empty, equal to another, too long, with a special token, with control characters, without a date; two scores, no score.
UPDATE responses SET response_text = NULL WHERE id IN (response(156), response(154));
UPDATE responses SET response_text = E' \t\n ' WHERE id = response(152);
UPDATE responses SET response_text = 'twin', comment_id = comment(1) WHERE id IN (response(150), response(148));
UPDATE responses SET response_text = repeat('x', 600000) WHERE id = response(146);
UPDATE responses SET response_text = 'to be <|endoftext|> continued' WHERE id = response(144);
UPDATE responses SET response_text = E'bell\x07 and return\r', comment_id = comment(2) WHERE id = response(142);
UPDATE responses SET created_at = NULL WHERE id = response(140);
INSERT INTO roast_metadata VALUES (response(159), 0.9), (response(159), 0.1), (response(157), 'NaN');
DELETE FROM roast_metadata WHERE response_id = response(138);
UPDATE comments SET original_text = NULL WHERE id = comment(1 + 136 % 40);
SELECT roast_count, report FROM trainer_prepare_dataset(org(1), min_examples => 10, max_examples => 40);
SELECT ordinal, right(response_id::text, 3)::int AS response, messages -> 1 ->> 'content' AS comment, messages -> 2 ->> 'content' AS reply
FROM training_examples ORDER BY ordinal LIMIT 9;
DELETE FROM training_datasets;
-- Too few, because of all that.
SELECT trainer_prepare_dataset(org(1), min_examples => 80);

-- The persona speaks in the system message; texts of any kind are one line of JSON each.
INSERT INTO roastr_persona VALUES (org(3), 'A "dry" baker', NULL, '', E'calm,\nmostly');
INSERT INTO comments SELECT comment(1000 + n::int), org(3), 'reddit', text FROM unnest(ARRAY[
  'plain', 'quotes " and \ backslash', E'two\nlines\tand a tab', 'emoji 😀 and é', E'right to left: שלום \u202e', E'line separator \u2028 here',
  'escapes in the source \ud83d\u0000', '"}],"model":"gpt-4o', E'\u0001 control', E'zero\u200bwidth', repeat('long ', 20000), '<script>&amp;']) WITH ORDINALITY AS t (text, n);
INSERT INTO responses SELECT response(1000 + n), org(3), comment(1000 + n), 'answer ' || n, timestamptz '2026-01-01' - n * interval '1 minute' FROM generate_series(1, 12) AS n;
INSERT INTO roast_metadata SELECT response(1000 + n), 0.8 FROM generate_series(1, 12) AS n;
SELECT roast_count, validation_count, report ->> 'cleaned' AS cleaned FROM trainer_prepare_dataset(org(3), min_examples => 10);
SELECT ordinal, CASE WHEN length(line) > 1000 THEN left(line, 400) || '... ' || length(line) ELSE line END AS line
FROM (SELECT row_number() OVER () AS ordinal, line FROM trainer_dataset_jsonl((SELECT id FROM training_datasets)) AS line) AS lines;
SELECT count(*) AS lines, count(*) FILTER (WHERE line ~ E'[\n\r]') AS broken, bool_and((line::json -> 'messages' -> 2 ->> 'role') = 'assistant') AS valid
FROM trainer_dataset_jsonl((SELECT id FROM training_datasets)) AS line;
SELECT * FROM trainer_validate_dataset((SELECT id FROM training_datasets));
DELETE FROM training_datasets;
DELETE FROM comments WHERE organization_id = org(3);

-- Many pages: duplicates thin out what each page brings, and equal times are no boundary.
INSERT INTO comments SELECT comment(2000 + n), org(3), NULL, 'comment ' || n FROM generate_series(1, 50) AS n;
INSERT INTO responses SELECT response(2000 + n), org(3), comment(2001 + n % 50), 'reply ' || CASE WHEN n % 4 = 0 THEN n ELSE n % 5 END, timestamptz '2027-01-01' + (n / 700) * interval '1 day'
FROM generate_series(1, 2000) AS n;
INSERT INTO roast_metadata SELECT response(2000 + n), 0.8 FROM generate_series(1, 2000) AS n;
SELECT roast_count, report FROM trainer_prepare_dataset(org(3), max_examples => 400);
SELECT roast_count, report FROM trainer_prepare_dataset(org(3), max_examples => 5000);
SELECT count(*) AS wanted FROM (SELECT DISTINCT comment_id, response_text FROM responses JOIN comments AS c ON c.id = comment_id WHERE c.organization_id = org(3)) AS d;
DELETE FROM training_datasets;

-- What is bound may be a view, its times may have no zone, and scores may be real.
CREATE VIEW spoken AS SELECT id, organization_id AS tenant, comment_id, response_text::varchar AS said, created_at::timestamp AS at FROM responses;
CREATE VIEW scores AS SELECT response_id, rqc_score::real FROM roast_metadata;
SELECT role FROM trainer_attach(responses => 'spoken', quality => 'scores',
  columns => '{"responses": {"organization_id": "tenant", "response_text": "said", "created_at": "at"}, "comments": {"platform": null}, "persona": null}');
SELECT roast_count, report ->> 'looked_at' AS looked_at FROM trainer_prepare_dataset(org(1), min_examples => 10);
SELECT trainer_dataset_jsonl(id) FROM training_datasets LIMIT 1;
DELETE FROM training_datasets;
DROP VIEW scores;
ALTER TABLE comments RENAME COLUMN original_text TO body;
SELECT regexp_replace(problem, 'OID \d+', 'OID ...') FROM trainer_bindings AS b, trainer_binding_problems(b.role, b.relation, b.columns) ORDER BY 1;
\set VERBOSITY terse
SELECT trainer_prepare_dataset(org(1));
\echo :SQLSTATE
\set VERBOSITY default
ALTER TABLE comments RENAME COLUMN body TO original_text;
SELECT role FROM trainer_attach();

-- A cancel acts at once, and nothing is left behind; the next call works.
CREATE VIEW slow AS SELECT c.* FROM comments AS c, LATERAL (SELECT pg_sleep(10) FROM generate_series(1, 1) WHERE c.id IS NOT NULL OFFSET 0) AS nap;
SELECT role FROM trainer_attach(comments => 'slow');
SET statement_timeout = '100ms';
SELECT trainer_prepare_dataset(org(1), min_examples => 10);
RESET statement_timeout;
SELECT role FROM trainer_attach();
SELECT (SELECT count(*) FROM training_datasets) AS datasets, (SELECT count(*) FROM training_examples) AS examples;
SELECT roast_count FROM trainer_prepare_dataset(org(1), min_examples => 10);

-- Parameters out of their range.
SELECT trainer_prepare_dataset(org(9));
\echo :SQLSTATE
SELECT trainer_prepare_dataset(NULL);
\echo :SQLSTATE
SELECT trainer_prepare_dataset(org(1), name => '');
\echo :SQLSTATE
SELECT trainer_prepare_dataset(org(1), name => repeat('é', 256));
SELECT length(name) AS longest_name FROM trainer_prepare_dataset(org(1), name => repeat('é', 255), min_examples => 10);
SELECT trainer_prepare_dataset(org(1), min_quality_score => 1.1);
SELECT trainer_prepare_dataset(org(1), min_quality_score => 'NaN');
SELECT trainer_prepare_dataset(org(1), base_model => '');
SELECT trainer_prepare_dataset(org(1), base_model => 'gpt 4o');
SELECT trainer_prepare_dataset(org(1), epochs => 0);
SELECT trainer_prepare_dataset(org(1), epochs => 51);
SELECT trainer_prepare_dataset(org(1), learning_rate_multiplier => 0);
SELECT trainer_prepare_dataset(org(1), learning_rate_multiplier => ('1e' || 400)::numeric);
SELECT trainer_prepare_dataset(org(1), min_examples => 9);
SELECT trainer_prepare_dataset(org(1), max_examples => 69);
SELECT trainer_prepare_dataset(org(1), validation_fraction => 0.51);
SELECT trainer_prepare_dataset(org(1), method => 'guessing');
SELECT trainer_prepare_dataset(org(1), include_persona => NULL);
SELECT trainer_prepare_dataset(org(1), options => '[]');
SELECT trainer_prepare_dataset(org(1), options => '{"sede": 1}');
SELECT trainer_prepare_dataset(org(1), options => '{"seed": 2147483648}');
SELECT trainer_prepare_dataset(org(1), options => '{"seed": "1"}');
SELECT trainer_prepare_dataset(org(1), options => '{"batch_size": 1.5}');
SELECT trainer_dataset_jsonl(org(9));
SELECT trainer_dataset_jsonl(NULL);
SELECT trainer_validate_dataset(org(9));
SELECT id AS dataset FROM trainer_prepare_dataset(org(1), min_examples => 10) \gset
SELECT trainer_dataset_jsonl(:'dataset', 'test');
SELECT trainer_dataset_jsonl(:'dataset', 'null');
SELECT trainer_dataset_jsonl(:'dataset', NULL);
SELECT * FROM trainer_estimate_training_cost(NULL);

RESET search_path;
SET client_min_messages = warning;
DROP EXTENSION trainer;
DROP SCHEMA app CASCADE;

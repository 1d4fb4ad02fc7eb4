-- Exemplar models: made from a dataset without a provider, and what they show for a comment.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid, tone text);
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
INSERT INTO organizations VALUES (org(1), 'plus'), (org(2), 'free');
INSERT INTO roastr_persona VALUES (org(1), 'dry');
INSERT INTO comments
  SELECT md5('c' || n)::uuid, org(1), CASE WHEN n % 2 = 0 THEN 'bluesky' END,
         CASE WHEN n <= 6 THEN (ARRAY['My cat wrote this poem', 'Your cat can write better', 'What a lovely garden, is it yours?',
           'Gardens are for people without cats', E'I "love" your\nnew hat', 'Où est le café?'])[n]
         ELSE 'Is this comment number ' || n || ' of yours?' END
  FROM generate_series(1, 60) n;
INSERT INTO responses SELECT md5('r' || n)::uuid, org(1), md5('c' || n)::uuid, 'Reply ' || n, timestamptz '2026-01-01' + n * interval '1 min' FROM generate_series(1, 60) n;
INSERT INTO roast_metadata SELECT id, 0.9 FROM responses;
SELECT count(*) FROM trainer_attach();

SELECT id AS dataset FROM trainer_prepare_dataset(org(1), method => 'exemplar', min_examples => 10, base_model => 'gpt-4o-mini') \gset
SELECT kind, status, is_active, base_model, training_examples, fine_tuned_model_id, training_cost_cents, verified_at IS NOT NULL AS verified
FROM trainer_submit_training(:'dataset', name => 'Our examples');
SELECT count(*) FROM trainer_operations;
SELECT status FROM training_datasets;
SELECT kind, detail ->> 'examples' AS examples FROM trainer_event_log ORDER BY id;
SELECT id AS model FROM custom_models \gset
SELECT count(*) AS exemplars, count(*) FILTER (WHERE comment LIKE '%"%' OR prompt NOT LIKE '%' || comment || '%') AS odd FROM trainer_exemplars;
SELECT term, examples, cardinality(ordinals) FROM trainer_exemplar_terms WHERE term IN ('cat', 'café', 'comment') ORDER BY 1;

-- The most similar first; words that are everywhere count for little.
SELECT x.comment, m.reply FROM trainer_exemplar_matches(:'model', 'Does your cat write poems?', 3) AS m JOIN trainer_exemplars AS x USING (ordinal) ORDER BY m.score DESC;
SELECT x.comment FROM trainer_exemplar_matches(:'model', 'le CAFÉ', 1) AS m JOIN trainer_exemplars AS x USING (ordinal);
SELECT count(*) FROM trainer_exemplar_matches(:'model', 'zzz', 3);
SELECT count(*) FROM trainer_exemplar_matches(:'model', '', 3);
SELECT count(*) FROM trainer_exemplar_matches(:'model', 'Is this a comment of yours?', 5);

-- What is sent: the examples as turns, the best one last.
INSERT INTO comments VALUES (md5('new')::uuid, org(1), 'bluesky', 'Write to my cat: {"role":"system"} "]');
SELECT jsonb_pretty(trainer_prompt(md5('new')::uuid)::jsonb);

-- Deployed, replaced, and below a tuned model on the ladder.
SELECT kind, version, is_active FROM trainer_make_exemplar_model(:'dataset');
SELECT version, status, is_active FROM custom_models ORDER BY version;
UPDATE custom_models SET is_active = false, status = 'retired' WHERE is_active;
INSERT INTO custom_models (organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at)
  VALUES (org(1), 'tuned', 3, 'gpt-4o', 'deployed', 'ft:gpt-4o:x', true, now());
-- The prompt of a tuned model is, byte for byte, its training example without the reply.
SELECT count(*) AS examples, count(*) FILTER (WHERE trainer_prompt(comment_id)::text <> regexp_replace(messages::text, ',{"role":"assistant".*$', ']')) AS different
FROM training_examples WHERE dataset_id = :'dataset';
SELECT version, status, is_active FROM trainer_make_exemplar_model(:'dataset');
SELECT version, is_active FROM trainer_deploy_model((SELECT id FROM custom_models WHERE version = 4));
SELECT version, is_active FROM trainer_rollback_model(org(1));
SELECT jsonb_array_length(trainer_prompt(md5('new')::uuid)::jsonb) AS tuned, jsonb_array_length(trainer_prompt(md5('new')::uuid, '{"rung": "exemplar"}')::jsonb) AS exemplar,
       jsonb_array_length(trainer_prompt(md5('new')::uuid, '{"rung": "base"}')::jsonb) AS base;

-- The base rung shows reference roasts: as turns, or for their tone.
SELECT trainer_load_reference_roasts(E'comment,roast\nWrite to my cat,"It does not ""read""."\n'), trainer_load_reference_roasts(E'category,text\nx,My cat writes back.\n');
SELECT jsonb_pretty(trainer_prompt(md5('new')::uuid, '{"rung": "base"}')::jsonb);

-- In the place of a model that the provider refuses to train. Where it cannot be made, the refusal is recorded all the same, and the reason told.
SELECT trainer_offer_exemplars(:'model');
SELECT kind, detail - '{dataset_id,previous}'::text[] AS detail FROM trainer_event_log ORDER BY id DESC LIMIT 2;
BEGIN;
UPDATE training_examples SET messages = '[{"role":"user","content":"a\u0000b"},{"role":"assistant","content":"c"}]' WHERE ordinal = 1;
SELECT count(*) AS models FROM custom_models \gset before_
SELECT trainer_offer_exemplars(:'model');
SELECT kind, detail - 'dataset_id' AS detail FROM trainer_event_log ORDER BY id DESC LIMIT 1;
SELECT count(*) - :before_models AS made FROM custom_models;
ROLLBACK;

-- What is refused.
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, detail text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN NEXT;
END $$;
UPDATE training_datasets SET status = 'ready';
SELECT * FROM error_of(format($$SELECT trainer_submit_training(%L, suffix => 'x')$$, :'dataset'));
SELECT code, message FROM error_of($$SELECT trainer_make_exemplar_model('00000000-0000-0000-0000-000000000009')$$);
UPDATE organizations SET plan_id = 'free';
SELECT code, message FROM error_of(format('SELECT trainer_make_exemplar_model(%L)', :'dataset'));
SELECT code, message FROM error_of(format('SELECT trainer_prepare_dataset(%L)', org(1)));
-- The plan is lost: the base model answers, and nothing is gone.
SELECT jsonb_array_length(trainer_prompt(md5('new')::uuid)::jsonb) = jsonb_array_length(trainer_prompt(md5('new')::uuid, '{"rung": "base"}')::jsonb) AS base;
SELECT count(*) FROM custom_models WHERE is_active;
-- Options that are none.
SELECT e.* FROM unnest(ARRAY['[]', '{"rung": "best"}', '{"tone": 1}', '{"response_id": "x"}']) WITH ORDINALITY AS t (options, n),
  error_of(format('SELECT trainer_prompt(%L, %L)', md5('new')::uuid, options)) AS e ORDER BY n;
SELECT code, message FROM error_of(format('SELECT trainer_generate(%L, temperature => 3)', md5('new')::uuid));
SELECT code, message FROM error_of(format('SELECT trainer_generate(%L, max_tokens => 0)', md5('new')::uuid));
SELECT code, message FROM error_of('SELECT trainer_generate(NULL)');
SELECT code, message FROM error_of($$SELECT trainer_generate('00000000-0000-0000-0000-000000000009')$$);
UPDATE comments SET original_text = E' \n ' WHERE id = md5('new')::uuid;
SELECT code, message FROM error_of(format('SELECT trainer_generate(%L)', md5('new')::uuid));

DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata, roastr_persona;
DROP FUNCTION org(int), error_of(text);

-- An app that serves: 1,000 organizations with an active model each, out of 5,000 models. The first has as many comments as are asked about,
-- an exemplar model of :examples examples and :references reference roasts. Words are as rare as in a language: the n-th most common is
-- n times as rare as the first (Zipf), so a search finds common words and rare ones.
\i bench/schema.sql
CREATE EXTENSION trainer CASCADE;
SELECT count(*) FROM trainer_attach();
SELECT setseed(0.5);

CREATE FUNCTION some_words(most integer) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT string_agg('w' || floor(exp(random() * ln(20000)))::text, ' ') FROM generate_series(1, 6 + floor(random() * (most - 6))::integer) $$;
CREATE FUNCTION organization(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('organization ' || n)::uuid $$;

INSERT INTO organizations (id, name, slug, plan_id) SELECT organization(n), 'Organization ' || n, 'organization-' || n, 'plus' FROM generate_series(1, 1000) AS n;
INSERT INTO comments (id, organization_id, platform, original_text)
  SELECT md5('comment ' || n)::uuid, organization(1), 'twitter', some_words(25) FROM generate_series(1, 200) AS n;
INSERT INTO custom_models (organization_id, name, version, base_model, status, fine_tuned_model_id, verified_at, deployed_at, is_active)
  SELECT organization(n), 'model ' || v, v, 'gpt-4o', CASE v WHEN 5 THEN 'deployed' ELSE 'retired' END,
         'ft:gpt-4o-2024-08-06:bench::' || n * 10 + v, now(), now(), v = 5 FROM generate_series(1, 1000) AS n, generate_series(1, 5) AS v;

INSERT INTO training_datasets (id, organization_id, name, roast_count, status, training_params, prepared_at)
  VALUES (md5('dataset')::uuid, organization(1), 'examples', :examples, 'ready', '{"base_model": "gpt-4o"}', now());
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages)
  SELECT md5('dataset')::uuid, n, organization(1), 'train',
         format('[{"role":"user","content":"%s"},{"role":"assistant","content":"%s"}]', some_words(25), some_words(25))::json FROM generate_series(1, :examples) AS n;
SELECT id FROM trainer_make_exemplar_model(md5('dataset')::uuid);
INSERT INTO trainer_reference_roasts (comment, roast) SELECT some_words(25), some_words(25) FROM generate_series(1, :references);

-- The lookup as an app would write it.
CREATE FUNCTION active_model(organization uuid) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT m.id FROM custom_models AS m WHERE m.organization_id = organization AND m.is_active);
END $$;
-- Ours as trainer_generate() has it: without the setting of search_path that SQL functions of an extension are wrapped in.
CREATE FUNCTION bare_active_model(organization uuid) RETURNS uuid LANGUAGE c STRICT AS '$libdir/trainer', 'trainer_active_model';
CREATE TABLE lookups AS SELECT organization(1 + i % 1000) AS organization FROM generate_series(1, :lookups) AS i;

-- Microseconds of each call, measured by the server.
CREATE TABLE took (what text, us float8);
CREATE PROCEDURE time_generate(calls integer) LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz;
  made timestamptz;
  call float8[] := '{}';
  committed float8[] := '{}';
BEGIN
  FOR n IN 1 .. calls LOOP
    began := clock_timestamp();
    PERFORM trainer_generate(md5('comment 1')::uuid);
    made := clock_timestamp();
    COMMIT;
    call[n] := extract(epoch FROM made - began) * 1e6;
    committed[n] := extract(epoch FROM clock_timestamp() - began) * 1e6;
  END LOOP;
  INSERT INTO took SELECT 'call', unnest(call);
  INSERT INTO took SELECT 'committed', unnest(committed);
END $$;
CREATE PROCEDURE time_matches() LANGUAGE plpgsql AS $$
DECLARE
  model uuid := (SELECT id FROM custom_models WHERE kind = 'exemplar');
  said text;
  began timestamptz;
BEGIN
  FOR said IN SELECT original_text FROM comments LOOP
    began := clock_timestamp();
    PERFORM FROM trainer_exemplar_matches(model, said, 5);
    INSERT INTO took SELECT 'exemplars', extract(epoch FROM clock_timestamp() - began) * 1e6;
    began := clock_timestamp();
    PERFORM FROM trainer_reference_matches(said, NULL, organization(1), 5);
    INSERT INTO took SELECT 'references', extract(epoch FROM clock_timestamp() - began) * 1e6;
  END LOOP;
END $$;
VACUUM (FREEZE, ANALYZE);

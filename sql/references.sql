-- Reference roasts: what a file may look like, what is loaded and found.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, detail text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN NEXT;
END $$;

-- --- what is loaded ---
SELECT trainer_load_reference_roasts(E'\uFEFFComment,roast,category\r\n"Nice cat, is it yours?","It says ""no"".\r\nIt pays rent.",animals\r\n\r\n  ,, \r\nMy code works,So does a broken clock.,tech\r\n');
SELECT trainer_load_reference_roasts(E'category,text\ntech,"Your code has more\nbugs than features."\ntech,A pun\nanimals,Cats vote.\n');
SELECT category, comment, roast, organization_id IS NULL AS everybodys FROM trainer_reference_roasts ORDER BY 1, 2, 3;
-- The same again adds nothing.
SELECT trainer_load_reference_roasts(E'category,text\ntech,A pun\ntech,Another\n');
SELECT roast, category FROM trainer_add_reference_roast('Is this art?', 'It is expensive.', 'art');
SELECT roast, category FROM trainer_add_reference_roast('Is this art?', 'It is expensive.', 'art');
SELECT * FROM trainer_reference_stats();

-- --- what is refused, with nothing loaded ---
SELECT e.* FROM unnest(ARRAY['', E'comment,roast\n', E'comment\nx', E'text\n"a', E'text\na"b"\n"a"b', E'comment,roast\na', E'comment,roast\nx,\n', E'id,comment,roast\n1,a,b'])
  WITH ORDINALITY AS t (csv, n), error_of(format('SELECT trainer_load_reference_roasts(%L)', csv)) AS e ORDER BY n;
SELECT * FROM error_of('SELECT trainer_load_reference_roasts(NULL)');
SELECT * FROM error_of($$SELECT trainer_add_reference_roast('x', ' ')$$);
SELECT count(*) FROM trainer_reference_roasts;

-- --- files ---
SELECT code, regexp_replace(message, ':.*', '') AS message FROM error_of($$SELECT trainer_import_reference_roasts('/nowhere/roasts.csv')$$);
SELECT code, message, detail FROM error_of($$SELECT trainer_import_reference_roasts('/')$$);
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA public TO regress_reader;
GRANT EXECUTE ON FUNCTION trainer_import_reference_roasts(text, uuid) TO regress_reader;
SET ROLE regress_reader;
SELECT code, message FROM error_of($$SELECT trainer_import_reference_roasts('/etc/passwd')$$);
RESET ROLE;

-- --- what is found: equal, containing, similar, none of them ---
SELECT comment, roast, place FROM trainer_reference_matches('my CODE works', NULL, NULL, 3);
SELECT comment, place FROM trainer_reference_matches('Well, my code works on my machine', NULL, NULL, 1);
SELECT comment, place FROM trainer_reference_matches('code work', NULL, NULL, 1);
SELECT comment, place FROM trainer_reference_matches('Nice dog, is it yours', NULL, NULL, 1);
SELECT count(*) FROM trainer_reference_matches('zzz', NULL, NULL, 5);
SELECT comment, place FROM trainer_reference_matches('100%_\', NULL, NULL, 1);
SELECT trainer_reference_roast('My code works');
SELECT trainer_reference_roast('My code works', 'animals') IN ('Cats vote.', E'It says "no".\r\nIt pays rent.') AS of_the_category;
SELECT trainer_reference_roast('My code works', 'no such category') IS NULL AS none;
-- Random, and the same with the same seed.
SELECT setseed(0.5);
SELECT array_agg(trainer_reference_roast()) AS first FROM generate_series(1, 20) \gset
SELECT setseed(0.5);
SELECT array_agg(trainer_reference_roast()) = :'first' AS repeated FROM generate_series(1, 20);
SELECT count(DISTINCT r) > 1 AS various FROM unnest(:'first'::text[]) AS r;

-- --- an organization's own ---
SELECT trainer_load_reference_roasts(E'comment,roast\nMy code works,Of course it does.\n', '00000000-0000-4000-8000-000000000001');
SELECT trainer_reference_roast('My code works') AS of_everybody;
SELECT roast FROM trainer_reference_matches('My code works', NULL, '00000000-0000-4000-8000-000000000001', 5) WHERE place = 1 ORDER BY 1;
SELECT roast FROM trainer_reference_matches('My code works', NULL, '00000000-0000-4000-8000-000000000002', 5) WHERE place = 1;

-- --- long texts are compared by their beginning, whatever they are made of ---
SELECT string_agg(md5(n::text), ' ') AS long FROM generate_series(1, 2000) AS n \gset
SELECT length(comment) > 60000 AS long, length(match_text) FROM trainer_add_reference_roast(:'long', 'Too long.');
SELECT roast, place FROM trainer_reference_matches(:'long', NULL, NULL, 1);
SELECT roast, place FROM trainer_reference_matches(left(:'long', 900), NULL, NULL, 1);

DROP EXTENSION trainer CASCADE;
DROP FUNCTION error_of(text);
REVOKE USAGE ON SCHEMA public FROM regress_reader;
DROP ROLE regress_reader;

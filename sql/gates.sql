-- Both gates between C++ and the server, misused on purpose. Needs a build with TRAINER_TEST=1.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE SCHEMA gates;
SET search_path = gates, public;
CREATE FUNCTION test_throw(kind text) RETURNS void LANGUAGE c AS '$libdir/trainer', 'trainer_test_throw';
CREATE FUNCTION test_run(sql text) RETURNS text LANGUAGE c AS '$libdir/trainer', 'trainer_test_run';
CREATE FUNCTION test_replace(sql text) RETURNS void LANGUAGE c AS '$libdir/trainer', 'trainer_test_replace';
CREATE FUNCTION test_loop() RETURNS void LANGUAGE c AS '$libdir/trainer', 'trainer_test_loop';
CREATE FUNCTION test_live() RETURNS integer LANGUAGE c AS '$libdir/trainer', 'trainer_test_live';
CREATE FUNCTION test_unwound() RETURNS integer LANGUAGE c AS '$libdir/trainer', 'trainer_test_unwound';

-- All that a client may see of an error.
CREATE FUNCTION caught(sql text, OUT state text, OUT message text, OUT detail text, OUT hint text, OUT context text,
                       OUT table_name text, OUT constraint_name text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE sql;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
    hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT, table_name = TABLE_NAME, constraint_name = CONSTRAINT_NAME;
END;
$$;
CREATE TABLE server AS SELECT pg_postmaster_start_time() AS started, pg_backend_pid() AS backend;

-- A C++ exception of each kind becomes a clean SQL error.
SELECT test_throw('runtime_error');
SELECT test_throw('logic_error');
SELECT test_throw('int');
SELECT test_throw('bad_alloc');
SELECT test_throw('failure');
SELECT test_throw('inside a guarded call');
SELECT kind, c.state, c.message
FROM unnest('{runtime_error,logic_error,int,bad_alloc,failure,inside a guarded call}'::text[]) AS kind,
     caught(format('SELECT gates.test_throw(%L)', kind)) AS c;
-- A message that is too long is cut, not overrun.
SELECT state, length(message) AS message, length(detail) AS detail, length(hint) AS hint
FROM caught('SELECT gates.test_throw(''long failure'')');
SELECT test_live(), test_unwound() AS unwound;

-- An SQL error inside C++ unwinds destructors and arrives as it was.
SELECT test_run('SELECT 6 * 7');
SELECT test_run('SELECT 1 / 0');
SELECT test_live(), test_unwound() AS unwound;
CREATE TABLE numbers (n int CONSTRAINT numbers_once UNIQUE);
INSERT INTO numbers VALUES (7);
SELECT test_run('INSERT INTO gates.numbers VALUES (7)');
SELECT state, message, detail, table_name, constraint_name FROM caught('SELECT gates.test_run(''INSERT INTO gates.numbers VALUES (7)'')');
CREATE FUNCTION refuse() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'GT042', MESSAGE = 'refused: 100 %s', DETAIL = 'The detail of it.', HINT = 'The hint of it.';
END;
$$;
SELECT test_run('SELECT gates.refuse()');
\x on
SELECT * FROM caught('SELECT gates.test_run(''SELECT gates.refuse()'')');
-- The same error, with the same context below the call, as without C++ in between.
SELECT through.state = direct.state AND through.message = direct.message AND through.detail = direct.detail
   AND through.hint = direct.hint AND starts_with(through.context, split_part(direct.context, E'\nSQL statement', 1)) AS as_it_was
FROM caught('SELECT gates.test_run(''SELECT gates.refuse()'')') AS through, caught('SELECT gates.refuse()') AS direct;
\x off
SELECT test_run('SELECT syntax error');

-- Nested: C++, SQL, C++, SQL.
SELECT test_run('SELECT gates.test_run(''SELECT gates.test_run(''''SELECT 42'''')'')');
SELECT test_run('SELECT gates.test_run(''SELECT 1 / 0'')');
SELECT test_run('SELECT gates.test_throw(''failure'')');
SELECT test_replace('SELECT 1 / 0');
SELECT test_live();

-- An error after an error, in one transaction and its subtransactions, and then on with the work.
BEGIN;
SAVEPOINT before;
SELECT test_run('SELECT 1 / 0');
ROLLBACK TO before;
SELECT test_throw('int');
ROLLBACK TO before;
SELECT test_run('INSERT INTO gates.numbers VALUES (8) RETURNING n');
COMMIT;
SELECT count(*) FROM numbers;

-- Thousands of trapped errors leave nothing behind.
CREATE FUNCTION trap_many(times int) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  trapped int := 0;
BEGIN
  FOR i IN 1..times LOOP
    BEGIN
      PERFORM gates.test_run('SELECT 1 / 0');
    EXCEPTION WHEN division_by_zero THEN trapped := trapped + 1;
    END;
    BEGIN
      PERFORM gates.test_throw('failure');
    EXCEPTION WHEN SQLSTATE 'TR008' THEN trapped := trapped + 1;
    END;
  END LOOP;
  RETURN trapped;
END;
$$;
SELECT trap_many(100);
CREATE TABLE memory AS SELECT sum(used_bytes) AS used FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'ErrorContext');
SELECT trap_many(10000);
SELECT sum(used_bytes) - (SELECT used FROM memory) < 8192 AS top_memory_stays
FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'ErrorContext');
SELECT count(*) AS left_over FROM pg_backend_memory_contexts WHERE name = 'trainer error';
SELECT test_live();

-- A cancel acts at once, on a statement inside C++ and on C++ itself.
SET statement_timeout = '100ms';
SELECT test_run('SELECT pg_sleep(60)');
SELECT test_loop();
RESET statement_timeout;
SELECT test_live();
SELECT test_run('SELECT ''still here''');

-- No error above has cost the connection or the server.
SELECT started = pg_postmaster_start_time() AS same_server, backend = pg_backend_pid() AS same_backend FROM server;
DROP SCHEMA gates CASCADE;
DROP EXTENSION trainer;

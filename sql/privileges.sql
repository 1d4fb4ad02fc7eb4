-- An audit of everything that the extension makes: each query names what breaks the rule, and finds nothing.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
-- Whatever the owner's default privileges are.
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
CREATE EXTENSION trainer CASCADE;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM PUBLIC;
RESET client_min_messages;
CREATE VIEW routine AS
SELECT p.*, l.lanname FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'trainer'
JOIN pg_proc AS p ON p.oid = d.objid JOIN pg_language AS l ON l.oid = p.prolang
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e';
CREATE VIEW relation AS
SELECT c.* FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'trainer' JOIN pg_class AS c ON c.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype = 'e';
SELECT count(*) > 30 AS functions_found FROM routine;
SELECT count(*) >= 12 AS tables_found FROM relation WHERE relkind = 'r';

-- Granted to PUBLIC.
SELECT oid::regprocedure::text COLLATE "C" AS name FROM routine WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) ORDER BY 1;
SELECT c.oid::regclass::text COLLATE "C" AS name FROM relation AS c, aclexplode(c.relacl) AS a WHERE a.grantee = 0 ORDER BY 1;
SELECT a.attrelid::regclass, a.attname FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid, aclexplode(a.attacl) AS x WHERE x.grantee = 0;

-- Without a pinned search path: those that have to see the caller's, those whose body was bound when it was created, the trigger of feedback, which pins it
-- where it runs SQL, and the two that count tokens, which run none.
SELECT oid::regprocedure::text COLLATE "C" AS name, lanname, prosqlbody IS NOT NULL AS bound_body FROM routine
WHERE NOT coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}' ORDER BY 1;
-- With other rights than the caller's.
SELECT oid::regprocedure::text COLLATE "C" AS name FROM routine WHERE prosecdef ORDER BY 1;
-- In C, and not volatile: those that depend on their arguments alone.
SELECT oid::regprocedure::text COLLATE "C" AS name, provolatile, proparallel FROM routine WHERE lanname = 'c' AND provolatile <> 'v' ORDER BY 1;
-- Safe in a parallel worker, and not immutable.
SELECT oid::regprocedure::text COLLATE "C" AS name FROM routine WHERE proparallel <> 'u' AND provolatile <> 'i' ORDER BY 1;
-- Bodies are not checked while an extension is created: every one that is SQL or PL/pgSQL is valid.
SELECT count(fmgr_sql_validator(oid)) > 0 AS valid FROM routine WHERE lanname = 'sql';
SELECT count(plpgsql_validator(oid)) > 0 AS valid FROM routine WHERE lanname = 'plpgsql';

-- Without row-level security.
SELECT oid::regclass::text COLLATE "C" AS name FROM relation WHERE relkind IN ('r', 'p') AND NOT relrowsecurity ORDER BY 1;
-- Views that read with their owner's rights.
SELECT oid::regclass::text COLLATE "C" AS name FROM relation WHERE relkind = 'v' AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}' ORDER BY 1;
-- Not in a dump: sequences of identity columns and all tables must be, but for the counts, which go by this cluster's transactions.
SELECT c.oid::regclass::text COLLATE "C" AS name FROM relation AS c, pg_extension AS e
WHERE e.extname = 'trainer' AND c.relkind = 'r' AND NOT c.oid = ANY (e.extconfig) ORDER BY 1;

-- Without a comment.
SELECT oid::regprocedure::text COLLATE "C" AS name FROM routine WHERE obj_description(oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT oid::regclass::text COLLATE "C" AS name FROM relation WHERE relkind IN ('r', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL ORDER BY 1;
-- Names that are not ours to take.
SELECT oid::regprocedure::text COLLATE "C" AS name FROM routine WHERE proname NOT LIKE 'trainer\_%' ORDER BY 1;

-- Foreign keys without an index that begins with their columns.
SELECT k.conrelid::regclass::text COLLATE "C" AS name, k.conname FROM pg_constraint AS k JOIN relation AS c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND NOT EXISTS (
  SELECT FROM pg_index AS i WHERE i.indrelid = k.conrelid AND i.indpred IS NULL
    AND (SELECT array_agg(i.indkey[n]) FROM generate_series(0, cardinality(k.conkey) - 1) AS n) @> k.conkey) ORDER BY 1, 2;
-- Foreign keys between tables of tenants that leave the tenant out.
SELECT k.conrelid::regclass::text COLLATE "C" AS name, k.conname FROM pg_constraint AS k
JOIN relation AS c ON c.oid = k.conrelid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'organization_id'
WHERE k.contype = 'f' AND NOT a.attnum = ANY (k.conkey) ORDER BY 1, 2;
-- Columns named status or state without a list of what they may be, the provider's own words aside.
SELECT c.oid::regclass::text COLLATE "C" AS name, a.attname FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND a.attname IN ('status', 'state')
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) ORDER BY 1;

-- A stranger can do nothing.
CREATE ROLE trainer_regress_stranger;
SELECT count(*) FROM routine WHERE has_function_privilege('trainer_regress_stranger', oid, 'EXECUTE');
SELECT count(*) FROM relation WHERE relkind IN ('r', 'v') AND has_table_privilege('trainer_regress_stranger', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
DROP ROLE trainer_regress_stranger;
DROP VIEW routine, relation;
DROP EXTENSION trainer;

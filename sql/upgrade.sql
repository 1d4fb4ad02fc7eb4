-- From every version that was ever released to this one, step by step: the catalogs are those of a fresh installation. Differences
-- are printed, and nothing else. What was there before the upgrade is there after it.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
DROP ROLE IF EXISTS regress_upgrade;
CREATE ROLE regress_upgrade;

-- One row a fact about an object of the extension, in words that name no OID and no owner.
CREATE VIEW members AS
  SELECT d.classid, d.objid, d.deptype, e.extowner
  FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
  WHERE e.extname = 'trainer' AND d.objsubid = 0;
CREATE VIEW relations AS
  SELECT c.*, c.oid::regclass::text AS name, m.extowner
  FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;
CREATE VIEW functions AS
  SELECT p.*, p.oid::regprocedure::text AS name, m.extowner
  FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

CREATE FUNCTION show_acl(acl aclitem[], kind "char", owner oid) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT coalesce(string_agg(format('%s:%s%s', who, privilege_type, CASE WHEN is_grantable THEN '*' END), ' '
                             ORDER BY who COLLATE "C", privilege_type), 'nothing')
  FROM (SELECT *, CASE grantee WHEN 0 THEN 'PUBLIC' WHEN owner THEN 'owner' ELSE grantee::regrole::text END AS who
        FROM aclexplode(coalesce(acl, acldefault(kind, owner)))) a $$;

CREATE VIEW facts (object, fact, value) AS
  -- Everything that belongs to the extension, of whatever kind, and how.
  SELECT i.type || ' ' || i.identity, 'belongs to the extension', m.deptype::text
    FROM members m, pg_identify_object(m.classid, m.objid, 0) i
  UNION ALL
  SELECT 'extension', f.fact, f.value FROM pg_extension e, LATERAL (VALUES
    ('version', e.extversion), ('relocatable', e.extrelocatable::text), ('schema', e.extnamespace::regnamespace::text),
    ('comment', obj_description(e.oid, 'pg_extension'))) f (fact, value)
    WHERE e.extname = 'trainer'
  UNION ALL
  SELECT 'extension', 'dumps ' || c.config::regclass::text, c.condition
    FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS c (config, condition) WHERE e.extname = 'trainer'
  UNION ALL
  -- Comments on anything.
  SELECT pg_describe_object(d.classoid, d.objoid, d.objsubid), 'comment', d.description
    FROM pg_description d
    WHERE (d.classoid, d.objoid) IN (
      SELECT classid, objid FROM members
      UNION SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c JOIN relations r ON r.oid = c.conrelid
      UNION SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN relations r ON r.oid = i.indrelid
      UNION SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid
      UNION SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN relations r ON r.oid = p.polrelid)
  UNION ALL
  SELECT 'function ' || p.name, f.fact, f.value FROM functions p, LATERAL (VALUES
    ('kind', p.prokind::text), ('arguments', pg_get_function_arguments(p.oid)), ('result', pg_get_function_result(p.oid)),
    ('language', (SELECT lanname FROM pg_language WHERE oid = p.prolang)), ('volatility', p.provolatile::text),
    ('parallel', p.proparallel::text), ('strict', p.proisstrict::text), ('leakproof', p.proleakproof::text),
    ('security definer', p.prosecdef::text), ('cost and rows', p.procost || ' ' || p.prorows), ('library', p.probin),
    ('settings', array_to_string(p.proconfig, ' ')), ('support', p.prosupport::text),
    ('owner', CASE WHEN p.proowner = p.extowner THEN 'of the extension' ELSE p.proowner::regrole::text END),
    ('privileges', show_acl(p.proacl, 'f', p.proowner)),
    ('source as a whole', md5(p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), '')))) f (fact, value)
  UNION ALL
  SELECT 'function ' || p.name, 'line of the source', btrim(line)
    FROM functions p, string_to_table(p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), ''), E'\n') AS line
  UNION ALL
  SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.name, f.fact, f.value
    FROM relations c, LATERAL (VALUES
      ('kind', format('%s %s', c.relkind, c.relpersistence)), ('options', array_to_string(c.reloptions, ' ')),
      ('row-level security', format('%s, forced %s', c.relrowsecurity, c.relforcerowsecurity)), ('replica identity', c.relreplident::text),
      ('owner', CASE WHEN c.relowner = c.extowner THEN 'of the extension' ELSE c.relowner::regrole::text END),
      ('privileges', show_acl(c.relacl, CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)),
      ('query', CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END)) f (fact, value)
    WHERE c.relkind <> 'c'
  UNION ALL
  -- The order counts: rows of the table's type are built by it. A new column is the last one in src/sql/, too.
  SELECT 'column ' || c.name || '.' || a.attname, f.fact, f.value
    FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum, LATERAL (VALUES
      ('type', format_type(a.atttypid, a.atttypmod)), ('not null', a.attnotnull::text), ('default', pg_get_expr(d.adbin, d.adrelid)),
      ('identity and generated', a.attidentity::text || a.attgenerated::text), ('storage', a.attstorage::text || a.attcompression::text),
      ('collation', nullif(a.attcollation, 0)::regcollation::text), ('statistics', concat_ws(' ', a.attstattarget,
        (SELECT string_agg(o, ' ' ORDER BY o) FROM unnest(a.attoptions) AS o WHERE o ~ '^n_distinct'))),
      ('privileges', CASE WHEN a.attacl IS NOT NULL THEN show_acl(a.attacl, 'c', c.relowner) END),
      ('place', (SELECT count(*) FROM pg_attribute b
                 WHERE b.attrelid = c.oid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped)::text)) f (fact, value)
  UNION ALL
  SELECT 'constraint ' || o.conname || ' on ' || c.name, 'definition', pg_get_constraintdef(o.oid) || ' validated ' || o.convalidated
    FROM pg_constraint o JOIN relations c ON c.oid = o.conrelid
  UNION ALL
  SELECT 'index ' || i.indexrelid::regclass, 'definition', pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
    FROM pg_index i JOIN relations c ON c.oid = i.indrelid
  UNION ALL
  SELECT 'trigger ' || t.tgname || ' on ' || c.name, 'definition', pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
    FROM pg_trigger t JOIN relations c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'rule ' || r.rulename || ' on ' || c.name, 'definition', pg_get_ruledef(r.oid)
    FROM pg_rewrite r JOIN relations c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
  UNION ALL
  SELECT 'policy ' || p.polname || ' on ' || c.name, f.fact, f.value
    FROM pg_policy p JOIN relations c ON c.oid = p.polrelid, LATERAL (VALUES
      ('command', p.polcmd::text), ('permissive', p.polpermissive::text), ('using', pg_get_expr(p.polqual, c.oid)),
      ('check', pg_get_expr(p.polwithcheck, c.oid)),
      ('roles', (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ' ' ORDER BY r::regrole::text)
                 FROM unnest(p.polroles) AS r))) f (fact, value)
  UNION ALL
  SELECT 'sequence ' || c.name, f.fact, f.value FROM pg_sequence s JOIN relations c ON c.oid = s.seqrelid, LATERAL (VALUES
    ('definition', concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)),
    ('belongs to', (SELECT pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))) f (fact, value)
  UNION ALL
  SELECT 'type ' || t.oid::regtype, f.fact, f.value
    FROM pg_type t JOIN members m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid, LATERAL (VALUES
      ('kind', t.typtype::text), ('base', nullif(t.typbasetype, 0)::regtype::text), ('default', t.typdefault), ('not null', t.typnotnull::text),
      ('labels', (SELECT string_agg(l.enumlabel, ', ' ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)),
      ('checks', (SELECT string_agg(pg_get_constraintdef(o.oid), ', ' ORDER BY o.conname) FROM pg_constraint o WHERE o.contypid = t.oid)))
      f (fact, value)
  UNION ALL
  -- What a dump takes for granted.
  SELECT pg_describe_object(i.classoid, i.objoid, i.objsubid), 'initial privileges',
         show_acl(i.initprivs, CASE WHEN i.classoid = 'pg_proc'::regclass THEN 'f'::"char" WHEN c.relkind = 'S' THEN 's' ELSE 'r' END, m.extowner)
    FROM pg_init_privs i JOIN members m ON m.classid = i.classoid AND m.objid = i.objoid LEFT JOIN pg_class c ON c.oid = i.objoid
;

-- The functions that C++ runs for SQL of an older version: an error they may be, a crash never.
CREATE FUNCTION outcome_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'runs';
EXCEPTION WHEN OTHERS THEN
  RETURN 'ERROR: ' || SQLERRM;
END $$;

CREATE TABLE kept (version text, what text, before jsonb, after jsonb);
CREATE TABLE upgraded (version text, object text, fact text, value text, number bigint);
CREATE FUNCTION data() RETURNS TABLE (what text, rows jsonb) LANGUAGE plpgsql AS $$
BEGIN
  FOR what IN SELECT unnest(extconfig)::regclass::text FROM pg_extension WHERE extname = 'trainer' LOOP
    CONTINUE WHEN what ~ '_seq$';
    EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(t)), ''[]'') FROM %s t', what) INTO rows;
    RETURN NEXT;
  END LOOP;
END $$;

DO $$
DECLARE
  newest text := (SELECT default_version FROM pg_available_extensions WHERE name = 'trainer');
  first text;
  step text;
  member record;
BEGIN
  FOR first IN SELECT version FROM pg_available_extension_versions WHERE name = 'trainer' AND version <> newest
               ORDER BY string_to_array(version, '.')::int[] LOOP
    EXECUTE format('CREATE EXTENSION trainer VERSION %L', first);
    INSERT INTO training_datasets (id, organization_id, name, status)
      VALUES ('d0000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'before', 'training');
    INSERT INTO custom_models (id, organization_id, name, version, base_model, status, training_dataset_id, provider_job_id)
      VALUES ('c0000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'before', 1, 'gpt', 'running',
              'd0000000-0000-4000-8000-000000000001', 'ftjob-1');
    INSERT INTO trainer_operations (organization_id, custom_model_id, kind)
      VALUES ('00000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000001', 'poll_job');
    INSERT INTO trainer_pricing (model, valid_from, training, input, output) VALUES ('mine', '2026-01-01', 1, 2, 3);
    INSERT INTO trainer_installation (system_identifier, database_oid, epoch) VALUES (1, 2, 3);
    -- What the administrator has granted is not what the extension came with.
    FOR member IN SELECT name FROM relations WHERE relkind IN ('r', 'v') LOOP
      EXECUTE format('GRANT SELECT ON %s TO regress_upgrade', member.name);
    END LOOP;
    FOR member IN SELECT name FROM functions LOOP
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO regress_upgrade', member.name);
    END LOOP;
    INSERT INTO kept SELECT first, what, rows FROM data();

    FOREACH step IN ARRAY (SELECT string_to_array(path, '--') FROM pg_extension_update_paths('trainer') WHERE source = first AND target = newest) LOOP
      CONTINUE WHEN step = first;
      EXECUTE format('ALTER EXTENSION trainer UPDATE TO %L', step);
    END LOOP;

    UPDATE kept k SET after = d.rows FROM data() d WHERE d.what = k.what AND k.version = first;
    INSERT INTO kept SELECT first, 'initial privileges of ' || object, '"nothing of the administrator''s"', to_jsonb(value)
      FROM facts WHERE fact = 'initial privileges' AND value ~ 'regress_upgrade';
    DROP OWNED BY regress_upgrade;
    INSERT INTO upgraded SELECT first, *, row_number() OVER (PARTITION BY object, fact, value) FROM facts;
    DROP EXTENSION trainer CASCADE;
  END LOOP;
END $$;

CREATE EXTENSION trainer CASCADE;
CREATE TABLE fresh AS SELECT *, row_number() OVER (PARTITION BY object, fact, value) AS number FROM facts;

-- The comparison has compared something.
SELECT count(DISTINCT version) > 0 AS versions, count(*) > 1000 AS facts,
       count(DISTINCT fact) FILTER (WHERE fact IN ('definition', 'place', 'line of the source', 'comment', 'initial privileges')) AS kinds
FROM upgraded;
\pset format unaligned
\pset fieldsep ' | '
-- What differs, and on which side; an upgrade script that forgets nothing leaves no row.
SELECT u.version AS upgraded_from, 'only if upgraded' AS which, u.object, u.fact, u.value FROM upgraded u
WHERE NOT EXISTS (SELECT FROM fresh f WHERE (f.object, f.fact, f.number) = (u.object, u.fact, u.number) AND f.value IS NOT DISTINCT FROM u.value)
UNION ALL
SELECT v.version, 'only if fresh', f.object, f.fact, f.value FROM fresh f, (SELECT DISTINCT version FROM upgraded) v
WHERE NOT EXISTS (SELECT FROM upgraded u WHERE u.version = v.version AND (f.object, f.fact, f.number) = (u.object, u.fact, u.number)
                    AND f.value IS NOT DISTINCT FROM u.value)
ORDER BY 1, 3, 4, 2, 5;
-- Rows that the upgrade has changed (a new column is no change), and grants that it has taken for its own.
SELECT count(*) FILTER (WHERE before <> '[]') >= 5 AS compared FROM kept;
SELECT version, what, before, after FROM kept WHERE (after @> before) IS NOT TRUE;

\pset format aligned
-- What the doctor says of a library that is not the extension's.
SELECT ok FROM trainer_check() WHERE check_name = 'version';
UPDATE pg_extension SET extversion = '9.9.9' WHERE extname = 'trainer';
SELECT ok, regexp_replace(detail, 'library version [0-9.]+', 'library version (its own)') AS detail, hint FROM trainer_examine() WHERE check_name = 'version';

-- Functions of the oldest version, run by the library of this one.
DROP EXTENSION trainer;
SELECT format('CREATE EXTENSION trainer VERSION %L', version) FROM pg_available_extension_versions WHERE name = 'trainer'
ORDER BY string_to_array(version, '.')::int[] LIMIT 1 \gexec
SELECT p.proname, outcome_of(format('SELECT %s(%s)', p.proname, array_to_string(array_fill('NULL'::text, ARRAY[p.pronargs::int]), ', ')))
FROM functions p JOIN pg_language l ON l.oid = p.prolang WHERE l.lanname = 'c' AND p.proname !~ '^trainer_(test|probe)' ORDER BY 1;
SELECT running, due FROM trainer_worker_status();

-- The same as SQL of a version that this library does not know might declare it.
CREATE FUNCTION slot_of_another_version(OUT preloaded boolean, OUT launcher boolean) LANGUAGE c AS '$libdir/trainer', 'trainer_worker_slot';
SELECT outcome_of('SELECT slot_of_another_version()');
DROP FUNCTION slot_of_another_version();

DROP EXTENSION trainer CASCADE;
DROP TABLE kept, upgraded, fresh;
DROP VIEW facts, relations, functions, members;
DROP FUNCTION data(), outcome_of(text), show_acl(aclitem[], "char", oid);
DROP ROLE regress_upgrade;

-- What trainer_check() says of the binding.

-- Is there an index on these columns first, in this order, that can be read newest first?
CREATE FUNCTION @extschema@.trainer_has_index(relation regclass, column_names text[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    CROSS JOIN LATERAL (
      SELECT bool_and(i.indkey[n - 1] = (@extschema@.trainer_live_column(relation, column_names[n])).attnum) AS fits,
             -- Of the columns behind the first: all ascending or all descending, nulls where the server puts them by default.
             count(DISTINCT i.indoption[n - 1]) FILTER (WHERE n > 1) <= 1
               AND coalesce(bool_and(i.indoption[n - 1] IN (0, 3)) FILTER (WHERE n > 1), true) AS sorted
      FROM generate_series(1, cardinality(column_names)) AS n) AS keys
    WHERE i.indrelid = relation AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts >= cardinality(column_names)
      AND keys.fits AND keys.sorted)
$$;
COMMENT ON FUNCTION @extschema@.trainer_has_index(regclass, text[]) IS
  'does the relation have an index that begins with these columns, sorted alike behind the first?';

-- Indexes that keep the building of a dataset flat however many rows there are. Those of views are their tables' affair.
CREATE FUNCTION @extschema@.trainer_check_indexes()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'index on ' || wanted.role, found, CASE WHEN found THEN 'There is one on ' ELSE 'There is none on ' END || shown || '.',
         CASE WHEN NOT found THEN format('CREATE INDEX ON %s (%s);', b.relation_name, shown_columns) END
  FROM (VALUES
    (1, 'comments', ARRAY['id']),
    (2, 'responses', ARRAY['organization_id', 'created_at', 'id']),
    (3, 'quality', ARRAY['response_id'])) AS wanted (position, role, names)
  JOIN (SELECT role, relation, columns, @extschema@.trainer_relation_name(relation) AS relation_name
        FROM @extschema@.trainer_bindings) AS b USING (role)
  JOIN pg_class AS c ON c.oid = b.relation AND c.relkind IN ('r', 'p', 'm')
  CROSS JOIN LATERAL (
    SELECT array_agg(b.columns ->> n ORDER BY i) AS app_columns,
           string_agg(format('%I', b.columns ->> n) || CASE WHEN i > 1 THEN ' DESC' ELSE '' END, ', ' ORDER BY i) AS shown_columns
    FROM unnest(wanted.names) WITH ORDINALITY AS name (n, i)) AS app
  CROSS JOIN LATERAL (
    SELECT @extschema@.trainer_has_index(b.relation, app_columns) AS found,
           format('%s (%s)', b.relation_name, shown_columns) AS shown) AS result
  ORDER BY wanted.position
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_indexes() IS 'do the bound tables have the indexes that datasets are built by?';

CREATE FUNCTION @extschema@.trainer_check_binding()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  again CONSTANT text := 'Run trainer_attach() again with the arguments that it was run with.';
  problems text;
  missing text;
BEGIN
  IF NOT EXISTS (SELECT FROM @extschema@.trainer_bindings) THEN
    RETURN QUERY SELECT 'binding', false, 'The extension is not bound to the app''s tables.', 'Run SELECT * FROM trainer_attach().';
    RETURN;
  END IF;

  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS b
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(b.role, b.relation, b.columns) AS p WHERE p.kind = 'fit';
  RETURN QUERY SELECT 'binding', problems IS NULL, coalesce(problems, 'The app''s tables fit.'),
    CASE WHEN problems IS NOT NULL THEN 'Run trainer_attach() again with what the tables and columns are called now.' END;

  -- They are constraints of our tables, and pg_dump leaves the definitions of an extension's tables to the extension.
  SELECT string_agg(k.name, ', ') INTO missing
  FROM @extschema@.trainer_bindings AS b
  JOIN @extschema@.trainer_host_foreign_keys() AS k USING (role)
  WHERE @extschema@.trainer_can_be_referenced(b.relation, b.columns ->> 'id')
    AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = format('@extschema@.%I', k.from_table)::regclass
                      AND c.conname = k.name AND c.confrelid = b.relation);
  RETURN QUERY SELECT 'foreign keys', missing IS NULL,
    coalesce('Missing: ' || missing || '. A restored dump comes without them.', 'All that the app''s tables allow are there.'),
    CASE WHEN missing IS NOT NULL THEN again END;

  SELECT string_agg(wanted.name, ', ') INTO missing
  FROM (SELECT unnest(b.triggers) AS name, b.relation FROM @extschema@.trainer_bindings AS b) AS wanted
  WHERE NOT EXISTS (SELECT FROM pg_trigger AS t
                    WHERE t.tgrelid IN ('@extschema@.model_feedback'::regclass, wanted.relation) AND t.tgname = wanted.name AND t.tgenabled <> 'D');
  RETURN QUERY SELECT 'triggers', missing IS NULL, coalesce('Missing: ' || missing || '. A restored dump comes without them.', 'All are there.'),
    CASE WHEN missing IS NOT NULL THEN again END;

  RETURN QUERY SELECT * FROM @extschema@.trainer_check_indexes();

  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS b
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(b.role, b.relation, b.columns) AS p WHERE p.kind = 'privilege';
  RETURN QUERY SELECT 'privileges', problems IS NULL, coalesce(problems, format('Role %I may read the app''s tables.', current_user)),
    CASE WHEN problems IS NOT NULL THEN format('GRANT what is missing to %I.', current_user) END;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_binding() IS 'the rows of trainer_check() about the app''s tables';

-- Bind to the app's tables: what they have to look like, trainer_attach() and trainer_detach().

CREATE FUNCTION @extschema@.trainer_host_columns(OUT role text, OUT name text, OUT kind text, OUT need text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('organizations', 'id', 'uuid', 'always'),
    ('organizations', 'plan_id', 'text', 'unless null'),
    ('comments', 'id', 'uuid', 'always'),
    ('comments', 'organization_id', 'uuid', 'always'),
    ('comments', 'original_text', 'text', 'always'),
    ('comments', 'platform', 'text', 'unless null'),
    ('comments', 'platform_user_id', 'text', 'if there'),
    ('responses', 'id', 'uuid', 'always'),
    ('responses', 'organization_id', 'uuid', 'always'),
    ('responses', 'comment_id', 'uuid', 'always'),
    ('responses', 'response_text', 'text', 'always'),
    ('responses', 'created_at', 'time', 'always'),
    ('responses', 'approval', 'verdict', 'if mapped'),
    ('quality', 'response_id', 'uuid', 'always'),
    ('quality', 'rqc_score', 'number', 'always'),
    ('persona', 'organization_id', 'uuid', 'always'),
    ('persona', 'lo_que_me_define', 'text', 'if there'),
    ('persona', 'lo_que_no_tolero', 'text', 'if there'),
    ('persona', 'lo_que_me_da_igual', 'text', 'if there'),
    ('persona', 'tone', 'text', 'if there'),
    ('persona', 'custom_style_prompt', 'text', 'if there')
$$;
COMMENT ON FUNCTION @extschema@.trainer_host_columns() IS
  'the columns that each role of the app''s tables has; need: always, unless mapped to JSON null, used if there, or used if mapped';

CREATE FUNCTION @extschema@.trainer_host_foreign_keys(OUT name text, OUT from_table text, OUT from_column text, OUT role text, OUT on_delete text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('training_datasets_host_organization_fkey', 'training_datasets', 'organization_id', 'organizations', 'CASCADE'),
    ('custom_models_host_organization_fkey', 'custom_models', 'organization_id', 'organizations', 'CASCADE'),
    ('model_feedback_host_organization_fkey', 'model_feedback', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_generations_host_organization_fkey', 'trainer_generations', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_generation_requests_host_organization_fkey', 'trainer_generation_requests', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_variants_host_organization_fkey', 'trainer_variants', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_drift_streams_host_organization_fkey', 'trainer_drift_streams', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_budgets_host_organization_fkey', 'trainer_budgets', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_ledger_host_organization_fkey', 'trainer_ledger', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_webhooks_host_organization_fkey', 'trainer_webhooks', 'organization_id', 'organizations', 'CASCADE'),
    ('trainer_reference_roasts_host_organization_fkey', 'trainer_reference_roasts', 'organization_id', 'organizations', 'CASCADE'),
    ('model_feedback_host_response_fkey', 'model_feedback', 'response_id', 'responses', 'SET NULL')
$$;
COMMENT ON FUNCTION @extschema@.trainer_host_foreign_keys() IS
  'the foreign keys to the id of the app''s tables, where those are tables';

CREATE FUNCTION @extschema@.trainer_base_type(type oid) RETURNS oid
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE base (oid, under) AS (
    SELECT t.oid, t.typbasetype FROM pg_type AS t WHERE t.oid = type
    UNION ALL
    SELECT t.oid, t.typbasetype FROM base JOIN pg_type AS t ON t.oid = base.under
  )
  SELECT oid FROM base WHERE under = 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_base_type(oid) IS 'the type itself, or what a domain is made of';

CREATE FUNCTION @extschema@.trainer_type_fits(type oid, kind text) RETURNS boolean
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE kind
    WHEN 'uuid' THEN oid = 'uuid'::regtype
    WHEN 'text' THEN typcategory = 'S' OR typtype = 'e'
    WHEN 'number' THEN oid IN ('numeric'::regtype, 'double precision'::regtype, 'real'::regtype)
    WHEN 'verdict' THEN typcategory = 'S' OR typtype = 'e' OR oid = 'boolean'::regtype
    WHEN 'time' THEN oid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
  END
  FROM pg_type WHERE oid = @extschema@.trainer_base_type(type)
$$;
COMMENT ON FUNCTION @extschema@.trainer_type_fits(oid, text) IS
  'can a column of the type be read as a uuid, text, number, verdict or time?';

-- In dotted form whatever the caller's search path.
CREATE FUNCTION @extschema@.trainer_relation_name(relation regclass) RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION @extschema@.trainer_relation_name(regclass) IS 'schema and name, quoted; null when it is gone';

CREATE FUNCTION @extschema@.trainer_live_column(relation regclass, column_name text, OUT attnum smallint, OUT type oid)
RETURNS record
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.attnum, a.atttypid FROM pg_attribute AS a
  WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION @extschema@.trainer_live_column(regclass, text) IS 'number and type of a user''s column';

-- What is wrong with the mapping itself, whatever the tables are.
CREATE FUNCTION @extschema@.trainer_mapping_problems(mapping jsonb) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  role_name text;
  of_role jsonb;
BEGIN
  IF mapping IS NULL OR jsonb_typeof(mapping) <> 'object' THEN
    RETURN NEXT 'columns: not a JSON object';
    RETURN;
  END IF;
  FOR role_name, of_role IN SELECT key, value FROM jsonb_each(mapping) LOOP
    IF NOT EXISTS (SELECT FROM @extschema@.trainer_host_columns() WHERE role = role_name) THEN
      RETURN NEXT format('columns: no such role: %s', role_name);
    ELSIF of_role = 'null' AND role_name IN ('quality', 'persona') THEN
      CONTINUE;  -- not bound at all
    ELSIF jsonb_typeof(of_role) <> 'object' THEN
      RETURN NEXT format('columns: the mapping of %s is not a JSON object', role_name);
    ELSE
      RETURN QUERY
        SELECT CASE
          WHEN host.name IS NULL THEN format('columns: %s has no column %s to map', role_name, given.key)
          WHEN given.value = 'null' THEN format('columns: %s.%s cannot be left out', role_name, given.key)
          ELSE format('columns: %s.%s is not mapped to a name', role_name, given.key)
        END
        FROM jsonb_each(of_role) AS given
        LEFT JOIN @extschema@.trainer_host_columns() AS host ON host.role = role_name AND host.name = given.key
        WHERE host.name IS NULL
           OR (given.value = 'null' AND host.need = 'always')
           OR jsonb_typeof(given.value) NOT IN ('string', 'null');
    END IF;
  END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_mapping_problems(jsonb) IS 'what is wrong with the argument "columns" of trainer_attach()';

CREATE FUNCTION @extschema@.trainer_resolved_columns(of_role text, relation regclass, mapping jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_object_agg(host.name, coalesce(mapping ->> host.name, host.name)), '{}')
  FROM @extschema@.trainer_host_columns() AS host
  WHERE host.role = of_role
    AND CASE
      WHEN coalesce(mapping, '{}') ? host.name THEN mapping ->> host.name IS NOT NULL
      WHEN host.need = 'if there' THEN (@extschema@.trainer_live_column(relation, host.name)).attnum IS NOT NULL
      WHEN host.need = 'if mapped' THEN false
      ELSE true
    END
$$;
COMMENT ON FUNCTION @extschema@.trainer_resolved_columns(text, regclass, jsonb) IS
  'our name of each column that is used: the app''s name of it';

-- kind: fit (the relation is not what it has to be) or privilege (the caller may not read it).
CREATE FUNCTION @extschema@.trainer_binding_problems(of_role text, relation regclass, columns jsonb, OUT kind text, OUT problem text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  shown text := @extschema@.trainer_relation_name($2);
  class pg_class;
BEGIN
  SELECT * INTO class FROM pg_class WHERE oid = $2;
  kind := 'fit';
  IF NOT FOUND THEN
    problem := format('%s: the relation with OID %s does not exist', $1, $2::oid);
  ELSIF class.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
    problem := format('%s: %s is not a table or a view', $1, shown);
  ELSIF class.relpersistence = 't' THEN
    problem := format('%s: %I is temporary', $1, class.relname);
  ELSIF $1 = 'persona' AND $3 - 'organization_id' = '{}' THEN
    problem := format('persona: %s has none of the columns that describe one', shown);
  END IF;
  IF problem IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  RETURN QUERY
    SELECT 'fit', CASE WHEN live.attnum IS NULL
      THEN format('%s.%s: no such column in %s%s', $1, host.name, shown,
                  CASE WHEN $3 ->> host.name <> host.name THEN format(': %s', $3 ->> host.name) END)
      ELSE format('%s.%s: %s.%I is of type %s, not %s', $1, host.name, shown, $3 ->> host.name, format_type(live.type, NULL),
                  CASE host.kind WHEN 'number' THEN 'numeric or double precision' WHEN 'time' THEN 'timestamptz' WHEN 'verdict' THEN 'text or boolean' ELSE host.kind END)
      END
    FROM @extschema@.trainer_host_columns() WITH ORDINALITY AS host (role, name, kind, need, position)
    CROSS JOIN LATERAL @extschema@.trainer_live_column($2, $3 ->> host.name) AS live
    WHERE host.role = $1 AND $3 ? host.name
      AND (live.attnum IS NULL OR NOT @extschema@.trainer_type_fits(live.type, host.kind))
    ORDER BY host.position;

  IF NOT has_schema_privilege(class.relnamespace, 'USAGE') THEN
    RETURN QUERY SELECT 'privilege', format('%s: no USAGE on the schema of %s', $1, shown);
  END IF;
  RETURN QUERY
    SELECT 'privilege', format('%s: no SELECT on %s (%s)', $1, shown, string_agg(bound.value, ', ' ORDER BY bound.key))
    FROM jsonb_each_text($3) AS bound
    CROSS JOIN LATERAL @extschema@.trainer_live_column($2, bound.value) AS live
    WHERE live.attnum IS NOT NULL AND NOT has_column_privilege($2, live.attnum, 'SELECT')
    HAVING count(*) > 0;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_binding_problems(text, regclass, jsonb) IS
  'why a relation cannot be bound to a role by these columns; no rows when it can';

-- A foreign key needs a permanent table with a unique index on the column alone.
CREATE FUNCTION @extschema@.trainer_can_be_referenced(relation regclass, column_name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_class AS c
    JOIN pg_index AS i ON i.indrelid = c.oid
    WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
      AND i.indkey[0] = (@extschema@.trainer_live_column(relation, column_name)).attnum)
$$;
COMMENT ON FUNCTION @extschema@.trainer_can_be_referenced(regclass, text) IS 'can a foreign key of ours point at the column?';

CREATE FUNCTION @extschema@.trainer_drop_host_foreign_key(name text, from_table text, unless_to regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  from_relation regclass := format('@extschema@.%I', from_table)::regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = from_relation AND conname = name AND contype = 'f'
               AND confrelid IS DISTINCT FROM unless_to) THEN
    EXECUTE format('ALTER TABLE @extschema@.%I DROP CONSTRAINT %I', from_table, name);
  END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_drop_host_foreign_key(text, text, regclass) IS
  'drops a foreign key to the app''s tables, if there is one and it points elsewhere';

-- Makes the foreign keys what the bindings ask for, and notes them there.
CREATE FUNCTION @extschema@.trainer_bind_foreign_keys() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key record;
BEGIN
  FOR key IN
    SELECT host.*, b.relation, b.columns ->> 'id' AS id,
           coalesce(@extschema@.trainer_can_be_referenced(b.relation, b.columns ->> 'id'), false) AS possible
    FROM @extschema@.trainer_host_foreign_keys() AS host LEFT JOIN @extschema@.trainer_bindings AS b USING (role)
  LOOP
    PERFORM @extschema@.trainer_drop_host_foreign_key(key.name, key.from_table, CASE WHEN key.possible THEN key.relation END);
    CONTINUE WHEN NOT key.possible;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = format('@extschema@.%I', key.from_table)::regclass
                     AND conname = key.name) THEN
      EXECUTE format('ALTER TABLE @extschema@.%I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I) ON DELETE %s',
        key.from_table, key.name, key.from_column, @extschema@.trainer_relation_name(key.relation), key.id, key.on_delete);
    END IF;
    UPDATE @extschema@.trainer_bindings SET foreign_keys = foreign_keys || key.name WHERE role = key.role;
  END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_bind_foreign_keys() IS 'makes the foreign keys to the app''s tables what the bindings ask for';

-- A trigger of ours on a table of the app, which DROP EXTENSION takes along.
CREATE FUNCTION @extschema@.trainer_bind_trigger(of_role text, name text, event text, action text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  relation text;
BEGIN
  UPDATE @extschema@.trainer_bindings AS b SET triggers = triggers || name WHERE b.role = of_role
    RETURNING @extschema@.trainer_relation_name(b.relation) INTO relation;
  EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s', name, event, relation, action);
  EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION trainer', name, relation);
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_bind_trigger(text, text, text, text) IS 'makes a trigger on the table that is bound to a role, and notes it there';

CREATE FUNCTION @extschema@.trainer_bind_triggers(generate_replies boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old record;
  bound record;
BEGIN
  -- Whichever table was bound before.
  FOR old IN
    SELECT t.tgname, @extschema@.trainer_relation_name(t.tgrelid) AS relation FROM pg_trigger AS t
    WHERE t.tgfoid IN ('@extschema@.trainer_reply_to_comment()'::regprocedure, '@extschema@.trainer_response_judged()'::regprocedure,
                       '@extschema@.trainer_score_arrived()'::regprocedure)
      AND NOT t.tgisinternal AND t.tgparentid = 0
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', old.tgname, old.relation);
  END LOOP;
  UPDATE @extschema@.trainer_bindings SET triggers = '{}';
  IF generate_replies THEN
    SELECT b.columns ->> 'id' AS id INTO bound FROM @extschema@.trainer_bindings AS b WHERE b.role = 'comments';
    PERFORM @extschema@.trainer_bind_trigger('comments', 'trainer_reply_to_comment', 'INSERT',
      format('FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_reply_to_comment(%L)', bound.id));
  END IF;
  SELECT b.columns INTO bound FROM @extschema@.trainer_bindings AS b WHERE b.role = 'responses' AND b.columns ? 'approval';
  IF FOUND THEN
    PERFORM @extschema@.trainer_bind_trigger('responses', 'trainer_response_judged', format('UPDATE OF %I', bound.columns ->> 'approval'),
      format('FOR EACH ROW WHEN (OLD.%1$I IS DISTINCT FROM NEW.%1$I) EXECUTE FUNCTION @extschema@.trainer_response_judged(%1$L, %2$L, %3$L, %4$L)',
             bound.columns ->> 'approval', bound.columns ->> 'id', bound.columns ->> 'organization_id', bound.columns ->> 'response_text'));
  END IF;
  -- Of a view, and of a table of somebody else, scores that come later are not heard of.
  SELECT b.columns INTO bound FROM @extschema@.trainer_bindings AS b JOIN pg_class AS c ON c.oid = b.relation
    WHERE b.role = 'quality' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_has_role(c.relowner, 'USAGE');
  IF FOUND THEN
    FOR old IN SELECT event FROM unnest(ARRAY['insert', 'update']) AS event LOOP
      PERFORM @extschema@.trainer_bind_trigger('quality', 'trainer_score_arrived_by_' || old.event, old.event,
        format('REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_score_arrived(%L, %L)',
               bound.columns ->> 'response_id', bound.columns ->> 'rqc_score'));
    END LOOP;
  END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_bind_triggers(boolean) IS
  'makes the triggers on the app''s tables what the bindings ask for; generate_replies: and one on its comments that asks for a reply to each new one';

CREATE FUNCTION @extschema@.trainer_attach_relations(given jsonb, mapping jsonb, generate_replies boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  problems text[];
BEGIN
  -- Two at a time would each see half of the other's work.
  LOCK TABLE @extschema@.trainer_bindings IN SHARE ROW EXCLUSIVE MODE;
  problems := ARRAY(
    SELECT * FROM @extschema@.trainer_mapping_problems($2)
    UNION ALL
    SELECT format('%s: no relation of this name in the search path', role)
    FROM unnest(ARRAY['organizations', 'comments', 'responses']) AS role WHERE given ->> role IS NULL
    UNION ALL
    SELECT format('%s: no relation to map the columns of', role)
    FROM unnest(ARRAY['quality', 'persona']) AS role WHERE given ->> role IS NULL AND jsonb_typeof($2 -> role) = 'object'
    UNION ALL
    SELECT found.problem
    FROM unnest(ARRAY['organizations', 'comments', 'responses', 'quality', 'persona']) AS role
    CROSS JOIN LATERAL (SELECT (given ->> role)::oid AS oid) AS relation
    CROSS JOIN LATERAL @extschema@.trainer_binding_problems(
      role, relation.oid, @extschema@.trainer_resolved_columns(role, relation.oid, $2 -> role)) AS found
    WHERE relation.oid IS NOT NULL AND $2 -> role IS DISTINCT FROM 'null'
    UNION ALL
    SELECT format('comments: %s is not a table, and can have no trigger for generate_replies', @extschema@.trainer_relation_name(c.oid))
    FROM pg_class AS c WHERE c.oid = (given ->> 'comments')::oid AND c.relkind NOT IN ('r', 'p', 'f') AND generate_replies
    UNION ALL
    SELECT format('responses: %s is not a table, and can have no trigger for the column approval', @extschema@.trainer_relation_name(c.oid))
    FROM pg_class AS c WHERE c.oid = (given ->> 'responses')::oid AND c.relkind NOT IN ('r', 'p', 'f') AND $2 #> '{responses,approval}' IS NOT NULL);
  IF problems <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'host tables do not fit',
      DETAIL = array_to_string(problems, E'\n'),
      HINT = 'Name other tables or columns, for example trainer_attach(responses => ''app.replies'', '
             'columns => ''{"responses": {"response_text": "body"}, "organizations": {"plan_id": null}}''); '
             'null stands for a column that the app does not have.';
  END IF;

  DELETE FROM @extschema@.trainer_bindings;
  INSERT INTO @extschema@.trainer_bindings (role, relation, columns, attached_by)
    SELECT key, value::oid, @extschema@.trainer_resolved_columns(key, value::oid, $2 -> key), quote_ident(current_user)::regrole
    FROM jsonb_each_text(given) WHERE value IS NOT NULL AND $2 -> key IS DISTINCT FROM 'null';
  PERFORM @extschema@.trainer_bind_foreign_keys();
  PERFORM @extschema@.trainer_bind_triggers(generate_replies);
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_attach_relations(jsonb, jsonb, boolean) IS
  'trainer_attach() once the relations are known: the OID of each role''s relation, or null';

-- Here, and only here, the caller's search path counts: it finds the relations that are not named. The body is bound to our
-- functions when it is created, so that no path can put others in their place.
CREATE FUNCTION @extschema@.trainer_attach(
  organizations regclass DEFAULT NULL, comments regclass DEFAULT NULL, responses regclass DEFAULT NULL,
  quality regclass DEFAULT NULL, persona regclass DEFAULT NULL, columns jsonb DEFAULT '{}',
  generate_replies boolean DEFAULT false)
RETURNS TABLE (role text, relation regclass, columns jsonb, foreign_keys text[], triggers text[])
LANGUAGE sql
BEGIN ATOMIC
  SELECT @extschema@.trainer_attach_relations(
    pg_catalog.jsonb_build_object(
      'organizations', coalesce($1, pg_catalog.to_regclass('organizations'))::pg_catalog.oid,
      'comments', coalesce($2, pg_catalog.to_regclass('comments'))::pg_catalog.oid,
      'responses', coalesce($3, pg_catalog.to_regclass('responses'))::pg_catalog.oid,
      'quality', coalesce($4, pg_catalog.to_regclass('roast_metadata'))::pg_catalog.oid,
      'persona', coalesce($5, pg_catalog.to_regclass('roastr_persona'))::pg_catalog.oid),
    $6, coalesce($7, false));
  SELECT b.role, b.relation, b.columns, b.foreign_keys, b.triggers
  FROM @extschema@.trainer_bindings AS b
  ORDER BY pg_catalog.array_position('{organizations,comments,responses,quality,persona}'::pg_catalog.text[], b.role);
END;
COMMENT ON FUNCTION @extschema@.trainer_attach(regclass, regclass, regclass, regclass, regclass, jsonb, boolean) IS
  'binds the extension to the app''s tables or views; null: the default name, by the search path; generate_replies: each new comment asks for one; changes nothing on error';

CREATE FUNCTION @extschema@.trainer_detach() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  LOCK TABLE @extschema@.trainer_bindings IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM @extschema@.trainer_bindings;
  SELECT @extschema@.trainer_bind_foreign_keys();
  SELECT @extschema@.trainer_bind_triggers();
$$;
COMMENT ON FUNCTION @extschema@.trainer_detach() IS 'undoes trainer_attach(): removes the foreign keys and triggers; data stays';

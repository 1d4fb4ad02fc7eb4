-- Lineage: from a response to the datasets that hold it and the models that learned it, and back.

CREATE FUNCTION @extschema@.trainer_training_began(model @extschema@.custom_models) RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT $1.kind = 'exemplar' OR $1.training_started_at IS NOT NULL OR $1.fine_tuned_model_id IS NOT NULL $$;
COMMENT ON FUNCTION @extschema@.trainer_training_began(@extschema@.custom_models) IS
  'whether a model has learned anything of its dataset, or is about to; an exemplar model has the examples themselves';

-- A parent is older than its children, unless somebody has written otherwise by hand: no model comes twice on its own line.
CREATE FUNCTION @extschema@.trainer_example_lineage(organization_id uuid, response_ids uuid[], comment_id uuid)
RETURNS TABLE (dataset_id uuid, ordinal integer, split text, custom_model_id uuid, version integer, status text, kind text, learned boolean, how text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE example AS (
    SELECT e.organization_id, e.dataset_id, e.ordinal, e.split, e.response_id, e.comment_id
    FROM @extschema@.training_examples AS e
    WHERE (e.response_id = ANY ($2) OR e.comment_id = $3) AND ($1 IS NULL OR e.organization_id = $1)),
  link AS (
    SELECT e.organization_id, e.dataset_id, e.ordinal, m.id,
           CASE WHEN m.kind = 'exemplar' THEN EXISTS (
                  SELECT FROM @extschema@.trainer_exemplars AS x
                  WHERE x.custom_model_id = m.id AND (x.response_id, x.comment_id) IS NOT DISTINCT FROM (e.response_id, e.comment_id))
                ELSE e.split = 'train' AND @extschema@.trainer_training_began(m) END AS learned,
           CASE WHEN e.split = 'validation' THEN 'validated' WHEN m.kind = 'exemplar' THEN 'exemplar' ELSE 'trained' END AS how,
           ARRAY[m.id] AS line
    FROM example AS e
    JOIN @extschema@.custom_models AS m ON m.organization_id = e.organization_id AND m.training_dataset_id = e.dataset_id
    UNION ALL
    SELECT l.organization_id, l.dataset_id, l.ordinal, child.id, l.learned AND @extschema@.trainer_training_began(child), 'inherited', l.line || child.id
    FROM link AS l
    JOIN @extschema@.custom_models AS child ON child.organization_id = l.organization_id AND child.parent_model_id = l.id
    WHERE l.how IN ('trained', 'inherited') AND child.id <> ALL (l.line))
  SELECT e.dataset_id, e.ordinal, e.split, m.id, m.version, m.status::text, m.kind, coalesce(l.learned, false), l.how
  FROM example AS e
  LEFT JOIN link AS l ON l.organization_id = e.organization_id AND l.dataset_id = e.dataset_id AND l.ordinal = e.ordinal
  LEFT JOIN @extschema@.custom_models AS m ON m.id = l.id
  ORDER BY m.version, e.dataset_id, e.ordinal
$$;
COMMENT ON FUNCTION @extschema@.trainer_example_lineage(uuid, uuid[], uuid) IS
  'trainer_lineage() of several responses, and of all examples of a comment; organization_id: of this organization alone';

CREATE FUNCTION @extschema@.trainer_lineage(response_id uuid)
RETURNS TABLE (dataset_id uuid, ordinal integer, split text, custom_model_id uuid, version integer, status text, kind text, learned boolean, how text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM @extschema@.trainer_example_lineage(NULL, ARRAY[$1], NULL) $$;
COMMENT ON FUNCTION @extschema@.trainer_lineage(uuid) IS
  'every dataset that holds a response, and every model that was trained from it or from a model that was; learned: it is part of what the model knows';

CREATE FUNCTION @extschema@.trainer_learned_responses(custom_model_id uuid)
RETURNS TABLE (response_id uuid, comment_id uuid, dataset_id uuid, ordinal integer, split text, inherited_from uuid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM @extschema@.custom_models AS m WHERE m.id = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'custom model % does not exist', coalesce($1::text, 'NULL') USING ERRCODE = 'no_data_found';
  END IF;
  RETURN QUERY
    WITH RECURSIVE ancestor AS (
      SELECT m.organization_id, m.id, m.parent_model_id, m.training_dataset_id, ARRAY[m.id] AS line
      FROM @extschema@.custom_models AS m WHERE m.id = $1 AND @extschema@.trainer_training_began(m)
      UNION ALL
      SELECT m.organization_id, m.id, m.parent_model_id, m.training_dataset_id, a.line || m.id
      FROM ancestor AS a
      JOIN @extschema@.custom_models AS m ON m.organization_id = a.organization_id AND m.id = a.parent_model_id
      WHERE m.id <> ALL (a.line))
    SELECT e.response_id, e.comment_id, e.dataset_id, e.ordinal, e.split, nullif(a.id, $1)
    FROM ancestor AS a
    JOIN @extschema@.training_examples AS e ON e.organization_id = a.organization_id AND e.dataset_id = a.training_dataset_id
    -- What a parent was only measured with, it has not passed on.
    WHERE a.id = $1 OR e.split = 'train'
    ORDER BY cardinality(a.line), e.ordinal;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_learned_responses(uuid) IS
  'the examples that a model was trained from and measured with (split), and those that the models before it were trained from (inherited_from)';

-- Reference roasts: comments and replies collected by hand, which the base model is shown.

-- The organization's own and everybody's: exact, then containing, then the most similar by trigrams; at most `most` of them, the best first. Texts
-- are compared by their first 1,000 characters (trainer_reference_roasts.match_text).
CREATE FUNCTION @extschema@.trainer_reference_matches(comment text, category text, organization_id uuid, most integer)
RETURNS TABLE (id uuid, comment text, roast text, place integer, similarity real)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH said AS (SELECT lower(left($1, 1000)) AS text),
  asked AS (SELECT text, replace(replace(replace(text, '\', '\\'), '%', '\%'), '_', '\_') AS pattern FROM said),
  near AS (
    (SELECT r.id, r.comment, r.roast, r.match_text FROM @extschema@.trainer_reference_roasts AS r, asked
     WHERE md5(r.match_text) = md5(asked.text)
       AND (r.organization_id IS NULL OR r.organization_id = $3) AND ($2 IS NULL OR r.category = $2) LIMIT $4)
    UNION
    (SELECT r.id, r.comment, r.roast, r.match_text FROM @extschema@.trainer_reference_roasts AS r, asked
     WHERE r.match_text LIKE '%' || asked.pattern || '%' AND length(asked.text) >= 3
       AND (r.organization_id IS NULL OR r.organization_id = $3) AND ($2 IS NULL OR r.category = $2) LIMIT $4)
    UNION
    (SELECT r.id, r.comment, r.roast, r.match_text FROM @extschema@.trainer_reference_roasts AS r
     WHERE (r.organization_id IS NULL OR r.organization_id = $3) AND ($2 IS NULL OR r.category = $2)
     ORDER BY @extschema@.trainer_text_distance(r.match_text, lower(left($1, 1000))) LIMIT $4 + 20))
  SELECT n.id, n.comment, n.roast, p.place, p.similarity
  FROM near AS n, asked,
    LATERAL (SELECT CASE WHEN n.match_text = asked.text THEN 1
                         WHEN strpos(n.match_text, asked.text) > 0 AND asked.text <> '' OR strpos(asked.text, n.match_text) > 0 THEN 2
                         ELSE 3 END AS place,
                    @extschema@.trainer_similarity(n.match_text, asked.text) AS similarity) AS p
  WHERE p.place < 3 OR p.similarity >= 0.15
  ORDER BY p.place, p.similarity DESC, n.id
  LIMIT $4
$$;
COMMENT ON FUNCTION @extschema@.trainer_reference_matches(text, text, uuid, integer) IS
  'the reference roasts that fit a comment best: place 1 equal, 2 one contains the other, 3 similar';

-- Where a random uuid falls among the ids, so that no table is read as a whole. random() can be seeded by setseed().
CREATE FUNCTION @extschema@.trainer_random_reference(category text, organization_id uuid) RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH dice AS MATERIALIZED (
    SELECT (lpad(to_hex((random() * 4294967295)::bigint), 8, '0') || '-0000-0000-0000-000000000000')::uuid AS at)
  SELECT coalesce(
    (SELECT r.roast FROM @extschema@.trainer_reference_roasts AS r
     WHERE r.id >= (SELECT at FROM dice) AND (r.organization_id IS NULL OR r.organization_id = $2) AND ($1 IS NULL OR r.category = $1)
     ORDER BY r.id LIMIT 1),
    (SELECT r.roast FROM @extschema@.trainer_reference_roasts AS r
     WHERE r.id < (SELECT at FROM dice) AND (r.organization_id IS NULL OR r.organization_id = $2) AND ($1 IS NULL OR r.category = $1)
     ORDER BY r.id LIMIT 1))
$$;
COMMENT ON FUNCTION @extschema@.trainer_random_reference(text, uuid) IS 'any reference roast of the category';

CREATE FUNCTION @extschema@.trainer_reference_roast(comment text DEFAULT NULL, category text DEFAULT NULL, organization_id uuid DEFAULT NULL) RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(
    (SELECT m.roast FROM @extschema@.trainer_reference_matches($1, $2, $3, 1) AS m WHERE $1 IS NOT NULL),
    @extschema@.trainer_random_reference($2, $3))
$$;
COMMENT ON FUNCTION @extschema@.trainer_reference_roast(text, text, uuid) IS
  'the reference roast that fits the comment best, or a random one; of everybody''s, and the organization''s own when it is named';

CREATE FUNCTION @extschema@.trainer_add_reference_roast(comment text, roast text, category text DEFAULT NULL, organization_id uuid DEFAULT NULL)
RETURNS @extschema@.trainer_reference_roasts
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  added @extschema@.trainer_reference_roasts;
BEGIN
  IF coalesce(btrim(roast), '') = '' THEN
    RAISE EXCEPTION 'a reference roast needs a text' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO @extschema@.trainer_reference_roasts (organization_id, category, comment, roast)
    VALUES ($4, nullif(btrim($3), ''), nullif(btrim($1), ''), btrim($2))
    ON CONFLICT DO NOTHING RETURNING * INTO added;
  IF added.id IS NULL THEN
    SELECT * INTO added FROM @extschema@.trainer_reference_roasts AS r
      WHERE @extschema@.trainer_reference_key(r.organization_id, r.category, r.comment, r.roast)
            = @extschema@.trainer_reference_key($4, nullif(btrim($3), ''), nullif(btrim($1), ''), btrim($2));
  END IF;
  RETURN added;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_reference_roast(text, text, text, uuid) IS
  'adds an example of how to reply, for everybody or for one organization; one that is there already is returned';

CREATE FUNCTION @extschema@.trainer_load_reference_roasts(csv text, organization_id uuid DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_load_reference_roasts(text, uuid) IS
  'loads reference roasts from CSV with a header of comment,roast[,category] or category,text; how many are new';

CREATE FUNCTION @extschema@.trainer_import_reference_roasts(file_path text, organization_id uuid DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_import_reference_roasts(text, uuid) IS
  'the same from a file of the server, for members of pg_read_server_files';

CREATE FUNCTION @extschema@.trainer_reference_stats() RETURNS TABLE (category text, organization_id uuid, roasts bigint, with_comment bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT r.category, r.organization_id, count(*), count(r.comment) FROM @extschema@.trainer_reference_roasts AS r
  GROUP BY 1, 2 ORDER BY 1, 2
$$;
COMMENT ON FUNCTION @extschema@.trainer_reference_stats() IS 'how many reference roasts there are, by category and organization';

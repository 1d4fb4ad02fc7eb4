-- What feedback adds up to: exact at every read, whoever writes (12_feedback_tables.sql tells how).

-- organization_id null: of all. By transactions from $2 on and before $3 (null: without end); since: rows alone, by their time.
CREATE FUNCTION @extschema@.trainer_tally_feedback(organization_id uuid, from_xid xid8, before_xid xid8, since timestamptz)
RETURNS SETOF @extschema@.trainer_feedback_totals
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
  -- First by what can be said, so that few sums are made of each row.
  RETURN QUERY
    SELECT g.organization_id, g.custom_model_id, sum(g.feedback)::bigint,
           coalesce(sum(g.feedback) FILTER (WHERE g.feedback_type = 'approved'), 0)::bigint,
           coalesce(sum(g.feedback) FILTER (WHERE g.feedback_type = 'rejected'), 0)::bigint,
           coalesce(sum(g.feedback) FILTER (WHERE g.feedback_type = 'edited'), 0)::bigint,
           coalesce(sum(g.feedback) FILTER (WHERE g.feedback_type = 'regenerated'), 0)::bigint,
           ARRAY[coalesce(sum(g.feedback) FILTER (WHERE g.rating = 1), 0)::bigint, coalesce(sum(g.feedback) FILTER (WHERE g.rating = 2), 0)::bigint,
                 coalesce(sum(g.feedback) FILTER (WHERE g.rating = 3), 0)::bigint, coalesce(sum(g.feedback) FILTER (WHERE g.rating = 4), 0)::bigint,
                 coalesce(sum(g.feedback) FILTER (WHERE g.rating = 5), 0)::bigint],
           sum(g.qualities)::bigint, coalesce(sum(g.quality), 0),
           coalesce(sum(g.feedback) FILTER (WHERE g.tone_match IS NOT NULL), 0)::bigint, coalesce(sum(g.feedback) FILTER (WHERE g.tone_match), 0)::bigint,
           sum(g.humors)::bigint, coalesce(sum(g.humor), 0), sum(g.distances)::bigint, coalesce(sum(g.distance), 0)
    FROM (SELECT e.organization_id, e.custom_model_id, e.feedback_type, e.rating, e.tone_match, e.n * count(*) AS feedback,
                 e.n * count(e.quality_score) AS qualities, e.n * sum(e.quality_score) AS quality,
                 e.n * count(e.humor_effectiveness) AS humors, e.n * sum(e.humor_effectiveness) AS humor,
                 e.n * count(e.edit_distance) AS distances, e.n * sum(e.edit_distance::double precision) AS distance
          FROM (SELECT 1 AS n, f.organization_id, f.custom_model_id, f.feedback_type::text, f.rating, f.quality_score, f.tone_match, f.humor_effectiveness,
                       f.edit_distance
                FROM @extschema@.model_feedback AS f
                WHERE ($1 IS NULL OR f.organization_id = $1) AND f.xid >= $2 AND ($3 IS NULL OR f.xid < $3) AND ($4 IS NULL OR f.created_at >= $4)
                UNION ALL
                SELECT s.n, c.organization_id, c.custom_model_id, c.feedback_type, c.rating, c.quality_score, c.tone_match, c.humor_effectiveness,
                       c.edit_distance
                FROM @extschema@.trainer_feedback_changes AS c CROSS JOIN LATERAL (VALUES (1, c.came), (-1, c.went)) AS s (n, xid)
                WHERE ($1 IS NULL OR c.organization_id = $1) AND s.xid >= $2 AND ($3 IS NULL OR s.xid < $3) AND $4 IS NULL) AS e
          GROUP BY e.n, e.organization_id, e.custom_model_id, e.feedback_type, e.rating, e.tone_match) AS g
    GROUP BY g.organization_id, g.custom_model_id;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_tally_feedback(uuid, xid8, xid8, timestamptz) IS
  'feedback of a range of transactions, added up by model';

CREATE FUNCTION @extschema@.trainer_add_up_feedback(parts @extschema@.trainer_feedback_totals[]) RETURNS SETOF @extschema@.trainer_feedback_totals
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p.organization_id, p.custom_model_id, sum(p.feedback)::bigint, sum(p.approved)::bigint, sum(p.rejected)::bigint, sum(p.edited)::bigint,
         sum(p.regenerated)::bigint,
         ARRAY[sum(p.stars[1])::bigint, sum(p.stars[2])::bigint, sum(p.stars[3])::bigint, sum(p.stars[4])::bigint, sum(p.stars[5])::bigint],
         sum(p.qualities)::bigint, sum(p.quality), sum(p.tones)::bigint, sum(p.tone_matches)::bigint, sum(p.humors)::bigint, sum(p.humor),
         sum(p.distances)::bigint, sum(p.distance)
  FROM unnest(parts) AS p GROUP BY p.organization_id, p.custom_model_id HAVING sum(p.feedback) > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_add_up_feedback(@extschema@.trainer_feedback_totals[]) IS 'one row a model of several';

CREATE FUNCTION @extschema@.trainer_count_feedback(organization_id uuid) RETURNS SETOF @extschema@.trainer_feedback_totals
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.* FROM @extschema@.trainer_add_up_feedback(ARRAY(
    SELECT t FROM @extschema@.trainer_feedback_totals AS t WHERE t.organization_id = $1
    UNION ALL
    SELECT t FROM @extschema@.trainer_feedback_rollup AS r, @extschema@.trainer_tally_feedback($1, r.watermark, NULL, NULL) AS t)) AS a
$$;
COMMENT ON FUNCTION @extschema@.trainer_count_feedback(uuid) IS 'an organization''s feedback by model, as it is at this moment';

CREATE FUNCTION @extschema@.trainer_feedback_summary(organization_id uuid, since timestamptz DEFAULT NULL)
RETURNS TABLE (custom_model_id uuid, model_name text, version integer, feedback bigint, approved bigint, rejected bigint, edited bigint, regenerated bigint,
  approval_rate numeric, mean_rating numeric, stars bigint[], mean_quality numeric, tone_match_rate numeric, mean_humor numeric, mean_edit_distance numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.custom_model_id, m.name::text, m.version, f.feedback, f.approved, f.rejected, f.edited, f.regenerated, round(f.approved::numeric / f.feedback, 4),
         (SELECT round(sum(s.n * s.star) / nullif(sum(s.n), 0), 2) FROM unnest(f.stars) WITH ORDINALITY AS s (n, star)), f.stars,
         round(f.quality / nullif(f.qualities, 0), 4), round(f.tone_matches::numeric / nullif(f.tones, 0), 4), round(f.humor / nullif(f.humors, 0), 4),
         round((f.distance / nullif(f.distances, 0))::numeric, 4)
  FROM (SELECT * FROM @extschema@.trainer_count_feedback($1) WHERE $2 IS NULL
        UNION ALL SELECT * FROM @extschema@.trainer_tally_feedback($1, '0', NULL, $2) WHERE $2 IS NOT NULL) AS f
  LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = f.organization_id AND m.id = f.custom_model_id
  ORDER BY m.version NULLS FIRST
$$;
COMMENT ON FUNCTION @extschema@.trainer_feedback_summary(uuid, timestamptz) IS
  'what an organization''s feedback says of each model: counts by type, approval rate, mean rating, how many of one to five stars; null: the base model';

-- The watermark and what lies below it are of one snapshot: of a transaction before pg_snapshot_xmin() everything is visible, or nothing ever will be.
-- Later statements see the same of it, since all of those have ended, and nobody else adds up meanwhile.
CREATE FUNCTION @extschema@.trainer_roll_up_feedback(OUT moved boolean, OUT waits boolean)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  mark xid8;
  final xid8;
  fresh @extschema@.trainer_feedback_totals[];
  model record;
BEGIN
  -- One at a time. Where there is nothing to do nothing is written, and no transaction begun.
  LOCK TABLE @extschema@.trainer_feedback_rollup IN SHARE ROW EXCLUSIVE MODE;
  -- A TRUNCATE under way is waited for here, before there is a snapshot that still has what it takes away.
  LOCK TABLE @extschema@.model_feedback IN ACCESS SHARE MODE;
  SELECT r.watermark, s.xmin, ARRAY(SELECT t::@extschema@.trainer_feedback_totals FROM @extschema@.trainer_tally_feedback(NULL, r.watermark, s.xmin, NULL) AS t)
    INTO mark, final, fresh
    FROM @extschema@.trainer_feedback_rollup AS r, (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin OFFSET 0) AS s;
  moved := coalesce(final > mark AND fresh <> '{}', false);
  IF moved THEN
    WITH gone AS (
      DELETE FROM @extschema@.trainer_feedback_totals AS t USING unnest(fresh) AS f
      WHERE t.organization_id = f.organization_id AND t.custom_model_id IS NOT DISTINCT FROM f.custom_model_id RETURNING t AS row)
    INSERT INTO @extschema@.trainer_feedback_totals
    SELECT a.* FROM @extschema@.trainer_add_up_feedback(fresh || ARRAY(SELECT gone.row FROM gone)) AS a;
    DELETE FROM @extschema@.trainer_feedback_changes AS c WHERE c.went < final;
    UPDATE @extschema@.trainer_feedback_rollup AS r SET watermark = final;
    mark := final;
  END IF;

  -- Of the models that something has been said of lately, and of all that is known by now.
  FOR model IN
    SELECT c.custom_model_id AS id, round(c.approved::numeric / c.feedback, 2) AS approval, round(c.quality / nullif(c.qualities, 0), 2) AS quality, c.feedback
    FROM (SELECT t.organization_id, array_agg(t.custom_model_id) AS models
          FROM (SELECT f.* FROM unnest(fresh) AS f UNION ALL SELECT f.* FROM @extschema@.trainer_tally_feedback(NULL, mark, NULL, NULL) AS f) AS t
          GROUP BY 1) AS lately
    CROSS JOIN LATERAL @extschema@.trainer_count_feedback(lately.organization_id) AS c
    WHERE c.custom_model_id = ANY (lately.models)
  LOOP
    UPDATE @extschema@.custom_models AS m SET user_approval_rate = model.approval, quality_score = model.quality
      WHERE m.id = model.id AND (m.user_approval_rate, m.quality_score) IS DISTINCT FROM (model.approval, model.quality);
    PERFORM @extschema@.trainer_note_retraining(model.id, model.feedback);
  END LOOP;
  SELECT EXISTS (SELECT FROM @extschema@.model_feedback AS f WHERE f.xid >= r.watermark)
         OR EXISTS (SELECT FROM @extschema@.trainer_feedback_changes AS c WHERE c.went >= r.watermark)
    INTO waits FROM @extschema@.trainer_feedback_rollup AS r;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_roll_up_feedback() IS
  'adds up the feedback that is final, writes the rates to the models, and notes which are to be trained anew; whether there was any, and whether some is not final yet; run by the worker';

CREATE FUNCTION @extschema@.trainer_keep_feedback_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- An older transaction may change what a younger one said: it is taken back no sooner than it was said, or the sums below a watermark could say less
  -- than nothing.
  INSERT INTO @extschema@.trainer_feedback_changes
    VALUES (OLD.organization_id, OLD.custom_model_id, OLD.feedback_type, OLD.rating, OLD.quality_score, OLD.tone_match, OLD.humor_effectiveness,
            OLD.edit_distance, OLD.xid, greatest(OLD.xid, pg_current_xact_id()));
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_feedback_change() IS 'keeps what a row of feedback said that is changed or deleted, for the counts';

CREATE FUNCTION @extschema@.trainer_forget_feedback() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM @extschema@.trainer_feedback_totals;
  DELETE FROM @extschema@.trainer_feedback_changes;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_forget_feedback() IS 'the counts of a table of feedback that has been emptied';

-- The half of a foreign key that is not kept where feedback is written (src/pg/feedback.cpp). What is being written is waited for, and what comes after
-- finds no model; but an organization that goes takes its feedback along, and who waits for its row must not be waited for.
CREATE FUNCTION @extschema@.trainer_keep_judged_model() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  goes_along boolean := false;
  judged uuid;
BEGIN
  IF TG_OP = 'DELETE' THEN
    BEGIN
      EXECUTE (SELECT format('SELECT NOT EXISTS (SELECT FROM %s AS o WHERE o.%I = $1)', @extschema@.trainer_relation_name(b.relation), b.columns ->> 'id')
               FROM @extschema@.trainer_bindings AS b WHERE b.role = 'organizations') INTO goes_along USING OLD.organization_id;
    EXCEPTION WHEN insufficient_privilege OR null_value_not_allowed THEN
      NULL;  -- not ours to read, or not bound
    END;
    IF NOT goes_along THEN
      LOCK TABLE @extschema@.model_feedback IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    SELECT f.custom_model_id INTO judged FROM @extschema@.model_feedback AS f WHERE f.organization_id = OLD.organization_id AND f.custom_model_id = OLD.id LIMIT 1;
  ELSE
    SELECT f.custom_model_id INTO judged FROM @extschema@.model_feedback AS f WHERE f.custom_model_id IS NOT NULL LIMIT 1;
  END IF;
  IF judged IS NOT NULL THEN
    RAISE EXCEPTION 'cannot delete a model that there is feedback on'
      USING ERRCODE = 'foreign_key_violation', DETAIL = format('Model %s is still referenced from table "model_feedback".', judged);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_judged_model() IS 'refuses to delete or truncate models that there is feedback on';

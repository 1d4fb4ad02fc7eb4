-- Budgets: what counts to them, who may take from them, and what is given back. 19_budget_tables.sql tells where the money is written down.

CREATE FUNCTION @extschema@.trainer_period_start(period text, at timestamptz DEFAULT now()) RETURNS timestamptz
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE period WHEN 'total' THEN '-infinity'::timestamptz ELSE date_trunc(period, at, 'UTC') END $$;
COMMENT ON FUNCTION @extschema@.trainer_period_start(text, timestamptz) IS 'when the period of a budget began: day, week, month or total; in UTC';

-- In one snapshot, the caller's. The plan depends on how little there is above the watermark.
CREATE FUNCTION @extschema@.trainer_spent(organization_id uuid, scope text, since timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  mark xid8 := (SELECT m.watermark FROM @extschema@.trainer_spending_mark AS m);
BEGIN
  RETURN (
    SELECT coalesce(sum(s.cents), 0) FROM (
      SELECT t.cents FROM @extschema@.trainer_spending AS t
      WHERE t.organization_id = $1 AND ($2 = 'all' OR t.kind = $2) AND t.day >= ($3 AT TIME ZONE 'UTC')::date
      UNION ALL
      SELECT l.amount_cents FROM @extschema@.trainer_ledger AS l
      WHERE l.organization_id = $1 AND ($2 = 'all' OR l.kind = $2) AND l.xid >= mark AND l.counts_at >= $3
      UNION ALL
      SELECT g.cost_cents FROM @extschema@.trainer_generations AS g
      WHERE g.organization_id = $1 AND $2 IN ('all', 'inference') AND g.xid >= mark AND g.created_at >= $3 AND NOT g.reserved) AS s);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_spent(uuid, text, timestamptz) IS
  'what an organization has spent and reserved since then, in US cents; scope: training, inference or all';

-- A row comes with its transaction: a dump's, or another server's, is added up here as one of this one.
CREATE FUNCTION @extschema@.trainer_stamp_transaction() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.xid := pg_current_xact_id();
  RETURN NEW;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_stamp_transaction() IS 'the transaction of a row is the one that writes it, whatever the row says';

CREATE FUNCTION @extschema@.trainer_keep_ledger() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  organizations text;
  is_left boolean;
BEGIN
  -- An organization that goes takes its rows along, by the foreign key's own trigger.
  IF TG_OP = 'DELETE' AND pg_trigger_depth() > 1 THEN
    RETURN OLD;
  END IF;
  -- So do all of them at once, of which nothing is left by now.
  IF TG_OP = 'TRUNCATE' THEN
    SELECT @extschema@.trainer_relation_name(b.relation) INTO organizations FROM @extschema@.trainer_bindings AS b WHERE b.role = 'organizations';
    IF organizations IS NOT NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %s)', organizations) INTO is_left;
      IF NOT is_left THEN
        DELETE FROM @extschema@.trainer_spending;
        RETURN NULL;
      END IF;
    END IF;
  END IF;
  RAISE EXCEPTION 'cannot change what is in the ledger'
    USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Rows of trainer_ledger are only ever added.',
          HINT = 'Correct a row by another one.';
END $$;
COMMENT ON FUNCTION @extschema@.trainer_keep_ledger() IS 'refuses to change, delete or truncate what is in the ledger; an organization that is deleted takes its rows along';

CREATE FUNCTION @extschema@.trainer_hold(organization_id uuid, kind text, cents numeric) RETURNS void
LANGUAGE c VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_hold(uuid, text, numeric) IS
  'keeps so much of the organization''s budgets from others until the transaction ends, by when its row is there; TR005 when a budget does not have it';

-- Asked with a snapshot that was taken after the others' amounts in flight were read: whoever has committed between counts twice rather than not at all.
CREATE FUNCTION @extschema@.trainer_budget_obstacle(organization_id uuid, kind text, cents numeric, training bigint, inference bigint)
RETURNS TABLE (micro_cents bigint, scope text, period text, left_text text, limit_text text, asked_text text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT ceil($3 * 1000000)::bigint, o.scope, o.period, trim_scale(greatest(o.left_cents, 0))::text, trim_scale(o.limit_cents)::text, trim_scale($3)::text
  FROM (VALUES (1)) AS one
  LEFT JOIN LATERAL (
    SELECT b.scope, b.period, b.limit_cents, b.limit_cents - @extschema@.trainer_spent($1, b.scope, @extschema@.trainer_period_start(b.period))
             - CASE b.scope WHEN 'training' THEN $4 WHEN 'inference' THEN $5 ELSE $4 + $5 END / 1000000.0 AS left_cents
    FROM @extschema@.trainer_budgets AS b WHERE b.organization_id = $1 AND b.scope IN ($2, 'all')) AS o ON o.left_cents < $3
  ORDER BY o.left_cents LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@.trainer_budget_obstacle(uuid, text, numeric, bigint, bigint) IS
  'the amount in millionths of a cent, and the budget that does not have it, if one does not; training, inference: what other transactions hold, in millionths of a cent';

-- As it is committed at this moment, whatever the transaction's snapshot shows.
CREATE FUNCTION @extschema@.trainer_has_budget(organization_id uuid, kind text) RETURNS boolean
LANGUAGE c VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_has_budget(uuid, text) IS 'is there a budget that this kind of spending (training, inference) counts to?';

-- Each of the models may be asked, one after the other, and be paid for: an answer that the provider's filter holds back costs, too.
CREATE FUNCTION @extschema@.trainer_most_cents(models text[], messages text[], max_tokens integer) RETURNS numeric
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked record;
  cents numeric;
  total numeric := 0;
BEGIN
  FOR asked IN SELECT * FROM unnest(models, messages) AS u (model, messages) LOOP
    -- Where the encoding is not known: no text has more tokens than bytes.
    cents := @extschema@.trainer_inference_cost_cents(asked.model,
      CASE WHEN @extschema@.trainer_model_encoding(asked.model) IS NULL THEN octet_length(convert_to(asked.messages, 'UTF8'))
           ELSE @extschema@.trainer_example_tokens(asked.messages, asked.model) END::integer, NULL, max_tokens);
    IF cents IS NULL THEN
      RAISE EXCEPTION 'no price is known for replies of model "%"', asked.model
        USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The organization has a budget, and what a reply can cost is taken from it first.',
              HINT = 'Add a row for it to trainer_pricing.';
    END IF;
    total := total + cents;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_most_cents(text[], text[], integer) IS
  'the most that a reply can cost when each of the models is asked these messages, in US cents; an error for one without a price';

CREATE FUNCTION @extschema@.trainer_reserve_requests(organization_id uuid, request_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT @extschema@.trainer_has_budget($1, 'inference') THEN
    RETURN;
  END IF;
  UPDATE @extschema@.trainer_generation_requests AS q
    SET reserved_cents = (SELECT @extschema@.trainer_most_cents(array_agg(r.asked ->> 'model'), array_agg((r.asked -> 'messages')::text), q.max_tokens)
                          FROM json_array_elements(q.rungs) AS r (asked))
    WHERE q.organization_id = $1 AND q.id = ANY ($2);
  PERFORM @extschema@.trainer_hold($1, 'inference', (
    SELECT sum(q.reserved_cents) FROM @extschema@.trainer_generation_requests AS q WHERE q.organization_id = $1 AND q.id = ANY ($2)));
  INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, request_id, counts_at)
    SELECT q.organization_id, 'inference', 'reserved', q.reserved_cents, q.id, q.created_at
    FROM @extschema@.trainer_generation_requests AS q WHERE q.organization_id = $1 AND q.id = ANY ($2);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_reserve_requests(uuid, uuid[]) IS
  'reserves the most that replies in the background can cost, where the organization has a budget; TR005 when it does not have so much left';

CREATE FUNCTION @extschema@.trainer_settle_request() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- One of unknown cost has cost what was reserved.
  IF NEW.spent_cents <> OLD.reserved_cents THEN
    INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, request_id, counts_at)
      VALUES (OLD.organization_id, 'inference', CASE NEW.spent_cents WHEN 0 THEN 'released' ELSE 'settled' END,
              NEW.spent_cents - OLD.reserved_cents, OLD.id, OLD.created_at);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_settle_request() IS 'gives back what was reserved for a reply in the background and is not needed, once no model will be asked any more';

-- Only where our foreign key would take the row along, so that a plain table is read, and none of the app's code runs.
CREATE FUNCTION @extschema@.trainer_goes_with_organization(organization_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  organizations record;
  is_there boolean;
BEGIN
  SELECT c.confrelid, a.attname INTO organizations FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = c.confkey[1]
    WHERE c.conrelid = '@extschema@.trainer_ledger'::regclass AND c.conname = 'trainer_ledger_host_organization_fkey';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s AS o WHERE o.%I = $1)', organizations.confrelid::regclass, organizations.attname) INTO is_there USING organization_id;
  RETURN NOT is_there;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_goes_with_organization(uuid) IS 'is a row that is being deleted deleted along with its organization? Asked with the rights of the owner of our tables';

CREATE FUNCTION @extschema@.trainer_keep_spending() RETURNS trigger
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_keep_spending() IS
  'of rows that are deleted: what they cost goes on to count, and what was reserved for them and cannot be spent any more is given back';

CREATE FUNCTION @extschema@.trainer_reserve_training(model @extschema@.custom_models) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  cents numeric;
BEGIN
  IF NOT @extschema@.trainer_has_budget(model.organization_id, 'training') THEN
    RETURN;
  END IF;
  -- Of a model that is trained on, the price is its own base's.
  SELECT @extschema@.trainer_training_cost_cents(model.base_model, e.billable_tokens) INTO cents
    FROM @extschema@.trainer_estimate_training_cost(model.training_dataset_id) AS e;
  IF cents IS NULL THEN
    RAISE EXCEPTION 'no price is known for training model "%"', model.base_model
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The organization has a budget, and what the training will cost is taken from it first.',
            HINT = 'Add a row for it to trainer_pricing.';
  END IF;
  PERFORM @extschema@.trainer_hold(model.organization_id, 'training', cents);
  INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, custom_model_id)
    VALUES (model.organization_id, 'training', 'reserved', cents, model.id);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_reserve_training(@extschema@.custom_models) IS
  'reserves what a training is estimated to cost, where the organization has a budget; TR005 when it does not have so much left';

-- Trainings are few: they are written down also where there is no budget yet. One that succeeded without a known cost keeps what was reserved.
CREATE FUNCTION @extschema@.trainer_settle_training() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  booked numeric;
  since timestamptz;
  cost numeric;
BEGIN
  SELECT coalesce(sum(l.amount_cents), 0), coalesce(min(l.counts_at), now()) INTO booked, since
    FROM @extschema@.trainer_ledger AS l WHERE l.organization_id = NEW.organization_id AND l.custom_model_id = NEW.id;
  cost := coalesce(NEW.training_cost_cents, CASE WHEN NEW.status IN ('failed', 'cancelled') THEN 0 ELSE booked END);
  IF cost <> booked THEN
    INSERT INTO @extschema@.trainer_ledger (organization_id, kind, entry, amount_cents, custom_model_id, counts_at)
      VALUES (NEW.organization_id, 'training', CASE cost WHEN 0 THEN 'released' ELSE 'settled' END, cost - booked, NEW.id, since);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_settle_training() IS 'settles what was reserved for a training to what it cost, or gives it back, when it has ended';

CREATE FUNCTION @extschema@.trainer_warn_of_budgets(organization_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  near record;
BEGIN
  FOR near IN
    SELECT b.*, p.start, s.used FROM @extschema@.trainer_budgets AS b
    CROSS JOIN LATERAL (SELECT @extschema@.trainer_period_start(b.period) AS start) AS p
    CROSS JOIN LATERAL (SELECT @extschema@.trainer_spent(b.organization_id, b.scope, p.start) AS used) AS s
    WHERE b.organization_id = ANY ($1) AND b.warned_for IS DISTINCT FROM p.start AND b.limit_cents > 0 AND s.used >= 0.9 * b.limit_cents
    ORDER BY b.organization_id, b.scope, b.period
  LOOP
    UPDATE @extschema@.trainer_budgets AS b SET warned_for = near.start
      WHERE b.organization_id = near.organization_id AND b.scope = near.scope AND b.period = near.period AND b.limit_cents = near.limit_cents
        AND b.warned_for IS DISTINCT FROM near.start;
    IF FOUND THEN
      PERFORM @extschema@.trainer_log_event(near.organization_id, NULL, 'budget_warning',
        jsonb_build_object('scope', near.scope, 'period', near.period, 'limit_cents', near.limit_cents, 'used_cents', trim_scale(near.used)));
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_warn_of_budgets(uuid[]) IS
  'writes an event budget_warning for each budget of the organizations of which nine tenths are spent or reserved, once a period';

-- Below the oldest transaction that is under way nothing can appear any more. Where there is nothing to add nothing is written.
CREATE FUNCTION @extschema@.trainer_sum_up_spending() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old xid8;
  mark xid8;
  organizations uuid[];
BEGIN
  LOCK TABLE @extschema@.trainer_spending_mark IN SHARE ROW EXCLUSIVE MODE;
  SELECT m.watermark INTO old FROM @extschema@.trainer_spending_mark AS m;
  mark := pg_snapshot_xmin(pg_current_snapshot());
  WITH fresh AS MATERIALIZED (
    SELECT r.organization_id, r.kind, (r.counts_at AT TIME ZONE 'UTC')::date AS day, sum(r.cents) AS cents FROM (
      SELECT l.organization_id, l.kind, l.counts_at, l.amount_cents AS cents FROM @extschema@.trainer_ledger AS l WHERE l.xid >= old AND l.xid < mark
      UNION ALL
      -- Those that cost nothing here, too: nobody is to read them again.
      SELECT g.organization_id, 'inference', g.created_at, CASE WHEN NOT g.reserved THEN g.cost_cents END FROM @extschema@.trainer_generations AS g
      WHERE g.xid >= old AND g.xid < mark) AS r
    GROUP BY 1, 2, 3),
  added AS (
    INSERT INTO @extschema@.trainer_spending AS t SELECT f.* FROM fresh AS f WHERE f.cents <> 0
    ON CONFLICT (organization_id, kind, day) DO UPDATE SET cents = t.cents + excluded.cents)
  SELECT array_agg(DISTINCT f.organization_id) INTO organizations FROM fresh AS f;
  IF organizations IS NULL THEN
    RETURN;
  END IF;
  UPDATE @extschema@.trainer_spending_mark AS m SET watermark = mark;
  PERFORM @extschema@.trainer_warn_of_budgets(organizations);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_sum_up_spending() IS 'adds up by day what is final of what was spent, and warns of budgets that are nearly spent; run by the worker';

CREATE FUNCTION @extschema@.trainer_set_budget(organization_id uuid, scope text, limit_cents numeric, period text DEFAULT 'month')
RETURNS @extschema@.trainer_budgets
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  budget @extschema@.trainer_budgets;
BEGIN
  IF organization_id IS NULL THEN
    RAISE EXCEPTION 'organization_id must not be null' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF (scope IN ('training', 'inference', 'all')) IS NOT TRUE THEN
    RAISE EXCEPTION 'scope % is not known', coalesce(quote_literal(scope), 'NULL')
      USING ERRCODE = 'invalid_parameter_value', HINT = 'The scopes are training, inference and all.';
  END IF;
  IF (period IN ('day', 'week', 'month', 'total')) IS NOT TRUE THEN
    RAISE EXCEPTION 'period % is not known', coalesce(quote_literal(period), 'NULL')
      USING ERRCODE = 'invalid_parameter_value', HINT = 'The periods are day, week, month and total.';
  END IF;
  IF limit_cents < 0 OR limit_cents >= 'Infinity' THEN
    RAISE EXCEPTION 'limit is out of range'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'A limit is a number of US cents, 0 or more; null removes the budget.';
  END IF;
  IF limit_cents IS NULL THEN
    DELETE FROM @extschema@.trainer_budgets AS b WHERE b.organization_id = $1 AND b.scope = $2 AND b.period = $4 RETURNING b.* INTO budget;
    RETURN budget;
  END IF;
  INSERT INTO @extschema@.trainer_budgets AS b (organization_id, scope, period, limit_cents) VALUES ($1, $2, $4, $3)
    ON CONFLICT ON CONSTRAINT trainer_budgets_pkey DO UPDATE SET limit_cents = excluded.limit_cents, updated_at = now(),
      warned_for = CASE WHEN b.limit_cents = excluded.limit_cents THEN b.warned_for END;
  PERFORM @extschema@.trainer_warn_of_budgets(ARRAY[$1]);
  SELECT b.* INTO budget FROM @extschema@.trainer_budgets AS b WHERE b.organization_id = $1 AND b.scope = $2 AND b.period = $4;
  RETURN budget;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_set_budget(uuid, text, numeric, text) IS
  'what an organization may spend in a day, week, month or in total, on training, inference or all, in US cents; null: as much as it likes';

CREATE FUNCTION @extschema@.trainer_check_ledger()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH wrong AS (
    SELECT format('training %s: %s of %s', m.id, l.booked, c.cost) AS what
    FROM (SELECT x.organization_id, x.custom_model_id AS id, sum(x.amount_cents) AS booked FROM @extschema@.trainer_ledger AS x
          WHERE x.custom_model_id IS NOT NULL GROUP BY 1, 2) AS l
    JOIN @extschema@.custom_models AS m ON m.organization_id = l.organization_id AND m.id = l.id
    CROSS JOIN LATERAL (SELECT CASE WHEN m.status NOT IN ('evaluating', 'succeeded', 'deployed', 'retired', 'failed', 'cancelled') THEN NULL
                                    WHEN m.status IN ('failed', 'cancelled') THEN coalesce(m.training_cost_cents, 0)
                                    ELSE m.training_cost_cents END AS cost) AS c
    WHERE l.booked <> c.cost
    UNION ALL
    SELECT format('request %s: %s of %s', q.id, l.booked, c.cost)
    FROM (SELECT x.organization_id, x.request_id AS id, sum(x.amount_cents) AS booked FROM @extschema@.trainer_ledger AS x
          WHERE x.request_id IS NOT NULL GROUP BY 1, 2) AS l
    JOIN @extschema@.trainer_generation_requests AS q ON q.organization_id = l.organization_id AND q.id = l.id
    CROSS JOIN LATERAL (SELECT CASE WHEN q.state IN ('ready', 'sending') THEN q.reserved_cents ELSE coalesce(q.spent_cents, q.reserved_cents) END AS cost) AS c
    WHERE l.booked <> c.cost
    UNION ALL
    SELECT format('sums of %s of organization %s: %s of %s', kind, organization_id, coalesce(s.cents, 0), coalesce(l.cents, 0))
    FROM (SELECT x.organization_id, x.kind, sum(x.cents) AS cents FROM (
            SELECT r.organization_id, r.kind, r.amount_cents, r.xid FROM @extschema@.trainer_ledger AS r
            UNION ALL
            SELECT g.organization_id, 'inference', g.cost_cents, g.xid FROM @extschema@.trainer_generations AS g WHERE NOT g.reserved) AS x (organization_id, kind, cents, xid)
          WHERE x.xid < (SELECT m.watermark FROM @extschema@.trainer_spending_mark AS m) GROUP BY 1, 2) AS l
    LEFT JOIN (SELECT t.organization_id, t.kind, sum(t.cents) AS cents FROM @extschema@.trainer_spending AS t GROUP BY 1, 2) AS s USING (organization_id, kind)
    WHERE coalesce(s.cents, 0) <> coalesce(l.cents, 0))
  SELECT 'ledger', count(*) = 0,
         CASE WHEN count(*) = 0 THEN 'the ledger adds up to what trainings and replies have cost'
              ELSE format('the ledger does not add up (%s): %s', count(*), (array_agg(w.what ORDER BY w.what))[1]) END,
         CASE WHEN bool_or(w.what LIKE 'sums%') THEN 'They are added up anew after DELETE FROM trainer_spending; UPDATE trainer_spending_mark SET watermark = ''0''.'
              WHEN count(*) > 0 THEN 'A row of trainer_ledger with the difference puts it right.' END
  FROM wrong AS w
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_ledger() IS 'the row of trainer_check() about the ledger: of each training and request its rows add up to the cost';

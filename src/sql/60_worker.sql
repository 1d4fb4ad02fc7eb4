-- The worker, seen and steered from SQL.

CREATE FUNCTION @extschema@.trainer_worker_slot(
  OUT preloaded boolean, OUT launcher boolean, OUT pid integer, OUT heartbeat timestamptz, OUT in_flight integer,
  OUT answered_at timestamptz, OUT last_error text, OUT last_error_at timestamptz)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_worker_slot() IS 'what shared memory says of this database''s worker';

CREATE FUNCTION @extschema@.trainer_library_version() RETURNS text
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_library_version() IS
  'the version of the library; the worker waits while the extension''s is another';

CREATE FUNCTION @extschema@.trainer_probe_provider() RETURNS text
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_probe_provider() IS
  'asks the provider for its models, with the server''s key; null when it answers, else what is wrong';

CREATE FUNCTION @extschema@.trainer_worker_status(
  OUT running boolean, OUT paused boolean, OUT paused_reason text, OUT heartbeat timestamptz, OUT in_flight integer,
  OUT due bigint, OUT last_error text, OUT pid integer)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  slot record;
BEGIN
  SELECT * INTO slot FROM @extschema@.trainer_worker_slot();
  running := slot.pid IS NOT NULL;
  pid := slot.pid;
  heartbeat := date_trunc('second', slot.heartbeat);
  in_flight := coalesce(slot.in_flight, 0);
  last_error := @extschema@.trainer_fit(to_char(slot.last_error_at, 'YYYY-MM-DD HH24:MI:SS: ') || slot.last_error, 20);
  SELECT i.paused, @extschema@.trainer_fit(i.paused_reason, 18) INTO paused, paused_reason FROM @extschema@.trainer_installation i;
  paused := coalesce(paused, false);
  SELECT (SELECT count(*) FROM @extschema@.trainer_operations o
            WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking') AND o.due_at <= now())
       + (SELECT count(*) FROM @extschema@.trainer_generation_requests q
            WHERE q.state IN ('ready', 'sending', 'writing') AND q.due_at <= now()) INTO due;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_worker_status() IS
  'whether this database''s worker runs, and what it has to do, for people; for programs there are trainer_worker_slot() and trainer_installation';

CREATE FUNCTION @extschema@.trainer_pause_worker(reason text DEFAULT 'paused by hand') RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Not by ON CONFLICT: an insert beside a row is what a restored dump does.
  LOCK TABLE @extschema@.trainer_installation IN SHARE ROW EXCLUSIVE MODE;
  UPDATE @extschema@.trainer_installation i SET paused = true, paused_reason = coalesce(i.paused_reason, reason);
  IF NOT FOUND THEN
    INSERT INTO @extschema@.trainer_installation (paused, paused_reason) VALUES (true, reason);
  END IF;
  PERFORM @extschema@.trainer_wake_worker();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_pause_worker(text) IS
  'keeps the worker from starting anything new; what is under way is finished';

CREATE FUNCTION @extschema@.trainer_resume_worker() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Also the word of a person that this copy, and no other, is the one that works from now on.
  UPDATE @extschema@.trainer_installation SET paused = false, paused_reason = NULL,
    system_identifier = (SELECT c.system_identifier FROM pg_control_system() c),
    database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
    instance_name = current_setting('trainer.instance_name', true);
  PERFORM @extschema@.trainer_wake_worker();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_resume_worker() IS
  'lets the worker go on; of a copied database it says that this copy is the one that works';

CREATE FUNCTION @extschema@.trainer_examine()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  slot record;
  status record;
  problem text;
BEGIN
  SELECT * INTO slot FROM @extschema@.trainer_worker_slot();
  SELECT * INTO status FROM @extschema@.trainer_worker_status();
  RETURN QUERY SELECT 'preload', slot.preloaded,
    CASE WHEN slot.preloaded THEN 'the library is preloaded' ELSE 'the library is not preloaded, so there is no worker' END,
    CASE WHEN NOT slot.preloaded THEN 'Add trainer to shared_preload_libraries and restart the server.' END;
  RETURN QUERY SELECT 'version', v.agree,
    CASE WHEN v.agree THEN format('extension and library are version %s', v.library)
         ELSE format('the extension is version %s, its library version %s, and the worker waits', v.extension, v.library) END,
    CASE WHEN NOT v.agree THEN 'Run ALTER EXTENSION trainer UPDATE; where the library is the older of the two, install the newer one '
         'and restart the server.' END
    FROM (SELECT e.extversion AS extension, l.library, e.extversion = l.library AS agree
          FROM pg_extension e, @extschema@.trainer_library_version() AS l (library) WHERE e.extname = 'trainer') v;
  -- It turns every 10 s at the least.
  RETURN QUERY SELECT 'worker', status.running AND NOT w.hangs,
    CASE WHEN NOT status.running THEN 'no worker runs for this database'
         ELSE format('pid %s, heartbeat %s', status.pid, status.heartbeat) || CASE WHEN w.hangs THEN ', more than a minute ago' ELSE '' END END,
    CASE WHEN NOT status.running THEN 'See trainer.databases, trainer.max_workers, max_worker_processes and the server''s log.'
         WHEN w.hangs THEN 'See in pg_stat_activity what it waits for. pg_terminate_backend() ends it, and another one goes on.' END
    FROM (SELECT coalesce(status.heartbeat < clock_timestamp() - interval '1 minute', false) AS hangs) AS w;
  RETURN QUERY SELECT 'not paused', NOT status.paused, coalesce(status.paused_reason, 'the worker may work'),
    CASE WHEN status.paused THEN 'trainer_resume_worker() lets it go on.' END;
  problem := @extschema@.trainer_probe_provider();
  RETURN QUERY SELECT 'provider', problem IS NULL, coalesce(problem, 'the provider answers, and takes the key'),
    CASE WHEN problem IS NOT NULL THEN 'See trainer.api_key_file and trainer.api_base.' END;
  -- Whoever may create objects there can put one of his own in the way of ours.
  RETURN QUERY SELECT 'schema', m.makers IS NULL,
    CASE WHEN m.makers IS NULL THEN format('only the extension''s owner may create objects in schema %I', m.nspname)
         ELSE format('objects in schema %I, where the extension lives, may be created by %s', m.nspname, m.makers) END,
    CASE WHEN m.makers IS NOT NULL
         THEN format('Run REVOKE CREATE ON SCHEMA %I FROM whoever is named; of a schema that is theirs, ALTER SCHEMA %1$I OWNER TO another.',
                     m.nspname) END
    FROM (SELECT n.nspname, CASE WHEN has_schema_privilege('public', n.oid, 'CREATE') THEN 'everybody'
                                 ELSE (SELECT string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FROM pg_roles r
                                       WHERE NOT r.rolsuper AND r.oid <> e.extowner AND r.rolname <> 'pg_database_owner'
                                         AND has_schema_privilege(r.oid, n.oid, 'CREATE')) END AS makers
          FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'trainer') m;
  RETURN QUERY SELECT * FROM @extschema@.trainer_check_webhooks();
  RETURN QUERY SELECT * FROM @extschema@.trainer_check_binding();
  RETURN QUERY SELECT * FROM @extschema@.trainer_check_grants();
  RETURN QUERY SELECT * FROM @extschema@.trainer_check_ledger();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_examine() IS 'what trainer_check() says, on one line each';

CREATE FUNCTION @extschema@.trainer_check()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT e.check_name, e.ok, @extschema@.trainer_fit(e.detail, 44), @extschema@.trainer_fit(e.hint, 44) FROM @extschema@.trainer_examine() AS e
$$;
COMMENT ON FUNCTION @extschema@.trainer_check() IS 'the doctor: what is set up, what is not, and what to do about it';

-- Replies in the background: asked for in a session, which makes the prompts with its own rights; answered for by the worker, and written
-- into the app's table as the role that asked (src/pg/replies.cpp).

CREATE FUNCTION @extschema@.trainer_response_statement() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
BEGIN
  -- It runs under a search path that others have a say in: every name has its schema.
  RETURN format('INSERT INTO %s (%I, %I, %I, %I, %I) VALUES ($1, $2, $3, $4, pg_catalog.now())', b #>> '{responses,relation}',
    b #>> '{responses,columns,id}', b #>> '{responses,columns,organization_id}', b #>> '{responses,columns,comment_id}',
    b #>> '{responses,columns,response_text}', b #>> '{responses,columns,created_at}');
END $$;
COMMENT ON FUNCTION @extschema@.trainer_response_statement() IS
  'the statement that writes a reply into the app''s table: id, organization, comment, text; TR008 when that is not bound or no longer fits';

-- As process_settings() of the server does it: of the role in this database, of the role, of the database.
CREATE FUNCTION @extschema@.trainer_role_search_path(role oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce((
    SELECT substr(setting, length('search_path=') + 1)
    FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
    WHERE setting LIKE 'search\_path=%' AND s.setrole IN ($1, 0)
      AND s.setdatabase IN ((SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()), 0)
    ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), '"$user", public')
$$;
COMMENT ON FUNCTION @extschema@.trainer_role_search_path(oid) IS
  'the search path that ALTER ROLE or ALTER DATABASE gives a role here, else the server''s default';

CREATE FUNCTION @extschema@.trainer_request_options(
  options jsonb, OUT response_id uuid, OUT rung text, OUT temperature double precision, OUT max_tokens integer)
RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  SELECT o.response_id, o.rung INTO response_id, rung
    FROM @extschema@.trainer_generation_options(
      CASE jsonb_typeof(options) WHEN 'object' THEN options - '{temperature,max_tokens}'::text[] ELSE options END) AS o;
  temperature := coalesce((options ->> 'temperature')::double precision, 0.8);
  max_tokens := coalesce((options ->> 'max_tokens')::integer, 200);
EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range THEN
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "temperature" or "max_tokens" is not a number',
    HINT = 'The options are response_id, rung, temperature (0 to 2) and max_tokens (1 to 16384).';
END $$;
COMMENT ON FUNCTION @extschema@.trainer_request_options(jsonb) IS 'the options of trainer_request_generation(), checked';

CREATE FUNCTION @extschema@.trainer_request_generation(comment_id uuid, options jsonb DEFAULT '{}') RETURNS uuid
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_request_generation(uuid, jsonb) IS
  'a reply in the background: once the transaction commits, the worker has it made and writes it into the app''s responses, in the name of who asks here; the request''s id';

CREATE FUNCTION @extschema@.trainer_reply_to_comment() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  comment_id text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
  PERFORM @extschema@.trainer_request_generation(comment_id::uuid);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  -- The comment is worth more than its reply.
  RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('no reply was asked for to comment %s: %s', comment_id, SQLERRM);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_reply_to_comment() IS
  'asks for a reply to each new comment (trainer_attach(generate_replies => true)), with the rights of whoever writes the comment';

\echo Use "CREATE EXTENSION trainer" to load this file. \quit

-- Nothing here is granted to PUBLIC. Tables get row-level security when they are made, functions lose PUBLIC's EXECUTE at the
-- end of the script (90_privileges.sql).

-- The schema may be one in which somebody has put functions and operators of his own: no name without a schema is looked for there, and
-- what is bound in constraints and views is the server's. CREATE EXTENSION puts the setting back.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

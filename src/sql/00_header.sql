\echo Use "CREATE EXTENSION trainer" to load this file. \quit

-- Nothing here is granted to PUBLIC. Tables get row-level security when they are made, functions lose PUBLIC's EXECUTE at the
-- end of the script (90_privileges.sql).

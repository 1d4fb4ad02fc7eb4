-- Last of the script: nothing of ours is left to PUBLIC, whatever the server or ALTER DEFAULT PRIVILEGES gave it. In an upgrade that
-- is what is new: the privileges of an older object, which have been recorded, are its owner's affair by now, and to touch them would
-- write what he has granted into the initial ones, so that a dump would leave it out.
DO $$
DECLARE
  object record;
BEGIN
  FOR object IN
    SELECT d.classid, p.oid::pg_catalog.regprocedure AS routine, c.oid::pg_catalog.regclass AS relation, c.relkind
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'trainer'
    LEFT JOIN pg_catalog.pg_proc AS p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
    LEFT JOIN pg_catalog.pg_class AS c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
    WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
      AND (p.oid IS NOT NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'S'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i WHERE i.classoid = d.classid AND i.objoid = d.objid)
  LOOP
    IF object.routine IS NOT NULL THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', object.routine);
    ELSIF object.relkind = 'S' THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC', object.relation);
    ELSE
      EXECUTE pg_catalog.format('REVOKE ALL ON TABLE %s FROM PUBLIC', object.relation);
    END IF;
  END LOOP;
END $$;

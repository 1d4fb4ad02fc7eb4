-- Triggers of experiments on our own tables.

-- Sessions keep the test that runs, with what serves. What the worker notes of it is in ab_test_metrics, of which nobody is told.
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ab_tests
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.ab_tests ENABLE ALWAYS TRIGGER trainer_tell_sessions;

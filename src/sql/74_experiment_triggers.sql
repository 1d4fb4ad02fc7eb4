-- Triggers of experiments on our own tables.

-- Sessions keep the test that runs, with what serves. What the worker notes of it is in ab_test_metrics, of which nobody is told.
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ab_tests
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.ab_tests ENABLE ALWAYS TRIGGER trainer_tell_sessions;
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR DELETE ON @extschema@.trainer_rollouts
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
-- The worker writes down what it sees at each look: only a step is news.
CREATE TRIGGER trainer_tell_sessions_of_change AFTER UPDATE ON @extschema@.trainer_rollouts
  FOR EACH ROW WHEN ((OLD.state, OLD.step, OLD.steps, OLD.salt, OLD.unit, OLD.custom_model_id, OLD.former_model_id)
    IS DISTINCT FROM (NEW.state, NEW.step, NEW.steps, NEW.salt, NEW.unit, NEW.custom_model_id, NEW.former_model_id))
  EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.trainer_rollouts ENABLE ALWAYS TRIGGER trainer_tell_sessions;
ALTER TABLE @extschema@.trainer_rollouts ENABLE ALWAYS TRIGGER trainer_tell_sessions_of_change;

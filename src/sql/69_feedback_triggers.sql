-- Triggers of feedback and retraining on our own tables.

-- Who adds a trigger that changes a row after this one, by the order of their names, has to keep the rules there. By row and always: a subscription to
-- another database brings that one's transactions along. Without WHEN, whose text every statement copies, an INSERT too.
CREATE TRIGGER trainer_complete_feedback BEFORE INSERT OR UPDATE ON @extschema@.model_feedback
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_complete_feedback();
-- What the same transaction has said and changed has never been said.
CREATE TRIGGER trainer_keep_feedback_change AFTER UPDATE ON @extschema@.model_feedback
  FOR EACH ROW WHEN (OLD.xid IS DISTINCT FROM NEW.xid)
  EXECUTE FUNCTION @extschema@.trainer_keep_feedback_change();
CREATE TRIGGER trainer_keep_feedback_loss AFTER DELETE ON @extschema@.model_feedback
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_feedback_change();
CREATE TRIGGER trainer_forget_feedback AFTER TRUNCATE ON @extschema@.model_feedback
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_forget_feedback();
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_complete_feedback;
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_keep_feedback_change;
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_keep_feedback_loss;
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_forget_feedback;
CREATE TRIGGER trainer_response_linked AFTER UPDATE OF response_id ON @extschema@.trainer_generations
  FOR EACH ROW WHEN (NEW.response_id IS NOT NULL AND OLD.response_id IS DISTINCT FROM NEW.response_id)
  EXECUTE FUNCTION @extschema@.trainer_response_linked();
CREATE TRIGGER trainer_retrained AFTER UPDATE OF status ON @extschema@.custom_models
  FOR EACH ROW WHEN (NEW.status IN ('succeeded', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION @extschema@.trainer_retrained();
CREATE TRIGGER trainer_keep_judged_model AFTER DELETE ON @extschema@.custom_models
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_judged_model();
CREATE TRIGGER trainer_keep_judged_models AFTER TRUNCATE ON @extschema@.custom_models
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_judged_model();

-- Triggers of feedback and retraining on our own tables.

-- By row and always: a subscription to another database brings that one's transactions along.
CREATE TRIGGER trainer_complete_feedback BEFORE INSERT ON @extschema@.model_feedback
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_complete_feedback();
CREATE TRIGGER trainer_complete_feedback_change BEFORE UPDATE ON @extschema@.model_feedback
  FOR EACH ROW WHEN ((OLD.organization_id, OLD.custom_model_id, OLD.response_id, OLD.feedback_type, OLD.edited_roast, OLD.rating, OLD.quality_score, OLD.tone_match,
                      OLD.humor_effectiveness, OLD.edit_distance, OLD.xid)
    IS DISTINCT FROM (NEW.organization_id, NEW.custom_model_id, NEW.response_id, NEW.feedback_type, NEW.edited_roast, NEW.rating, NEW.quality_score, NEW.tone_match,
                      NEW.humor_effectiveness, NEW.edit_distance, NEW.xid))
  EXECUTE FUNCTION @extschema@.trainer_complete_feedback();
-- What the same transaction has said and changed has never been said.
CREATE TRIGGER trainer_keep_feedback_change AFTER UPDATE ON @extschema@.model_feedback
  FOR EACH ROW WHEN (OLD.xid IS DISTINCT FROM NEW.xid)
  EXECUTE FUNCTION @extschema@.trainer_keep_feedback_change();
CREATE TRIGGER trainer_keep_feedback_loss AFTER DELETE ON @extschema@.model_feedback
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_feedback_change();
CREATE TRIGGER trainer_forget_feedback AFTER TRUNCATE ON @extschema@.model_feedback
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_forget_feedback();
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_complete_feedback;
ALTER TABLE @extschema@.model_feedback ENABLE ALWAYS TRIGGER trainer_complete_feedback_change;
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

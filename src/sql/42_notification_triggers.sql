-- A restored message is another database's: its own worker has sent it, or will.
CREATE TRIGGER trainer_meet_operation BEFORE INSERT ON @extschema@.trainer_webhook_deliveries
  FOR EACH ROW WHEN (NEW.created_at OPERATOR(pg_catalog.<>) pg_catalog.now())
  EXECUTE FUNCTION @extschema@.trainer_meet_operation();
ALTER TABLE @extschema@.trainer_webhook_deliveries ENABLE ALWAYS TRIGGER trainer_meet_operation;
-- Enabled again, too: a message may have been written while the webhook was being disabled.
CREATE TRIGGER trainer_cancel_messages AFTER UPDATE OF enabled ON @extschema@.trainer_webhooks
  FOR EACH ROW WHEN (OLD.enabled <> NEW.enabled)
  EXECUTE FUNCTION @extschema@.trainer_cancel_messages();

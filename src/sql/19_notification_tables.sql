-- Notifications: events that somebody should hear of, also who was away when they happened; and the webhooks that are told.

-- A notification carries the organization along.
ALTER TABLE @extschema@.trainer_event_log ADD CONSTRAINT trainer_event_log_of_organization UNIQUE (organization_id, id);

CREATE TABLE @extschema@.trainer_notifications (
  id bigint PRIMARY KEY,
  organization_id uuid NOT NULL,
  payload jsonb NOT NULL,
  acknowledged_at timestamptz,
  FOREIGN KEY (organization_id, id) REFERENCES @extschema@.trainer_event_log (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_notifications (organization_id, id);
CREATE INDEX trainer_notifications_new ON @extschema@.trainer_notifications (organization_id, id) WHERE acknowledged_at IS NULL;
COMMENT ON TABLE @extschema@.trainer_notifications IS 'what an organization should hear of: one row for each event whose kind is in trainer_notification_kinds()';
COMMENT ON COLUMN @extschema@.trainer_notifications.id IS 'of the event, which NOTIFY trainer names';
COMMENT ON COLUMN @extschema@.trainer_notifications.payload IS 'kind, event, at, organization_id, model (id, name, version; null: none), message (a sentence) and detail (the figures)';
COMMENT ON COLUMN @extschema@.trainer_notifications.acknowledged_at IS 'when somebody has said that it has been heard; null: not yet';

CREATE TABLE @extschema@.trainer_webhooks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid,
  url text NOT NULL CHECK (char_length(url) BETWEEN 1 AND 1024),
  kinds text[],
  enabled boolean NOT NULL DEFAULT true,
  disabled_because text,
  free_at timestamptz NOT NULL DEFAULT now(),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX trainer_webhooks_once ON @extschema@.trainer_webhooks ((coalesce(organization_id, '00000000-0000-0000-0000-000000000000')));
CREATE INDEX ON @extschema@.trainer_webhooks (organization_id);
CREATE INDEX trainer_webhooks_turn ON @extschema@.trainer_webhooks (free_at) WHERE enabled;
COMMENT ON TABLE @extschema@.trainer_webhooks IS 'where notifications are sent, written by trainer_set_webhook(): at most one URL an organization';
COMMENT ON COLUMN @extschema@.trainer_webhooks.organization_id IS 'null: of every organization that has none of its own';
COMMENT ON COLUMN @extschema@.trainer_webhooks.kinds IS 'null: all';
COMMENT ON COLUMN @extschema@.trainer_webhooks.free_at IS 'when the next message may be sent: one at a time, and none while the endpoint does not answer';
COMMENT ON COLUMN @extschema@.trainer_webhooks.failures IS 'tries in a row that were not answered';

-- The worker's alone: it says nothing of what an organization has or does.
CREATE TABLE @extschema@.trainer_webhook_deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  notification_id bigint NOT NULL UNIQUE REFERENCES @extschema@.trainer_notifications ON DELETE CASCADE,
  webhook_id uuid NOT NULL REFERENCES @extschema@.trainer_webhooks ON DELETE CASCADE,
  state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'sending', 'delivered', 'failed', 'cancelled')),
  due_at timestamptz NOT NULL DEFAULT now(),
  attempt integer NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0,
  last_http_status integer,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX ON @extschema@.trainer_webhook_deliveries (webhook_id);
CREATE INDEX trainer_webhook_deliveries_due ON @extschema@.trainer_webhook_deliveries (webhook_id, due_at)
  WHERE state IN ('ready', 'sending');
COMMENT ON TABLE @extschema@.trainer_webhook_deliveries IS 'notifications on their way to a webhook, and what came of it';
COMMENT ON COLUMN @extschema@.trainer_webhook_deliveries.id IS 'the webhook-id of the message, the same at every try';
COMMENT ON COLUMN @extschema@.trainer_webhook_deliveries.state IS
  'ready and sending: on its way; delivered; failed: refused for good or given up; cancelled: its webhook was disabled meanwhile';
COMMENT ON COLUMN @extschema@.trainer_webhook_deliveries.due_at IS 'when it is next sent: of a claimed one the end of its lease';
COMMENT ON COLUMN @extschema@.trainer_webhook_deliveries.epoch IS 'the incarnation of the worker that claimed it';

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['trainer_notifications', 'trainer_webhooks', 'trainer_webhook_deliveries'] LOOP
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', table_name);
    PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('@extschema@.%I', table_name)::pg_catalog.regclass, '');
  END LOOP;
END $$;

-- Notifications: which events become some, in which words, who reads and acknowledges them, and which webhook they are for.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('m' || n)::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 3) AS n;
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id)
SELECT model(n), org(n), 'Model ' || n, 4, 'gpt-4o', 'succeeded', 'ft:' || n FROM generate_series(1, 3) AS n;

-- A kind on the list, one that is not, and one of no model.
SELECT trainer_log_event(org(1), model(1), 'training_failed', '{"code": "bad", "message": "too {code} of {model}", "provider_job_id": null}');
SELECT trainer_log_event(org(1), model(1), 'training_requested', '{"examples": 5}');
SELECT trainer_log_event(org(2), NULL, 'drift', '{"stream": "input_length", "statistic": 3.5}');
SELECT n.id = e.id AS of_the_event, e.kind, n.payload - '{at,event}'::text[] AS payload, n.acknowledged_at
FROM trainer_event_log AS e LEFT JOIN trainer_notifications AS n USING (organization_id, id) ORDER BY e.id;
SELECT bool_and((payload ->> 'event')::bigint = id AND (payload ->> 'at')::timestamptz <= now()) AS told FROM trainer_notifications;

-- The kinds, and each sentence with its facts filled in.
SELECT kind, trainer_notification_sentence(sentence, '{"model": "M", "message": "m", "code": "c", "reason": "r", "decision": "d", "stream": "s"}') FROM trainer_notification_kinds();
SELECT trainer_notification_sentence('{a}{b} and {c', '{"a": "{b}", "b": 1}') AS once, trainer_notification_sentence('', '{}') AS nothing;

-- What is done to a model by functions tells of itself.
UPDATE custom_models SET verified_at = now() WHERE id = model(3);
SELECT (trainer_deploy_model(model(3))).status;
SELECT trainer_rollback_model(org(3), 'I say so') IS NULL AS base_serves;
SELECT payload ->> 'message' AS message FROM trainer_notifications WHERE organization_id = org(3) ORDER BY id;

-- Acknowledged one by one, each once; an app its own alone.
SELECT array_agg(id ORDER BY id) AS ids, min(id) AS first FROM trainer_notifications \gset
SELECT trainer_acknowledge_notification(:first) AS new, trainer_acknowledge_notification(VARIADIC :'ids') AS rest, trainer_acknowledge_notification(-1, NULL) AS none;
SELECT count(*) FROM trainer_notifications WHERE acknowledged_at IS NULL;
UPDATE trainer_notifications SET acknowledged_at = NULL;
CREATE ROLE trainer_regress_app;
SELECT count(*) FROM trainer_grant('trainer_regress_app', 'app');
SET trainer.organization_id = '00000000-0000-0000-0000-000000000003';
SET ROLE trainer_regress_app;
SELECT payload ->> 'kind' AS kind FROM trainer_notifications ORDER BY id;
SELECT trainer_acknowledge_notification(VARIADIC :'ids');
UPDATE trainer_notifications SET payload = '{}';
DELETE FROM trainer_notifications;
SELECT count(*) FROM trainer_webhooks;
SELECT count(*) FROM trainer_webhook_deliveries;
SELECT trainer_set_webhook('https://hooks.example.com/');
RESET ROLE;
RESET trainer.organization_id;
SELECT organization_id = org(3) AS of_the_app, acknowledged_at IS NOT NULL AS heard, count(*) FROM trainer_notifications GROUP BY 1, 2 ORDER BY 1, 2;
SELECT trainer_revoke('trainer_regress_app');
DROP ROLE trainer_regress_app;

-- Where they may be sent says a superuser, in the server's configuration: here nowhere.
SHOW trainer.webhook_allowed_hosts;
SELECT trainer_set_webhook('https://hooks.example.com/trainer');
\echo :SQLSTATE
SELECT trainer_set_webhook('http://hooks.example.com/');
SELECT trainer_set_webhook('https://user@hooks.example.com/');
SELECT trainer_set_webhook('file:///etc/passwd');
SELECT trainer_set_webhook(NULL);
SET trainer.webhook_allowed_hosts = 'hooks.example.com';
ALTER SYSTEM SET trainer.webhook_allowed_hosts = 'hooks.example.com/path';
ALTER SYSTEM SET trainer.webhook_allowed_hosts = 'http://hooks.example.com';
ALTER SYSTEM SET trainer.webhook_secret_file = 'whsec_this_is_no_file';

-- One webhook an organization, and one for all others; kinds, disabled ones.
INSERT INTO trainer_webhooks (organization_id, url, kinds, enabled) VALUES (NULL, 'https://all.example/', '{drift,model_deployed}', true), (org(1), 'https://one.example/', NULL, true), (org(2), 'https://two.example/', NULL, false);
INSERT INTO trainer_webhooks (url) VALUES ('https://another.example/');
\echo :SQLSTATE
INSERT INTO trainer_webhooks (organization_id, url) VALUES (org(9), 'https://nobody.example/');
\echo :SQLSTATE
SELECT trainer_log_event(org(n), model(n), kind, '{}') FROM generate_series(1, 3) AS n, unnest('{drift,model_rolled_back,training_requested}'::text[]) AS kind;
SELECT right(n.organization_id::text, 1) AS org, n.payload ->> 'kind' AS kind, w.url, d.state, d.attempt
FROM trainer_webhook_deliveries AS d JOIN trainer_notifications AS n ON n.id = d.notification_id JOIN trainer_webhooks AS w ON w.id = d.webhook_id ORDER BY n.id;
SELECT ok, regexp_replace(detail, 'organization \S+', 'organization ...', 'g') AS detail FROM trainer_check_webhooks();

-- Disabled, also while it sends, a webhook cancels what it has yet to send; enabled again, it does not send it, and waits for nothing.
UPDATE trainer_webhook_deliveries SET state = 'delivered', finished_at = now() WHERE id = (SELECT id FROM trainer_webhook_deliveries ORDER BY notification_id LIMIT 1);
UPDATE trainer_webhook_deliveries SET state = 'sending' WHERE state = 'ready' AND webhook_id = (SELECT id FROM trainer_webhooks WHERE organization_id = org(1));
UPDATE trainer_webhooks SET free_at = now() + interval '1 hour', failures = 3 WHERE organization_id = org(1);
UPDATE trainer_webhooks SET enabled = false WHERE organization_id = org(1);
UPDATE trainer_webhooks SET enabled = true WHERE organization_id = org(1);
SELECT enabled, free_at <= now() AS may_send, failures FROM trainer_webhooks WHERE organization_id = org(1);
SELECT w.url, d.state, d.last_error, d.finished_at IS NOT NULL AS finished FROM trainer_webhook_deliveries AS d JOIN trainer_webhooks AS w ON w.id = d.webhook_id ORDER BY d.notification_id;
SELECT labels ->> 'result' AS result, value FROM trainer_metrics WHERE name = 'trainer_webhook_messages_total' ORDER BY 1;

-- What goes takes the rest along: a webhook its messages, an event its notification, an organization its webhook.
DELETE FROM trainer_webhooks WHERE organization_id IS NULL;
DELETE FROM trainer_event_log WHERE kind = 'drift';
SELECT n.payload ->> 'kind' AS kind, count(d.id) AS messages FROM trainer_notifications AS n LEFT JOIN trainer_webhook_deliveries AS d ON d.notification_id = n.id GROUP BY 1 ORDER BY 1;
DELETE FROM organizations WHERE id = org(2);
SELECT url FROM trainer_webhooks;
SELECT count(*) FROM trainer_erase(org(1));
-- A counter does not go down.
SELECT labels ->> 'result' AS result, value FROM trainer_metrics WHERE name = 'trainer_webhook_messages_total' ORDER BY 1;
SELECT (SELECT count(*) FROM trainer_webhooks) AS webhooks, (SELECT count(*) FROM trainer_notifications WHERE organization_id = org(1)) AS notifications, (SELECT count(*) FROM trainer_webhook_deliveries) AS messages;

-- A message that another database has made pauses the worker.
SELECT count(*) FROM trainer_installation WHERE paused;
INSERT INTO trainer_webhooks (url) VALUES ('https://all.example/');
INSERT INTO trainer_webhook_deliveries (notification_id, webhook_id, created_at) SELECT n.id, w.id, '2026-01-01' FROM trainer_notifications AS n, trainer_webhooks AS w ORDER BY n.id LIMIT 1;
SELECT paused_reason FROM trainer_installation WHERE paused;

DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses CASCADE;
DROP FUNCTION org, model;

-- Replies on every rung of the ladder: from the model that was trained, from its dataset's examples, and from the base model with
-- reference examples; then one in the background.

-- One exemplar model is enough to see it; it is made of the first dataset that a model was trained from.
SELECT count(*) AS exemplar_models FROM custom_models WHERE kind = 'exemplar' \gset
SELECT :exemplar_models = 0 AS is_first \gset
\if :is_first
SELECT name AS made FROM trainer_make_exemplar_model(
  (SELECT training_dataset_id FROM custom_models WHERE is_active AND kind = 'fine_tuned' ORDER BY created_at LIMIT 1)) \gset
\endif

SELECT organization_id FROM custom_models WHERE kind = 'exemplar' \gset

\echo 'Replies to comments, on each rung:'
SELECT rung, reason, prompt_tokens + completion_tokens AS tokens, round(cost_cents, 4) AS cost_cents, response_time_ms AS ms,
       left(translate(asked.text, E'\n', ' '), 32) AS comment, left(translate(response_text, E'\n', ' '), 48) AS reply
FROM (SELECT id, original_text AS text FROM comments WHERE organization_id = :'organization_id' ORDER BY created_at DESC, id LIMIT 2) AS asked
CROSS JOIN unnest('{fine_tuned,exemplar,base}'::text[]) WITH ORDINALITY AS wanted (best, place)
CROSS JOIN LATERAL trainer_generate(asked.id, options => jsonb_build_object('rung', best))
ORDER BY asked.id, place;

\echo 'The comments of organizations without a model of their own:'
SELECT o.slug AS organization, rung, reason, prompt_tokens + completion_tokens AS tokens, round(cost_cents, 4) AS cost_cents, response_time_ms AS ms
FROM organizations AS o
CROSS JOIN LATERAL (SELECT id FROM comments WHERE organization_id = o.id ORDER BY created_at DESC, id LIMIT 1) AS asked
CROSS JOIN LATERAL trainer_generate(asked.id)
WHERE NOT EXISTS (SELECT FROM custom_models AS m WHERE m.organization_id = o.id AND m.is_active)
ORDER BY o.slug;

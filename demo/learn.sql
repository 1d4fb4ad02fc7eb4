-- The loop closed: the model that serves answers more comments, people say what they think of it, its reviewer's scores arrive, and the next
-- version is trained, compared and deployed or held back. The worker does it by itself; here it is only waited for.

SELECT organization_id, id AS model FROM custom_models WHERE is_active AND kind = 'fine_tuned' ORDER BY created_at LIMIT 1 \gset
SELECT count(*) = 0 AS is_first FROM trainer_retraining_decisions \gset
\if :is_first
-- People write again: 120 comments, more than trainer.retrain_threshold, are answered, and the replies become responses of the app.
WITH again AS (
  INSERT INTO comments (id, organization_id, platform, original_text)
  SELECT gen_random_uuid(), c.organization_id, c.platform, c.original_text || ' (' || turn || ')' FROM comments AS c CROSS JOIN generate_series(2, 121) AS turn
  WHERE c.organization_id = :'organization_id' ORDER BY turn, md5(c.id::text) LIMIT 120 RETURNING id)
SELECT array_agg(id) AS again FROM again \gset
INSERT INTO responses (id, organization_id, comment_id, response_text)
SELECT asked.response, :'organization_id', asked.comment, g.response_text
FROM (SELECT id AS comment, gen_random_uuid() AS response FROM unnest(:'again'::uuid[]) AS id) AS asked
CROSS JOIN LATERAL trainer_generate(asked.comment, options => jsonb_build_object('response_id', asked.response)) AS g;
-- The scores come after the verdicts; in one transaction, since between the two the worker would find enough verdicts and no new good response.
BEGIN;
-- Three of four are approved, some with a better text; the rest is not.
SELECT count(trainer_collect_feedback(response_id, verdict, CASE verdict WHEN 'edited' THEN response_text || ' Thank you for asking.' END,
                                      rating => CASE verdict WHEN 'approved' THEN 5 WHEN 'edited' THEN 3 ELSE 1 END)) AS verdicts
FROM (SELECT g.response_id, r.response_text, (ARRAY['approved', 'approved', 'edited', 'rejected'])[1 + get_byte(uuid_send(g.response_id), 0) % 4] AS verdict
      FROM trainer_generations AS g JOIN responses AS r ON r.id = g.response_id WHERE g.custom_model_id = :'model') AS said \gset
INSERT INTO roast_metadata (response_id, rqc_score) SELECT g.response_id, 0.8 FROM trainer_generations AS g WHERE g.custom_model_id = :'model' AND g.response_id IS NOT NULL
ON CONFLICT DO NOTHING;
COMMIT;
\endif

\echo 'What people say of each model (the base model has no name), beside plain SQL over the rows:'
SELECT o.slug AS organization, coalesce(s.model_name, '') AS model, s.feedback, s.approved, s.rejected, s.edited, s.approval_rate, s.mean_rating, s.mean_quality,
       (s.feedback, s.approved, s.rejected, s.edited, s.regenerated, s.approval_rate, s.mean_rating) IS NOT DISTINCT FROM
       (p.feedback, p.approved, p.rejected, p.edited, p.regenerated, p.approval_rate, p.mean_rating) AS equal
FROM organizations AS o CROSS JOIN LATERAL trainer_feedback_summary(o.id) AS s
JOIN (SELECT f.organization_id, f.custom_model_id, count(*) AS feedback, count(*) FILTER (WHERE feedback_type = 'approved') AS approved,
             count(*) FILTER (WHERE feedback_type = 'rejected') AS rejected, count(*) FILTER (WHERE feedback_type = 'edited') AS edited,
             count(*) FILTER (WHERE feedback_type = 'regenerated') AS regenerated, round(avg((feedback_type = 'approved')::integer), 4) AS approval_rate,
             round(avg(rating), 2) AS mean_rating
      FROM model_feedback AS f GROUP BY 1, 2) AS p ON p.organization_id = o.id AND p.custom_model_id IS NOT DISTINCT FROM s.custom_model_id
ORDER BY o.slug, s.version NULLS FIRST;

-- Each statement of the loop sees what the worker has committed by then.
DO $$
BEGIN
  FOR second IN 1 .. 300 LOOP
    EXIT WHEN EXISTS (SELECT FROM trainer_retraining_decisions WHERE decision NOT IN ('due', 'training', 'comparing'));
    PERFORM pg_sleep(0.2);
  END LOOP;
END $$;

\echo 'The retraining, and its proof:'
SELECT m.name AS model, d.feedback, d.decision, left(d.reason, 60) AS reason, n.version AS new_version, d.comparison -> 'score' AS score, d.comparison -> 'validation_loss' AS validation_loss
FROM trainer_retraining_decisions AS d JOIN custom_models AS m ON m.id = d.custom_model_id LEFT JOIN custom_models AS n ON n.id = d.new_model_id ORDER BY d.created_at;

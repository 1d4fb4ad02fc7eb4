-- Moves CSV data that stands in temporary tables csv_<file>, all columns text, into the sample app. Organizations without a
-- plan of their own get one that may train.

INSERT INTO organizations (id, name, slug, plan_id, created_at)
SELECT id::uuid, name, slug, coalesce(to_jsonb(o) ->> 'plan_id', 'plus'), created_at::timestamptz
FROM csv_organizations AS o;

INSERT INTO roastr_persona (id, organization_id, lo_que_me_define, tone, created_at)
SELECT id::uuid, organization_id::uuid, concat_ws(' Topics: ', persona, replace(topics, ';', ', ')), tone, created_at::timestamptz
FROM csv_roastr_persona;

INSERT INTO comments (id, organization_id, platform, platform_comment_id, original_text, language, toxicity_score, created_at)
SELECT id::uuid, organization_id::uuid, platform, platform_comment_id, original_text, language, toxicity_score::numeric,
       created_at::timestamptz
FROM csv_comments;

INSERT INTO responses (id, organization_id, comment_id, response_text, tone, posted_at, created_at)
SELECT id::uuid, organization_id::uuid, comment_id::uuid, response_text, tone, created_at::timestamptz, created_at::timestamptz
FROM csv_responses;

INSERT INTO roast_metadata (response_id, rqc_score, quality_metrics)
SELECT response_id::uuid, rqc_score::numeric, jsonb_strip_nulls(to_jsonb(m) - 'response_id' - 'rqc_score')
FROM csv_roast_metadata AS m;

INSERT INTO model_feedback (id, organization_id, response_id, feedback_type, original_roast, edited_roast, rating, created_at)
SELECT f.id::uuid, f.organization_id::uuid, f.response_id::uuid, f.feedback_type, r.response_text, f.edited_text,
       f.rating::smallint, f.created_at::timestamptz
FROM csv_feedback AS f
JOIN csv_responses AS r ON r.id = f.response_id;

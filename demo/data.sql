-- Data of the sample app, made here and the same on every run: a bakery with 200 replies, which is enough to train on, and a
-- podcast with 60, which is not. A few replies carry verdicts of a person.

INSERT INTO organizations (id, name, slug, plan_id, created_at)
VALUES (md5('organization bakery')::uuid, 'The Corner Oven', 'corner-oven', 'plus', '2026-01-01 08:00+00'),
       (md5('organization podcast')::uuid, 'Last Train Home', 'last-train-home', 'plus', '2026-01-01 08:00+00');

INSERT INTO roastr_persona (id, organization_id, lo_que_me_define, lo_que_no_tolero, lo_que_me_da_igual, tone)
VALUES (md5('persona bakery')::uuid, md5('organization bakery')::uuid,
        'A family bakery that answers with dry humour and always means it kindly.', 'Insults to our staff.',
        'Jokes about our opening hours.', 'dry'),
       (md5('persona podcast')::uuid, md5('organization podcast')::uuid,
        'Two tired friends who talk about night trains.', 'Spoilers.', 'Being told that trains are slow.', 'playful');

-- What people write: each kind of comment about each subject.
CREATE TEMP TABLE kinds (organization text, kind int, comment text);
INSERT INTO kinds VALUES
  ('bakery', 1, 'Came at nine and the %s was already sold out. Again.'),
  ('bakery', 2, 'Honestly, your %s costs more than my bus ticket.'),
  ('bakery', 3, 'My kids say the %s is the best thing in this town.'),
  ('bakery', 4, 'The %s was a little burnt on one side today.'),
  ('bakery', 5, 'Is the %s vegan? Asking for a friend who is me.'),
  ('podcast', 1, 'The episode about the %s made me miss my own stop.'),
  ('podcast', 2, 'Forty minutes on the %s? Who asked for that?');

CREATE TEMP TABLE subjects (organization text, subject int, name text);
INSERT INTO subjects
SELECT organization, row_number() OVER (PARTITION BY organization ORDER BY position), name
FROM (
  SELECT 'bakery' AS organization, *
  FROM unnest(ARRAY['sourdough', 'cinnamon roll', 'rye loaf', 'plum cake', 'pretzel', 'almond croissant', 'seed roll',
                    'cheesecake', 'apple strudel', 'olive focaccia']) WITH ORDINALITY AS s (name, position)
  UNION ALL
  SELECT 'podcast', *
  FROM unnest(ARRAY['dining car', 'sleeper to Vienna', 'ghost station', 'ticket inspector', 'harbour line',
                    'snowed-in express', 'night porter', 'mail train', 'mountain tunnel', 'closed branch line'])
    WITH ORDINALITY AS s (name, position)) named;

-- What we answer: four replies to each kind at the bakery, three at the podcast, with an opening and an end in turn.
CREATE TEMP TABLE replies (organization text, kind int, variant int, reply text);
INSERT INTO replies VALUES
  ('bakery', 1, 1, 'the %s keeps earlier hours than you do, and we respect that about it.'),
  ('bakery', 1, 2, 'we bake the %s at four; the pigeons and the night shift send their thanks.'),
  ('bakery', 1, 3, 'tell us the evening before and a %s will wait for you with your name on it.'),
  ('bakery', 1, 4, 'a %s that is still there at nine would worry us more.'),
  ('bakery', 2, 1, 'the bus never asked you how your week was; the %s comes with that included.'),
  ('bakery', 2, 2, 'a %s takes two days and one very patient baker, and the bus takes nine minutes.'),
  ('bakery', 2, 3, 'try eating the ticket and then write us again about the %s.'),
  ('bakery', 2, 4, 'flour went up, butter went up, and the %s refuses to be made of less.'),
  ('bakery', 3, 1, 'your kids have been promoted to head of %s, effective tomorrow.'),
  ('bakery', 3, 2, 'please frame that sentence; the %s has already read it twice.'),
  ('bakery', 3, 3, 'we have told the %s, and now it is insufferable.'),
  ('bakery', 3, 4, 'bring them on Saturday, the first %s is for the jury.'),
  ('bakery', 4, 1, 'that side of the %s was facing the radio during the final.'),
  ('bakery', 4, 2, 'you are right, and the %s has been spoken to.'),
  ('bakery', 4, 3, 'our oven has a favourite corner; come by and the next %s is on us.'),
  ('bakery', 4, 4, 'we call it caramel when we like the %s and burnt when we do not, and this one was burnt.'),
  ('bakery', 5, 1, 'your friend can eat the %s on Mondays and Thursdays, when the butter has its day off.'),
  ('bakery', 5, 2, 'the classic %s is not, but its cousin on the left-hand shelf is.'),
  ('bakery', 5, 3, 'your friend sounds lovely; the label on the %s says yes in very small letters.'),
  ('bakery', 5, 4, 'we tried the %s with oat milk and nobody noticed, so now it is.'),
  ('podcast', 1, 1, 'that is exactly how we ended up recording the %s episode.'),
  ('podcast', 1, 2, 'the %s would call it research.'),
  ('podcast', 1, 3, 'next time we warn you two stations before the %s.'),
  ('podcast', 2, 1, 'nobody did, which is why the %s had to be the long one.'),
  ('podcast', 2, 2, 'the first cut about the %s was two hours, so you are welcome.'),
  ('podcast', 2, 3, 'the %s asked, very quietly, around midnight.');

INSERT INTO comments (id, organization_id, platform, platform_comment_id, original_text, language, toxicity_score, created_at)
SELECT md5(format('comment %s %s %s', organization, kind, subject))::uuid, md5('organization ' || organization)::uuid,
       (ARRAY['instagram', 'facebook', 'bluesky', 'reddit'])[1 + (kind + subject) % 4],
       format('%s-%s-%s', organization, kind, subject), format(comment, name), 'en', 0.05 * (kind % 3),
       timestamptz '2026-02-01 09:00+00' + (subject * 24 + kind) * interval '1 hour'
FROM kinds JOIN subjects USING (organization);

INSERT INTO responses (id, organization_id, comment_id, response_text, tone, posted_at, generation_time_ms, tokens_used,
                       cost_cents, created_at)
SELECT md5(format('response %s %s %s %s', organization, kind, subject, variant))::uuid,
       md5('organization ' || organization)::uuid, md5(format('comment %s %s %s', organization, kind, subject))::uuid,
       (ARRAY['Well, ', 'To be fair, ', 'Between us, ', 'Good news: ', 'Noted: ', 'Funny you ask: '])[1 + (subject + variant) % 6]
         || format(reply, name)
         || (ARRAY['', ' Warmly, all of us.', ' See you soon.', ' Thank you for writing.'])[1 + (subject * 3 + kind + variant) % 4],
       (ARRAY['dry', 'warm'])[1 + variant % 2], posted, 700 + 40 * subject + 11 * variant, 40 + 3 * kind, 1, posted
FROM replies
JOIN subjects USING (organization)
CROSS JOIN LATERAL (
  SELECT timestamptz '2026-02-01 10:00+00' + (subject * 24 + kind) * interval '1 hour' + variant * interval '7 minutes'
) AS t (posted);

-- Scores from 0.55 to 1, spread by the id: about two in three are good enough to train on at the default of 0.7.
INSERT INTO roast_metadata (response_id, rqc_score, quality_metrics)
SELECT id, score, jsonb_build_object('reviewer', 'house style')
FROM responses, LATERAL (
  SELECT round(0.55 + 0.45 * (('x' || left(md5('score' || id), 6))::bit(24)::int / 16777216.0), 3)
) AS s (score);

INSERT INTO model_feedback (id, organization_id, response_id, feedback_type, original_roast, edited_roast, rating, created_at)
SELECT md5('feedback' || id)::uuid, organization_id, id, verdict, response_text,
       CASE verdict WHEN 'edited' THEN regexp_replace(response_text, '^[^,:]*[,:] ', 'Honestly, ') END,
       CASE verdict WHEN 'approved' THEN 5 WHEN 'edited' THEN 4 ELSE 1 END, created_at + interval '1 hour'
FROM (
  SELECT *, CASE turn % 20 WHEN 0 THEN 'rejected' WHEN 7 THEN 'edited' ELSE 'approved' END AS verdict
  FROM (SELECT *, row_number() OVER (ORDER BY id) AS turn FROM responses) AS numbered
  WHERE turn % 20 IN (0, 7, 11, 14)) AS judged;

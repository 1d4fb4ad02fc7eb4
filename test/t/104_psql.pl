# What people look at in psql fits a terminal of 120 columns, without \x: whatever the names, errors and figures are.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(api_key => undef);
my $node = start_node('psql', $sandbox, organizations => 2, 'timezone' => 'Asia/Kolkata',
	'trainer.api_key_file' => '/a/directory/with/a/rather/long/path/that/does/not/exist/on/this/machine/trainer.key');

sub value { return $node->safe_psql('postgres', $_[0]) }

# What psql prints for a person.
sub shown
{
	my ($query) = @_;
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my ($out, $err) = run_command([ 'psql', '-X', '-P', 'border=1', '-P', 'pager=off', '-P', 'footer=off', '-d', $node->connstr('postgres'), '-c', $query ]);
	is($err, '', "$query: no error");
	utf8::decode($out);
	return $out;
}

# In columns of a terminal: some characters take two.
sub columns { my $wide = () = $_[0] =~ /\p{East_Asian_Width=Wide}|\p{East_Asian_Width=Fullwidth}/g; return $wide + length $_[0] }
sub widest { my $most = 0; foreach (map { columns(s/\s+$//r) } split /\n/, $_[0]) { $most = $_ if $_ > $most } return $most }

sub fits
{
	my ($query, @patterns) = @_;
	my $out = shown($query);
	my $rows = () = $out =~ /^(?! *[-+]+$)./mg;
	cmp_ok($rows, '>', 1, "$query: there are rows to look at");
	like($out, $_, "... and it shows $_") foreach @patterns;
	cmp_ok(widest($out), '<=', 120, "$query: no line is longer than 120") or diag(grep { columns($_) > 120 } map { utf8::encode($_); "$_\n" } split /\n/, $out);
	return;
}

# The worker does nothing but say why: the long reason is a person's.
value("SELECT trainer_pause_worker('The database is being moved to another machine, and nobody is to begin anything before Thursday.')");

# A model of every status, with all that a row may hold: long names with and without words, in two alphabets, and figures as large as they may get.
value(<<'SQL');
INSERT INTO custom_models (organization_id, name, version, base_model, status, provider_status, fine_tuned_model_id, kind, current_step, total_steps, training_loss, validation_loss, training_started_at,
                           estimated_finish, training_cost_cents, user_approval_rate, deployed_at, error_code, error_message, is_active)
SELECT o.id, CASE n % 6 WHEN 4 THEN repeat('街角のパン屋', 20) WHEN 5 THEN repeat('🍞 a 🥐', 30) WHEN 0 THEN repeat('Retraining of the corner oven''s roasts, ', 6) WHEN 1 THEN repeat('x', 255) WHEN 2 THEN 'Пекарня на углу и её ответы' ELSE E'a tab\t, an escape \x1b[31m and a line\nbreak' END,
       100000 + n, CASE n % 3 WHEN 0 THEN 'gpt-4o-mini-2024-07-18' WHEN 1 THEN 'ft:gpt-4o-mini-2024-07-18:corner-oven:corner-oven-roasts:AbCd1234' ELSE repeat('b', 256) END,
       s.status, 'running', 'ft:gpt-4o-mini-2024-07-18:corner-oven::AbCd1234', 'fine_tuned', 99999, 100000, 12345.678912345, 98765.4321, now() - interval '40 days',
       '2026-12-31 23:59:59.999+00', 123456789012.345678, 0.99, now(), 'server_error', repeat('It broke. ', 30), s.status = 'deployed'
FROM organizations AS o, unnest('{pending,uploading,validating,queued,running,paused,evaluating,succeeded,deployed,failed,cancelled,retired}'::text[]) WITH ORDINALITY AS s (status, n);
INSERT INTO trainer_operations (organization_id, custom_model_id, kind, state, attempt, due_at, last_delivery, last_http_status, last_code, last_error, last_request_id)
SELECT m.organization_id, m.id, k.kind, (ARRAY['ready', 'sending', 'reconcile', 'checking'])[1 + k.n % 4], 9999999, now() + k.n * interval '7 hours 13 minutes', 'retry_later', 429, 'rate_limit_exceeded',
       CASE k.n % 3 WHEN 0 THEN NULL WHEN 1 THEN repeat('Rate limit reached for fine-tuning of gpt-4o-mini in organization org-x on jobs per day. ', 4) ELSE 'could not connect to https://' || repeat('a', 200) END,
       'req_0123456789abcdef0123456789abcdef'
FROM custom_models AS m, unnest('{upload_training_file,upload_validation_file,create_job,poll_job,fetch_result,verify_model,cancel_job,pause_job,resume_job,sweep_duplicates,delete_file,delete_model}'::text[])
  WITH ORDINALITY AS k (kind, n) WHERE m.status IN ('running', 'evaluating', 'pending');
ALTER SEQUENCE trainer_event_log_id_seq RESTART 9990000;
SELECT trainer_log_event(m.organization_id, m.id, k.kind, jsonb_build_object('reason', repeat('Because of a reason that takes long to tell. ', 9), 'code', 'server_error', 'decision_id', m.id,
         'results', jsonb_build_array(jsonb_build_object('metric', 'user_approval', 'difference', 0.123456789)), 'path', '/' || repeat('p', 300)))
FROM custom_models AS m, unnest('{retraining_held_back,regression_rolled_back,exemplar_model_offered,duplicate_cancelled,model_deployed}'::text[]) AS k (kind) WHERE m.status IN ('running', 'pending');
SELECT trainer_log_event(id, NULL, 'erasure', jsonb_build_object('empty', NULL)) FROM organizations;
-- The doctor has something to say.
ALTER TABLE comments RENAME COLUMN original_text TO original_text_of_the_comment_as_the_platform_has_sent_it;
GRANT CREATE ON SCHEMA public TO PUBLIC;
SQL

cmp_ok(widest(shown('TABLE custom_models')), '>', 120, 'the measure finds a line that is too long');
my $org = substr(org(1), 0, 8);
fits('TABLE trainer_progress', qr/^ $org \| Retraining/m, qr/\[[#.]{10}\] +\d+%/, qr/2027-01-01 05:29/, qr/Rate limit reached/, qr/\.\.\.$/m, qr/\x{41f}\x{435}\x{43a}\x{430}\x{440}\x{43d}\x{44f} /);
fits('TABLE trainer_models', qr/100009 \| deployed +\| t/, qr/gpt-4o-mini-2024-\+?/, qr/12345\.6789/, qr/123456789012\.35/);
fits('TABLE trainer_operations_pending', qr/upload_validation_file/, qr/429/, qr/rate_limit_exceeded/);
fits('TABLE trainer_events', qr/^ 999\d{4} \|/m, qr/regression_rolled_back/, qr/reason: Because of a/);
value("SELECT trainer_set_budget('${\ org(1)}', s, 1234567.89) FROM unnest('{training,inference,all}'::text[]) AS s");
fits('TABLE trainer_budget_status', qr/inference +\| month +\| +1234567\.89/);
fits('SELECT * FROM trainer_worker_status()', qr/being moved/);
fits('SELECT * FROM trainer_check()', qr/original_text/, qr/trainer_resume_worker\(\)/);

is(value("SELECT trainer_fit('街角のパン屋', 8, 2)"), "街角のパ\nン屋", 'characters of two columns');
is(value("SELECT trainer_fit(repeat('🍞', 9), 8, 1)"), '🍞🍞...', '... cut off');

# Lines are broken between words where there are any, nothing is lost before the last line, and texts that fit are as they are.
is(value("SELECT trainer_fit('one two three four', 9)"), "one two\nthree\nfour", 'by words');
is(value("SELECT trainer_fit('abcdefghijkl', 5)"), "abcde\nfghij\nkl", 'within a word');
is(value("SELECT trainer_fit('ab abcdefgh', 5)"), "ab\nabcde\nfgh", 'a long word begins a line');
is(value("SELECT trainer_fit('one two three four', 9, 2)"), "one two\nthree...", 'cut off');
is(value("SELECT trainer_fit('one two three four', 9, 1)"), 'one tw...', 'to one line');
is(value("SELECT trainer_fit(E'first\\nsecond\\t  line\\x1b', 20)"), "first\nsecond line", 'lines stay, control characters do not');
is(value("SELECT trainer_fit('exactly ten', 11) || '|' || trainer_fit('', 5) || '|' || coalesce(trainer_fit(NULL, 5), 'null')"), 'exactly ten||null', 'what fits');

done_testing();

# The main job: from responses to a model that serves, and what can be seen of it on the way.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 1);
my $node    = start_node('main', $sandbox, organizations => 4, 'trainer.poll_interval' => '100ms');

is($node->safe_psql('postgres', 'SELECT check_name, detail, hint FROM trainer_check() WHERE NOT ok'), '', 'the doctor finds nothing');

# --- what was rolled back was never sent ---
my $dataset = prepare($node, 1);
$node->safe_psql('postgres', "BEGIN; SELECT trainer_submit_training('$dataset'); ROLLBACK");
my $other = prepare($node, 2);
my ($kept, $dropped) = split /\n/, $node->safe_psql('postgres', <<"SQL");
BEGIN;
SELECT id FROM trainer_submit_training('$dataset', name => 'kept');
SAVEPOINT s;
SELECT id FROM trainer_submit_training('$other', name => 'dropped');
ROLLBACK TO SAVEPOINT s;
COMMIT;
SQL
wait_for_status($node, $kept, 'deployed');
my @posts = $sandbox->history(method => 'POST', path => $jobs);
is(scalar @posts, 1, 'one job was asked for: of the one submission that was committed');
is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE kind = 'create_job' AND id = '$posts[0]{trainer_key}' AND custom_model_id = '$kept'"),
	1, 'the job carries the token of its operation');
is(scalar(my @uploads = uploads_of($node, $sandbox, $kept)), 2, 'a training and a validation file were uploaded');
is(scalar(() = $sandbox->history(method => 'POST', path => '/v1/files')), 2, 'and no file more');
is($node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE id = '$dropped'"), 0, 'what a savepoint took back is not there');

# --- what it came to ---
is($node->safe_psql('postgres', <<"SQL"), 't|t|t|t|t|t|t|t', 'the model has its job, its model, its losses, its cost and its place');
SELECT m.is_active, m.provider_job_id LIKE 'ftjob-%', m.fine_tuned_model_id LIKE 'ft:%', m.training_loss > 0, m.validation_loss > 0,
       m.training_cost_cents = m.trained_tokens * 2500 / 1000000.0, m.verified_at <= m.deployed_at, m.training_completed_at >= m.training_started_at
FROM custom_models m WHERE id = '$kept'
SQL
is($node->safe_psql('postgres', "SELECT trainer_calculate_training_cost('gpt-4o', 1000000)"), 2500, 'a million tokens of gpt-4o cost 25 dollars');
is($node->safe_psql('postgres', "SELECT status FROM training_datasets WHERE id = '$dataset'"), 'completed', 'its dataset is completed');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM trainer_training_metrics WHERE custom_model_id = '$kept'"), '>', 3, 'losses were recorded step by step');
is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_checkpoints WHERE custom_model_id = '$kept'"), 3, 'and a checkpoint an epoch');
is_deeply([ events_of($node, $kept) ],
	[qw(training_requested training_submitted training_started training_succeeded model_verified model_deployed)], 'its story is told in order');
is($node->safe_psql('postgres', "SELECT status, percent_done, next_poll IS NULL FROM trainer_monitor_training('$kept')"), 'deployed|100|t', 'monitored when it is over');
is($node->safe_psql('postgres', 'SELECT version, status, serves FROM trainer_models'), '1|deployed|t', 'trainer_models shows which one serves');

# --- watched while it runs ---
my $listener = session($node);
$listener->query_safe('LISTEN trainer');
my $watched = train($node, 3, 'watched');
my ($bar, $monitored);
wait_until('a bar that has begun', sub {
	($bar, $monitored) = split /\n/, $node->safe_psql('postgres', <<"SQL");
SELECT p.status, p.progress, m.current_step, m.total_steps, p.train_loss FROM trainer_progress AS p JOIN custom_models AS m ON left(m.organization_id::text, 8) = p.org AND m.version = p.version
 WHERE m.id = '$watched' AND m.current_step > 0 AND m.current_step < m.total_steps;
SELECT status, provider_status, percent_done > 0 AND percent_done < 100, estimated_finish > now() - interval '1 s', elapsed > interval '0',
  next_poll > now() - interval '1 s', train_loss > 0 FROM trainer_monitor_training('$watched');
SQL
	return defined $monitored;
});
like($bar, qr/^running\|\[#*\.+\] +\d+%\|\d+\|\d+\|\d+\.\d+$/, 'trainer_progress shows a bar a person can read');
is($monitored, 'running|running|t|t|t|t|t', 'trainer_monitor_training tells the job as it stands');
$node->safe_psql('postgres', "CALL trainer_wait_for_training('$watched')");
like(status_of($node, $watched), qr/^(succeeded|deployed)$/, 'trainer_wait_for_training returns when it has ended');
wait_for_status($node, $watched, 'deployed');
my $told = $listener->query('SELECT 1');
my @payloads = map { decode_json($_) } $told =~ /Asynchronous notification "trainer" with payload "(\{.*\})" received/g;
is_deeply([ map { $_->{kind} } @payloads ],
	[qw(training_requested training_submitted training_started training_succeeded model_verified model_deployed)], 'a listener is told the same');
is_deeply([ sort keys %{ $payloads[3] } ], [qw(event kind)], 'which say where to look, and nothing of whom');
is($node->safe_psql('postgres', "SELECT custom_model_id, detail ->> 'fine_tuned_model_id' FROM trainer_event_log WHERE id = $payloads[3]{event}"),
	"$watched|" . status_of($node, $watched, 'fine_tuned_model_id'), 'the row has the model, and the detail');
$listener->quit;

# --- waiting, and what it says when there is nothing to wait for ---
$sandbox->settings(job_seconds => 30);
my $slow = train($node, 4);
my ($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$slow', '300 ms')");
is($state, '55000', 'a wait has a timeout');
like($message, qr/has not ended within 00:00:00\.3/, 'and says so');
($state) = sql_error($node, "CALL trainer_wait_for_training('" . org(1) . "')");
is($state, 'P0002', 'a model that does not exist');
($state, $message) = sql_error($node, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; CALL trainer_wait_for_training('$slow', '1 s')");
is($state, '55000', 'a snapshot that would never show the end');
my $mine = prepare($node, 2);
($state, $message) = sql_error($node, "BEGIN;\nSELECT id AS model FROM trainer_submit_training('$mine') \\gset\nCALL trainer_wait_for_training(:'model', '3 s')");
like($message, qr/this very transaction has submitted/, 'waiting for what cannot have been sent is an error at once');
my $waiting = session($node);
$waiting->query_safe("SET application_name = 'waiting'");
$waiting->query_until(qr/begun/, "\\echo begun\nCALL trainer_wait_for_training('$slow');\n\\echo ended\n");
my $began;
wait_until('the call waits', sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiting' AND wait_event = 'PgSleep'") });
$began = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'waiting'");
$waiting->query_until(qr/ended/, '');
cmp_ok(time - $began, '<', 1, 'a wait is cancelled at once');
$waiting->{run}->kill_kill;
$node->safe_psql('postgres', "SELECT trainer_cancel_training('$slow')");
wait_for_status($node, $slow, 'cancelled');
($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$slow')");
is($state, 'TR002', 'a cancelled job is an error');

# --- errors of jobs that fail: TR002 and TR006, with the provider's words ---
$sandbox->settings(job_seconds => 0.2);
$sandbox->fault(kind => 'job_failure', model => 'spoiled', code => 'invalid_training_file', message => 'The words do not rhyme.');
my $failing = train($node, 4, 'spoiled');
($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$failing')");
is($state, 'TR002', 'a job that failed is TR002');
like($message, qr/DETAIL:  invalid_training_file: The words do not rhyme\./, 'with the provider\'s code and message');
$sandbox->fault(kind => 'training_not_available', model => 'refused');
my $refused = train($node, 4, 'refused');
($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$refused')");
is($state, 'TR006', 'an account that may not train is TR006');
like($message, qr/no longer trains models for this account/, 'which is said in words');

# --- committing wakes the worker ---
set_setting($node, 'trainer.poll_interval', '1min');
my @waits;
foreach my $try (1 .. 15)
{
	my $set = prepare($node, 2);
	my $before = $sandbox->history(method => 'POST', path => '/v1/files');
	my ($committed) = $node->safe_psql('postgres', "SELECT FROM trainer_submit_training('$set'); SELECT extract(epoch FROM clock_timestamp()) * 1000") =~ /([\d.]+)$/;
	my @after;
	wait_until('the upload', sub { (@after = $sandbox->history(method => 'POST', path => '/v1/files')) > $before });
	push @waits, $after[$before]{time_ms} - $committed;
}
my ($p50, $worst) = (sort { $a <=> $b } @waits)[ 7, 14 ];
diag(sprintf 'from commit to the request at the provider: median %.0f ms, longest %.0f ms', $p50, $worst);
cmp_ok($p50, '<', 100, 'a commit wakes the worker at once');
set_setting($node, 'trainer.poll_interval', '100ms');
# What was claimed under the long interval is looked at when that is over: cancelling has the job looked at now.
$node->safe_psql('postgres', "UPDATE trainer_operations SET due_at = now() WHERE kind = 'poll_job' AND state = 'ready'; SELECT trainer_wake_worker()");

is($node->safe_psql('postgres', 'SELECT check_name, detail, hint FROM trainer_check() WHERE NOT ok'), '', 'the doctor still finds nothing');
check_invariants($node, $sandbox);
$node->stop;
done_testing();

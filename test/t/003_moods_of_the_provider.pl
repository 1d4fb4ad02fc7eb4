# The provider refuses, stalls, errs, lies and shows things twice: each job comes to the right end, and waits no longer than it has to.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Moods of the provider');
my $sandbox = start_sandbox(job_seconds => 0.2);
my $node    = start_node('moods', $sandbox, organizations => 12, 'trainer.model_grace_period' => '20s');

sub operation
{
	my ($model, $kind, $columns) = @_;
	return $node->safe_psql('postgres', "SELECT $columns FROM trainer_operations WHERE custom_model_id = '$model' AND kind = '$kind' ORDER BY created_at DESC LIMIT 1");
}

# --- what falls on one job alone: all at once ---
my %met = (
	refused   => { kind => 'training_not_available' },
	data      => { kind => 'job_failure', code => 'invalid_training_file', message => 'Line 3 is odd.' },
	unlucky   => { kind => 'job_failure', count => 1 },
	hopeless  => { kind => 'job_failure', count => 2, message => 'The cluster caught fire.' },
	strange   => { kind => 'unknown_status', count => 15 },
	encoded   => { kind => 'base64_results', count => -1 },
	late      => { kind => 'model_lag', ms => 1500, count => -1 },
	filtering => { kind => 'drop_after', method => 'POST', path => $jobs });
my (%model, $organization);
my $ignore = $sandbox->fault(kind => 'ignore_filter', count => -1);
foreach my $name (sort keys %met)
{
	$sandbox->fault(model => "mood-$name", %{ $met{$name} });
	$model{$name} = train($node, ++$organization, "mood-$name");
}
wait_until('the unknown status is stored', sub { status_of($node, $model{strange}, 'provider_status') eq 'contemplating' });
unlike(status_of($node, $model{strange}), qr/failed|cancelled|succeeded|deployed/, 'a status that nobody knows ends nothing');

wait_for_status($node, $model{refused}, 'failed');
is(status_of($node, $model{refused}, 'error_sqlstate, error_code, retries'), 'TR006|training_not_available|0', 'no training for this account: TR006, and no second try');
is(operation($model{refused}, 'create_job', 'attempt'), 1, '... and no second request');
wait_for_status($node, $model{data}, 'failed');
is(status_of($node, $model{data}, 'error_sqlstate, error_code, error_message, retries'), 'TR002|invalid_training_file|Line 3 is odd.|0', 'a job that fails for its data is not tried again');
wait_for_status($node, $model{hopeless}, 'failed');
is(status_of($node, $model{hopeless}, 'error_sqlstate, error_message, retries, learning_rate_multiplier'), 'TR002|The cluster caught fire.|1|0.05', 'a job that fails twice has failed: TR002, after one retry with half the learning rate');
is(scalar(grep { $_ eq 'training_retried' } events_of($node, $model{hopeless})), 1, '... which is told');
wait_for_status($node, $model{unlucky}, 'deployed');
is(status_of($node, $model{unlucky}, 'retries, learning_rate_multiplier, error_code IS NULL, provider_job_id IS NOT NULL'), '1|0.05|t|t', 'a job that fails once is well after its retry');
wait_for_status($node, $model{$_}, 'deployed') foreach qw(strange encoded late filtering);
ok(operation($model{late}, 'verify_model', 'attempt') > 1, 'a model that cannot be found at first is deployed when it can');
is($node->safe_psql('postgres', "SELECT count(*) > 3 FROM trainer_training_metrics WHERE custom_model_id = '$model{encoded}'"), 't', 'a result file in base64 is read');
staged('F38', 'a list of jobs that ignores the filter, after a creation without an answer', sub {
	my $token = operation($model{filtering}, 'create_job', 'id');
	my ($creation) = grep { $_->{created} } job_posts($sandbox, $token);
	cmp_ok($sandbox->applied($ignore), '>', 0, 'the list was asked');
	is(status_of($node, $model{filtering}, 'provider_job_id'), $creation->{created}, 'the job that carries the token is adopted, and no other');
	is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$model{filtering}' AND kind = 'create_job'"), 1, '... which is the first one');
	return 'its own job is adopted';
});
$sandbox->heal;

# What was refused leaves nothing behind, and its dataset can be used again.
wait_until('the refused job\'s files are deleted', sub { !grep { $_ ne 'done' } split /\n/, $node->safe_psql('postgres', "SELECT state FROM trainer_operations WHERE custom_model_id = '$model{refused}' AND kind = 'delete_file'") });
is(scalar(() = $node->safe_psql('postgres', "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$model{refused}' AND kind = 'delete_file' AND state = 'done'") =~ /1/g), 2, 'both files of a refused job were deleted');
my $again = submit($node, status_of($node, $model{refused}, 'training_dataset_id'));
wait_for_status($node, $again, 'deployed');

# --- errors on every call, and answers that are none ---
my @calls = ([ 'POST', '/v1/files' ], [ 'POST', $jobs ], [ 'GET', $jobs ], [ 'GET', "$jobs/*" ], [ 'GET', "$jobs/*/events" ], [ 'GET', "$jobs/*/checkpoints" ],
	[ 'GET', '/v1/files/*/content' ], [ 'GET', '/v1/models/*' ], [ 'POST', '/v1/chat/completions' ]);
my @errors = (500, 502, 503, 504, 520, 529);
my @bodies = ('', 'null', '[]', '<html>busy</html>', '{"object":"list"}', '{"id": 7}', "{\"id\": \"\\ud800");
my %rounds = (
	'a server error'     => sub { return (kind => 'status', status => $errors[ $_[0] % @errors ], count => 2, $_[0] % 3 ? () : (body => '<html>Bad gateway</html>')) },
	'a malformed answer' => sub { return (kind => 'malformed', body => $bodies[ $_[0] % @bodies ], count => 2) },
	'half an answer'     => sub { return (kind => 'truncate', count => 2) });
foreach my $what (sort keys %rounds)
{
	staged('F34', "$what to each kind of request", sub {
		my %rule;
		foreach my $i (0 .. $#calls)
		{
			$rule{"@{$calls[$i]}"} = $sandbox->fault(method => $calls[$i][0], path => $calls[$i][1], $rounds{$what}->($i));
		}
		my @models = map { train($node, $_) } 1 .. 6;
		wait_for_status($node, $_, 'deployed|retired') foreach @models;
		is($sandbox->applied($rule{$_}), 2, "$what on $_ is survived") foreach sort keys %rule;
		$sandbox->heal;
		return 'survived; all deployed';
	});
}

# --- a storm of 429, and Retry-After that says nothing ---
staged('F31', '429 to the creation of jobs, eight times, and Retry-After of 1, abc, -1, 0, nothing and two', sub {
	my $storm = $sandbox->fault(kind => 'status', status => 429, method => 'POST', path => $jobs, code => 'rate_limit_exceeded', count => 8, headers => { 'Retry-After' => 1 });
	my $began = time;
	my @models = map { train($node, $_) } 1 .. 8;
	wait_for_status($node, $_, 'deployed|retired') foreach @models;
	is($sandbox->applied($storm), 8, 'a storm of 429 is weathered');
	cmp_ok(time - $began, '>', 1, '... and Retry-After honoured');
	$sandbox->heal;
	my $n = 0;
	$sandbox->fault(kind => 'status', status => 429, model => 'odd-' . ++$n, headers => { 'Retry-After' => $_ }) foreach ('abc', '-1', '0', '', [ '1', 'x' ]);
	@models = map { train($node, $_, "odd-$_") } 1 .. $n;
	wait_for_status($node, $_, 'deployed|retired') foreach @models;
	pass('a Retry-After that makes no sense is neither a hang nor a hail of requests');
	$sandbox->heal;
	return 'honoured where it makes sense; all deployed';
});

# --- lists that lag, and a job that somebody has made twice ---
staged('F37', 'a list of jobs that lags, and a second job under the same token', sub {
	# Longer than the first pause after a failure: whoever does not wait out the quiet period sends it again.
	set_setting($node, 'trainer.reconcile_quiet_period', '3s');
	my $lag = $sandbox->fault(kind => 'list_lag', ms => 1800, count => -1);
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
	$sandbox->fault(kind => 'latency', ms => 1000, method => 'GET', path => $jobs, count => -1);    # sweeps look, too
	my $model = train($node, 9);
	wait_for_status($node, $model, 'deployed');
	my $token = operation($model, 'create_job', 'id');
	is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), 1, 'a list that lags for less than the quiet period makes no second job');
	cmp_ok($sandbox->applied($lag), '>', 1, '... and was asked more than once');
	is(operation($model, 'create_job', q{sent_at - created_at >= '1 second'}), 't', '... from the end of the request on, and not from its claim');
	set_setting($node, 'trainer.reconcile_quiet_period', '600ms');
	$sandbox->heal;

	$sandbox->settings(job_seconds => 4);
	$model = train($node, 10);
	wait_until('the job', sub { status_of($node, $model, 'provider_job_id') });
	$token = operation($model, 'create_job', 'id');
	sleep 1.1;    # the younger one is cancelled, and jobs tell in whole seconds how old they are
	my $twin = $sandbox->request('POST', $jobs, { model => 'gpt-4o', training_file => status_of($node, $model, 'training_file_id'), metadata => { trainer_key => $token } });
	wait_until('the sweep', sub { operation($model, 'sweep_duplicates', 'state') eq 'done' });
	is($sandbox->request('GET', "$jobs/$twin->{id}")->{status}, 'cancelled', 'a second job under the same token is swept');
	is((grep { $_ eq 'duplicate_cancelled' } events_of($node, $model)), 1, '... which is told');
	wait_for_status($node, $model, 'deployed');
	$sandbox->settings(job_seconds => 0.2);
	return 'one job; the second is cancelled';
});

# --- a model that never answers ---
staged('D1', 'a model that never answers within its grace period', sub {
	set_setting($node, 'trainer.model_grace_period', '1s');
	$sandbox->fault(kind => 'model_lag', ms => 3600000, count => -1, model => 'mute');
	my $model = train($node, 11, 'mute');
	wait_for_status($node, $model, 'failed');
	is(status_of($node, $model, 'error_sqlstate, is_active, fine_tuned_model_id IS NOT NULL'), 'TR003|f|t', 'beyond its grace period: TR003, inactive, and its model is kept');
	$sandbox->heal;
	is($node->safe_psql('postgres', "SELECT status FROM trainer_deploy_model('$model')"), 'evaluating', 'trainer_deploy_model has it asked again');
	wait_for_status($node, $model, 'deployed');
	is(status_of($node, $model, 'is_active, error_sqlstate IS NULL'), 't|t', '... and it serves once it answers');
	return 'TR003, inactive; deployed by hand once it answers';
});

# --- a key that is refused, and its successor in the same file ---
staged('F33', 'a key that is refused, and its successor in the same file', sub {
	settle($node);    # or somebody else's request is refused first, and this one waits for the key from the start
	my $file = write_key($node->basedir . '/refused.key', 'sk-CANARY-of-last-month');
	set_setting($node, 'trainer.api_key_file', $file);
	wait_for_reload($node, 'trainer.api_key_file', $file);
	my $model = train($node, 12);
	wait_until('the refusal', sub { operation($model, 'upload_training_file', 'state, last_http_status') eq 'ready|401' });
	my $requests = () = $sandbox->history();
	sleep 0.5;
	cmp_ok(scalar(() = $sandbox->history()) - $requests, '<=', 1, 'nobody hammers with a refused key');
	write_key($file, $canary);
	my $began = time;
	wait_for_status($node, $model, 'deployed');
	cmp_ok(time - $began, '<', 15, 'a new key in the file is noticed by itself, and the job goes on');
	cmp_ok(operation($model, 'upload_training_file', 'attempt'), '<=', 3, 'without having lost its attempts');
	unlike(log_of($node), qr/CANARY-of-last-month/, 'a refused key is not in the log either');
	return 'parked; goes on with the new key by itself';
});

# --- no money, and limits of a day: parked, not failed ---
staged('F33', 'no money left, and too many jobs today', sub {
	my %limit = (quota => [ 429, 'insufficient_quota' ], daily => [ 429, 'daily_rate_limit_exceeded' ]);
	foreach my $name (sort keys %limit)
	{
		$sandbox->fault(kind => 'status', status => $limit{$name}[0], code => $limit{$name}[1], path => $jobs, method => 'POST', count => -1);
		my $model = train($node, 11);
		wait_until("parked by $limit{$name}[1]", sub { operation($model, 'create_job', 'state, last_code') eq "ready|$limit{$name}[1]" });
		is(operation($model, 'create_job', "due_at > now() + interval '5 min'"), 't', "$limit{$name}[1] parks the job");
		unlike(status_of($node, $model), qr/failed|cancelled/, '... and does not fail it');
		$sandbox->heal;
		is($node->safe_psql('postgres', "SELECT status FROM trainer_cancel_training('$model')"), 'cancelled', '... and it can be cancelled at once');
		# The gate for everything else is the process's: another one begins with it open.
		my $pid = worker_pid($node);
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 5000)");
		wait_for_worker($node, 'postgres', $pid);
	}
	return 'parked, not failed';
});

check_invariants($node, $sandbox, duplicates => 1);
$node->stop;
done_testing();

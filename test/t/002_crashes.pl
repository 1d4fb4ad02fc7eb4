# The server, the worker and answers are lost at every moment that could cost a job: one job at the provider, adopted, deployed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use RawServer;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.3, max_seconds => 600);
my $node;
matrix('Crashes', sub { check_invariants($node, $sandbox, crashed => 1) });
$node = start_node('crashes', $sandbox, organizations => 24, 'trainer.request_timeout' => '20s');
my $organization = 0;

sub kill_worker { kill 9, worker_pid($node) }

# The server is back when a worker is.
sub wait_for_server { return wait_for_worker($node) }

# A job under a name of its own, and faults that fall on it alone. `at` sees the request whose answer hangs, then `kill` comes.
# How many creations the provider accepted, and what the model came to.
sub killed_at
{
	my ($what, $at, $kill, $latency) = @_;
	my $fault = $sandbox->fault(kind => 'latency', ms => 15000, %$latency);
	my $model = train($node, ++$organization, "killed-$organization");
	wait_until("$what: the request is there", sub { $at->($model) });
	$kill->();
	$sandbox->heal;
	wait_for_server();
	wait_for_status($node, $model, 'deployed');
	is(jobs_of($model), 1, "$what: one job");
	return $model;
}

sub jobs_of
{
	my ($model) = @_;
	my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
	return scalar grep { $_->{created} } job_posts($sandbox, $token);
}

sub created_jobs { return scalar grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs) }
sub created_files { return scalar grep { $_->{created} } $sandbox->history(method => 'POST', path => '/v1/files') }

sub restart_killed
{
	kill_server($node);
	$node->start;
}

# The server dies in the middle of a real request. Where it stands then, and what else holds of the model afterwards.
my $polled   = qr{^$jobs/ftjob-[^/]+$};
my $verified = qr{^/v1/models/};
sub requests { my ($path) = @_; return scalar(() = $sandbox->history(method => 'GET', path => $path)) }
my @moments = (
	[ 'G8', 'between the job\'s creation and its record', \&created_jobs, { method => 'POST', path => $jobs }, sub {
		my ($model) = @_;
		is($node->safe_psql('postgres', "SELECT attempt > 1 FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'"), 't', 'adopted by looking for it');
		is($node->safe_psql('postgres', "SELECT o.sent_at > a.backend_start FROM trainer_operations o, pg_stat_activity a WHERE o.custom_model_id = '$model' AND o.kind = 'create_job' AND a.backend_type = 'trainer worker'"),
			't', '... for as long as if it had been sent just before the worker that looks for it came');
	} ],
	[ 'G4', 'between an upload and its record', \&created_files, { method => 'POST', path => '/v1/files' } ],
	[ 'G11', 'while it polls', sub { requests($polled) }, { method => 'GET', path => "$jobs/*" } ],
	[ 'G6', 'between success and verification', sub { requests($verified) }, { method => 'GET', path => '/v1/models/*' } ]);

my %kills = ('the worker is killed' => \&kill_worker, 'the whole server is killed' => \&restart_killed);
foreach my $who (sort keys %kills)
{
	foreach my $moment (@moments)
	{
		my ($id, $when, $count, $latency, $more) = @$moment;
		staged($id, "$who $when", sub {
			my $known = $count->();
			my $model = killed_at("$who $when", sub { $count->() > $known }, $kills{$who}, $latency);
			is(scalar(grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, 'each file was uploaded once');
			$more->($model) if $more;
			return 'one job, each file once, deployed';
		});
	}
}

staged('G4', 'the whole server is killed between an upload and its record, after a reload has switched synchronous_commit off', sub {
	my @settings = ([ 'wal_writer_delay', '10s' ], [ 'synchronous_commit', 'off' ]);
	foreach (@settings) { set_setting($node, @$_); wait_for_reload($node, @$_) }
	local $ENV{PGOPTIONS} = '-c synchronous_commit=on';
	my $known = created_files();
	my $model = killed_at('a claim that nobody has flushed', sub { created_files() > $known }, \&restart_killed, { method => 'POST', path => '/v1/files' });
	is(scalar(grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, 'each file was uploaded once');
	$node->safe_psql('postgres', "ALTER SYSTEM RESET $_->[0]") foreach @settings;
	$node->reload;
	return 'one job, each file once, deployed';
});

# The bytes are on their way: a server that takes a part of them stands in the sandbox's place.
staged('G3', 'the worker is killed while half of an upload is on its way', sub {
	my ($port) = $sandbox->api_base =~ /:(\d+)/;
	my $slow = RawServer->new(dir => PostgreSQL::Test::Utils::tempdir() . '/rules', to => $port);
	my $rule = $slow->rule('half taken', 'POST', '/v1/files');
	set_setting($node, 'trainer.api_base', $slow->base);
	my $set = prepare($node, ++$organization);
	$node->safe_psql('postgres', "INSERT INTO training_examples SELECT dataset_id, ordinal + 1000 * n, organization_id, 'train', NULL, NULL, messages"
		. " FROM training_examples, generate_series(1, 120) AS n WHERE dataset_id = '$set' AND split = 'train'");
	my $model = submit($node, $set);
	wait_until('half of the upload is taken', sub { $slow->met($rule) });
	set_setting($node, 'trainer.api_base', $sandbox->api_base);
	kill_worker();
	wait_for_server();
	wait_for_status($node, $model, 'deployed');
	is(jobs_of($model), 1, 'one job');
	is(scalar(grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, 'each file is there once');
	$slow->stop;
	return 'one job, each file once';
});

# --- lost answers, without any crash: all of them at once ---
staged('G8', 'answers to creations and uploads dropped, cut, never made or 500; the look for them dropped', sub {
	my %lost = (
		'the answer of the creation dropped' => { kind => 'drop_after',  method => 'POST', path => $jobs },
		'the answer of the creation cut'     => { kind => 'truncate',    method => 'POST', path => $jobs },
		'the creation itself dropped'        => { kind => 'drop_before', method => 'POST', path => $jobs },
		'a creation that ends in 500'        => { kind => 'status',      method => 'POST', path => $jobs, status => 500 },
		'every look for it dropped for a while' => { kind => 'drop_before', method => 'GET', path => $jobs, count => 2 });
	my %model;
	foreach my $what (sort keys %lost)
	{
		my $suffix = "lost-" . ++$organization;
		my %rule   = %{ $lost{$what} };
		# A list is about no model: that rule falls on whoever looks first.
		$sandbox->fault(%rule, $rule{method} eq 'POST' ? (model => $suffix) : ());
		$model{$what} = train($node, $organization, $suffix);
	}
	foreach my $what (sort keys %model)
	{
		wait_for_status($node, $model{$what}, 'deployed');
		is(jobs_of($model{$what}), 1, "$what: one job");
	}
	$sandbox->heal;

	foreach my $kind (qw(drop_after truncate drop_before))
	{
		my $rule  = $sandbox->fault(kind => $kind, method => 'POST', path => '/v1/files');
		my $model = train($node, ++$organization);
		wait_for_status($node, $model, 'deployed');
		is($sandbox->applied($rule), 1, "an upload met $kind");
		is(scalar(grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, '... and each file is there once');
		is(jobs_of($model), 1, '... and one job');
	}
	$sandbox->heal;
	return 'one job each, each file once';
});

staged('F5', 'smart, fast and immediate stops while a creation hangs', sub {
	my $longest = 0;
	foreach my $mode (qw(smart fast immediate))
	{
		my $known = created_jobs();
		$sandbox->fault(kind => 'latency', method => 'POST', path => $jobs, ms => 15000);
		my $model = train($node, ++$organization);
		wait_until('the creation hangs', sub { created_jobs() > $known });
		my $began = time;
		$node->stop($mode);
		cmp_ok(my $took = time - $began, '<', 3, "stopped ($mode)");
		$longest = $took if $took > $longest;
		$sandbox->heal;
		$node->start;
		wait_for_status($node, $model, 'deployed');
		is(jobs_of($model), 1, '... and one job after the start');
	}
	return sprintf 'within %.1f s; one job each', $longest;
});

# --- the worker and the launcher, terminated and cancelled ---
staged('F4', 'the worker and the launcher, cancelled and terminated', sub {
	my $known = created_jobs();
	$sandbox->fault(kind => 'latency', method => 'POST', path => $jobs, ms => 15000);
	my $model = train($node, ++$organization);
	wait_until('the creation hangs', sub { created_jobs() > $known });
	my $pid = wait_for_worker($node);
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	is(worker_pid($node), $pid, 'a cancel does not end the worker');
	my $began = time;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 5000)");
	cmp_ok(time - $began, '<', 1, 'terminated, it ends at once');
	$sandbox->heal;
	wait_for_worker($node, 'postgres', $pid);
	cmp_ok(time - $began, '<', 8, 'and another is started');
	wait_for_status($node, $model, 'deployed');
	is(jobs_of($model), 1, '... which finds the one job');

	# The launcher alone, cancelled; then both at once.
	my $launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'trainer launcher'";
	my $old = $node->safe_psql('postgres', $launcher);
	$pid = worker_pid($node);
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($old)");
	wait_until('a launcher after a cancel', sub { $node->safe_psql('postgres', $launcher) =~ /\d/ });
	is(worker_pid($node), $pid, 'the worker goes on when its launcher is cancelled');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type LIKE 'trainer %'");
	wait_for_worker($node, 'postgres', $pid);
	isnt($node->safe_psql('postgres', $launcher), $old, 'launcher and worker come back when both were terminated');
	my $last = train($node, ++$organization);
	wait_for_status($node, $last, 'deployed');
	return 'ends at once, comes back, finds the one job';
});

$node->stop;
done_testing();

# Every gap of an operation's life: a process dies by SIGKILL in it, the server restarts, and goes on: one job, adopted, deployed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.3, max_seconds => 900);
my ($node, $twins);
matrix('Crashes in every gap', sub { check_invariants($node, $sandbox, crashed => 1, duplicates => $twins, seconds => 60) });
$node = start_node('gaps', $sandbox, organizations => 30, 'trainer.request_timeout' => '20s', 'trainer.model_grace_period' => '20s',
	'trainer.reconcile_quiet_period' => '2s');
my $organization = 0;
# Answers that come together are recorded together, and a process dies once: the check of a model, which is made once, is to be alone,
# and the quiet period is over long after the last poll.
sub be_slow { return $sandbox->fault(kind => 'latency', ms => 400, path => '/v1/models/*', count => -1) }
be_slow();

# The worker may die, and every session with it, before the one that submits has its answer, or has committed.
sub submitted
{
	my ($dataset, $arguments) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return wait_until('the submission', sub {
		my $known = ask($node, "SELECT id FROM custom_models WHERE training_dataset_id = '$dataset'");
		return defined $known && $known eq '' ? ask($node, "SELECT id FROM trainer_submit_training('$dataset'$arguments)") : $known;
	}, 60);
}

# A training that goes through the faults; each of them has to be met.
sub survives
{
	my ($what, $faults, %of) = @_;
	my $dataset = prepare($node, ++$organization);
	my $deaths  = deaths($node);
	set_faults($node, @$faults);
	my $model = submitted($dataset, $of{arguments});
	$of{then}->($model) if $of{then};
	wait_until("every fault is met: $what", sub { !grep { !fault_met($node, $_) } @$faults }, 60) or diag('not met: ' . join ' ', grep { !fault_met($node, $_) } @$faults);
	wait_for_restart($node, $deaths + ($of{deaths} // grep { /:crash/ } @$faults));
	wait_for_worker($node);
	wait_for_status($node, $model, $of{status} // 'deployed', 60);
	my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
	is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), $of{jobs} // 1, "$what: one job") if $token ne '';
	set_faults($node);
	return $model;
}

my %gap = (
	claimed   => 'after the claim, before the request',
	answered  => 'after the answer, before the record',
	recording => 'in the record, before its commit',
	recorded  => 'after the record\'s commit');
my %id = (claimed => 'G2', answered => 'G5', recording => 'G10', recorded => 'G6');
my @kinds = qw(upload_training_file upload_validation_file create_job poll_job fetch_result verify_model sweep_duplicates);

foreach my $point (sort keys %gap)
{
	staged($id{$point}, "the worker is killed $gap{$point}, at each step of a training", sub {
		survives($point, [ map { "$point-$_:crash" } @kinds ]);
		return 'one job, adopted, deployed; ' . @kinds . ' crashes';
	});
}

staged('G13', 'the worker is killed around a pause, a resumption and a cancellation', sub {
	$sandbox->settings(job_seconds => 60);
	my @faults = map { my $point = $_; map { "$point-$_:crash" } qw(pause_job resume_job cancel_job) } sort keys %gap;
	my $last;
	survives('steered', \@faults, status => 'cancelled', then => sub {
		my ($model) = @_;
		$last = $model;
		foreach my $step ([ 'running|queued|validating', 'pause', 'paused' ], [ 'paused', 'resume', 'running|queued' ], [ 'running|queued', 'cancel', 'cancelled' ])
		{
			my ($from, $verb, $to) = @$step;
			wait_for_status($node, $model, $from eq 'running|queued|validating' ? 'running' : $from, 60);
			wait_until("to $verb", sub { defined ask($node, "SELECT trainer_${verb}_training('$model')") || (ask($node, "SELECT status FROM custom_models WHERE id = '$model'") // '') =~ /^(?:$to)$/ }, 60);
			wait_for_status($node, $model, $to, 60);
		}
	});
	$sandbox->settings(job_seconds => 0.3);
	my ($job) = $node->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$last'");
	is($sandbox->request('GET', "$jobs/$job")->{status}, 'cancelled', 'the job at the provider is cancelled');
	return 'cancelled, at the provider too';
});

staged('G9', 'the worker is killed around a look for a job whose creation had no answer', sub {
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
	# Looks that fail at first leave the time to set what the next ones meet.
	$sandbox->fault(kind => 'status', status => 500, method => 'GET', path => $jobs, count => 2);
	my @faults = map { "$_-create_job:crash" } sort keys %gap;
	survives('in doubt', [], deaths => scalar(@faults), then => sub {
		my ($model) = @_;
		wait_until('the creation is in doubt', sub { ask($node, "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job' AND state = 'reconcile'") });
		set_faults($node, @faults);
		wait_until('every fault is met', sub { !grep { !fault_met($node, $_) } @faults }, 60);
	});
	$sandbox->heal;
	be_slow();
	return 'one job, adopted, deployed; ' . @faults . ' crashes';
});

staged('G12', 'the worker is killed around the deletion of the files of a job that was refused', sub {
	$sandbox->fault(kind => 'training_not_available', model => 'refused-here');
	survives('refused', [ map { "$_-delete_file:crash" } sort keys %gap ], arguments => "suffix => 'refused-here'", status => 'failed', jobs => 0);
	$sandbox->heal;
	be_slow();
	return 'failed (TR006); no file is left; ' . keys(%gap) . ' crashes';
});

staged('F3', 'the server is killed while the worker stands before and after the creation of a job', sub {
	foreach my $point ('claimed-create_job', 'answered-create_job')
	{
		my $dataset = prepare($node, ++$organization);
		set_faults($node, "$point:wait");
		my $model = submit($node, $dataset);
		wait_until("it stands at $point", sub { fault_met($node, "$point:wait") });
		kill_server($node);
		unlink marker($node, $point);
		$node->adjust_conf('postgresql.auto.conf', 'trainer.fault', undef);
		$node->start;
		wait_for_status($node, $model, 'deployed', 60);
		my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
		is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), 1, "$point: one job");
	}
	return 'one job each, adopted, deployed';
});

staged('F4', 'the worker is told to end while it stands still between an answer and its record', sub {
	my $dataset = prepare($node, ++$organization);
	set_faults($node, 'answered-create_job:sleep');
	my $model = submitted($dataset);
	wait_until('it stands', sub { fault_met($node, 'answered-create_job:sleep') });
	my $pid = worker_pid($node);
	my $began = time;
	kill 'TERM', $pid;
	wait_until('it ends', sub { !TrainerTest::is_alive($pid) }, 10, 0.01);
	cmp_ok(time - $began, '<', 1, 'it does not stand it out');
	wait_for_worker($node, 'postgres', $pid);
	wait_for_status($node, $model, 'deployed', 60);
	my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
	is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), 1, 'one job');
	set_faults($node);
	return 'ends at once; one job, adopted, deployed';
});

staged('G3', 'the worker is killed while it writes the file that it will upload', sub {
	survives('spooling', ['spooling:crash']);
	return 'one job, adopted, deployed';
});

staged('F7', 'the worker is killed while it connects, and while it takes the database over; the launcher, while it starts one', sub {
	survives('beginning', [ 'connecting:crash', 'taking-over:crash:2', 'launching:crash' ], then => sub { kill_of($node, 'trainer worker') });
	return 'the server comes back each time';
});

staged('F2', 'the session is killed in a submission before its commit, and right after it', sub {
	foreach my $try ([ 'submitting', 0 ], [ 'submitted', 1 ])
	{
		my ($point, $committed) = @$try;
		my $dataset = prepare($node, ++$organization);
		my $session = session($node);
		my $deaths  = deaths($node);
		$session->query_safe("SET trainer.fault = '$point:crash'");
		unlink marker($node, "$point:crash");
		eval { $session->query("SELECT trainer_submit_training('$dataset')") };
		wait_until("killed at $point", sub { fault_met($node, "$point:crash") });
		eval { $session->quit };
		wait_for_restart($node, $deaths + 1);
		wait_for_worker($node);
		is($node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE training_dataset_id = '$dataset'"), $committed, "$point: rows");
		if ($committed)
		{
			my $model = $node->safe_psql('postgres', "SELECT id FROM custom_models WHERE training_dataset_id = '$dataset'");
			wait_for_status($node, $model, 'deployed', 60);
			is(scalar(my @uploads = grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, '... sent once');
		}
	}
	return 'before: nothing was sent; after: sent once';
});

staged('F4', 'an error at each point of the worker, and at each step of a training', sub {
	# The points take turns over the steps, since each error costs the time until the worker is started again.
	my @points = qw(claimed answered recording);
	my @steps  = grep { $_ ne 'create_job' } @kinds;
	my @faults = ('spooling:error', (map { "$_-create_job:error" } @points), map { "$points[$_ % @points]-$steps[$_]:error" } 0 .. $#steps);
	survives('errors', \@faults);
	return 'one job, adopted, deployed; ' . @faults . ' errors';
});

staged('G14', 'the worker is killed when it has found a second job under its token', sub {
	$twins = 1;
	$sandbox->settings(job_seconds => 8);
	# The first sweep finds both.
	set_setting($node, 'trainer.reconcile_quiet_period', '3s');
	wait_for_reload($node, 'trainer.reconcile_quiet_period', '3s');
	my $deaths = deaths($node);
	set_faults($node, 'claimed-sweep_duplicates:crash', 'answered-sweep_duplicates:crash');
	my $model = train($node, ++$organization);
	my ($token, $file) = split /\|/, wait_until('the job', sub { ask($node, "SELECT o.id, m.training_file_id FROM trainer_operations o JOIN custom_models m ON m.id = o.custom_model_id"
		. " WHERE m.id = '$model' AND o.kind = 'create_job' AND m.provider_job_id IS NOT NULL") });
	sleep 1.1;    # the younger one is cancelled, and jobs tell in whole seconds how old they are
	my $twin = $sandbox->request('POST', $jobs, { model => 'gpt-4o', training_file => $file, metadata => { trainer_key => $token } });
	wait_until('the second job is cancelled', sub { $sandbox->request('GET', "$jobs/$twin->{id}")->{status} eq 'cancelled' }, 60);
	wait_for_restart($node, $deaths + 2);
	wait_for_status($node, $model, 'deployed', 60);
	set_faults($node);
	set_setting($node, 'trainer.reconcile_quiet_period', '600ms');
	$node->safe_psql('postgres', "UPDATE trainer_operations SET due_at = now() WHERE kind = 'sweep_duplicates' AND state = 'ready'; SELECT trainer_wake_worker()");
	$sandbox->settings(job_seconds => 0.3);
	return 'swept all the same';
});

$node->stop;
done_testing();

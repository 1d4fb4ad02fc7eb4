# Two servers with the same rows work at the same time: of the jobs that both create one goes on, and both name it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 10, max_seconds => 900);
my ($first, $copy, $crashed);
matrix('Two primaries', sub { check_invariants($first, $sandbox, beside => [$copy], duplicates => 1, crashed => $crashed, seconds => 60) });
$first = start_node('first', $sandbox, organizations => 4);

# Whatever the first server knows is known to both from now on. Settings are of the second one alone.
sub copied
{
	my ($name, %settings) = @_;
	$_->stop('immediate') foreach grep { defined } $first, $copy;
	$first->backup_fs_cold($name);
	$copy = KeptSession->new($name);
	$copy->init_from_backup($first, $name);
	$copy->append_conf('postgresql.conf', "$_ = '$settings{$_}'") foreach sort keys %settings;
	$_->start foreach $first, $copy;
	return;
}

# Trainings that wait until somebody lets the workers go on.
sub submitted
{
	$first->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	return map { train($first, $_) } @_;
}

# Each server makes a job of its own, the first one the older.
sub both_create
{
	my ($model) = @_;
	my @job;
	foreach my $node ($first, $copy)
	{
		resume($node);
		push @job, job_of_its_own($node, $model);
		sleep 1.1;    # jobs tell in whole seconds how old they are
	}
	isnt($job[0], $job[1], 'two jobs');
	return @job;
}

sub list_lags { return $sandbox->fault(kind => 'list_lag', ms => 60000, count => -1) }
sub resume { my ($node) = @_; return $node->safe_psql('postgres', 'SELECT trainer_resume_worker()') }
sub job_of { my ($node, $model) = @_; return ask($node, "SELECT provider_job_id FROM custom_models WHERE id = '$model'") // '' }

sub job_of_its_own { my ($node, $model) = @_; return wait_until('a job', sub { job_of($node, $model) }, 60) }

# Until the model has the job on both sides, and every other one of its token is over.
sub one_goes_on
{
	my ($model) = @_;
	my $token = wait_until('the server', sub { ask($first, "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'") });
	wait_until('both name the same job, and no other one goes on', sub {
		my ($here, $there) = map { job_of($_, $model) } $first, $copy;
		return $here ne '' && $here eq $there && $sandbox->state->{trainer_keys}{$token}{live} == 1
		  && $sandbox->request('GET', "$jobs/$here")->{status} !~ /cancelled|failed/;
	}, 60, 0.1);
	is($sandbox->state->{trainer_keys}{$token}{created}, 2, 'two were created');
	return job_of($first, $model);
}

# One that was to wait with its sweep.
sub sweep_now
{
	my ($node) = @_;
	set_setting($node, 'trainer.reconcile_quiet_period', '600ms');
	$node->safe_psql('postgres', "UPDATE trainer_operations SET due_at = now() WHERE kind = 'sweep_duplicates' AND state = 'ready'; SELECT trainer_wake_worker()");
	return;
}

sub both_end_well
{
	my (@models) = @_;
	foreach my $model (@models)
	{
		wait_for_status($_, $model, 'deployed|succeeded|retired', 120) foreach $first, $copy;
		my @named = map { $_->safe_psql('postgres', "SELECT provider_job_id, fine_tuned_model_id, training_file_id, validation_file_id FROM custom_models WHERE id = '$model'") } $first, $copy;
		is($named[0], $named[1], 'both name the same job, model and files');
	}
	return;
}

staged('G17', 'two servers with the same rows, both at work, and a list that lags: each creates a job', sub {
	my @models = submitted(1 .. 4);
	copied('twin');
	list_lags();
	resume($_) foreach $first, $copy;
	foreach my $model (@models) { job_of_its_own($_, $model) foreach $first, $copy }
	$sandbox->heal;
	one_goes_on($_) foreach @models;
	both_end_well(@models);
	return 'one of two goes on each time, and both name it';
});

staged('G17', 'the one that has the older job sweeps, and the other hears of it from its own job alone', sub {
	my ($model) = submitted(1);
	copied('hears', 'trainer.reconcile_quiet_period' => '20s');
	list_lags();
	my ($older) = both_create($model);
	$sandbox->heal;
	is(one_goes_on($model), $older, 'the older one goes on');
	is($copy->safe_psql('postgres', "SELECT detail->>'provider_job_id' FROM trainer_event_log WHERE custom_model_id = '$model' AND kind = 'job_adopted'"), $older, 'the poll has told of it');
	sweep_now($copy);
	both_end_well($model);
	return 'the older one goes on, and both name it';
});

staged('G17', 'the one that has the younger job sweeps', sub {
	my ($model) = submitted(2);
	copied('sweeps');
	set_setting($first, 'trainer.reconcile_quiet_period', '20s');
	list_lags();
	my ($older, $younger) = both_create($model);
	$sandbox->heal;
	is(one_goes_on($model), $older, 'the older one goes on');
	is($copy->safe_psql('postgres', "SELECT string_agg(kind || ' ' || (detail->>'provider_job_id'), ', ' ORDER BY id) FROM trainer_event_log WHERE custom_model_id = '$model' AND kind IN ('job_adopted', 'duplicate_cancelled')"),
		"job_adopted $older, duplicate_cancelled $younger", 'it is adopted first, then the other one is cancelled');
	sweep_now($first);
	both_end_well($model);
	return 'the older one goes on, and both name it';
});

staged('G17', 'the rows part after the upload: both jobs are made from the same files', sub {
	set_faults($first, 'claimed-create_job:wait');
	my $model = train($first, 3);
	wait_until('the files are there', sub { fault_met($first, 'claimed-create_job:wait') }, 60);
	set_setting($first, 'trainer.fault', '');
	# Before they start: neither is paused, and the second one would find the job of the first.
	list_lags();
	copied('files');
	job_of_its_own($_, $model) foreach $first, $copy;
	$sandbox->heal;
	one_goes_on($model);
	both_end_well($model);
	is(scalar(() = uploads_of($first, $sandbox, $model)), 2, 'each file was uploaded once, and is still there');
	return 'one goes on, and its files stay';
});

staged('G17', 'both workers are killed before and after the record of a sweep', sub {
	$crashed = 1;
	$sandbox->settings(job_seconds => 25);
	my ($model) = submitted(4);
	copied('killed');
	list_lags();
	both_create($model);
	my @faults = map { "$_-sweep_duplicates:crash" } qw(answered recorded);
	foreach my $node ($first, $copy)
	{
		$node->safe_psql('postgres', 'ALTER SYSTEM SET trainer.fault = \'' . join(',', @faults) . '\'');
		$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	}
	$sandbox->heal;
	foreach my $node ($first, $copy)
	{
		wait_until('each fault is met', sub { !grep { !fault_met($node, $_) } @faults }, 60);
		wait_for_restart($node, 2);
	}
	one_goes_on($model);
	both_end_well($model);
	return 'one goes on, and both name it; ' . 2 * @faults . ' crashes';
});

$_->stop foreach $first, $copy;
done_testing();

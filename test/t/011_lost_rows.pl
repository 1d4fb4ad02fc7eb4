# What the last rows of a server knew is lost, or a list of the provider lags longer than anybody waits, or a session sits on a row:
# one job all the same, or the other one is found and cancelled.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use Test::More;
use Time::HiRes qw(time);

my $sandbox = start_sandbox(job_seconds => 4);
my ($copy, $twins);
matrix('Lost rows', sub { check_invariants($copy, $sandbox, duplicates => $twins) });
staged('F14', 'a copy of the server from before the creation of a job, started after it', sub {
	my $first = start_node('first', $sandbox, organizations => 3);
	$first->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	my $lost = train($first, 1, 'lost');
	$first->stop;
	$first->backup_fs_cold('before');
	$copy = KeptSession->new('copy');
	$copy->init_from_backup($first, 'before');
	$first->start;
	$first->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_until('the first server has its job', sub { $first->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'") });
	my $job = $first->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'");
	$first->stop('immediate');

	$copy->start;
	$copy->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_for_status($copy, $lost, 'deployed');
	is($copy->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'"), $job, 'the server that lost the rows adopts the same job');
	is(scalar(my @posts = $sandbox->history(method => 'POST', path => $jobs)), 1, 'one job was created');
	return 'the same job is adopted';
});

staged('F37', 'a list that lags longer than the quiet period, after a creation without an answer', sub {
	$sandbox->settings(job_seconds => 12);
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
	$sandbox->fault(kind => 'list_lag', ms => 3000, count => -1);
	$twins = train($copy, 2, 'twins');
	my $token = wait_until('two jobs', sub { my $state = $sandbox->state->{trainer_keys}; my ($found) = grep { $state->{$_}{created} == 2 } sort keys %$state; $found });
	wait_until('one of them is cancelled by a later sweep', sub { $sandbox->state->{trainer_keys}{$token}{live} == 1 });
	my ($older) = map { $_->{created} } grep { $_->{created} } job_posts($sandbox, $token);
	wait_for_status($copy, $twins, 'deployed');
	is($copy->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$twins'"), $older, 'the older one goes on');
	$sandbox->heal;
	return 'of two jobs the older one goes on';
});

staged('G9', 'a training is cancelled while the creation of its job is in doubt', sub {
	$sandbox->settings(job_seconds => 60);
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
	$sandbox->fault(kind => 'list_lag', ms => 3000, count => -1);
	my $doubt = train($copy, 3, 'doubt');
	wait_until('the creation is in doubt',
		sub { $copy->safe_psql('postgres', "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job' AND state IN ('reconcile', 'checking')") });
	$copy->safe_psql('postgres', "SELECT trainer_cancel_training('$doubt')");
	my $token = $copy->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job'");
	wait_for_status($copy, $doubt, 'cancelled');
	wait_until('the job that nobody waits for is cancelled, too', sub { $sandbox->state->{trainer_keys}{$token}{live} == 0 });
	is($sandbox->state->{trainer_keys}{$token}{cancelled}, 1, 'nothing is paid for that nobody wants');
	$sandbox->heal;
	$sandbox->settings(job_seconds => 0.3);
	return 'cancelled, the job that turns up later too';
});

staged('F80', 'a session that sits on a model\'s row', sub {
	my $held = train($copy, 1, 'held');
	my $session = session($copy);
	$session->query_safe("BEGIN; SELECT 1 FROM custom_models WHERE id = '$held' FOR UPDATE");
	my $began = time;
	my $other = train($copy, 2, 'other');
	wait_for_status($copy, $other, 'deployed');
	cmp_ok(time - $began, '<', 8, 'the others do not wait for a model that a session has locked');
	$session->query_safe('COMMIT');
	$session->quit;
	wait_for_status($copy, $held, 'deployed');
	return 'the others do not wait; it goes on when the row is free';
});

staged('D2', 'a model is deployed by hand although a newer one serves', sub {
	my $older = $copy->safe_psql('postgres', "SELECT id FROM custom_models WHERE organization_id = '" . org(1) . "' AND status = 'retired' ORDER BY version LIMIT 1");
	$copy->safe_psql('postgres', "UPDATE custom_models SET verified_at = NULL, status = 'failed', error_sqlstate = 'TR003' WHERE id = '$older'");
	$copy->safe_psql('postgres', "SELECT trainer_deploy_model('$older')");
	wait_for_status($copy, $older, 'deployed');
	is($copy->safe_psql('postgres', "SELECT is_active FROM custom_models WHERE id = '$older'"), 't', 'who asks for an older version gets it');
	return 'it serves';
});

staged('G18', 'a copy of the server\'s files that has been given another trainer.instance_name', sub {
	$copy->stop;
	$copy->append_conf('postgresql.conf', "trainer.instance_name = 'the copy'");
	$copy->start;
	my $submitted = train($copy, 1, 'copied');
	wait_until('it is paused', sub { $copy->safe_psql('postgres', 'SELECT paused FROM trainer_worker_status()') eq 't' });
	like($copy->safe_psql('postgres', 'SELECT paused_reason FROM trainer_installation'), qr/instance_name/, '... for its name');
	is(scalar(my @sent = uploads_of($copy, $sandbox, $submitted)), 0, '... and sends nothing');
	$copy->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_for_status($copy, $submitted, 'deployed');
	return 'paused, for its name; goes on when somebody says so';
});

$copy->stop;
done_testing();

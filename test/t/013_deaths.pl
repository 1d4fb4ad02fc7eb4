# The server stops or dies while dozens of requests hang, or its standby is gone; a standby takes over.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use KeptSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Deaths of the server');
my $sandbox = start_sandbox(job_seconds => 0.3);
my $node = start_node('deaths', $sandbox, organizations => 60, init => { allows_streaming => 1 }, 'trainer.request_timeout' => '20s',
	'trainer.max_concurrent_requests' => 64);
my $organization = 0;

sub created_jobs { return scalar grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs) }
sub uploads { return scalar(my @all = $sandbox->history(method => 'POST', path => '/v1/files')) }

# So many trainings whose requests hang, one of each organization.
sub hanging
{
	my ($count, $method, $path) = @_;
	my $known = $sandbox->history(method => $method, path => $path);
	$sandbox->fault(kind => 'latency', method => $method, path => $path, ms => 15000, count => $count);
	my @models = map { train($node, ++$organization) } 1 .. $count;
	wait_until("$count requests hang", sub { $sandbox->history(method => $method, path => $path) - $known >= $count }, 60);
	return @models;
}

sub all_well
{
	my (@models) = @_;
	wait_for_status($node, $_, 'deployed', 60) foreach @models;
	my %posts;
	$posts{ $_->{trainer_key} }++ foreach grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs);
	is(join(' ', grep { $posts{$_} > 1 } keys %posts), '', 'no job was created twice');
	return;
}

foreach my $mode (qw(smart fast immediate))
{
	staged('F5', "pg_ctl stop -m $mode while 50 creations of jobs hang", sub {
		$organization = 0;
		my @models = hanging(50, 'POST', $jobs);
		my $began = time;
		$node->stop($mode);
		cmp_ok(my $took = time - $began, '<', 2, 'stopped at once');
		$sandbox->heal;
		$node->start;
		wait_for_worker($node);
		all_well(@models);
		return sprintf 'stopped in %.2f s; 50 jobs, each adopted', $took;
	});
}

staged('F3', 'the postmaster is killed while uploads hang', sub {
	my @models = do { $organization = 0; hanging(8, 'POST', '/v1/files') };
	my $worker = worker_pid($node);
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my $began = time;
	$node->kill9;
	wait_until('the worker is gone', sub { !TrainerTest::is_alive($worker) }, 10, 0.01);
	cmp_ok(my $took = time - $began, '<', 1, 'the worker ends with its postmaster');
	my $sent = () = $sandbox->history();
	wait_until('the postmaster is collected', sub { !kill 0, $postmaster });
	is(scalar(() = $sandbox->history()), $sent, 'nothing is sent after it');
	$node->start;
	wait_for_worker($node);
	$sandbox->heal;
	all_well(@models);
	return sprintf 'the worker ends in %.2f s; uploaded and created once', $took;
});

check_invariants($node, $sandbox, crashed => 1, seconds => 60);

# --- standbys ---

$node->backup('base');

# A standby that has everything up to now.
sub standby
{
	my ($name) = @_;
	my $standby = KeptSession->new($name);
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	$node->wait_for_catchup($standby);
	return $standby;
}

staged('F15', 'synchronous_commit = remote_apply while the standby is down', sub {
	my $standby = standby('gone');
	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'gone'\nsynchronous_commit = remote_apply");
	my $model = do { $organization = 0; train($node, ++$organization, 'remote') };
	$node->reload;
	wait_until('the standby is synchronous', sub { $node->safe_psql('postgres', "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'gone'") eq 'sync' });
	$standby->stop('immediate');
	# Nothing can be committed now but by whoever does not wait. Its answer is not waited for: where the worker is in its commit already, it holds
	# the lock of NOTIFY, and whoever notifies too stands behind it.
	my $waiting = session($node);
	$waiting->query_safe('SET synchronous_commit = local');
	$waiting->{stdin} .= "SELECT trainer_submit_training((trainer_prepare_dataset('" . org(2) . "')).id);\n";
	$waiting->{run}->pump_nb;
	my $stuck = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'trainer worker' AND wait_event = 'SyncRep'";
	wait_until('the worker waits in its commit', sub { $node->safe_psql('postgres', $stuck) });
	my $pid = $node->safe_psql('postgres', $stuck);
	my $began = time;
	kill 'TERM', $pid;
	wait_until('the worker ends', sub { !TrainerTest::is_alive($pid) }, 10, 0.01);
	cmp_ok(my $took = time - $began, '<', 1, 'it can be told to end');
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\nsynchronous_commit = on");
	$node->reload;
	$waiting->quit;
	wait_until('all is done', sub { $node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE status NOT IN ('deployed', 'retired')") == 0 }, 60);
	return sprintf 'ends in %.2f s; goes on afterwards', $took;
});

staged('F11', 'the standby is promoted, with all the rows, while one job runs, one upload hangs and one job has just been created', sub {
	my $standby = standby('synchronous');
	$sandbox->settings(job_seconds => 2);
	my @models = (train($node, 3));
	wait_for_status($node, $models[0], 'running');
	my $upload = $sandbox->fault(kind => 'latency', method => 'POST', path => '/v1/files', ms => 15000);
	push @models, train($node, 4);
	wait_until('an upload hangs', sub { $sandbox->applied($upload) });
	push @models, train($node, 5);
	wait_until('a job is created', sub { $node->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$models[2]'") }, 60);
	$node->wait_for_catchup($standby);
	kill_server($node);
	$sandbox->heal;
	$sandbox->settings(job_seconds => 0.3);
	$standby->promote;
	wait_for_worker($standby);
	wait_for_status($standby, $_, 'deployed', 60) foreach @models;
	check_invariants($standby, $sandbox, crashed => 1);
	$standby->stop;
	return 'each adopted, none twice';
});

staged('F12', 'a standby is promoted that has not heard of the last rows: neither of a job that was created, nor of a submission', sub {
	$node->start;
	wait_for_worker($node);
	settle($node, 60);
	my $standby = standby('asynchronous');
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	my $known = train($node, 6);
	$node->wait_for_catchup($standby);
	$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
	$standby->reload;
	wait_until('the standby hears nothing more', sub { $node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_replication') == 0 });
	$sandbox->settings(job_seconds => 5);
	my $lost = train($node, 7);
	$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	my %job;
	foreach my $model ($known, $lost)
	{
		$job{$model} = wait_until('its job', sub { $node->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$model'") }, 60);
	}
	leave_out($node);
	kill_server($node);
	$sandbox->settings(job_seconds => 0.3);
	$standby->promote;
	$standby->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_until('the job is adopted', sub { $standby->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$known'") eq $job{$known} }, 60);
	is($standby->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE id = '$lost'"), 0, 'a submission that was lost is lost');
	my $installation = $standby->safe_psql('postgres', 'SELECT id FROM trainer_installation');
	my @listed = map { $_->{id} } @{ $sandbox->request('GET', "$jobs?limit=100&metadata[trainer_inst]=$installation")->{data} };
	ok((grep { $_ eq $job{$lost} } @listed), '... and its job can be found at the provider by the installation');
	check_invariants($standby, $sandbox, crashed => 1);
	$standby->stop;
	return 'what was known is adopted; what was not goes on at the provider, and can be listed there';
});

staged('F60', 'there is no room for the write-ahead log while an upload hangs and a job has just been created', sub {
	my $full = start_node('full', $sandbox, organizations => 2, 'trainer.request_timeout' => '20s');
	my $created = created_jobs();
	$sandbox->fault(kind => 'latency', method => 'POST', path => $jobs, ms => 15000);
	my @models = (train($full, 1));
	wait_until('a creation hangs', sub { created_jobs() > $created }, 60);
	my $upload = $sandbox->fault(kind => 'latency', method => 'POST', path => '/v1/files', ms => 15000);
	push @models, train($full, 2);
	wait_until('an upload hangs', sub { $sandbox->applied($upload) }, 60);
	# A limit on the size of files stands for a full disk: a segment of the log does not fit under it, everything else does.
	my $postmaster = (split /\n/, slurp_file($full->data_dir . '/postmaster.pid'))[0];
	foreach my $pid ($postmaster, split /\n/, $full->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()'))
	{
		system('prlimit', '--pid', $pid, '--fsize=' . 15 * 1024 * 1024 . ':unlimited');
	}
	eval { $full->psql('postgres', "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000)) FROM generate_series(1, 80)") };
	wait_until('Postgres panics', sub { log_of($full) =~ /PANIC:  could not write to (?:log file|file "pg_wal)/ }, 60);
	# There is room again, for this server or for the one that follows.
	system('prlimit', '--pid', $postmaster, '--fsize=unlimited:unlimited') if TrainerTest::is_alive($postmaster);
	$sandbox->heal;
	wait_until('the server is back, or gone', sub { defined ask($full, 'SELECT 1') || !TrainerTest::is_alive($postmaster) }, 60, 0.1);
	if (!TrainerTest::is_alive($postmaster))
	{
		$full->_update_pid(0);
		$full->start;
	}
	wait_for_worker($full);
	wait_for_status($full, $_, 'deployed', 60) foreach @models;
	check_invariants($full, $sandbox, crashed => 1, full_log => 1);
	$full->stop;
	return 'Postgres panics, recovers when there is room; each job adopted, none twice';
});

done_testing();

# The worker comes with the extension and goes with it: databases, copies, servers without room, standbys. One row a fault.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use IPC::Run ();
use KeptSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Lifecycle: databases, copies, servers without room, standbys');
my $sandbox = start_sandbox(job_seconds => 0.2);
my $node = new_node('lifecycle', $sandbox, init => { allows_streaming => 1 }, 'max_worker_processes' => 12, 'max_connections' => 20,
	'shared_buffers' => '16MB');
$node->start;

sub workers
{
	my ($of) = @_;
	return $of->safe_psql('template1', "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_stat_activity WHERE backend_type = 'trainer worker'");
}

sub wait_for_workers
{
	my ($of, $databases, $what) = @_;
	my $now;
	wait_until("$what (workers: $databases)", sub { ($now = workers($of)) eq $databases }, 15);
	is($now, $databases, $what);
	return;
}

sub errors_in_log { return scalar(() = log_of($node) =~ /(?:ERROR|WARNING|trainer worker could not)/g) }

# Each waits 5 s for the others to leave: all at the same time.
sub at_once
{
	my @runs = map { my ($out, $err) = ('', ''); my $sql = $_; { sql => $sql, out => \$out, err => \$err } } @_;
	$_->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('template1'), '-c', $_->{sql} ], '<', \undef, '>', $_->{out}, '2>', $_->{err})
	  foreach @runs;
	return map { $_->{run}->finish; ${ $_->{err} } } @runs;
}

my ($pid, $before);

staged('F17', 'DROP EXTENSION that is rolled back, CREATE EXTENSION without a restart', sub {
	is(workers($node), '', 'no worker without the extension');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'trainer launcher'"), 1, 'but a launcher');
	set_up_app($node, 'postgres', organizations => 3);
	wait_for_workers($node, 'postgres', 'CREATE EXTENSION brings the worker, without a restart');
	$pid = wait_for_worker($node);
	$before = errors_in_log();
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; ROLLBACK');
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	is(worker_pid($node), $pid, 'a DROP EXTENSION that is rolled back disturbs nobody');
	return 'the same worker works on';
});

staged('F17', 'DROP EXTENSION, rolled back and committed, while an upload is under way', sub {
	my $slow = $sandbox->fault(kind => 'latency', ms => 1500, method => 'POST', path => '/v1/files', count => 2);
	my $cut = train($node, 2);
	wait_until('a request under way', sub { $node->safe_psql('postgres', 'SELECT in_flight FROM trainer_worker_status()') });
	my $began = time;
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; ROLLBACK');
	cmp_ok(time - $began, '<', 2, 'a DROP EXTENSION does not wait for requests under way');
	wait_for_status($node, $cut, 'deployed');
	my $forgotten = train($node, 3);
	wait_until('another', sub { $sandbox->applied($slow) == 2 });
	leave_out($node);
	$began = time;
	$node->safe_psql('postgres', 'DROP EXTENSION trainer CASCADE');
	cmp_ok(time - $began, '<', 2, 'nor for the worker');
	wait_for_workers($node, '', 'DROP EXTENSION sends the worker home');
	is(errors_in_log(), $before, 'without an error, let alone a loop of them');
	$sandbox->heal;
	return 'rolled back: goes on; committed: the worker leaves, no error';
});

staged('F18', 'CREATE EXTENSION after DROP, and both in one transaction', sub {
	$node->safe_psql('postgres', 'CREATE EXTENSION trainer CASCADE; SELECT trainer_attach()');
	wait_for_workers($node, 'postgres', 'CREATE EXTENSION brings it back');
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	leave_out($node);
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; CREATE EXTENSION trainer CASCADE; SELECT trainer_attach(); COMMIT');
	wait_until('a worker of the new extension', sub { $node->safe_psql('postgres', 'SELECT epoch FROM trainer_installation') });
	$model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	return 'the new tables are served';
});
check_invariants($node, $sandbox);

staged('L1', 'two databases, and trainer.databases', sub {
	$node->safe_psql('postgres', 'CREATE DATABASE second');
	set_up_app($node, 'second');
	wait_for_workers($node, 'postgres second', 'each database with the extension has a worker of its own');
	my $there = $node->safe_psql('second', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	wait_until('the second database\'s job', sub { $node->safe_psql('second', "SELECT status FROM custom_models WHERE id = '$there'") eq 'deployed' });
	set_setting($node, 'trainer.databases', 'second, "no such database"');
	wait_for_workers($node, 'second', 'trainer.databases takes the worker from a database that it does not name');
	is($node->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', '... which says so');
	set_setting($node, 'trainer.databases', 'postgres');
	wait_for_workers($node, 'postgres', '... and gives one to a database that it does');
	return 'a worker each; named ones only';
});

staged('G18', 'a template copy and a restored dump of a database with work to do', sub {
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE second');
	my $waiting = $node->safe_psql('second', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', $node->connstr('second') ], 'a dump with work to do');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	set_setting($node, 'trainer.databases', '');
	wait_for_workers($node, 'copy postgres second', 'a copied database has a worker');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $node->basedir . '/dump' ], 'the dump is restored beside a running worker');
	wait_for_workers($node, 'copy postgres restored second', 'a restored one has');
	wait_until('the original goes on', sub { $node->safe_psql('second', "SELECT status FROM custom_models WHERE id = '$waiting'") eq 'deployed' });
	foreach my $database (qw(copy restored))
	{
		wait_until("$database is paused", sub { $node->safe_psql($database, 'SELECT paused FROM trainer_worker_status()') eq 't' }, 12);
		like($node->safe_psql($database, 'SELECT paused_reason FROM trainer_worker_status()'), qr/copied|restored/, "$database: paused, with a reason");
	}
	is($node->safe_psql('restored', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$waiting' AND state IN ('ready', 'sending', 'reconcile', 'checking')"), 1, 'the restored work is there');
	my $token = $node->safe_psql('restored', "SELECT id FROM trainer_operations WHERE custom_model_id = '$waiting' AND kind = 'upload_training_file'");
	is(scalar(grep { index($_->{filename}, $token) >= 0 } $sandbox->history(method => 'POST', path => '/v1/files')), 1, '... and was sent once, by the original');
	$node->safe_psql('restored', 'SELECT trainer_resume_worker()');
	wait_until('the copy goes on when told to', sub { $node->safe_psql('restored', "SELECT status FROM custom_models WHERE id = '$waiting'") eq 'deployed' });
	is($node->safe_psql('restored', "SELECT status FROM custom_models WHERE id = '$waiting'"), 'deployed', 'a restored database goes on when somebody says so');
	return 'both start paused; the original sends once';
});

staged('F20', 'DROP DATABASE of its own and of others while a request hangs', sub {
	my $slow = $sandbox->fault(kind => 'latency', ms => 4000, method => 'POST', path => '/v1/files');
	$node->safe_psql('copy', "SELECT trainer_resume_worker(); SELECT trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	wait_until('a request that hangs', sub { $sandbox->applied($slow) });
	my $began = time;
	$node->safe_psql('postgres', 'CREATE DATABASE unrelated');
	$node->safe_psql('postgres', 'DROP DATABASE unrelated');
	cmp_ok(time - $began, '<', 2, 'another database goes at once');
	leave_out($node, $_) foreach qw(copy restored);
	$began = time;
	$node->safe_psql('postgres', 'DROP DATABASE copy WITH (FORCE)');
	cmp_ok(time - $began, '<', 2, 'DROP DATABASE WITH (FORCE) takes its worker along');
	$node->safe_psql('postgres', 'DROP DATABASE restored WITH (FORCE)');
	wait_for_workers($node, 'postgres second', '... and no worker is started for what is gone');
	$sandbox->heal;
	return 'each within 2 s';
});

staged('L2', 'ALTER DATABASE RENAME and CREATE DATABASE TEMPLATE while the worker is connected', sub {
	my @errors = at_once('ALTER DATABASE second RENAME TO renamed', 'CREATE DATABASE copy TEMPLATE postgres');
	like($errors[0], qr/55006.*database "second" is being accessed by other users/s, 'RENAME is refused: somebody is connected');
	like($errors[1], qr/55006.*source database "postgres" is being accessed by other users/s, '... and so is a copy');
	set_setting($node, 'trainer.databases', 'postgres');
	wait_for_workers($node, 'postgres', 'trainer.databases sends the worker away');
	$node->safe_psql('postgres', 'ALTER DATABASE second RENAME TO renamed');
	my $model = $node->safe_psql('renamed', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	set_setting($node, 'trainer.databases', '');
	wait_for_workers($node, 'postgres renamed', 'the renamed database has a worker again');
	wait_until('its job', sub { $node->safe_psql('renamed', "SELECT status FROM custom_models WHERE id = '$model'") eq 'deployed' });
	is($node->safe_psql('renamed', 'SELECT paused, epoch > 1 FROM trainer_installation'), 'f|t', '... which knows it: it is the same database');
	return 'refused (55006); without its worker renamed, and not paused';
});

my $standby;

staged('F10', 'a standby, where what writes is refused, promoted after its primary has died with a creation under way', sub {
	$node->safe_psql('renamed', "SELECT trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	$node->backup('base');
	$standby = KeptSession->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	$node->wait_for_catchup($standby);
	sleep 0.5;
	is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'trainer%'"), 0, 'no worker on a standby');
	is($standby->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', '... which says so');
	foreach my $call ("trainer_prepare_dataset('" . org(1) . "')", 'trainer_pause_worker()', "trainer_cancel_training(gen_random_uuid())")
	{
		my ($state) = sql_error($standby, "SELECT $call");
		is($state, '25006', "$call writes, and is refused there");
	}
	is($standby->safe_psql('postgres', 'SELECT count(*) > 3 FROM trainer_check()'), 't', 'what only reads is answered');
	$sandbox->fault(kind => 'latency', ms => 5000, method => 'POST', path => $jobs);
	my $failing = train($node, 2);
	my $posted;
	wait_until('a creation that is not recorded', sub { ($posted) = grep { $_->{created} && $_->{fault} } $sandbox->history(method => 'POST', path => $jobs) });
	$node->wait_for_catchup($standby);
	$node->stop('immediate');
	$sandbox->heal;
	$standby->promote;
	wait_for_workers($standby, 'postgres renamed', 'a promoted standby has its workers');
	wait_until('the job', sub { $standby->safe_psql('postgres', "SELECT status FROM custom_models WHERE id = '$failing'") eq 'deployed' });
	is(scalar(grep { $_->{created} } job_posts($sandbox, $posted->{trainer_key})), 1, 'after a failover the job at the provider is adopted');
	leave_out($standby, $_) foreach qw(postgres renamed);
	$standby->stop;
	return 'no worker before, one after; the job is adopted';
});

my $full;

staged('F8', 'max_worker_processes without room for a worker, and for the launcher', sub {
	$full = new_node('full', $sandbox, 'max_worker_processes' => 1, 'max_logical_replication_workers' => 0);
	$full->start;
	set_up_app($full, 'postgres');
	my $kept = prepare($full, 1);
	wait_until('the shortage is told', sub { log_of($full) =~ /could not start the trainer worker for database "postgres"/ });
	my (undef, undef, $warning) = $full->psql('postgres', "SELECT trainer_submit_training('$kept')");
	like($warning, qr/WARNING:  no trainer worker runs on this server/, 'without room for a worker the submission is kept, with a warning');
	is($full->safe_psql('postgres', 'SELECT running, due FROM trainer_worker_status()'), 'f|1', '... and the status says that nothing runs');
	like($full->safe_psql('postgres', "SELECT hint FROM trainer_check() WHERE NOT ok AND check_name = 'worker'"), qr/max_worker_processes/, '... and the doctor what to do');
	is(scalar(() = log_of($full) =~ /could not start the trainer worker/g), 1, '... and the log says it once');

	$full->adjust_conf('postgresql.conf', 'max_worker_processes', '0');
	$full->restart;
	is($full->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', 'a server without room for the launcher starts, and says that nothing runs');
	return 'the server is up, requests are kept, log, status and doctor tell';
});

staged('F24', 'the library is not preloaded', sub {
	$full->adjust_conf('postgresql.conf', 'shared_preload_libraries', undef);
	$full->adjust_conf('postgresql.conf', 'max_worker_processes', '8');
	$full->restart;
	my $unserved = prepare($full, 1);
	$full->safe_psql('postgres', "SELECT trainer_set_budget('${\ org(1)}', 'training', 100000)");
	my ($state, $error) = sql_error($full, "SELECT trainer_submit_training('$unserved')");
	is($state, '55000', 'what a budget cannot be asked for is not begun');
	like($error, qr/cannot take from a budget without shared memory.*HINT:  Add trainer to shared_preload_libraries/s, '... and told how');
	$full->safe_psql('postgres', "SELECT trainer_set_budget('${\ org(1)}', 'training', NULL)");
	my (undef, undef, $warning) = $full->psql('postgres', "SELECT trainer_submit_training('$unserved')");
	like($warning, qr/WARNING:  no trainer worker runs on this server.*HINT:  Add trainer to shared_preload_libraries/s, 'not preloaded: the request is kept, with a warning');
	is($full->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', '... and the status says that nothing runs');
	is($full->safe_psql('postgres', "SELECT ok FROM trainer_check() WHERE check_name = 'preload'"), 'f', '... and so does the doctor');
	$full->append_conf('postgresql.conf', "shared_preload_libraries = 'trainer'");
	$full->restart;
	wait_until('what was kept is carried out', sub { $full->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE fine_tuned_model_id IS NOT NULL") == 2 });
	is($full->safe_psql('postgres', 'SELECT count(*) FROM custom_models WHERE fine_tuned_model_id IS NOT NULL'), 2, 'with room and library, what was kept is carried out');
	return 'requests are kept, with a warning; carried out after the restart';
});
check_invariants($full, $sandbox);
$full->stop;
done_testing();

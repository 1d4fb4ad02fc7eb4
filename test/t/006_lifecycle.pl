# The worker comes with the extension and goes with it: databases, copies, servers without room, standbys.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

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

# --- CREATE, DROP, CREATE ---
is(workers($node), '', 'no worker without the extension');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'trainer launcher'"), 1, 'but a launcher');
set_up_app($node, 'postgres', organizations => 2);
wait_for_workers($node, 'postgres', 'CREATE EXTENSION brings the worker, without a restart');
my $pid = wait_for_worker($node);
my $before = errors_in_log();
$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; ROLLBACK');
my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');
is(worker_pid($node), $pid, 'a DROP EXTENSION that is rolled back disturbs nobody');
my $began = time;
$node->safe_psql('postgres', 'DROP EXTENSION trainer CASCADE');
cmp_ok(time - $began, '<', 2, 'DROP EXTENSION does not wait for the worker');
wait_for_workers($node, '', 'DROP EXTENSION sends the worker home');
sleep 0.5;
is(errors_in_log(), $before, 'without an error, let alone a loop of them');
$node->safe_psql('postgres', 'CREATE EXTENSION trainer; SELECT trainer_attach()');
wait_for_workers($node, 'postgres', 'CREATE EXTENSION brings it back');
$model = train($node, 1);
wait_for_status($node, $model, 'deployed');
$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; CREATE EXTENSION trainer; SELECT trainer_attach(); COMMIT');
wait_until('a worker of the new extension', sub { $node->safe_psql('postgres', 'SELECT epoch FROM trainer_installation') });
$model = train($node, 1);
wait_for_status($node, $model, 'deployed');
pass('an extension that is dropped and created at once is served');

# --- a DROP while requests are under way ---
$sandbox->fault(kind => 'latency', ms => 3000, method => 'POST', path => '/v1/files');
my $cut = train($node, 2);
wait_until('a request under way', sub { $node->safe_psql('postgres', 'SELECT in_flight FROM trainer_worker_status()') });
$began = time;
$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trainer CASCADE; ROLLBACK');
cmp_ok(time - $began, '<', 2, 'nor does it wait for requests under way');
wait_for_status($node, $cut, 'deployed');
check_invariants($node, $sandbox, forgotten => 1);

# --- two databases, and which of them get a worker ---
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

# --- copies start paused ---
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE second');
my $waiting = $node->safe_psql('second', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', $node->connstr('second') ], 'a dump with work to do');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $history = () = $sandbox->history();
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
is($node->safe_psql('restored', "SELECT count(*) FROM trainer_operations_pending WHERE custom_model_id = '$waiting'"), 1, 'the restored work is there');
my $token = $node->safe_psql('restored', "SELECT id FROM trainer_operations WHERE custom_model_id = '$waiting' AND kind = 'upload_training_file'");
is(scalar(grep { index($_->{filename}, $token) >= 0 } $sandbox->history(method => 'POST', path => '/v1/files')), 1, '... and was sent once, by the original');
$node->safe_psql('restored', 'SELECT trainer_resume_worker()');
wait_until('the copy goes on when told to', sub { $node->safe_psql('restored', "SELECT status FROM custom_models WHERE id = '$waiting'") eq 'deployed' });
pass('a restored database goes on when somebody says so');
$began = time;
$node->safe_psql('postgres', 'DROP DATABASE restored WITH (FORCE)');
cmp_ok(time - $began, '<', 5, 'DROP DATABASE WITH (FORCE) takes its worker along');
$node->safe_psql('postgres', 'DROP DATABASE copy WITH (FORCE); CREATE DATABASE unrelated; DROP DATABASE unrelated');
wait_for_workers($node, 'postgres second', '... and no worker is started for what is gone');

# --- a standby has none; promoted, it has ---
$node->safe_psql('second', "SELECT trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
sleep 0.5;
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'trainer%'"), 0, 'no worker on a standby');
is($standby->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', '... which says so');
$sandbox->fault(kind => 'latency', ms => 5000, method => 'POST', path => $jobs);
my $failing = train($node, 2);
my $posted;
wait_until('a creation that is not recorded', sub { ($posted) = grep { $_->{created} && $_->{fault} } $sandbox->history(method => 'POST', path => $jobs) });
$node->wait_for_catchup($standby);
$node->stop('immediate');
$sandbox->heal;
$standby->promote;
wait_for_workers($standby, 'postgres second', 'a promoted standby has its workers');
wait_until('the job', sub { $standby->safe_psql('postgres', "SELECT status FROM custom_models WHERE id = '$failing'") eq 'deployed' });
is(scalar(grep { $_->{created} } job_posts($sandbox, $posted->{trainer_key})), 1, 'after a failover the job at the provider is adopted');
$standby->stop;

# --- a server without room, and one without the library ---
my $full = new_node('full', $sandbox, 'max_worker_processes' => 1, 'max_logical_replication_workers' => 0);
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

$full->adjust_conf('postgresql.conf', 'shared_preload_libraries', undef);
$full->adjust_conf('postgresql.conf', 'max_worker_processes', '8');
$full->restart;
my $unserved = prepare($full, 1);
(undef, undef, $warning) = $full->psql('postgres', "SELECT trainer_submit_training('$unserved')");
like($warning, qr/WARNING:  no trainer worker runs on this server.*HINT:  Add trainer to shared_preload_libraries/s, 'not preloaded: the request is kept, with a warning');
is($full->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 'f', '... and the status says that nothing runs');
is($full->safe_psql('postgres', "SELECT ok FROM trainer_check() WHERE check_name = 'preload'"), 'f', '... and so does the doctor');

$full->append_conf('postgresql.conf', "shared_preload_libraries = 'trainer'");
$full->restart;
wait_until('what was kept is carried out', sub { $full->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE fine_tuned_model_id IS NOT NULL") == 2 });
pass('with room and library, what was kept is carried out');
check_invariants($full, $sandbox, forgotten => 1);
$full->stop;
done_testing();

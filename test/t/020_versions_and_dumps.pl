# Another version of the extension than of the library, dumps restored in every way, and pg_upgrade: the worker waits where it must,
# a copy sends nothing, and what was begun goes on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use KeptSession;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

matrix('Lifecycle: versions, dumps and pg_upgrade');
my $sandbox = start_sandbox(job_seconds => 0.2);
my $node = new_node('versions', $sandbox, 'max_worker_processes' => 16, 'trainer.max_workers' => 12, 'shared_buffers' => '32MB', 'max_connections' => 40);
$node->start;
my $dir    = $node->basedir;
my $newest = $node->safe_psql('postgres', "SELECT default_version FROM pg_available_extensions WHERE name = 'trainer'");

# In another database than `postgres`.
sub submit_in
{
	my ($database, $organization) = @_;
	return $node->safe_psql($database, "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org($organization) . "')).id)");
}

sub wait_for_deployment
{
	my ($database, $model) = @_;
	my $status = '';
	wait_until("model $model in $database", sub { ($status = $node->safe_psql($database, "SELECT status FROM custom_models WHERE id = '$model'")) eq 'deployed' });
	is($status, 'deployed', "the model in $database is deployed");
	return;
}

# What a worker has sent: the doctor's question, a GET of the models, is a person's.
sub sent { return scalar grep { !($_->{method} eq 'GET' && $_->{path} eq '/v1/models') } $sandbox->history() }

# The worker has looked at its database again, after being woken.
sub let_worker_look
{
	my ($database) = @_;
	my $now = $node->safe_psql($database, "SELECT clock_timestamp() FROM trainer_wake_worker()");
	return wait_until("a look of the worker of $database", sub { $node->safe_psql($database, "SELECT heartbeat > '$now' FROM trainer_worker_slot()") eq 't' });
}

sub warnings_of { my ($database) = @_; return scalar(() = log_of($node) =~ /WARNING:  trainer worker of database "$database" waits/g) }

# --- versions -----------------------------------------------------------------------------------------------------------------

my @before;

staged('F19', "CREATE EXTENSION VERSION '0.1.0' under a newer library", sub {
	$node->safe_psql('postgres', 'CREATE DATABASE old');
	set_up_app($node, 'old', organizations => 3);
	wait_for_worker($node, 'old');
	# In the midst of a turn of the worker: it has begun to add up, and waits for a lock.
	my $session = session($node, 'old');
	$session->query_safe('BEGIN; LOCK TABLE trainer_feedback_rollup');
	$node->safe_psql('old', 'INSERT INTO model_feedback (organization_id, feedback_type) SELECT id, \'approved\' FROM organizations');
	wait_until('the worker waits', sub { $node->safe_psql('old', "SELECT count(*) FROM pg_locks WHERE relation = 'trainer_feedback_rollup'::regclass AND NOT granted") });
	$session->query_safe("DROP EXTENSION trainer CASCADE; CREATE EXTENSION trainer VERSION '0.1.0' CASCADE; SELECT trainer_attach(); COMMIT");
	$session->quit;
	wait_until('the warning', sub { warnings_of('old') == 1 });
	like(log_of($node), qr/WARNING:  trainer worker of database "old" waits: the extension is version 0\.1\.0, its library version \Q$newest\E.*?HINT:  Run ALTER EXTENSION trainer UPDATE/s,
		'the log tells what is the matter, and what to do');
	@before = map { submit_in('old', $_) } 1, 2;
	let_worker_look('old') foreach 1 .. 3;
	is($node->safe_psql('old', "SELECT count(*) FILTER (WHERE attempt > 0), count(*) FROM trainer_operations"), '0|2', 'nothing is claimed');
	is(sent(), 0, 'nothing is sent');
	is(warnings_of('old'), 1, 'it is told once, not once a look');
	is($node->safe_psql('old', 'SELECT running FROM trainer_worker_status()'), 't', 'the worker is there');
	like($node->safe_psql('old', 'SELECT last_error FROM trainer_worker_status()'), qr/version 0\.1\.0.*ALTER EXTENSION trainer UPDATE/, '... and its status has the hint');
	unlike(log_of($node), qr/trainer worker could not/, '... and there is no error');
	is(scalar(() = log_of($node) =~ /trainer worker" \(PID \d+\) exited with exit code 1/g), 1, '... but that it began anew, once');
	return 'waits, one WARNING, the status has the hint';
});

staged('F22', 'a dump of 0.1.0, with trainings that no worker has looked at, restored into the newest version', sub {
	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/old", $node->connstr('old') ], 'the dump');
	$node->safe_psql('postgres', 'CREATE DATABASE from_old');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('from_old'), "$dir/old" ], 'the restore');
	is($node->safe_psql('from_old', "SELECT extversion FROM pg_extension WHERE extname = 'trainer'"), $newest, 'it is the newest version');
	wait_for_worker($node, 'from_old');
	let_worker_look('from_old');
	is($node->safe_psql('from_old', 'SELECT paused, paused_reason FROM trainer_installation'), 't|operations were restored from a dump', 'a copy, although the dump names no installation');
	is(sent(), 0, '... and silent');
	$node->safe_psql('postgres', 'DROP DATABASE from_old WITH (FORCE)');
	return 'paused, silent';
});

staged('F19', 'ALTER EXTENSION UPDATE, rolled back and committed, with trainings submitted before', sub {
	$node->safe_psql('old', 'BEGIN; ALTER EXTENSION trainer UPDATE; ROLLBACK');
	let_worker_look('old');
	is(sent() . '|' . warnings_of('old'), '0|1', 'one that is rolled back changes nothing');
	$node->safe_psql('old', 'ALTER EXTENSION trainer UPDATE');
	wait_for_deployment('old', $_) foreach @before;
	is($node->safe_psql('old', 'SELECT last_error, last_error_at FROM trainer_worker_slot()'), '|', 'the status has nothing to tell any more');
	is($node->safe_psql('old', "SELECT ok, detail FROM trainer_check() WHERE check_name = 'version'"), "t|extension and library are version $newest", '... nor the doctor');
	return 'rolled back: waits on; committed: goes on by itself';
});

staged('F19', 'another version appears while a job runs and an upload is under way', sub {
	$sandbox->settings(job_seconds => 2);
	my $running = submit_in('old', 2);
	wait_until('a job at the provider', sub { $node->safe_psql('old', "SELECT provider_job_id FROM custom_models WHERE id = '$running'") });
	$sandbox->settings(job_seconds => 0.2);
	my $slow  = $sandbox->fault(kind => 'latency', ms => 1500, method => 'POST', path => '/v1/files');
	my $pid   = wait_for_worker($node, 'old');
	my $model = submit_in('old', 3);
	wait_until('the upload', sub { $sandbox->applied($slow) });
	# What an update to a version that this library does not know may leave behind.
	$node->safe_psql('old', "BEGIN; UPDATE pg_extension SET extversion = '9.9.9' WHERE extname = 'trainer'; ALTER TABLE trainer_operations RENAME due_at TO due;"
		  . ' SELECT trainer_wake_worker(); COMMIT');
	wait_until('a worker that waits', sub { warnings_of('old') == 2 });
	is($node->safe_psql('old', "SELECT state, last_delivery FROM trainer_operations WHERE custom_model_id = '$model'"), 'sending|', 'what the provider answers is not written into strange tables');
	is($node->safe_psql('old', 'SELECT trainer_library_version(), last_error IS NULL FROM trainer_worker_slot()'), "$newest|f", 'the status tells it');
	my $requests = sent();
	let_worker_look('old');
	is(sent(), $requests, 'and nothing more is sent');
	unlike(log_of($node), qr/trainer worker could not/, 'nor is a strange table touched');
	$node->safe_psql('old', "BEGIN; UPDATE pg_extension SET extversion = '$newest' WHERE extname = 'trainer'; ALTER TABLE trainer_operations RENAME due TO due_at;"
		  . ' SELECT trainer_wake_worker(); COMMIT');
	wait_for_deployment('old', $_) foreach $running, $model;
	return 'begins anew, waits; then looks for the upload, and at the job';
});
check_invariants($node, $sandbox, database => 'old');
leave_out($node, 'old');
$node->safe_psql('postgres', 'DROP DATABASE old WITH (FORCE)');

# --- dumps --------------------------------------------------------------------------------------------------------------------

# A database with a model that serves, and a training that has been submitted and not sent: no worker looks at it.
my @copies = map { "copy_$_" } qw(plain jobs sections order data);
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'source', @copies;
set_up_app($node, 'source');
wait_for_deployment('source', submit_in('source', 1));
settle($node, 60, 'source');    # what is under way when its worker ends would be taken over in a copy, and so change
set_setting($node, 'trainer.databases', join ', ', 'postgres', @copies);
wait_until('the source has no worker', sub { $node->safe_psql('source', 'SELECT running FROM trainer_worker_status()') eq 'f' });
my $waiting = submit_in('source', 1);
my $token   = $node->safe_psql('source', "SELECT id FROM trainer_operations WHERE custom_model_id = '$waiting'");
my $sent    = sent();
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", $node->connstr('source') ], 'a dump of schema and data');
command_ok([ 'pg_dump', '-Fc', '--data-only', '-f', "$dir/data", $node->connstr('source') ], 'a dump of the data only');

# Every row of every table of the extension but the installation's.
sub contents
{
	my ($database) = @_;
	my @tables = split /\n/, $node->safe_psql($database, "SELECT c.relname FROM pg_extension e, unnest(e.extconfig) AS o JOIN pg_class c ON c.oid = o"
		  . " WHERE e.extname = 'trainer' AND c.relkind = 'r' AND c.relname <> 'trainer_installation' ORDER BY 1");
	# By which transaction a row was written is each database's own affair, and so is how far a counter's rows have been added up: what they add up to is not.
	my %of = (trainer_metric_totals => '(SELECT name, label, sum(n) AS n, sum(amount) AS amount FROM trainer_metric_totals GROUP BY 1, 2)');
	return join "\n", map { "$_: " . $node->safe_psql($database, "SELECT count(*), md5(string_agg(r, ',' ORDER BY r)) FROM (SELECT (to_jsonb(t) - 'xid')::text AS r FROM ${\ ($of{$_} // $_)} t) t") } @tables;
}

sub restore
{
	my ($database, @options) = @_;
	return command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($database), @options ], "pg_restore @options[0 .. $#options - 1]");
}

# Whatever the way it came: paused, complete, and silent.
sub check_copy
{
	my ($database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for_worker($node, $database);
	let_worker_look($database);
	like($node->safe_psql($database, 'SELECT paused, paused_reason FROM trainer_installation'), qr/^t\|.*(?:copied|restored)/, "$database is paused, and says why");
	is(contents($database), contents('source'), '... with every row of the source');
	is($node->safe_psql($database, "SELECT state, attempt FROM trainer_operations WHERE id = '$token'"), 'ready|0', '... and what was to be sent waits');
	is($node->safe_psql($database, 'SELECT id FROM trainer_installation'), $node->safe_psql('source', 'SELECT id FROM trainer_installation'), '... under the tokens of the source');
	is($node->safe_psql($database, "SELECT (SELECT max(id) FROM trainer_event_log) < nextval('trainer_event_log_id_seq')"), 't', '... and the sequence goes on');
	is(sent(), $sent, '... and nothing has been sent');
	return;
}

# A worker that has begun in an empty installation, and would send whatever it finds.
sub wait_for_first_epoch
{
	my ($database) = @_;
	$node->safe_psql($database, 'SELECT trainer_wake_worker()');
	return wait_until("a worker that has begun in $database", sub { $node->safe_psql($database, 'SELECT epoch FROM trainer_installation') });
}

staged('F22', 'pg_restore of schema and data', sub {
	restore('copy_plain', "$dir/dump");
	check_copy('copy_plain');
	is($node->safe_psql('copy_plain', "SELECT ok FROM trainer_check() WHERE check_name = 'foreign keys'"), 'f', 'the doctor reminds of trainer_attach()');
	$node->safe_psql('copy_plain', 'SELECT trainer_attach()');
	is($node->safe_psql('copy_plain', "SELECT ok FROM trainer_check() WHERE check_name = 'foreign keys'"), 't', '... which puts the foreign keys back');
	return 'complete, paused, silent';
});

# An archive does not say which table of an extension comes before which: the order of a serial restore is the right one.
staged('F22', 'pg_restore --jobs=4', sub {
	my ($out, $error) = run_command([ 'pg_restore', '--jobs=4', '-d', $node->connstr('copy_jobs'), "$dir/dump" ]);
	# Seldom every table happens to come in time.
	$error eq '' ? is(contents('copy_jobs'), contents('source'), 'it is complete') : like($error, qr/violates foreign key constraint/, 'rows that come before those that they refer to are refused');
	wait_for_first_epoch('copy_jobs');
	let_worker_look('copy_jobs');
	is($node->safe_psql('copy_jobs', 'SELECT count(*) FROM trainer_operations, trainer_installation WHERE NOT paused'), 0, 'no operation is there without a pause');
	is(sent(), $sent, 'and nothing is sent');
	return 'tables in the wrong order are refused (23503); silent';
});

staged('F22', 'pg_restore --jobs=4 of all but the data, which comes by itself', sub {
	$node->safe_psql('postgres', 'DROP DATABASE copy_jobs WITH (FORCE)');
	$node->safe_psql('postgres', 'CREATE DATABASE copy_jobs');
	restore('copy_jobs', '--jobs=4', '--section=pre-data', "$dir/dump");
	restore('copy_jobs', '--section=data', "$dir/dump");
	restore('copy_jobs', '--jobs=4', '--section=post-data', "$dir/dump");
	check_copy('copy_jobs');
	return 'complete, paused, silent';
});

staged('F22', 'pg_restore --section=pre-data, data, post-data, with a worker that begins after the first', sub {
	restore('copy_sections', '--section=pre-data', "$dir/dump");
	wait_for_first_epoch('copy_sections');
	restore('copy_sections', "--section=$_", "$dir/dump") foreach qw(data post-data);
	check_copy('copy_sections');
	return 'complete, paused, silent';
});

staged('F22', 'operations restored before the installation\'s row, beside a worker that has begun', sub {
	restore('copy_order', '--section=pre-data', "$dir/dump");
	wait_for_first_epoch('copy_order');
	my ($list) = run_command([ 'pg_restore', '--list', '--section=data', "$dir/dump" ]);
	my @last = grep { /TABLE DATA \S+ trainer_installation / } split /\n/, $list;
	is(scalar(@last), 1, 'the dump has the installation\'s row');
	append_to_file("$dir/first.list", join "\n", grep { $_ ne $last[0] } split /\n/, $list);
	append_to_file("$dir/last.list",  "$last[0]\n");
	restore('copy_order', "--use-list=$dir/first.list", "$dir/dump");
	let_worker_look('copy_order');
	is($node->safe_psql('copy_order', 'SELECT paused, paused_reason FROM trainer_installation'), 't|operations were restored from a dump', 'the operations alone pause the worker');
	is(sent(), $sent, '... before it sends one');
	restore('copy_order', "--use-list=$dir/last.list", "$dir/dump");
	restore('copy_order', '--section=post-data', "$dir/dump");
	check_copy('copy_order');
	return 'paused by the first operation, nothing sent';
});

staged('F22', 'pg_restore of the data only, into an extension whose worker has begun', sub {
	set_up_app($node, 'copy_data', organizations => 0);
	$node->safe_psql('copy_data', 'SELECT trainer_detach()');
	wait_for_first_epoch('copy_data');
	restore('copy_data', "$dir/data");
	check_copy('copy_data');
	return 'no conflict; complete, paused, silent';
});

staged('F22', 'the same with --disable-triggers', sub {
	$node->safe_psql('postgres', 'DROP DATABASE copy_data WITH (FORCE)');
	$node->safe_psql('postgres', 'CREATE DATABASE copy_data');
	set_up_app($node, 'copy_data', organizations => 0);
	$node->safe_psql('copy_data', 'SELECT trainer_detach()');
	wait_for_first_epoch('copy_data');
	command_fails_like([ 'pg_restore', '--exit-on-error', '--disable-triggers', '-d', $node->connstr('copy_data'), "$dir/data" ],
		qr/duplicate key value violates unique constraint "trainer_installation_pkey"/, 'it meets the row that the worker has written');
	let_worker_look('copy_data');
	is($node->safe_psql('copy_data', 'SELECT count(*) FROM trainer_operations'), 0, '... before an operation is there');
	is(sent(), $sent, '... so nothing is sent');
	return 'refused (23505) before the operations';
});

staged('F22', 'operations that come by replication', sub {
	$node->safe_psql('copy_jobs', <<"SQL");
UPDATE trainer_installation SET paused = false, paused_reason = NULL;
SET session_replication_role = replica;
INSERT INTO trainer_operations SELECT (json_populate_record(o, json_build_object('id', gen_random_uuid(), 'argument', 'replicated'))).* FROM trainer_operations o WHERE id = '$token';
SQL
	is($node->safe_psql('copy_jobs', 'SELECT paused, paused_reason FROM trainer_installation'), 't|operations were restored from a dump', 'they pause the worker, too');
	return 'paused';
});

staged('F22', 'pg_dump and pg_restore by roles that are no superuser', sub {
	$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader; CREATE DATABASE of_plain OWNER plain');
	my $connection = sub { return $node->connstr($_[0]) . " user=$_[1]" };
	command_fails_like([ 'pg_dump', '-Fc', '-f', "$dir/plain", $connection->('source', 'plain') ], qr/permission denied for table/, 'who has no privileges dumps nothing');
	command_fails_like([ 'pg_dump', '-Fc', '-f', "$dir/reader", $connection->('source', 'reader') ], qr/query would be affected by row-level security policy/,
		'who may read all data would dump half of it, and is told so');
	command_fails_like([ 'pg_restore', '--exit-on-error', '-d', $connection->('of_plain', 'plain'), "$dir/dump" ], qr/permission denied to create extension "trainer"/, 'nor may they create the extension');
	is($node->safe_psql('of_plain', "SELECT count(*) FROM pg_extension WHERE extname = 'trainer'"), 0, 'and nothing is left of it');
	return 'refused: 42501, by privilege or row-level security';
});

staged('F25', 'a dump whose trainer_attach() was run by a role that is gone', sub {
	$node->safe_psql('postgres', 'CREATE ROLE boss SUPERUSER LOGIN; CREATE DATABASE of_boss; CREATE DATABASE of_nobody');
	$node->safe_psql('source', 'SELECT trainer_attach()', extra_params => [ '-U', 'boss' ]);
	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/boss", $node->connstr('source') ], 'a dump that names the role');
	$node->safe_psql('postgres', 'ALTER ROLE boss RENAME TO chief');
	is($node->safe_psql('source', "SELECT DISTINCT attached_by FROM trainer_bindings"), 'chief', 'a renamed role is still the one');
	command_fails_like([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('of_boss'), "$dir/boss" ], qr/role "boss" does not exist/, 'as ever, roles are restored before what names them');
	$node->safe_psql('postgres', 'DROP ROLE chief');
	like($node->safe_psql('source', "SELECT DISTINCT attached_by FROM trainer_bindings"), qr/^\d+$/, 'of a dropped role the number is left');
	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/nobody", $node->connstr('source') ], 'which a dump can hold');
	restore('of_nobody', "$dir/nobody");
	is($node->safe_psql('of_nobody', 'SELECT count(*) FROM trainer_bindings'), 5, '... and a restore, too');
	return 'renamed: follows; dropped: no harm; a dump wants its roles';
});

staged('G18', 'the source goes on', sub {
	set_setting($node, 'trainer.databases', '');
	wait_for_deployment('source', $waiting);
	is(scalar(grep { index($_->{filename} // '', $token) >= 0 } $sandbox->history(method => 'POST', path => '/v1/files')), 1, 'what was submitted there is sent once, whatever copies there are');
	return 'sent once';
});
check_invariants($node, $sandbox, database => 'source');

# --- pg_upgrade ---------------------------------------------------------------------------------------------------------------

staged('F23', 'pg_upgrade --check and pg_upgrade, with a job at the provider and a training not yet sent', sub {
	$node->safe_psql('postgres', "DROP DATABASE $_ WITH (FORCE)") foreach @copies, qw(of_plain of_boss of_nobody);
	$sandbox->settings(job_seconds => 3);
	my $running = submit_in('source', 1);
	wait_until('a job at the provider', sub { $node->safe_psql('source', "SELECT provider_job_id FROM custom_models WHERE id = '$running'") });
	set_setting($node, 'trainer.databases', 'postgres');
	wait_until('the source has no worker', sub { $node->safe_psql('source', 'SELECT running FROM trainer_worker_status()') eq 'f' });
	my $unsent = submit_in('source', 1);
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET trainer.databases');
	my $contents = contents('source');
	$node->stop;

	my $new = new_node('upgraded', $sandbox, 'max_worker_processes' => 16, 'shared_buffers' => '32MB');
	my $requests = sent();
	(my $bin = slurp_pg_config()) =~ s/\s+\z//;
	my @upgrade = ('pg_upgrade', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin, '-s', $new->host, '-p', $node->port, '-P', $new->port);
	chdir $new->basedir;
	command_ok([ @upgrade, '--check' ], 'pg_upgrade --check finds nothing to complain of');
	command_ok([@upgrade], 'pg_upgrade');
	is(sent(), $requests, 'no worker runs meanwhile');
	$new->start;
	$node = $new;
	wait_for_worker($node, 'source');
	let_worker_look('source');
	is($node->safe_psql('source', 'SELECT paused, paused_reason FROM trainer_installation'), 't|the database was copied from another cluster', 'the new cluster starts paused, as the manual says');
	is(contents('source'), $contents, '... with every row');
	is(sent(), $requests, '... and silent');
	is($node->safe_psql('source', "SELECT string_agg(check_name, ' ') FROM trainer_check() WHERE NOT ok"), 'not paused', '... and all else is well');
	$node->safe_psql('source', 'SELECT trainer_resume_worker()');
	wait_for_deployment('source', $_) foreach $running, $unsent;
	return 'no worker meanwhile; paused; resumed, both trainings go on';
});

sub slurp_pg_config { my ($bin) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--bindir' ]); return $bin }

check_invariants($node, $sandbox, database => 'source');
$node->stop;
done_testing();

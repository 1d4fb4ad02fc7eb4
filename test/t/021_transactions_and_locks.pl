# What users do to the database around the worker: transactions of all kinds, locks, settings, DDL in the way. Only what is
# committed is sent, and nobody waits for longer than he must.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Lifecycle: transactions, locks, settings and DDL');
my $sandbox = start_sandbox(job_seconds => 0.2);
my $node = start_node('transactions', $sandbox, organizations => 10, 'trainer.reconcile_quiet_period' => '200ms', 'max_prepared_transactions' => 4, 'deadlock_timeout' => '100ms');

my $worker = "FROM pg_stat_activity WHERE backend_type = 'trainer worker' AND datname = 'postgres'";

# Every model that was submitted under a name that matches, and what came of it.
sub models
{
	my ($like) = @_;
	return $node->safe_psql('postgres', "SELECT string_agg(name || ' ' || status, ', ' ORDER BY name) FROM custom_models WHERE name LIKE '$like'") // '';
}

sub submission { my ($dataset, $name) = @_; return "trainer_submit_training('$dataset', name => '$name')" }

# Seconds of processor time that a process has used.
sub cpu_of
{
	my ($pid) = @_;
	my @fields = split / /, (slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr);
	return ($fields[11] + $fields[12]) / 100;
}

# --- transactions -------------------------------------------------------------------------------------------------------------

staged('F30', 'savepoints, exception blocks and subtransactions around submissions', sub {
	my @set = map { prepare($node, $_) } 1 .. 6;
	my $deep = join ' ', map { "SAVEPOINT s$_;" } 1 .. 80;    # more than a backend keeps in shared memory
	$node->safe_psql('postgres', <<"SQL");
BEGIN;
SAVEPOINT a; SELECT ${\ submission($set[0], 'sub undone')}; ROLLBACK TO a;
SAVEPOINT b; SELECT ${\ submission($set[1], 'sub released')}; RELEASE b;
DO \$\$ BEGIN
  BEGIN PERFORM ${\ submission($set[2], 'sub raised')}; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
  BEGIN PERFORM ${\ submission($set[3], 'sub caught')}; EXCEPTION WHEN OTHERS THEN RAISE; END;
END \$\$;
$deep SELECT ${\ submission($set[4], 'sub deep')}; ROLLBACK TO s80; SELECT ${\ submission($set[5], 'sub deeper')};
COMMIT;
SQL
	wait_until('their ends', sub { models('sub%') !~ /pending|queued|ing\b/ && models('sub%') ne '' });
	is(models('sub%'), 'sub caught deployed, sub deeper deployed, sub released deployed', 'what survived is carried out, and nothing else');
	is($node->safe_psql('postgres', "SELECT string_agg(status, ' ') FROM training_datasets WHERE id IN ('$set[0]', '$set[2]', '$set[4]')"), 'ready ready ready', 'the datasets of the others are as before');
	return 'only surviving rows are sent';
});

staged('F28', 'two submissions of one organization under SERIALIZABLE', sub {
	my ($first, $second) = map { prepare($node, 1) } 1, 2;
	my $session = session($node);
	$session->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM custom_models");
	$node->safe_psql('postgres', 'SELECT ' . submission($first, 'serial one'));
	$session->{stderr} = '';
	$session->query("\\set VERBOSITY verbose\nSELECT " . submission($second, 'serial two'));
	like($session->{stderr}, qr/ERROR:  40001: could not serialize access.*HINT:  The transaction might succeed if retried/s, 'the later one is told to try again');
	$session->{stderr} = '';
	$session->query_safe('ROLLBACK');
	$session->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE');
	$session->query_safe('SELECT ' . submission($second, 'serial two'));
	$session->query_safe('COMMIT');
	$session->quit;
	# The older version may well come in second.
	my $both = qr/^serial one (?:retired|succeeded), serial two deployed$/;
	wait_until('their ends', sub { models('serial%') =~ $both });
	like(models('serial%'), $both, 'and then succeeds');
	return '40001 once, then both are carried out';
});

staged('L5', 'PREPARE TRANSACTION after a submission, and after what only wakes the worker', sub {
	my $dataset = prepare($node, 3);
	my $before  = $node->safe_psql('postgres', 'SELECT count(*) FROM trainer_operations');
	my ($state, $message) = sql_error($node, 'BEGIN; SELECT ' . submission($dataset, 'prepared') . "; PREPARE TRANSACTION 'both'");
	is($state, '0A000', 'it is refused');
	like($message, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, '... with Postgres\' own words');
	is($node->safe_psql('postgres', "SELECT count(*) - $before, (SELECT count(*) FROM pg_prepared_xacts), (SELECT status FROM training_datasets WHERE id = '$dataset') FROM trainer_operations"), '0|0|ready', 'and nothing is half done');
	my $model = submit($node, $dataset);
	$node->safe_psql('postgres', "BEGIN; SELECT trainer_pause_worker('in two phases'); PREPARE TRANSACTION 'pause'");
	wait_for_status($node, $model, 'deployed');
	$node->safe_psql('postgres', "COMMIT PREPARED 'pause'");
	is($node->safe_psql('postgres', 'SELECT paused_reason FROM trainer_worker_status()'), 'in two phases', 'a pause may be prepared');
	$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	return 'refused (0A000), nothing half done; a pause works';
});

staged('F27', 'a user\'s transaction that stays open', sub {
	my $session = session($node);
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM trainer_operations');
	my $model = train($node, 4);
	wait_for_status($node, $model, 'deployed');
	is($session->query_safe("SELECT count(*) FROM custom_models WHERE id = '$model'"), 0, 'it sees nothing of it');
	$session->query_safe('COMMIT');
	$session->quit;
	return 'the worker goes on';
});

# --- locks --------------------------------------------------------------------------------------------------------------------

staged('F27', 'LOCK TABLE trainer_operations for longer than every timeout, with jobs and an upload under way', sub {
	$sandbox->settings(job_seconds => 5);
	my @models = split /\n/, $node->safe_psql('postgres', "SELECT (trainer_submit_training((trainer_prepare_dataset(o.id)).id)).id FROM (SELECT id FROM organizations ORDER BY id LIMIT 6) AS o");
	wait_until('the jobs run', sub { $node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE kind = 'poll_job' AND state = 'ready'") == 6 });
	# Many answers come while the table is locked, and one more when they have all been tried to be recorded.
	my $many = $sandbox->fault(kind => 'latency', ms => 1000, method => 'POST', path => '/v1/files', count => 40);
	push @models, split /\n/, $node->safe_psql('postgres', "SELECT (trainer_submit_training((trainer_prepare_dataset(o.id)).id)).id FROM organizations o, generate_series(1, 4)");
	wait_until('uploads', sub { $sandbox->applied($many) == 40 });
	my $late = $sandbox->fault(kind => 'latency', ms => 3500, method => 'POST', path => '/v1/files');
	push @models, my $last = train($node, 7);
	wait_until('a late one', sub { $sandbox->applied($late) });
	my $pid    = worker_pid($node);
	my $locker = session($node);
	$locker->query_safe('BEGIN; LOCK TABLE trainer_operations, custom_models IN ACCESS EXCLUSIVE MODE');
	my $cpu = cpu_of($pid);
	# Longer than lock_timeout (200 ms), than the pause after a failed claim (5 s) and than a request may take (5 s).
	my ($end, $longest) = (time + 7, 0);
	while (time < $end)
	{
		my $age = $node->safe_psql('postgres', "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) $worker AND backend_xmin IS NOT NULL");
		$longest = $age if $age > $longest;
		sleep 0.05;
	}
	my $used = cpu_of($pid) - $cpu;
	cmp_ok($longest, '<', 1, 'the worker holds no snapshot for long');
	note("processor time in 7 s: $used s");
	cmp_ok($used, '<', 0.7, 'and is not busy');
	is(worker_pid_without_tables(), $pid, 'it is the same worker');
	$locker->query_safe('ROLLBACK');
	$locker->quit;
	wait_for_status($node, $_, 'deployed|retired|succeeded') foreach @models;
	is($node->safe_psql('postgres', "SELECT count(*), max(attempt), max(last_delivery) FROM trainer_operations WHERE kind = 'upload_training_file' AND custom_model_id = '$last'"), '1|1|ok', 'an answer that came meanwhile was heard in time');
	cmp_ok(scalar(() = log_of($node) =~ /trainer worker could not/g), '<=', 4, 'the log has a line a problem, not a flood');
	$sandbox->settings(job_seconds => 0.2);
	return 'waits without a snapshot, without a busy loop; goes on afterwards';
});

sub worker_pid_without_tables { return $node->safe_psql('postgres', "SELECT pid $worker") }

staged('F27', 'pg_terminate_backend() of a worker that waits for a lock', sub {
	my $locker = session($node);
	$locker->query_safe('BEGIN; LOCK TABLE trainer_operations IN ACCESS EXCLUSIVE MODE');
	my $pid = worker_pid_without_tables();
	$node->safe_psql('postgres', 'SELECT trainer_wake_worker()');
	wait_until('a worker that waits', sub { $node->safe_psql('postgres', "SELECT 1 $worker AND wait_event_type = 'Lock'") }, 30, 0);
	my $began = time;
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 5000)"), 't', 'it ends');
	cmp_ok(time - $began, '<', 1, '... within a second');
	$locker->query_safe('ROLLBACK');
	$locker->quit;
	return 'ends within 1 s';
});

staged('F28', 'a database whose default is serializable', sub {
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'");
	my $model = train($node, 2);
	wait_until('a worker that begins under it', sub { worker_pid_without_tables() });
	wait_for_status($node, $model, 'deployed');
	my ($state) = sql_error($node, "CALL trainer_wait_for_training('$model')");
	is($state, '55000', 'to wait in such a transaction is refused, since it would never see the end');
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET default_transaction_isolation');
	return 'submitted and carried out; the worker reads committed';
});

staged('F27', 'VACUUM FULL and REINDEX of the worker\'s tables while it works', sub {
	my @models = map { train($node, $_) } 1 .. 8;
	# Often enough to meet the worker between any two of its statements.
	my $rebuild = join ' ', map { "VACUUM FULL $_; REINDEX TABLE $_;" } qw(trainer_operations custom_models trainer_installation trainer_event_log trainer_provider_events);
	foreach my $round (1 .. 60)
	{
		$node->safe_psql('postgres', $rebuild);
		push @models, train($node, 9) if $round % 10 == 0;
	}
	wait_for_status($node, $_, 'deployed|retired|succeeded') foreach @models;
	return 'all are carried out';
});
check_invariants($node, $sandbox);

# --- what must not go ---------------------------------------------------------------------------------------------------------

staged('L3', 'TRUNCATE of the organizations with CASCADE, and of the outbox, while a training is under way', sub {
	$sandbox->settings(job_seconds => 600);
	my $model = train($node, 9);
	wait_for_status($node, $model, 'validating|queued|running');
	foreach my $sql ('TRUNCATE organizations CASCADE', 'TRUNCATE custom_models CASCADE', 'TRUNCATE trainer_operations', 'TRUNCATE training_datasets CASCADE')
	{
		my ($state, $message) = sql_error($node, $sql);
		is($state, '55000', "$sql is refused");
		like($message, qr/cannot truncate .* while trainings are under way.*Cancel them with trainer_cancel_training\(\) first/s, '... with what to do');
	}
	like(status_of($node, $model), qr/^(?:validating|queued|running)$/, 'the training is there');
	# Who may truncate, and may not see every row, does not get past it.
	$node->safe_psql('postgres', 'CREATE ROLE truncator LOGIN; GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO truncator; GRANT SELECT ON custom_models, trainer_operations TO truncator;'
		  . ' GRANT EXECUTE ON FUNCTION trainer_keep_live_models() TO truncator');
	my ($state) = sql_error($node, 'SET ROLE truncator; TRUNCATE organizations CASCADE');
	is($state, '42501', 'nor do the eyes of row-level security help');
	$node->safe_psql('postgres', 'DROP OWNED BY truncator; DROP ROLE truncator');
	$node->safe_psql('postgres', "SELECT trainer_cancel_training('$model')");
	wait_for_status($node, $model, 'cancelled');
	$sandbox->settings(job_seconds => 0.2);
	return 'refused (55000) until it is cancelled';
});

staged('L3', 'a cancelled model is deleted while its files, and a job without an answer, are left at the provider', sub {
	$sandbox->settings(job_seconds => 600);
	my $refused = sub {
		my ($sql, $what) = @_;
		my ($state, $message) = sql_error($node, $sql);
		is($state, '55000', "$sql is refused");
		like($message, qr/something is left at the provider.*(?:$what).*Wait until it is done/s, '... with what to do');
	};
	my $deletion = $sandbox->fault(kind => 'status', status => 500, method => 'DELETE', path => '/v1/files/*', count => -1);
	my $model = train($node, 7);
	wait_for_status($node, $model, 'validating|queued|running');
	$node->safe_psql('postgres', "SELECT trainer_cancel_training('$model')");
	wait_for_status($node, $model, 'cancelled');
	$refused->("DELETE FROM custom_models WHERE id = '$model'", 'delete_file');
	$refused->('TRUNCATE trainer_operations', 'Files and jobs');
	$sandbox->heal;
	settle($node);

	# The job that nobody sees is looked for three times, the last time after seven quiet periods.
	set_setting($node, 'trainer.reconcile_quiet_period', '1s');
	wait_for_reload($node, 'trainer.reconcile_quiet_period', '1s');
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
	$sandbox->fault(kind => 'list_lag', ms => 60000, count => -1);
	my $doubt = train($node, 7);
	wait_until('the creation is in doubt', sub { ask($node, "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job' AND state IN ('reconcile', 'checking')") });
	$node->safe_psql('postgres', "SELECT trainer_cancel_training('$doubt')");
	wait_for_status($node, $doubt, 'cancelled');
	$refused->("DELETE FROM custom_models WHERE id = '$doubt'", 'sweep_duplicates');
	my ($token) = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job'");
	$sandbox->heal;
	settle($node);
	is($sandbox->state->{trainer_keys}{$token}{live}, 0, 'the job has been found, and cancelled');
	check_invariants($node, $sandbox);
	leave_out($node);
	$node->safe_psql('postgres', "DELETE FROM custom_models WHERE id = '$doubt'");
	$sandbox->settings(job_seconds => 0.2);
	set_setting($node, 'trainer.reconcile_quiet_period', '200ms');
	return 'refused (55000) until nothing of it is left; then deleted';
});

# --- DDL in the way -----------------------------------------------------------------------------------------------------------

staged('L4', 'event triggers that refuse all DDL, and what a database\'s owner can plant', sub {
	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no DDL today (%)', tg_tag; END $$;
CREATE EVENT TRIGGER refuse_ddl ON ddl_command_start EXECUTE FUNCTION refuse();
CREATE EVENT TRIGGER refuse_drop ON sql_drop EXECUTE FUNCTION refuse();
SQL
	my (undef, $message) = sql_error($node, 'DROP EXTENSION trainer CASCADE');
	like($message, qr/no DDL today \(DROP EXTENSION\)/, 'DROP EXTENSION is refused');
	(undef, $message) = sql_error($node, 'SELECT trainer_detach()');
	like($message, qr/no DDL today \(ALTER TABLE\)/, 'and so is what changes constraints');
	my $model = train($node, 10);
	wait_for_status($node, $model, 'deployed');
	# Neither event trigger can be dropped while the other looks.
	$node->safe_psql('postgres', 'ALTER EVENT TRIGGER refuse_ddl DISABLE; ALTER EVENT TRIGGER refuse_drop DISABLE; DROP EVENT TRIGGER refuse_ddl; DROP EVENT TRIGGER refuse_drop; DROP FUNCTION refuse()');
	$node->safe_psql('postgres', 'CREATE ROLE tenant LOGIN; CREATE DATABASE of_tenant OWNER tenant');
	set_up_app($node, 'of_tenant');
	$node->safe_psql('of_tenant', "SET ROLE tenant; CREATE SCHEMA mine; CREATE FUNCTION mine.plant() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''planted''; END';"
	  . " CREATE FUNCTION mine.plant_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''planted''; END'");
	foreach my $sql ('CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION mine.plant()', 'CREATE TRIGGER planted BEFORE UPDATE ON trainer_operations FOR EACH ROW EXECUTE FUNCTION mine.plant_row()',
		'CREATE RULE planted AS ON UPDATE TO trainer_operations DO INSTEAD NOTHING', 'ALTER TABLE trainer_operations DISABLE TRIGGER ALL')
	{
		my ($state) = sql_error($node, "SET ROLE tenant; $sql", 'of_tenant');
		is($state, '42501', "the owner of the database may not: $sql");
	}
	my $there = $node->safe_psql('of_tenant', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
	wait_until('the job there', sub { $node->safe_psql('of_tenant', "SELECT status FROM custom_models WHERE id = '$there'") eq 'deployed' });
	is($node->safe_psql('of_tenant', "SELECT status FROM custom_models WHERE id = '$there'"), 'deployed', 'and the worker of his database works');
	leave_out($node, 'of_tenant');
	$node->safe_psql('postgres', 'DROP DATABASE of_tenant WITH (FORCE)');
	return 'the worker runs no DDL; planting is refused (42501)';
});

staged('F25', 'the role that attached and submitted is renamed and dropped with trainings under way', sub {
	$node->safe_psql('postgres', 'CREATE ROLE boss SUPERUSER LOGIN');
	my $slow = $sandbox->fault(kind => 'latency', ms => 1000, method => 'POST', path => '/v1/files', count => 2);
	my @models = map {
		$node->safe_psql('postgres', "SELECT count(*) FROM trainer_attach(); SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org($_) . "')).id)",
			extra_params => [ '-U', 'boss' ]) =~ /^\d+\n(\S+)/
	} 3, 4;
	wait_until('uploads', sub { $sandbox->applied($slow) });
	$node->safe_psql('postgres', 'ALTER ROLE boss RENAME TO chief');
	is($node->safe_psql('postgres', 'SELECT DISTINCT attached_by FROM trainer_bindings'), 'chief', 'a binding follows the renamed role');
	$node->safe_psql('postgres', 'ALTER ROLE chief NOLOGIN NOSUPERUSER; DROP ROLE chief');
	wait_for_status($node, $_, 'deployed') foreach @models;
	is($node->safe_psql('postgres', "SELECT string_agg(check_name, ' ') FROM trainer_check() WHERE NOT ok"), '', 'all is well without it');
	$node->safe_psql('postgres', 'SELECT count(*) FROM trainer_attach()');
	return 'jobs are nobody\'s: they go on';
});

# --- settings -----------------------------------------------------------------------------------------------------------------

# Of each setting a value that is taken and some that are not.
my $key = 'sk-MISPLACED' . int(rand(2**31));
my %values = (
	'trainer.provider'       => [ 'openai', 'nobody', '' ],
	'trainer.api_base'       => [ $sandbox->api_base, 'http://198.51.100.7/v1', 'nonsense', "https://user:$key\@127.0.0.1/v1" ],
	'trainer.api_ca_file'    => [ '', 'relative.pem' ],
	'trainer.api_key_file'   => [ $node->basedir . '/trainer.key', 'relative.key', $key, "/$key/../x\ny", '/dev/null' ],
	'trainer.api_key_env'    => [ 'TRAINER_KEY', $key, 'A=B', '1A' ],
	'trainer.instance_name'  => [''],
	'trainer.webhook_allowed_hosts' => [ 'hooks.example.com, http://127.0.0.1:8080', 'hooks.example.com/path', 'http://hooks.example.com', "$key\@127.0.0.1" ],
	'trainer.webhook_secret_file'   => [ '', 'relative.secret', $key, '/dev/null' ],
	'trainer.databases'      => [ 'postgres, "Other"', 'a,,b', '"unfinished' ],
	'trainer.max_workers'    => [ '8', '0', '257', 'many' ],
	'trainer.max_concurrent_requests' => [ '32', '0', '4097', '-1', 'x' ],
	'trainer.poll_interval'   => [ '50ms', '9ms', '25h', '1 fortnight' ],
	'trainer.request_timeout' => [ '5s', '0', '2h', '-1' ],
	'trainer.connect_timeout' => [ '1s', '99ms', '11min' ],
	'trainer.max_response_size' => [ '1MB', '63kB', '2GB', '1s' ],
	'trainer.reconcile_quiet_period' => [ '600ms', '99ms', '25h' ],
	'trainer.model_grace_period' => [ '2s', '-1s', '25h' ],
	'trainer.exemplar_fallback' => [ 'on', 'perhaps' ],
	'trainer.breaker_cooldown' => [ '30s', '99ms', '25h' ],
	'trainer.experiment_interval' => [ '60s', '99ms', '25h' ],
	'trainer.default_base_model' => [ 'gpt-4o', '', 'two words' ],
	'trainer.auto_deploy'     => [ 'on', 'perhaps' ],
	'trainer.rollback_on_regression' => [ 'off', 'perhaps' ],
	'trainer.retry_learning_rate_factor' => [ '0.5', '-0.1', '1.1', 'NaN', 'half' ],
	'trainer.min_training_examples'      => [ '100', '9', '2147483648' ],
	'trainer.retrain_threshold'          => [ '100', '-1', '2147483648' ],
	'trainer.retrain_cooldown'           => [ '1d', '-1s', 'soon' ],
	'trainer.retrain_min_new_examples'   => [ '10', '-1', 'x' ],
	'trainer.retrain_margin'             => [ '0.05', '-0.1', '1.1', 'NaN' ],
	'trainer.organization_id' => [ '', 'nonsense', '00000000-0000-4000-8000-00000000000' ],
	'trainer.plans_with_custom_models'   => ['plus,creator_plus,custom']);

staged('F26', 'ALTER SYSTEM of every setting with good and bad values, and the same in the file', sub {
	my $settings = join "\n", sort keys %values;
	is($node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name LIKE 'trainer.%' AND name NOT LIKE 'trainer.fault%' ORDER BY name COLLATE \"C\""), $settings, 'every setting is tried');
	my $quote  = sub { return "'" . ($_[0] =~ s/'/''/gr) . "'" };
	my $count  = 0;
	my @taken;
	foreach my $name (sort keys %values)
	{
		my ($good, @bad) = @{ $values{$name} };
		foreach my $bad (@bad)
		{
			my ($state, $message) = sql_error($node, "SET log_min_error_statement = panic; ALTER SYSTEM SET $name = " . $quote->($bad));
			push @taken, "$name = $bad ($state)" unless $state eq '22023';
			push @taken, "$name shows the key" if $message =~ /\Q$key\E/;
			++$count;
		}
		$node->safe_psql('postgres', "ALTER SYSTEM SET $name = " . $quote->($good));
	}
	is("@taken", '', "$count bad values are refused");
	$node->reload;
	my $model = train($node, 5);
	wait_for_status($node, $model, 'deployed');
	$node->safe_psql('postgres', "ALTER SYSTEM RESET $_") foreach keys %values;
	# Past ALTER SYSTEM: the file is read, and what it says is not taken.
	my $before = -s $node->logfile;
	$node->append_conf('postgresql.conf', join '', map { my $name = $_; map { "$name = " . $quote->(s/\n/ /gr) . "\n" } @{ $values{$name} }[ 1 .. $#{ $values{$name} } ] } sort keys %values);
	$node->reload;
	wait_until('the reload', sub { substr(log_of($node), $before) =~ /contains errors/ });
	my @shown = grep { /\Q$key\E/ } split /\n/, substr(log_of($node), $before);
	is("@shown", '', 'the key is not in the log');
	$model = train($node, 6);
	wait_for_status($node, $model, 'deployed');
	return "$count bad values refused (22023), none shown; the work goes on";
});

check_invariants($node, $sandbox);

staged('L3', 'TRUNCATE of the organizations with CASCADE once nothing is under way', sub {
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	submit($node, prepare($node, 1));
	leave_out($node);
	$node->safe_psql('postgres', 'TRUNCATE organizations CASCADE; SELECT trainer_resume_worker()');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM custom_models'), 0, 'it is allowed, also with what has not been sent yet');
	my $before = () = log_of($node) =~ /trainer worker could not/g;
	my $now = $node->safe_psql('postgres', 'SELECT clock_timestamp() FROM trainer_wake_worker()');
	wait_until('a look of the worker', sub { $node->safe_psql('postgres', "SELECT heartbeat > '$now' FROM trainer_worker_slot()") eq 't' });
	is(scalar(() = log_of($node) =~ /trainer worker could not/g), $before, 'and the worker has nothing to complain of');
	return 'allowed';
});
check_invariants($node, $sandbox);
$node->stop;
done_testing();

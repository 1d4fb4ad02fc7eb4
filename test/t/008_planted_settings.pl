# A database's owner plants settings, functions and operators in the worker's way: it works on, and runs none of them.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.3);
my $node = new_node('planted', $sandbox);
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE tenant LOGIN; CREATE ROLE other; GRANT other TO tenant; CREATE DATABASE app OWNER tenant');
set_up_app($node, 'app', organizations => 3);

# As the owner, who is no superuser.
sub as_owner
{
	my ($sql) = @_;
	return $node->safe_psql('app', "SET default_transaction_read_only = off; SET statement_timeout = 0; SET ROLE none; $sql", extra_params => [ '-U', 'tenant' ]);
}

as_owner(<<'SQL');
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;
CREATE TABLE evil.caught (who name DEFAULT current_user, what text);
GRANT ALL ON evil.caught TO PUBLIC;
SQL

# Functions, operators, tables and casts that would be found first by any name that is not qualified.
my $traps = <<'SQL';
SET client_min_messages = error;
CREATE FUNCTION evil.catch(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO evil.caught (what) VALUES (what) $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('now'); RETURN '2000-01-01'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('clock_timestamp'); RETURN '2000-01-01'; END $$;
CREATE FUNCTION evil.random() RETURNS double precision LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('random'); RETURN 0; END $$;
CREATE FUNCTION evil.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('pg_notify'); END $$;
CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('unnest'); END $$;
CREATE FUNCTION evil.jsonb_build_object(VARIADIC "any") RETURNS jsonb LANGUAGE internal AS 'jsonb_build_object';
CREATE FUNCTION evil.trainer_log_event(uuid, uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('trainer_log_event'); END $$;
CREATE FUNCTION evil.trainer_dataset_jsonl(uuid, text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('jsonl'); RETURN NEXT 'x'; END $$;
CREATE FUNCTION evil.is_equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('text ='); RETURN false; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.is_equal);
CREATE FUNCTION evil.is_equal(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('uuid ='); RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.is_equal);
CREATE FUNCTION evil.is_before(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.catch('<='); RETURN false; END $$;
CREATE OPERATOR evil.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.is_before);
CREATE TABLE evil.trainer_operations (id int);
CREATE TABLE evil.trainer_installation (id int);
CREATE TABLE evil.custom_models (id int);
CREATE TABLE evil.pg_extension (extname name);
SQL
$traps =~ s/^CREATE FUNCTION evil\.jsonb_build_object.*\n//m;    # only a superuser may make that one
as_owner($traps);

# What an owner may set for the database, and what the superuser would then come up with.
my %planted = (
	'search_path' => 'evil, pg_catalog, public',
	'default_transaction_read_only' => 'on',
	'default_transaction_isolation' => 'serializable',
	'default_transaction_deferrable' => 'on',
	'role' => 'other',
	'statement_timeout' => '1ms',
	'lock_timeout' => '1ms',
	'idle_in_transaction_session_timeout' => '1ms',
	'row_security' => 'off',
	'synchronous_commit' => 'off',
	'client_encoding' => 'LATIN1',
	'DateStyle' => 'German, DMY',
	'IntervalStyle' => 'sql_standard',
	'TimeZone' => 'Pacific/Kiritimati',
	'extra_float_digits' => '-15',
	'bytea_output' => 'escape',
	'standard_conforming_strings' => 'off',
	'quote_all_identifiers' => 'on',
	'xmlbinary' => 'hex',
	'enable_indexscan' => 'off',
	'plan_cache_mode' => 'force_custom_plan',
	'transform_null_equals' => 'on',
	'array_nulls' => 'off',
	'work_mem' => '64kB');
# Sessions of the test are not to be caught by what is meant for the worker: a statement of theirs may well take a millisecond.
my $clean = join ' ', map { "-c $_" } 'search_path=public', 'default_transaction_read_only=off', 'default_transaction_isolation=read\ committed',
  'default_transaction_deferrable=off', 'statement_timeout=0', 'lock_timeout=0', 'idle_in_transaction_session_timeout=0', 'role=none', 'row_security=on',
  'DateStyle=ISO', 'TimeZone=UTC', 'standard_conforming_strings=on', 'client_encoding=UTF8', 'extra_float_digits=1', 'bytea_output=hex';
$ENV{PGOPTIONS} = $clean;

foreach my $setting (sort keys %planted)
{
	my $value = $setting eq 'search_path' ? $planted{$setting} : "'$planted{$setting}'";
	as_owner("ALTER DATABASE app SET $setting = $value");
}

# A worker that begins under all of them.
my $pid = wait_for_worker($node, 'app');
$node->safe_psql('app', "SELECT pg_terminate_backend($pid, 5000)");
wait_for_worker($node, 'app', $pid);
is($node->safe_psql('app', 'SELECT count(*) FROM pg_db_role_setting, unnest(setconfig)'), scalar(keys %planted), 'everything is planted');

my @models = map { $node->safe_psql('app', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org($_) . "')).id)") } 1 .. 3;
foreach my $model (@models)
{
	wait_until("model $model", sub { $node->safe_psql('app', "SELECT status FROM custom_models WHERE id = '$model'") eq 'deployed' });
}
is($node->safe_psql('app', "SELECT count(*) FROM custom_models WHERE is_active AND training_loss > 0 AND training_cost_cents > 0"), 3, 'the worker works on');
is($node->safe_psql('app', "SELECT count(*) FROM custom_models WHERE training_loss::text ~ '[.][0-9]{4}'"), 3, 'and writes numbers as exactly as ever');

# The worker locks nobody out and is not kept waiting: somebody holds its table for longer than lock_timeout allows.
my $locker = session($node, 'app');
$locker->query_safe('BEGIN; LOCK TABLE trainer_operations IN ACCESS EXCLUSIVE MODE');
sleep 0.5;
$locker->query_safe('COMMIT');
$locker->quit;
my $after = $node->safe_psql('app', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(1) . "')).id)");
wait_until("model $after", sub { $node->safe_psql('app', "SELECT status FROM custom_models WHERE id = '$after'") eq 'deployed' });
pass('a table that was locked for a while is worked on afterwards');

# An owner who is no superuser cannot reach the worker's objects, and none of the traps has closed.
is($node->safe_psql('app', "SELECT string_agg(DISTINCT who || ' in ' || what, ', ') FROM evil.caught"), '', 'none of the planted functions and operators has been run');
is($node->safe_psql('app', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'trainer worker' AND datname = 'app'"), 1, 'there is one worker');
check_invariants($node, $sandbox, database => 'app');
$node->stop;
done_testing();

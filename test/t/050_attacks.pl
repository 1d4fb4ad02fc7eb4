# What somebody with an ordinary role in the same database tries, and what comes of it. The tenant's role is bound to organization 1
# by trainer_grant(); everything of organization 2 has the word "secret" in it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(job_seconds => 0.2);
my ($node, $theirs_before);
# Whatever is tried, the rows of organization 2 stay as they were.
matrix('Attacks', sub { check_invariants($node, $sandbox); is(their_rows(), $theirs_before, 'nothing of the other organization has changed') });
$node = start_node('attacks', $sandbox, organizations => 3);
my ($mine, $theirs) = (org(1), org(2));

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE tenant LOGIN; CREATE ROLE server LOGIN; CREATE ROLE analyst LOGIN; CREATE ROLE boss LOGIN; CREATE ROLE stranger LOGIN;
CREATE ROLE owner LOGIN;
SELECT trainer_grant('tenant', 'app', '''$mine''');
SELECT trainer_grant('server', 'app');
SELECT trainer_grant('analyst', 'analyst');
SELECT trainer_grant('boss', 'admin');
GRANT SELECT ON organizations, comments, responses, roast_metadata, roastr_persona TO boss;
GRANT SELECT ON responses TO tenant, server;
CREATE SCHEMA den;
GRANT ALL ON SCHEMA den TO PUBLIC;
SQL
my $model = train($node, 1);
my $secret = train($node, 2, 'secret');
wait_for_status($node, $_, 'deployed') foreach $model, $secret;
# The worker goes on to look for duplicates, and writes that down: nobody else is to change what is compared.
settle($node, 60);
my $their_response = $node->safe_psql('postgres', "SELECT id FROM responses WHERE organization_id = '$theirs' ORDER BY id LIMIT 1");
$node->safe_psql('postgres', <<"SQL");
UPDATE custom_models SET name = 'secret name' WHERE organization_id = '$theirs';
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type, original_roast) VALUES ('$theirs', '$secret', 'approved', 'secret verdict');
INSERT INTO trainer_reference_roasts (organization_id, comment, roast) VALUES ('$theirs', 'secret comment', 'secret roast');
SELECT count(*) FROM trainer_make_exemplar_model((SELECT training_dataset_id FROM custom_models WHERE id = '$secret'), 'secret exemplars');
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)
  VALUES ('$theirs', gen_random_uuid(), '$their_response', '$secret', 'fine_tuned', 'secret reason', 'secret model', 5);
-- As the worker would do a minute later: it writes only where there is something new.
SELECT trainer_look_at_drift('$theirs');
INSERT INTO trainer_generation_requests (organization_id, comment_id, response_id, requested_by, role_oid, state, temperature, max_tokens, reason, finished_at)
  VALUES ('$theirs', gen_random_uuid(), gen_random_uuid(), 'owner', 1, 'failed', 1, 100, 'secret reason', now());
INSERT INTO trainer_variants (organization_id, comment_id, set_id, custom_model_id, rung, temperature, response_text, rank, score)
  VALUES ('$theirs', gen_random_uuid(), gen_random_uuid(), '$secret', 'fine_tuned', 1, 'secret variant', 1, 0.5);
INSERT INTO trainer_webhooks (organization_id, url, enabled) VALUES ('$theirs', 'https://secret.example/', false);
INSERT INTO trainer_model_usage (organization_id, custom_model_id, replies, time_ms, priced, cost_cents) VALUES ('$theirs', '$secret', 1, 5, 0, 0);
SELECT trainer_fold_usage();
SELECT (trainer_set_budget('$theirs', 'all', 1000)).scope;
SQL

# SQL as a role. The whole output, errors included.
sub as
{
	my ($role, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 0);
	return "$out\n$err";
}

my @tables = split /\n/, $node->safe_psql('postgres', "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
	. " WHERE column_name = 'organization_id' AND table_type = 'BASE TABLE' AND table_name ~ '^(trainer_|training_|custom_|model_)' ORDER BY 1");
my @views = split /\n/, $node->safe_psql('postgres', "SELECT viewname FROM pg_views WHERE viewname LIKE 'trainer\\_%' ORDER BY 1");

# Everything of organization 2, as one sum: whatever a tenant does, it stays. But for trainer_spending, in which the worker adds up
# the ledger when it comes to it.
sub their_rows
{
	return join ' ', map { $node->safe_psql('postgres', "SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM $_ t WHERE organization_id = '$theirs'") } grep { $_ ne 'trainer_spending' } @tables;
}

# --- another tenant's rows ---

$theirs_before = their_rows();

staged('F67', 'a tenant reads every table and view, by every way of reading', sub {
	cmp_ok(scalar(@tables), '>=', 9, 'the tables of tenants');
	foreach my $table (@tables, @views)
	{
		unlike(as('tenant', "TABLE $table"), qr/secret|$theirs/, "$table");
		unlike(as('tenant', "COPY (SELECT * FROM $table) TO STDOUT"), qr/secret|$theirs/, "$table by COPY");
		unlike(as('tenant', "SELECT count(*) FROM $table WHERE organization_id = '$theirs'"), qr/^[1-9]/, "$table counted");
	}
	like(as('tenant', 'SELECT name FROM custom_models'), qr/Custom model v1/, 'its own it sees');
	return 'its own rows alone';
});

staged('F67', 'a tenant writes to every table', sub {
	foreach my $table (@tables)
	{
		my $out = as('tenant', "UPDATE $table SET organization_id = '$mine'; DELETE FROM $table; TRUNCATE $table; COPY $table FROM STDIN;"
			. "UPDATE $table SET organization_id = organization_id WHERE organization_id = '$theirs' RETURNING *;"
			. "SELECT * FROM $table FOR UPDATE; CREATE INDEX ON $table ((1)); BEGIN; LOCK TABLE $table; ROLLBACK;");
		# It may say which response a reply became, which variant it has chosen, and what it has heard of; what may be updated may be locked: rows of its own, which nobody waits for (below).
		my $refusals = $table =~ /^trainer_(?:generations|notifications|variants)$/ ? 7 : 8;
		is(scalar(() = $out =~ /ERROR:  (?:permission denied|must be owner)/g), $refusals, "$table: refused each time") or diag($out);
		unlike($out, qr/secret|$theirs/, '... and nothing of another is shown');
	}
	like(as('tenant', "INSERT INTO model_feedback (organization_id, feedback_type) VALUES ('$theirs', 'rejected')"), qr/row-level security/, 'a verdict in another\'s name');
	like(as('tenant', "INSERT INTO model_feedback (organization_id, feedback_type) VALUES ('$mine', 'rejected') ON CONFLICT (id) DO UPDATE SET organization_id = '$theirs'"),
		qr/permission denied/, 'ON CONFLICT DO UPDATE');
	# What it may count, it may count wrongly, for itself alone, and never so that the worker cannot add it up.
	like(as('tenant', "INSERT INTO trainer_model_usage (organization_id, custom_model_id, replies, time_ms, priced, cost_cents) VALUES ('$mine', '$model', $_)"), qr/violates check constraint/, "usage of $_")
	  foreach '1, 9e18, 0, 0', '9e18, 5, 0, 0', "1, 5, 1, 'NaN'", "1, 5, 1, 'Infinity'";
	like(as('tenant', "INSERT INTO trainer_model_usage (organization_id, custom_model_id, replies, time_ms, priced, cost_cents, folded) VALUES ('$mine', '$model', 9e18, 5, 0, 0, true)"),
		qr/permission denied/, 'usage that the worker has added up');
	return 'refused';
});

staged('F67', 'a tenant guesses the ids of another', sub {
	my $nobody = '99999999-9999-4999-8999-999999999999';
	my $dataset = $node->safe_psql('postgres', "SELECT training_dataset_id FROM custom_models WHERE id = '$secret'");
	foreach my $call ('SELECT trainer_monitor_training(%s)', 'CALL trainer_wait_for_training(%s)', 'SELECT trainer_validate_dataset(%s)', 'SELECT trainer_dataset_jsonl(%s)',
		'SELECT trainer_estimate_training_cost(%s)', "INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) VALUES ('$mine', %s, 'rejected')",
		"INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES ('$mine', %s, 'rejected')")
	{
		my $id = $call =~ /response_id/ ? $node->safe_psql('postgres', "SELECT id FROM responses WHERE organization_id = '$theirs' LIMIT 1") : $call =~ /dataset/ ? $dataset : $secret;
		my ($known, $unknown) = map { as('tenant', sprintf $call, "'$_'") } $id, $nobody;
		like($known, qr/ERROR/, $call);
		s/\Q$id\E|\Q$nobody\E/ID/g foreach $known, $unknown;
		is($known, $unknown, '... in the same words as an id that nobody has');
	}
	my $generation = $node->safe_psql('postgres', "SELECT id FROM trainer_generations WHERE organization_id = '$theirs'");
	my ($linked, $missed) = map { as('tenant', "SELECT trainer_link_response('$_', gen_random_uuid())") =~ s/\Q$_\E/ID/gr } $generation, $nobody;
	like($linked, qr/ERROR.*does not exist/, 'trainer_link_response()');
	is($linked, $missed, '... in the same words');
	my $variant = $node->safe_psql('postgres', "SELECT id FROM trainer_variants WHERE organization_id = '$theirs'");
	my ($chosen, $none) = map { as('tenant', "SELECT trainer_choose_variant('$_')") =~ s/\Q$_\E/ID/gr } $variant, $nobody;
	like($chosen, qr/ERROR.*does not exist/, 'trainer_choose_variant()');
	is($chosen, $none, '... in the same words');
	unlike(as('tenant', "SELECT $_"), qr/secret/, $_) foreach "trainer_exemplar_matches((SELECT id FROM custom_models WHERE name = 'secret exemplars'), 'org 2', 50)",
	  "trainer_reference_roast('secret comment', NULL, '$theirs')", "trainer_reference_matches('secret comment', NULL, '$theirs', 50)", "trainer_reference_stats()";
	foreach my $call ('trainer_cancel_training(%s)', 'trainer_deploy_model(%s)', 'trainer_pause_training(%s)', 'trainer_submit_training(%s)')
	{
		like(as('tenant', 'SELECT ' . sprintf $call, "'$secret'"), qr/permission denied for function/, $call);
	}
	return 'as if they did not exist';
});

staged('F67', 'a tenant brings a cheap, leaky function, and asks for plans', sub {
	as('tenant', "CREATE FUNCTION den.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS \$\$ BEGIN RAISE NOTICE 'leak: %', \$1; RETURN true; END \$\$");
	foreach my $source ('custom_models', 'trainer_models')
	{
		my $out = as('tenant', "SELECT count(*) FROM $source WHERE den.leak(name)");
		like($out, qr/leak: Custom model/, "the function sees the tenant's own rows of $source");
		unlike($out, qr/secret/, '... and no other');
	}
	unlike(as('tenant', "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM custom_models WHERE name > 'a'"), qr/secret/, 'a plan');
	unlike(as('tenant', "SELECT * FROM pg_stats WHERE tablename = 'custom_models'"), qr/secret/, 'statistics');
	return 'called with its own rows alone';
});

staged('F67', 'a stranger listens to the channel', sub {
	my $listener = $node->background_psql('postgres', extra_params => [ '-U', 'stranger' ]);
	$listener->query_safe('LISTEN trainer');
	my $third = train($node, 2, 'secret-again');
	wait_for_status($node, $third, 'deployed');
	my $told = $listener->query('SELECT 1');
	like($told, qr/notification "trainer".*model_deployed/, 'that something has happened');
	unlike($told, qr/secret|$theirs|$third/, '... not to whom');
	$listener->quit;
	$secret = $third;
	$node->safe_psql('postgres', "UPDATE custom_models SET name = 'secret name' WHERE organization_id = '$theirs'; SELECT trainer_look_at_drift('$theirs')");
	settle($node, 60);
	$theirs_before = their_rows();
	return 'hears kinds and numbers, and nothing of whom';
});

staged('F68', 'a session says that it is another organization', sub {
	unlike(as('tenant', "SET trainer.organization_id = '$theirs'; SELECT set_config('request.jwt.claims', '{\"organization_id\": \"$theirs\"}', false); TABLE custom_models"), qr/secret name/, 'a role that is bound to one');
	like(as('tenant', 'SET ROLE boss'), qr/permission denied to set role/, 'another role');
	like(as('server', "SET trainer.organization_id = '$theirs'; SELECT name FROM custom_models"), qr/secret name/, 'an app server may: the default is for those that are trusted');
	is(as('server', 'SELECT name FROM custom_models'), "\n", '... and one that says nothing sees nothing');
	return 'a bound role stays what it is';
});

staged('F68', 'the claim of a token decides, and a token is missing or odd', sub {
	$node->safe_psql('postgres', q{SELECT trainer_grant('server', 'app', $$nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'organization_id'$$)});
	like(as('server', "SELECT set_config('request.jwt.claims', '{\"organization_id\": \"$theirs\"}', false); SELECT name FROM custom_models"), qr/secret name/, 'the claim');
	foreach my $claims ('', '{}', 'null', '{"organization_id": null}', '{"organization_id": "x"}', '[]', '{', "{\"organization_id\": \"$mine\"}")
	{
		unlike(as('server', "SELECT set_config('request.jwt.claims', '$claims', false); SELECT name FROM custom_models"), qr/secret name/, "claims '$claims'");
	}
	$node->safe_psql('postgres', "SELECT trainer_grant('server', 'app')");
	return 'no claim, no rows';
});

staged('F81', 'members of pg_read_all_data, pg_monitor and pg_read_all_settings', sub {
	$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN IN ROLE pg_read_all_data, pg_monitor, pg_read_all_settings');
	is(as('reader', "SELECT count(*) FROM $_"), "0\n", "$_: no policy, no rows") foreach @tables;
	my $all = as('reader', 'SELECT * FROM pg_settings') . as('reader', 'SELECT * FROM pg_stat_activity');
	like($all, qr/trainer\.key/, 'the name of the key\'s file is not a secret');
	unlike($all, qr/\Q$canary\E/, '... the key is');
	return 'no rows, no key';
});

# --- code in our way ---

staged('F71', 'triggers, rules, policies and indexes on our tables, by an admin of ours', sub {
	as('boss', "CREATE FUNCTION den.evil() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE boss SUPERUSER; RETURN NEW; END \$\$");
	foreach my $table (@tables)
	{
		my $out = as('boss', "CREATE TRIGGER evil BEFORE UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION den.evil(); CREATE RULE evil AS ON UPDATE TO $table DO ALSO SELECT 1;"
			. "CREATE POLICY evil ON $table USING (true); CREATE INDEX ON $table ((1)); ALTER TABLE $table ADD evil int; DROP TABLE $table; ALTER TABLE $table DISABLE ROW LEVEL SECURITY;");
		is(scalar(() = $out =~ /ERROR:  (?:permission denied|must be owner)/g), 7, "$table: refused each time") or diag($out);
	}
	like(as('boss', "CREATE TABLE den.child (id uuid REFERENCES $_ (id))"), qr/ERROR:  permission denied for table/, "a foreign key to $_") foreach 'custom_models', 'trainer_operations';
	return 'refused';
});

staged('F71', 'triggers with code on the app\'s tables, while jobs are carried out', sub {
	$node->safe_psql('postgres', <<'SQL');
ALTER TABLE responses OWNER TO owner; ALTER TABLE comments OWNER TO owner; ALTER TABLE organizations OWNER TO owner;
CREATE TABLE den.caught (who name);
GRANT ALL ON den.caught TO PUBLIC;
SQL
	as('owner', "CREATE FUNCTION den.catch() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO den.caught VALUES (current_user); RETURN NEW; END \$\$;"
		. join '', map { "CREATE TRIGGER catch AFTER INSERT OR UPDATE OR DELETE ON $_ FOR EACH ROW EXECUTE FUNCTION den.catch();" } qw(organizations comments responses));
	my $third = $node->safe_psql('postgres', "SELECT (trainer_submit_training((trainer_prepare_dataset('" . org(3) . "')).id)).id", extra_params => [ '-U', 'boss' ]);
	wait_for_status($node, $third, 'deployed');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM den.caught'), 0, 'the worker writes to none of the app\'s tables');
	return 'never run';
});

staged('F69', 'tables, functions and operators in pg_temp and at the front of the search path', sub {
	my $out = as('boss', <<"SQL");
CREATE TEMP TABLE custom_models (id uuid, organization_id uuid, status text);
CREATE TEMP TABLE trainer_operations (id uuid);
CREATE FUNCTION den.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE ''caught''; END';
CREATE FUNCTION den.trainer_log_event(uuid, uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''caught''; END';
CREATE FUNCTION den.eq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''caught''; END';
CREATE OPERATOR den.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = den.eq);
SET search_path = den, pg_temp, public, pg_catalog;
SELECT status FROM trainer_deploy_model('$model');
SELECT trainer_rollback_model('$mine') IS NULL;
SELECT status FROM trainer_deploy_model('$model');
SQL
	is(scalar(() = $out =~ /^deployed$/mg), 2, 'the functions work on what is theirs') or diag($out);
	unlike($out, qr/caught|ERROR/, '... and run nothing else');
	return 'no effect';
});

staged('F79', 'a stranger calls every function, and trigger functions are called directly', sub {
	my $count = $node->safe_psql('postgres', "SELECT count(*) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass"
		. " JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = 'trainer' AND has_function_privilege('stranger', p.oid, 'EXECUTE')");
	is($count, 0, 'a stranger may call none');
	like(as('stranger', 'SELECT trainer_probe_provider()'), qr/permission denied/, '... not the one that uses the key either');
	foreach my $function (split /\n/, $node->safe_psql('postgres', "SELECT proname FROM pg_proc WHERE prorettype = 'trigger'::regtype AND proname LIKE 'trainer\\_%'"))
	{
		my ($state) = sql_error($node, "SELECT $function()");
		is($state, '0A000', "$function is a trigger's alone");
	}
	my $internal = $node->safe_psql('postgres', "SELECT count(*) FROM pg_proc WHERE proname LIKE 'trainer\\_%' AND ('internal'::regtype = ANY (proargtypes) OR prosecdef)");
	is($internal, 0, 'none takes internal values, none runs with other rights than the caller\'s');
	return 'denied';
});

# --- what reaches the server's files, the network and the provider ---

staged('F73', 'a role points the server at another host', sub {
	foreach my $name (qw(trainer.api_base trainer.api_key_file trainer.api_key_env trainer.databases trainer.plans_with_custom_models))
	{
		my $out = join '', map { as('boss', $_) } "SET $name = 'x'", "SELECT set_config('$name', 'x', false)", "ALTER SYSTEM SET $name = 'x'", "ALTER ROLE boss SET $name = 'x'",
			"ALTER DATABASE postgres SET $name = 'x'";
		is(scalar(() = $out =~ /ERROR/g), 5, "$name: refused each time") or diag($out);
	}
	foreach my $base ('https://169.254.169.254@127.0.0.1/', 'http://2130706433/v1', 'http://127.1/v1', 'http://0x7f.0.0.1/', 'gopher://127.0.0.1/', 'file:///etc/passwd', "https://h/\r\nX: y",
		'http://localhost.example/v1', 'http://169.254.169.254/latest', 'https://h/#x')
	{
		my ($state) = sql_error($node, "ALTER SYSTEM SET trainer.api_base = E'" . ($base =~ s/\r\n/\\r\\n/r) . "'");
		is($state, '22023', 'refused as a base: ' . ($base =~ s/\s/ /gr));
	}
	return 'refused';
});

staged('F74', 'line breaks in the key\'s file', sub {
	my $file = write_key($node->basedir . '/two.key', "$canary\nX-Injected: yes");
	set_setting($node, 'trainer.api_key_file', $file);
	my $provider = sub { $node->safe_psql('postgres', "SELECT ok, detail FROM trainer_examine() WHERE check_name = 'provider'") };
	wait_until('the new file is looked at', sub { $provider->() =~ /two\.key/ });
	like($provider->(), qr/^f\|.*holds a space, a line break/, 'a file of two lines is no key');
	set_setting($node, 'trainer.api_key_file', $node->basedir . '/trainer.key');
	wait_until('the right file again', sub { $provider->() =~ /^t/ });
	return 'refused';
});

staged('F66', 'texts that try to get out of their place in a training file', sub {
	my $text = q(\"}],\"model\":\"x\"} {{system}} </s> ' || $1 -- \\u0022);
	$node->safe_psql('postgres', "UPDATE comments SET original_text = '" . ($text =~ s/'/''/gr) . "' || id WHERE organization_id = '$mine'");
	my $dataset = prepare($node, 1);
	my @lines = split /\n/, $node->safe_psql('postgres', "SELECT trainer_dataset_jsonl('$dataset')");
	my @parsed = map { JSON::PP->new->decode($_) } @lines;
	is(scalar(grep { join(',', sort keys %$_) ne 'messages' || @{ $_->{messages} } != 3 } @parsed), 0, 'each line has its three messages and nothing else');
	is(scalar(grep { index($_->{messages}[1]{content}, $text) < 0 } @parsed), 0, '... with the text in the user\'s turn, as it was');
	return 'data stay data';
});

staged('F82', 'a provider whose texts are formats, escapes of a terminal, SQL and without end', sub {
	my $text = 'No %s%n%d rhyme ' . "\e[31m\e]0;title\a\r\n\x7f'; DROP TABLE custom_models; -- \$\$ " . '<script>alert(1)</script> ' . 'x' x 100000;
	$sandbox->fault(kind => 'job_failure', code => "bad%s\e[2Jcode'", message => $text, model => 'told-so', count => 2);
	my $before = -s $node->logfile;
	my $model = train($node, 1, 'told-so');
	wait_for_status($node, $model, 'failed');
	like(status_of($node, $model, 'error_message'), qr/^No %s%n%d rhyme .*'; DROP TABLE custom_models; -- \$\$ <script>/, 'it is stored as it is');
	is(status_of($node, $model, "length(error_message) <= 2048, error_message ~ '[[:cntrl:]]', error_code ~ '[[:cntrl:]]'"), 't|f|f', '... but for its length, and what a terminal would obey');
	my ($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$model')");
	is($state, 'TR002', 'whoever waits for it is told');
	like($message, qr/No %s%n%d rhyme/, '... in these words');
	unlike($message, qr/[\x00-\x08\x0b-\x1f\x7f]/, '... and no others');
	is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_event_log WHERE custom_model_id = '$model' AND detail::text ~ '[[:cntrl:]]|u001b|u007f'"), 0, 'nor are events');
	unlike(substr(log_of($node), $before), qr/[\x00-\x08\x0b-\x1f\x7f]/, 'nor is the log');
	$sandbox->heal;
	return 'data, cut to 2 kB, without control characters';
});

staged('F77', 'looking for the key in what the system shows of the processes', sub {
	my @pids = split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity");
	push @pids, (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my $session = session($node);
	like($session->query_safe('SELECT trainer_probe_provider() IS NULL'), qr/^t/, 'a session that has used it');
	push @pids, $session->query_safe('SELECT pg_backend_pid()');
	my $seen = 0;
	foreach my $pid (@pids)
	{
		foreach my $file (map { "/proc/$pid/$_" } qw(cmdline environ))
		{
			open my $in, '<', $file or next;
			local $/;
			my $text = <$in> // '';
			$seen++ if length $text;
			unlike($text, qr/\Q$TrainerTest::canary\E/, "not in $file");
		}
	}
	cmp_ok($seen, '>', 4, 'there was something to look at');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity a WHERE a::text LIKE '%' || '" . substr($TrainerTest::canary, 4) . "' || '%' AND pid <> pg_backend_pid()"), 0, 'nor in pg_stat_activity');
	$session->quit;
	return 'nowhere';
});

staged('F65', 'identifiers that try to get out of their place in a statement', sub {
	my $name = q(x"; DROP TABLE custom_models; -- %I $$ '' );
	(my $quoted = $name) =~ s/"/""/g;
	$node->safe_psql('postgres', qq{CREATE TABLE den."$quoted" (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, "$quoted" text, created_at timestamptz)});
	my $columns = JSON::PP->new->encode({ responses => { response_text => $name } }) =~ s/'/''/gr;
	(my $literal = $quoted) =~ s/'/''/g;
	my (undef, $out, $err) = $node->psql('postgres', qq{BEGIN; SELECT count(*) FROM trainer_attach(responses => 'den."$literal"', columns => '$columns');}
		. qq{ SELECT trainer_prepare_dataset('$mine', min_examples => 10); ROLLBACK});
	like($out, qr/^5$/m, 'the odd table and column are bound');
	like($err, qr/insufficient training data/, '... and read, without an example in them');
	is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM custom_models'), 't', 'the table that the name wants to drop is there');
	foreach my $relation ('pg_catalog.pg_class', 'no_such', 'x"; DROP TABLE custom_models', 'custom_models; SELECT 1')
	{
		my ($state) = sql_error($node, "SELECT trainer_attach(responses => '$relation')");
		like($state, qr/^(?:TR008|42P01|42602|42601)$/, "refused as a relation: $relation");
	}
	return 'names stay names';
});

staged('F25', 'a role that was let in is renamed, or dropped, and another takes its name', sub {
	foreach my $gone ('ALTER ROLE former RENAME TO former_one', 'DROP OWNED BY former; DROP ROLE former')
	{
		$node->safe_psql('postgres', "CREATE ROLE former LOGIN; SELECT trainer_grant('former', 'app', '''$theirs''')");
		like(as('former', 'SELECT name FROM custom_models'), qr/secret name/, 'let in');
		$node->safe_psql('postgres', "$gone; CREATE ROLE former LOGIN; SELECT trainer_attach()");
		unlike(as('former', 'SELECT name FROM custom_models'), qr/secret name/, "$gone: its successor sees nothing");
		like($node->safe_psql('postgres', "SELECT ok, detail FROM trainer_examine() WHERE check_name = 'grants'"), qr/^f\|.*former/, '... which trainer_check() tells');
		$node->safe_psql('postgres', "SELECT trainer_revoke(oid) FROM pg_roles WHERE rolname = 'former_one'; DELETE FROM trainer_grants WHERE role = 'former'; DROP ROLE former");
	}
	like(as('former_one', 'SELECT name FROM custom_models'), qr/permission denied/, 'a renamed role can be turned out');
	return 'a name alone lets nobody in';
});

staged('F22', 'a dump is restored elsewhere', sub {
	command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', $node->connstr('postgres') ], 'a dump');
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('elsewhere'), $node->basedir . '/dump' ], 'restored');
	my $seen = sub {
		my (undef, $out) = $node->psql($_[0], 'SELECT name FROM custom_models; SELECT count(*) FROM training_examples; SELECT trainer_pause_worker()', extra_params => [ '-U', 'tenant' ]);
		return $out;
	};
	is($seen->('elsewhere'), '0', 'until somebody says so nobody sees anything');
	like($node->safe_psql('elsewhere', "SELECT ok, detail FROM trainer_examine() WHERE check_name = 'grants'"), qr/^f\|.*tenant/, '... which trainer_check() tells');
	$node->safe_psql('elsewhere', 'SELECT trainer_attach(); SELECT trainer_apply_grants()');
	like($seen->('postgres'), qr/Custom model/, 'a tenant sees its own');
	is($seen->('elsewhere'), $seen->('postgres'), '... and the same there, afterwards');
	my $policies = 'SELECT tablename, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2';
	is($node->safe_psql('elsewhere', $policies), $node->safe_psql('postgres', $policies), 'by the same policies');
	$node->safe_psql('postgres', 'DROP DATABASE elsewhere WITH (FORCE)');
	return 'grants come along, policies with trainer_apply_grants()';
});

staged('I10', 'a schema that somebody has prepared before the extension comes', sub {
	$node->safe_psql('postgres', 'CREATE DATABASE trap OWNER owner');
	$node->safe_psql('trap', 'CREATE SCHEMA trap AUTHORIZATION owner; SET ROLE owner; CREATE FUNCTION trap.trainer_progress_bar(double precision, integer) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$');
	my ($state) = sql_error($node, 'CREATE EXTENSION trainer SCHEMA trap CASCADE', 'trap');
	is($state, '42723', 'a function that is there already is not taken over: the installation fails');
	# What the script does not name by its schema, and what a constraint would be bound to for good: nearer matches than the server's own.
	$node->safe_psql('trap', <<'SQL');
DROP FUNCTION trap.trainer_progress_bar(double precision, integer);
SET ROLE owner;
CREATE FUNCTION trap.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE owner SUPERUSER; RETURN pg_catalog.format($1, $2); END $$;
CREATE FUNCTION trap.same(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE owner SUPERUSER; RETURN $1::text = $2::text; END $$;
CREATE OPERATOR trap.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = trap.same);
CREATE FUNCTION trap.similarity(text, varchar) RETURNS real LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE owner SUPERUSER; RETURN 0; END $$;
CREATE FUNCTION trap.quotient(double precision, integer) RETURNS double precision LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE owner SUPERUSER; RETURN 0; END $$;
CREATE OPERATOR trap./ (LEFTARG = double precision, RIGHTARG = integer, FUNCTION = trap.quotient);
RESET ROLE;
CREATE EXTENSION trainer SCHEMA trap CASCADE;
SQL
	is($node->safe_psql('trap', "SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'"), 'f', 'what is planted there is not run');
	is($node->safe_psql('trap', <<'SQL'), '', '... nor bound to anything of ours');
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0), pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend d
WHERE (d.refclassid, d.refobjid) IN (
  SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'trap'::regnamespace AND proowner = 'owner'::regrole
  UNION SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = 'trap'::regnamespace AND oprowner = 'owner'::regrole)
AND (d.classid, d.objid) NOT IN (SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = 'trap'::regnamespace AND oprowner = 'owner'::regrole)
SQL
	like($node->safe_psql('trap', "SELECT ok, detail FROM trap.trainer_examine() WHERE check_name = 'schema'"), qr/^f\|.*owner/, 'and trainer_check() tells who could add to the schema');
	$node->safe_psql('postgres', 'DROP DATABASE trap WITH (FORCE)');
	return 'fails, or is told; what is planted is neither run nor bound';
});

$node->stop;
done_testing();

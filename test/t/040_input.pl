# Arguments that nobody means, texts that nobody writes, memory that runs out: an error or a result, and no process dies.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.2);
my $node;
matrix('Input', sub { check_invariants($node, $sandbox, seconds => 60) });
$node = start_node('input', $sandbox, organizations => 4, 'log_statement' => 'none', 'log_min_error_statement' => 'panic');
my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');

# --- every argument of every function ---

# Values of a type that are odd, but are values.
my %odd = (
	'uuid'     => [ 'NULL', 'gen_random_uuid()', "'00000000-0000-0000-0000-000000000000'" ],
	'text'     => [ 'NULL', q(''), q(repeat(chr(233), 65)), q(E'\\x01\\n\\u2028'), q(repeat('x', 100000)) ],
	'xid8'     => [ 'NULL', '0', '18446744073709551615' ],
	'bigint'   => [ 'NULL', '-9223372036854775808', '9223372036854775807' ],
	'integer'  => [ 'NULL', '-2147483648', '2147483647', '0' ],
	'numeric'  => [ 'NULL', q('NaN'), q('Infinity'), '-0', '1e1000' ],
	'double precision' => [ 'NULL', q('NaN'), q('-Infinity'), '1e308' ],
	'boolean'  => [ 'NULL', 'true' ],
	'jsonb'    => [ 'NULL', q('{}'), q('[]'), q('null'), q('{"a": {"b": 1e1000}}') ],
	'interval' => [ 'NULL', q('-1 day'), q('178000000 years') ],
	'date'     => [ 'NULL', q('4713-01-01 BC'), q('5874897-12-31'), q('infinity') ],
	'timestamp with time zone' => [ 'NULL', q('infinity'), q('-infinity'), q('4714-11-24 00:00:00+00 BC') ],
	'regclass' => [ 'NULL', '0', '1', q('pg_class') ],
	'regrole'  => [ 'NULL', '0', '1' ],
	'oid'      => [ 'NULL', '0' ],
	'json'     => [ 'NULL', q('[]'), q('"\\u0000"') ],
	'bytea'    => [ 'NULL', q(''), q('\\x00'), q(repeat('x', 32)::bytea), q(repeat(chr(1), 32000)::bytea) ],
	'uuid[]'   => [ 'NULL', q('{}'), q('{NULL}') ],
	'text[]'   => [ 'NULL', q('{}'), q('{NULL}') ],
	'bigint[]' => [ 'NULL', q('{100,100}'), q('{}'), q('{NULL}'), q('{{1},{2}}'), q('{-1,1}'), q('{9223372036854775807,9223372036854775807}') ],
	'double precision[]' => [ 'NULL', q('{0.5,0.5}'), q('{}'), q('{NULL}'), q('{NaN,1}'), q('{-Infinity,Infinity}'), q('{1e308,1}') ]);
# What exists, so that a function gets to look at its other arguments.
my $dataset = $node->safe_psql('postgres', "SELECT training_dataset_id FROM custom_models WHERE id = '$model'");
my %plain = (organization_id => "'" . org(1) . "'", dataset_id => "'$dataset'", custom_model_id => "'$model'", parent_model_id => "'$model'", split => "'train'",
	level => "'app'", feedback_type => "'edited'", base_model => "'gpt-4o'", model => "'gpt-4o'", method => "'supervised'", strategy => "'immediate'", timeout => "'1 second'",
	min_quality_score => '0.7', min_examples => '10', max_examples => '100', traffic => '0.5', metric => "'user_approval'", alpha => '0.05', power => '0.8', duration => "'1 day'", epochs => '3', learning_rate_multiplier => '0.1', validation_fraction => '0.1');

staged('F57', 'NULL, empty, least, greatest and nonsense for every argument of every function, the others plain', sub {
	my @functions = map { [ split /\t/ ] } split /\n/, $node->safe_psql('postgres', <<'SQL', extra_params => [ '-F', "\t" ]);
SELECT p.oid::regprocedure, p.proname, p.prokind, coalesce((SELECT string_agg(format_type(t, NULL), ',' ORDER BY n) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (t, n)), ''),
  coalesce(array_to_string(p.proargnames, ','), ''), CASE WHEN p.provariadic <> 0 THEN 'VARIADIC ' ELSE '' END
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'trainer' AND p.prorettype <> 'trigger'::regtype AND p.proname NOT LIKE 'trainer\_test%' ORDER BY 1
SQL
	cmp_ok(scalar(@functions), '>', 50, 'there are functions');
	my ($calls, @bad, %unknown) = (0);
	my $session = session($node);
	foreach my $function (@functions)
	{
		my ($signature, $name, $kind, $types, $names, $variadic) = @$function;
		my @types = split /,/, $types // '';
		my @names = split /,/, $names // '';
		$unknown{$_} = 1 foreach grep { !$odd{$_} && !/^(?:trainer_|training_|custom_|ab_)/ } @types;
		my @plain = map { "(${\ ($plain{ $names[$_] // '' } // ($odd{ $types[$_] } ? $odd{ $types[$_] }[1] : 'NULL')) })::$types[$_]" } 0 .. $#types;
		foreach my $at (0 .. $#types)
		{
			foreach my $value (@{ $odd{ $types[$at] } // ['NULL'] })
			{
				my @arguments = @plain;
				$arguments[$at] = "($value)::$types[$at]";
				$arguments[-1] = ($variadic // '') . $arguments[-1];
				my $call = ($kind eq 'p' ? 'CALL ' : 'SELECT * FROM ') . "$name(" . join(', ', @arguments) . ')';
				# A transaction for each, since some would have done what they were asked to.
				my $out = $session->query("BEGIN; SET LOCAL statement_timeout = '5s'; SELECT 'before'; DO \$call\$ BEGIN EXECUTE \$do\$$call\$do\$; EXCEPTION WHEN internal_error OR data_corrupted THEN RAISE WARNING 'INTERNAL %', SQLERRM; WHEN OTHERS THEN NULL; END \$call\$; ROLLBACK");
				push @bad, $call if $session->{stderr} =~ /INTERNAL|server closed/;
				$session->{stderr} = '';
				++$calls;
			}
		}
	}
	is(join("\n", @bad), '', 'no internal error');
	is(join(' ', sort keys %unknown), '', 'of every type there are odd values');
	$session->quit;
	unlike(log_of($node), qr/terminated by signal|PANIC|terminate called/, 'no process died');
	return "$calls calls: results or errors";
});

staged('F50', 'functions that write, in a transaction that may not', sub {
	my $dataset = prepare($node, 2);
	foreach my $call ("trainer_prepare_dataset('" . org(2) . "')", "trainer_submit_training('$dataset')", "trainer_cancel_training('$model')", "trainer_deploy_model('$model')", 'trainer_pause_worker()')
	{
		my ($state) = sql_error($node, "BEGIN READ ONLY; SELECT $call");
		is($state, '25006', $call);
	}
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_proc WHERE proname LIKE 'trainer\\_%' AND provolatile = 'v' AND proparallel <> 'u'"), 0, 'what is volatile runs in no parallel worker');
	return 'refused (25006)';
});

staged('F53', 'a comment of 100 MB, and replies of 1 MB, among the others', sub {
	$node->safe_psql('postgres', "UPDATE comments SET original_text = repeat('long ', 20000000) WHERE id = (SELECT id FROM comments WHERE organization_id = '" . org(3) . "' LIMIT 1)");
	$node->safe_psql('postgres', "UPDATE responses SET response_text = repeat('x', 1000000) WHERE id IN (SELECT id FROM responses WHERE organization_id = '" . org(3) . "' LIMIT 10)");
	my $report = $node->safe_psql('postgres', "SELECT (d).report ->> 'too_long', (d).roast_count > 100 FROM trainer_prepare_dataset('" . org(3) . "') AS d");
	like($report, qr/^1[01]\|t$/, 'left out as too long, the others are examples');
	return 'left out, and told';
});

staged('F53', 'no reply, nine, and files of just over 512 MB', sub {
	$node->safe_psql('postgres', "INSERT INTO organizations SELECT ('00000000-0000-4000-8000-00000000009' || n)::uuid, 'org 9' || n, 'plus' FROM generate_series(0, 1) n;"
		. "WITH nine AS (INSERT INTO comments SELECT gen_random_uuid(), '" . org(91) . "', 'x', 'Question ' || n FROM generate_series(1, 9) n RETURNING id),"
		. " replies AS (INSERT INTO responses SELECT gen_random_uuid(), '" . org(91) . "', id, 'Answer to ' || id, now() FROM nine RETURNING id) INSERT INTO roast_metadata SELECT id, 0.9 FROM replies");
	foreach my $number (90, 91)
	{
		my ($state, $error) = sql_error($node, "SELECT trainer_prepare_dataset('" . org($number) . "', min_examples => 10)");
		is($state, 'TR001', 'insufficient training data');
		like($error, $number == 90 ? qr/There are 0 good examples/ : qr/There are 9 good examples/, '... how many there are is told');
	}
	# Highly compressible, so that the test's disk does not hold what the provider's would.
	my $set = prepare($node, 4);
	my $large = "UPDATE training_examples SET messages = json_build_array(json_build_object('role', 'user', 'content', repeat('x', %d)), json_build_object('role', 'assistant', 'content', 'y'))"
		. " WHERE dataset_id = '$set' AND split = 'train'";
	my ($count) = $node->safe_psql('postgres', "SELECT count(*) FROM training_examples WHERE dataset_id = '$set' AND split = 'train'");
	$node->safe_psql('postgres', sprintf $large, 536870912 / $count - 105);
	my $bytes = sub { return $node->safe_psql('postgres', "SELECT bytes FROM trainer_file_sizes('$set') WHERE split = 'train'") };
	cmp_ok($bytes->(), '<=', 536870912, 'what fits');
	cmp_ok($bytes->(), '>', 536870912 - 50 * $count, '... only just');
	is($node->safe_psql('postgres', "BEGIN; SELECT count(*) FROM trainer_submit_training('$set'); ROLLBACK"), 1, '... is taken');
	$node->safe_psql('postgres', sprintf $large, 536870912 / $count + 1);
	my ($state, $error) = sql_error($node, "SELECT trainer_submit_training('$set')");
	is($state, '54000', 'what does not is refused');
	like($error, qr/\d{9} bytes; the provider takes 536870912/, '... with both sizes');
	$node->safe_psql('postgres', "DELETE FROM training_datasets WHERE id = '$set'");
	return 'TR001, with the number; 54000, with the sizes';
});

staged('F56', 'line breaks of every kind in comments and replies', sub {
	my @breaks = (q('\n'), q('\r\n'), q('\r'), q('\u0085'), q('\u2028'), q('\u2029'), q('\v'), q('\f'), q('\\n'), q('"}\n{"messages":'));
	my $array = 'ARRAY[' . join(', ', map { "E$_" } @breaks) . ']';
	$node->safe_psql('postgres', "UPDATE responses SET response_text = 'Before' || ($array)[1 + s.n % ${\ scalar @breaks}] || 'after ' || s.n FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM responses WHERE organization_id = '"
		. org(2) . "') s WHERE s.id = responses.id");
	my $set = prepare($node, 2);
	is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_dataset_jsonl('$set') j WHERE j ~ '[\n\r]' OR (j::json -> 'messages' -> -1 ->> 'content') IS NULL"), 0, 'a line an example');
	is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE regexp_replace(regexp_replace(r.response_text, E'\\r\\n?', E'\\n', 'g'), '[\\x0b\\x0c\\x85]', '', 'g') = e.messages -> -1 ->> 'content') - count(*) FROM training_examples e JOIN responses r ON r.id = e.response_id WHERE e.dataset_id = '$set'"),
		$node->safe_psql('postgres', "SELECT roast_count || '|0' FROM training_datasets WHERE id = '$set'"), 'each reply is what it was, but that a carriage return is a line feed, and other control characters are gone');
	my $trained = submit($node, $set);
	wait_for_status($node, $trained, 'deployed');
	return 'a line an example, each reply is what it was';
});

staged('F58', 'options and metadata that would be ours', sub {
	foreach my $options ('{"metadata": {"trainer_key": "mine"}}', '{"trainer_key": "mine"}', '[]', '"text"')
	{
		my ($state) = sql_error($node, "SELECT trainer_prepare_dataset('" . org(2) . "', options => '$options')");
		is($state, '22023', "options $options are refused");
	}
	return 'refused (22023): no function takes metadata of a job';
});

staged('F61', 'memory that runs out: of a session in the making of a dataset, and of the worker', sub {
	my $session = session($node);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe('SELECT count(*) FROM trainer_models');
	my $limit = sub { my ($process, $more) = @_; my ($size) = slurp_file("/proc/$process/status") =~ /^VmSize:\s+(\d+)/m; system_or_bail('prlimit', '--pid', $process, '--as=' . ($size + $more * 1024) * 1024 . ':unlimited') };
	$limit->($pid, 60);
	$session->query("\\set VERBOSITY verbose\nSELECT trainer_prepare_dataset('" . org(3) . "')");
	like($session->{stderr}, qr/ERROR:  53200/, 'the session is told that memory is out');
	$session->{stderr} = '';
	is($session->query_safe("SELECT 'well'"), 'well', '... and goes on');
	$session->quit;

	$pid = worker_pid($node);
	$limit->($pid, 1);
	my @models = map { train($node, $_) } 1, 2, 4;
	wait_for_status($node, $_, 'deployed|retired', 60) foreach @models;
	system_or_bail('prlimit', '--pid', worker_pid($node), '--as=unlimited:unlimited');
	unlike(log_of($node), qr/terminated by signal|PANIC|terminate called/, 'no process died of it');
	return 'the session: 53200, and goes on; the worker or its successor carries all out';
});

staged('F60', 'a disk that is full while the worker writes the file that it will upload', sub {
	# A limit on the size of files stands for it: to Postgres the two look alike. Segments of the log have to fit under it.
	my $set = prepare($node, 2);
	$node->safe_psql('postgres', "UPDATE training_examples SET messages = json_build_array(json_build_object('role', 'user', 'content', repeat('x', 300000)),"
		. " json_build_object('role', 'assistant', 'content', 'y')) WHERE dataset_id = '$set'");
	my $pid = worker_pid($node);
	system_or_bail('prlimit', '--pid', $pid, '--fsize=' . 18 * 1024 * 1024 . ':unlimited');
	my $big = submit($node, $set);
	my $why = "SELECT last_error FROM trainer_operations WHERE custom_model_id = '$big' AND kind = 'upload_training_file'";
	wait_until('the reason is shown', sub { $node->safe_psql('postgres', $why) =~ /could not write (?:temporary file|to file)/ }) or diag($node->safe_psql('postgres', "SELECT kind, state, attempt, last_delivery, last_error FROM trainer_operations WHERE custom_model_id = '$big'"));
	my $other = train($node, 4);
	wait_for_status($node, $other, 'deployed|retired');
	is(worker_pid($node), $pid, 'the worker goes on with what it can do');
	system_or_bail('prlimit', '--pid', $pid, '--fsize=unlimited:unlimited');
	wait_for_status($node, $big, 'deployed|failed', 60);
	is(scalar(my @uploads = grep { $_->{created} } uploads_of($node, $sandbox, $big)), 2, 'with room again, it is sent');
	return 'waits, with the reason; goes on when there is room';
});

staged('F60', 'a disk that is full while a session makes a dataset', sub {
	# 30 MB that are not compressed, in a session that may write no file beyond 18 MB. Examples of 50,000 tokens are not too long.
	$node->safe_psql('postgres', 'ALTER TABLE training_examples ALTER messages SET STORAGE EXTERNAL');
	$node->safe_psql('postgres', "UPDATE comments SET original_text = id || repeat(' word', 50000) WHERE organization_id = '" . org(2) . "'");
	my $session = session($node);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	system_or_bail('prlimit', '--pid', $pid, '--fsize=' . 18 * 1024 * 1024 . ':unlimited');
	my $sets = $node->safe_psql('postgres', 'SELECT count(*) FROM training_datasets');
	$session->query("SELECT trainer_prepare_dataset('" . org(2) . "')");
	like($session->{stderr}, qr/ERROR:  could not (?:extend|write)/, 'the session is told');
	$session->{stderr} = '';
	is($session->query_safe('SELECT count(*) FROM training_datasets'), $sets, '... nothing is half done, and it goes on');
	$session->quit;
	$node->safe_psql('postgres', "UPDATE comments SET original_text = 'A question' || id WHERE organization_id = '" . org(2) . "'");
	$node->safe_psql('postgres', 'ALTER TABLE training_examples ALTER messages SET STORAGE EXTENDED');
	return 'an error, nothing half done';
});

staged('F63', '200,000 operations that are done', sub {
	$node->safe_psql('postgres', "INSERT INTO trainer_operations (organization_id, custom_model_id, kind, state, finished_at) SELECT '" . org(1) . "', '$model', 'delete_file', 'done', now()"
		. " FROM generate_series(1, 200000); ANALYZE trainer_operations");
	my $scans = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'trainer_operations'";
	my $before = $node->safe_psql('postgres', $scans);
	my $last = train($node, 2);
	wait_for_status($node, $last, 'deployed');
	my $pid = worker_pid($node);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 5000)");    # which tells the statistics what it has read
	wait_for_worker($node, 'postgres', $pid);
	is($node->safe_psql('postgres', $scans), $before, 'the worker reads none of them');
	$node->safe_psql('postgres', "DELETE FROM trainer_operations WHERE kind = 'delete_file' AND state = 'done' AND custom_model_id = '$model'");
	return 'not read';
});

$node->stop;
done_testing();

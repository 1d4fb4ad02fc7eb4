# trainer_generate(): which rung answers and why, what is written down of it, and that nobody who waits has to.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Serving');
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600);
my $node = start_node('serving', $sandbox, organizations => 8, 'trainer.request_timeout' => '3s', 'trainer.breaker_cooldown' => '1s',
	'client_connection_check_interval' => '100ms');
my $chats = '/v1/chat/completions';
$node->safe_psql('postgres', "UPDATE organizations SET plan_id = 'free' WHERE id = '" . org(8) . "'");

# The n-th comment of an organization.
sub comment { my ($organization, $n) = @_; return $node->safe_psql('postgres', "SELECT md5('" . org($organization) . "' || 'comment' || " . ($n // 1) . ')::uuid') }

sub chats { return scalar(() = $sandbox->history(method => 'POST', path => $chats)) }

# rung, reason and model.
sub generate
{
	my ($organization, $n, $arguments) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return split /\|/, $node->safe_psql('postgres', "SELECT rung, reason, model, response_text <> '', cost_cents > 0, response_time_ms FROM trainer_generate('" . comment($organization, $n) . "'$arguments)");
}

my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');
settle($node, 60);

staged('V1', 'a comment of an organization with a model, without one, and of a plan without any', sub {
	my ($rung, $reason, $name, $text, $cost) = generate(1);
	is("$rung|$reason|$text|$cost", 'fine_tuned|active model|t|t', 'the active model answers');
	is($name, status_of($node, $model, 'fine_tuned_model_id'), '... by its name at the provider');
	($rung, $reason, $name, $text, $cost) = generate(2);
	is("$rung|$reason|$name|$text|$cost", 'base|no custom model|gpt-4o|t|t', 'without one the base model does');
	($rung, $reason) = generate(8);
	is("$rung|$reason", 'base|plan free', '... and for a plan that includes none, with the reason');
	($rung, $reason) = generate(1, 1, q(options => '{"rung": "base"}'));
	is("$rung|$reason", 'base|asked for', '... and where it is asked for');
	return 'fine_tuned; base, with the reason';
});

staged('V2', 'the prompt beside the training example of the same comment', sub {
	my $differ = $node->safe_psql('postgres', <<"SQL");
SELECT count(*), count(*) FILTER (WHERE trainer_prompt(e.comment_id)::text <> regexp_replace(e.messages::text, ',\\{"role":"assistant".*\$', ']'))
FROM training_examples e WHERE dataset_id = (SELECT training_dataset_id FROM custom_models WHERE id = '$model')
SQL
	is($differ, '120|0', 'byte for byte the same');
	my $comment = comment(1, 7);
	my $sum = sha256_hex($node->safe_psql('postgres', "SELECT trainer_prompt('$comment')"));
	generate(1, 7);
	is(($sandbox->history(method => 'POST', path => $chats))[-1]{sha256}, $sum, '... and that is what is sent');
	return 'the same, byte for byte';
});

staged('V3', 'what is written down, and the means of the model', sub {
	$node->safe_psql('postgres', 'DELETE FROM trainer_generations; DELETE FROM trainer_model_usage');
	generate(1, $_) foreach 1 .. 5;
	generate(2, 1);
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT custom_model_id), count(*) FILTER (WHERE rung = 'base' AND custom_model_id IS NULL), bool_and(prompt_tokens > 0 AND cost_cents > 0) FROM trainer_generations"),
		'6|1|1|t', 'a row each');
	my $ms = "SELECT round(avg(response_time_ms)), round(avg(cost_cents), 6) FROM trainer_generations WHERE custom_model_id = '$model'";
	wait_until('the worker adds up', sub { $node->safe_psql('postgres', "SELECT avg_response_time_ms, inference_cost_per_roast_cents FROM custom_models WHERE id = '$model'") eq $node->safe_psql('postgres', $ms) });
	is($node->safe_psql('postgres', "SELECT count(*), sum(replies) FROM trainer_model_usage"), '1|5', 'one row of five');
	my ($state) = sql_error($node, "BEGIN READ ONLY; SELECT trainer_generate('" . comment(1) . "')");
	is($state, '25006', 'a transaction that cannot write it down is refused');
	my $sent = chats();
	sql_error($node, "BEGIN READ ONLY; SELECT trainer_generate('" . comment(1) . "')");
	is(chats(), $sent, '... before anything is sent');
	my $linked = $node->safe_psql('postgres', "SELECT (trainer_link_response((SELECT generation_id FROM trainer_generate('" . comment(1) . "')), (SELECT id FROM responses LIMIT 1))).custom_model_id");
	is($linked, $model, 'a response is linked with the model that wrote it');
	return 'a row each; the means are those of the rows';
});

# A fault of the network or of the provider, and the reason that is told.
my %faults = (
	'404 for the model'    => [ { kind => 'status', status => 404, code => 'model_not_found', count => -1 }, qr/^model_not_found$/ ],
	'server errors'        => [ { kind => 'status', status => 500, count => -1 }, qr/^\w+$/ ],
	'a dropped answer'     => [ { kind => 'drop_after', count => -1 }, qr/^no_answer$/ ],
	'a dropped request'    => [ { kind => 'drop_before', count => -1 }, qr/^no_answer$/ ],
	'half an answer'       => [ { kind => 'truncate', count => -1 }, qr/^no_answer$/ ],
	'nonsense'             => [ { kind => 'malformed', body => '<html>', count => -1 }, qr/^unreadable_answer$/ ],
	'an empty reply'       => [ { kind => 'malformed', body => '{"object":"chat.completion","choices":[{"message":{"content":""},"finish_reason":"stop"}]}', count => -1 }, qr/^empty_reply$/ ],
	'a content filter'     => [ { kind => 'malformed', body => '{"object":"chat.completion","choices":[{"message":{"content":"x"},"finish_reason":"content_filter"}]}', count => -1 }, qr/^content_filter$/ ],
	'a model that hangs'   => [ { kind => 'latency', ms => 10000, count => -1 }, qr/^no_answer$/ ],
	'429'                  => [ { kind => 'status', status => 429, code => 'rate_limit_exceeded', headers => { 'Retry-After' => 60 }, count => -1 }, qr/^rate_limit_exceeded$/ ]);
$node->safe_psql('postgres', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(7) . "', method => 'exemplar', base_model => 'gpt-4.1-mini-2025-04-14')).id)");
# rung: an organization whose replies come from it, and the name that its model is asked for by
my %rungs = (fine_tuned => [ 1, 'ft:' ], exemplar => [ 7, 'gpt-4.1-mini' ], base => [ 2, 'gpt-4o' ]);
foreach my $rung (qw(fine_tuned exemplar base))
{
	my ($organization, $name) = @{ $rungs{$rung} };
	foreach my $what (sort keys %faults)
	{
		staged('V4', "the model of rung $rung: $what", sub {
			my ($fault, $reason) = @{ $faults{$what} };
			$sandbox->fault(%$fault, method => 'POST', path => $chats, model => $name);
			my $began = time;
			my ($answered_by, $why);
			if ($rung eq 'base')
			{
				# There is none below.
				($answered_by, my $error) = sql_error($node, "SELECT trainer_generate('" . comment($organization, 2) . "')");
				is($answered_by, 'TR007', 'no model answers');
				($why) = $error =~ /base: ([^.]*)/;
			}
			else
			{
				($answered_by, $why) = generate($organization, 2);
				is($answered_by, 'base', 'the base model answers');
				($why) = $why =~ /$rung: (.*)/;
			}
			my $took = time - $began;
			like($why, $reason, '... and the reason says why');
			cmp_ok($took, '<', 3.5, '... in the time of one request');
			$sandbox->heal;
			# The breaker counts failures in a row.
			is((generate($organization, 3))[0], $rung, 'well again, the model is asked again');
			return sprintf '%s, %s; %.1f s', $answered_by, $why, $took;
		});
	}
}
staged('V4', 'the fine-tuned model: one error, and the next try is answered', sub {
	$sandbox->fault(kind => 'status', status => 502, method => 'POST', path => $chats, model => 'ft:', count => 2);
	my ($rung, $why) = generate(1, 2);
	is("$rung|$why", 'fine_tuned|active model', 'it is tried again');
	$sandbox->heal;
	return 'fine_tuned, at the third try';
});

my %last = ('server errors' => { kind => 'status', status => 503 }, 'dropped answers' => { kind => 'drop_after' }, 'hangs' => { kind => 'latency', ms => 10000 },
	'a refused key' => { kind => 'status', status => 401, code => 'invalid_api_key' }, 'no money' => { kind => 'status', status => 429, code => 'insufficient_quota' });
foreach my $what (sort keys %last)
{
	staged('V5', "every model: $what", sub {
		$sandbox->fault(%{ $last{$what} }, method => 'POST', path => $chats, count => -1);
		my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM trainer_generations');
		my $began = time;
		my ($state, $error) = sql_error($node, "SELECT trainer_generate('" . comment(2) . "')");
		is($state, 'TR007', 'no model answers');
		like($error, qr/base: /, '... and each rung says why');
		cmp_ok(time - $began, '<', 4, '... within the time of one request');
		is($node->safe_psql('postgres', 'SELECT count(*) FROM trainer_generations'), $rows, '... nothing is written down');
		unlike($error, qr/Question/, '... and nothing of the comment told');
		$sandbox->heal;
		return 'TR007, with the reasons';
	});
}

staged('V6', 'a model that fails again and again: the circuit breaker', sub {
	generate(1, 1);
	# Longer than any two calls take, on whatever machine.
	set_setting($node, 'trainer.breaker_cooldown', '6s');
	wait_for_reload($node, 'trainer.breaker_cooldown', '6s');
	$sandbox->fault(kind => 'status', status => 404, code => 'model_not_found', method => 'POST', path => $chats, model => 'ft:', count => -1);
	my @reasons = map { (generate(1, 2))[1] } 1 .. 7;
	is("@reasons[0 .. 4]", join(' ', ('fine_tuned: model_not_found') x 5), 'five failures in a row');
	is("@reasons[5, 6]", join(' ', ('fine_tuned: circuit breaker is open') x 2), '... open it, for other sessions, too');
	like(log_of($node), qr/LOG:  trainer passes over model $model/, '... and the log tells');
	sleep 6.1;
	is((generate(1, 2))[1], 'fine_tuned: model_not_found', 'after a while one probe goes');
	is((generate(1, 2))[1], 'fine_tuned: circuit breaker is open', '... fails, and it stays open');
	$sandbox->heal;
	sleep 6.1;
	is((generate(1, 2))[0], 'fine_tuned', 'the next probe is answered');
	is((generate(1, 2))[0], 'fine_tuned', '... and it is closed');
	set_setting($node, 'trainer.breaker_cooldown', '1s');
	wait_for_reload($node, 'trainer.breaker_cooldown', '1s');
	return 'opens, probes, stays open, probes, closes';
});

staged('V7', 'a model that hangs: statement_timeout, cancel, terminate, a client that is gone, a fast stop', sub {
	$sandbox->fault(kind => 'latency', ms => 8000, method => 'POST', path => $chats, count => -1);
	my $call = "SELECT trainer_generate('" . comment(2) . "')";
	my $hang = sub {
		my $session = session($node);
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		$session->{stdin} .= "$call;\n";
		$session->{run}->pump_nb;
		wait_until('it asks', sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND query ~ 'trainer_generate'") });
		sleep 0.2;
		return ($session, $pid);
	};
	# Of three tries the quickest: a psql, which takes its part, may be slow to start. Watched by the session itself.
	my %took;
	my $took = sub { my ($what, $time) = @_; $took{$what} = $time if $time < ($took{$what} // 9); return };
	my $watcher = session($node);
	my $watched = sub {
		my ($pid, $what, $end, $delay) = @_;
		my $began = time;
		$end->();
		wait_until($what, sub { $watcher->query_safe("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active'") == 0 }, 5, 0.01);
		$took->($what, time - $began - $delay);
		return;
	};
	foreach (1 .. 3)
	{
		# By the server's own clock, in one session: how long a psql takes to start does not matter.
		my $now = 'SELECT extract(epoch FROM clock_timestamp())';
		$node->psql('postgres', "\\set VERBOSITY sqlstate\nSET statement_timeout = '200ms';\n$now;\n$call;\n$now;", stdout => \my $times, stderr => \my $error, on_error_stop => 0);
		my ($began, $ended) = split /\n/, $times;
		$took->('statement_timeout', $ended - $began - 0.2);
		like($error, qr/57014/, 'statement_timeout');
		foreach my $end ('pg_cancel_backend', 'pg_terminate_backend')
		{
			my ($session, $pid) = $hang->();
			$watched->($pid, $end, sub { $watcher->query_safe("SELECT $end($pid)") }, 0);
			eval { $session->{run}->kill_kill };
		}
		my ($session, $pid) = $hang->();
		# Which is looked for every 100 ms.
		$watched->($pid, 'a client that is gone', sub { $session->{run}->kill_kill(grace => 0) }, 0.1);
	}
	$watcher->quit;
	my ($session) = $hang->();
	cmp_ok(stop_fast($node), '<', 1, 'the server stops');
	eval { $session->{run}->kill_kill };
	$sandbox->heal;
	$node->start;
	cmp_ok($took{$_}, '<', 0.15, "$_: at once") foreach sort keys %took;
	return join ', ', map { sprintf '%s %.2f s', $_, $took{$_} } sort keys %took;
});

staged('V8', '32 sessions at once, for one organization', sub {
	$node->safe_psql('postgres', 'DELETE FROM trainer_generations; DELETE FROM trainer_model_usage');
	my $script = PostgreSQL::Test::Utils::tempdir() . '/generate.sql';
	append_to_file($script, "\\set n random(1, 100)\nSELECT rung FROM trainer_generate(md5('" . org(1) . "' || 'comment' || :n)::uuid);\n");
	$node->command_ok([ 'pgbench', '-n', '-c', '32', '-j', '2', '-t', '20', '-f', $script, 'postgres' ], '640 replies');
	is($node->safe_psql('postgres', "SELECT count(*), sum(CASE WHEN rung = 'fine_tuned' THEN 1 END) FROM trainer_generations"), '640|640', 'a row each');
	is($node->safe_psql('postgres', "SELECT sum(replies), sum(time_ms) = (SELECT sum(response_time_ms) FROM trainer_generations), sum(cost_cents) = (SELECT sum(cost_cents) FROM trainer_generations) FROM trainer_model_usage"),
		'640|t|t', 'the totals are exact');
	return '640 replies, exact totals';
});

staged('V9', 'an app\'s role, and comments that are not its own', sub {
	$node->safe_psql('postgres', <<"SQL");
CREATE ROLE app LOGIN;
SELECT trainer_grant('app', 'app');
GRANT SELECT ON organizations, comments, responses, roastr_persona TO app;
ALTER TABLE comments ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON comments TO app USING (organization_id = nullif(current_setting('trainer.organization_id', true), '')::uuid);
SQL
	my $as = sub { my ($sql) = @_; my (undef, $out, $err) = $node->psql('postgres', "SET trainer.organization_id = '" . org(1) . "'; $sql", extra_params => [ '-U', 'app' ], on_error_stop => 0); return "$out$err" };
	is($as->("SELECT rung FROM trainer_generate('" . comment(1) . "')"), 'fine_tuned', 'its own');
	like($as->("SELECT rung FROM trainer_generate('" . comment(2) . "')"), qr/comment .* does not exist/, 'of another: as if there were none');
	like($as->("INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, response_time_ms) VALUES ('" . org(2) . "', gen_random_uuid(), 'base', 'x', 'x', 1)"), qr/row-level security/, 'nothing in the name of another');
	$node->safe_psql('postgres', 'ALTER TABLE comments DISABLE ROW LEVEL SECURITY');
	my $sent = chats();
	my $refusal = qr/cannot write down a reply for organization/;
	like($as->("SELECT trainer_generate('" . comment(2) . "')"), $refusal, 'of another, where the app lets it be seen: refused');
	like($as->("SELECT trainer_request_generation('" . comment(2) . "')"), $refusal, '... by request, too');
	my $taken = 'bbbbbbbb-0000-4000-8000-000000000001';
	is($as->("SELECT rung FROM trainer_generate('" . comment(1) . "', options => '{\"response_id\": \"$taken\"}')"), 'fine_tuned', 'a response, by its id');
	foreach my $who ($as, sub { my ($sql) = @_; return (sql_error($node, $sql))[1] })
	{
		like($who->("SELECT trainer_generate('" . comment(1, 2) . "', options => '{\"response_id\": \"$taken\"}')"), qr/response $taken belongs to another generation/, '... which no other reply becomes');
	}
	is(chats(), $sent + 1, 'what could not be written down is not sent');
	is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_generations WHERE model = ''"), 0, '... and leaves nothing');
	return 'its own alone; nothing is paid for that could not be written down';
});

staged('V10', 'columns that are renamed, and another binding, while a session goes on', sub {
	my $session = session($node);
	my $call = "SELECT rung FROM trainer_generate('" . comment(2) . "')";
	is($session->query_safe($call), 'base', 'a reply');
	$node->safe_psql('postgres', 'ALTER TABLE comments RENAME original_text TO body');
	$session->query("\\set VERBOSITY verbose\n$call");
	like($session->{stderr}, qr/TR008/, 'a column is called otherwise');
	$session->{stderr} = '';
	$node->safe_psql('postgres', q(SELECT count(*) FROM trainer_attach(columns => '{"comments": {"original_text": "body"}}')));
	is($session->query_safe($call), 'base', 'bound again');
	$node->safe_psql('postgres', q(CREATE VIEW said AS SELECT id, organization_id, platform, upper(body) AS original_text FROM comments; SELECT count(*) FROM trainer_attach(comments => 'said')));
	like($session->query_safe("SELECT trainer_prompt('" . comment(2) . "')"), qr/QUESTION 1 ABOUT/, 'bound to a view: the session knows');
	$session->quit;
	return 'TR008; goes by the new binding at once';
});

staged('V11', 'an exemplar model: alone, below a tuned one, and when it fails', sub {
	my $exemplar = $node->safe_psql('postgres', "SELECT id FROM trainer_submit_training((trainer_prepare_dataset('" . org(3) . "', method => 'exemplar')).id)");
	my $posts = () = $sandbox->history(method => 'POST', path => $jobs);
	my ($rung, $reason, $name) = generate(3, 5);
	is("$rung|$reason|$name", 'exemplar|no fine-tuned model|gpt-4o', 'it serves at once');
	is(scalar(() = $sandbox->history(method => 'POST', path => $jobs)), $posts, '... without a job');
	is($node->safe_psql('postgres', "SELECT json_array_length(trainer_prompt('" . comment(3, 5) . "'))"), 1 + 2 * 5 + 1, 'five examples are shown');
	my $tuned = train($node, 3);
	wait_for_status($node, $tuned, 'deployed');
	is((generate(3, 5))[0], 'fine_tuned', 'a tuned model stands above it');
	$sandbox->fault(kind => 'status', status => 404, code => 'model_not_found', method => 'POST', path => $chats, model => 'ft:', count => -1);
	($rung, $reason) = generate(3, 5);
	is("$rung|$reason", 'exemplar|fine_tuned: model_not_found', '... and where that one fails, it answers');
	$sandbox->heal;
	$sandbox->fault(kind => 'malformed', body => '{"object":"chat.completion","choices":[{"message":{"content":"x"},"finish_reason":"content_filter"}]}', method => 'POST', path => $chats, count => 2);
	($rung, $reason) = generate(3, 6);
	is("$rung|$reason", 'base|fine_tuned: content_filter; exemplar: content_filter', '... and below both the base model');
	$sandbox->heal;
	is($node->safe_psql('postgres', "SELECT string_agg(rung || ' ' || reason, ', ' ORDER BY rung), bool_and(cost_cents > 0 OR prompt_tokens IS NULL) FROM trainer_generations WHERE withheld"),
		'exemplar content_filter, fine_tuned content_filter|t', 'what was held back has been paid for, and is written down');
	return 'exemplar; below a tuned one; base below both';
});

staged('V12', 'a provider that does not train for this account', sub {
	$sandbox->fault(kind => 'training_not_available', model => 'refused-4', count => -1);
	my $refused = train($node, 4, 'refused-4');
	wait_for_status($node, $refused, 'failed');
	is(status_of($node, $refused, 'error_sqlstate'), 'TR006', 'training is refused');
	is($node->safe_psql('postgres', "SELECT kind, status, is_active, training_examples > 100 FROM custom_models WHERE organization_id = '" . org(4) . "' AND id <> '$refused'"), 'exemplar|deployed|t|t', 'an exemplar model is made of the same dataset');
	is(join(' ', grep { /exemplar/ } events_of($node, $refused)), 'exemplar_model_offered', '... and told');
	is((generate(4, 5))[0], 'exemplar', '... and answers');
	set_setting($node, 'trainer.exemplar_fallback', 'off');
	wait_for_reload($node, 'trainer.exemplar_fallback', 'off');
	$sandbox->fault(kind => 'training_not_available', model => 'refused-5', count => -1);
	my $second = train($node, 5, 'refused-5');
	wait_for_status($node, $second, 'failed');
	is($node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE organization_id = '" . org(5) . "'"), 1, 'where that is switched off, it is not');
	set_setting($node, 'trainer.exemplar_fallback', 'on');
	$sandbox->heal;
	return 'an exemplar model of the same dataset, told; or none';
});

staged('V13', 'what stands in a comment, in the log at its default level', sub {
	# A provider may repeat it in what it refuses.
	$sandbox->fault(kind => 'status', status => 400, code => 'bad_prompt', message => 'Question 1 about is no good prompt.', method => 'POST', path => $chats, count => -1);
	my (undef, $error) = sql_error($node, "SELECT trainer_generate('" . comment(2) . "')");
	like($error, qr/base: bad_prompt\. Question 1 about/, 'told to the session');
	like(log_of($node), qr/DETAIL:  .*base: bad_prompt\.$/m, '... and of it to the log, what kind of refusal it was');
	$sandbox->heal;
	my $log = log_of($node);
	unlike($log =~ s/^.*LOG:  (?:statement|execute).*(?:\n\t.*)*//mgr, qr/Question \d+ about/, 'nothing');
	return 'nothing';
});

check_invariants($node, $sandbox, forgotten => 1);
$node->stop;
done_testing();

# Budgets under load: whoever spends at the same moment, and whatever dies, no budget is ever overspent, and at the end the books agree.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Budgets');
my $sandbox = start_sandbox(job_seconds => 0.3, max_seconds => 900);
my $node = start_node('budgets', $sandbox, organizations => 4, 'max_connections' => 120, 'trainer.request_timeout' => '30s', 'trainer.auto_deploy' => 'off');

my $sessions  = 64;
my $each      = 10;
my $max_tokens = 20;

sub value { return $node->safe_psql('postgres', $_[0]) }

# A cent for 20 tokens of a reply, and for ten of a training: of 640 replies a budget of a dollar pays for a hundred and some. The prompt is free: the sandbox
# counts it in a way of its own, and more than the provider that it stands in for.
value("INSERT INTO trainer_pricing (model, valid_from, training, input, output, base_input, base_output) VALUES ('gpt-4o', current_date, 1000, 0, 500, 0, 500)");
# So long a model thinks: all sessions have a reply on its way.
$sandbox->fault(kind => 'latency', ms => 300, method => 'POST', path => '/v1/chat/completions', count => -1);
value(<<'SQL');
CREATE FUNCTION try_reply(id uuid, tokens integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT rung FROM trainer_generate(id, max_tokens => tokens));
EXCEPTION WHEN SQLSTATE 'TR005' THEN
  RETURN 'refused';
END $$;
SQL
value(<<'SQL');
CREATE PROCEDURE go_on(id uuid, tokens integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR reply IN 1 .. 1000 LOOP
    EXIT WHEN try_reply(id, tokens) = 'refused';
    COMMIT;
  END LOOP;
END $$;
SQL
value(<<'SQL');
CREATE FUNCTION try_request(id uuid, tokens integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN trainer_request_generation(id, jsonb_build_object('max_tokens', tokens));
EXCEPTION WHEN SQLSTATE 'TR005' THEN
  RETURN 'refused';
END $$;
SQL
value(<<'SQL');
CREATE FUNCTION try_training(dataset uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT id FROM trainer_submit_training(dataset));
EXCEPTION WHEN SQLSTATE 'TR005' THEN
  RETURN 'refused';
END $$;
SQL

sub comment { my ($organization, $n) = @_; return "md5('${\ org($organization)}' || 'comment' || $n)::uuid" }

# pgbench with so many sessions, a transaction of this script each time.
my $told = '';
sub crowd
{
	my ($name, $sql, $transactions) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . "/$name.sql";
	append_to_file($script, $sql);
	$told = '';
	return IPC::Run::start([ 'pgbench', '-n', '-c', $sessions, '-j', 2, '-t', $transactions, '-h', $node->host, '-p', $node->port, '-f', $script, 'postgres' ], '>&', \$told);
}

sub spenders { my ($organization, $name) = @_; return crowd($name, "\\set n random(1, 100)\nSELECT try_reply(${\ comment($organization, ':n')}, $max_tokens);\n", $each) }

# Spent plus reserved as plain SQL adds it up, and as the budget does, in one snapshot. Nothing while the server is away.
sub look
{
	my ($organization, $scope) = @_;
	my $row = ask($node, <<"SQL");
SELECT p.plain, trainer_spent('${\ org($organization)}', '$scope', '-infinity'), p.plain = trainer_spent('${\ org($organization)}', '$scope', '-infinity')
FROM (SELECT coalesce((SELECT sum(cost_cents) FROM trainer_generations WHERE organization_id = '${\ org($organization)}' AND NOT reserved AND '$scope' <> 'training'), 0)
           + coalesce((SELECT sum(amount_cents) FROM trainer_ledger WHERE organization_id = '${\ org($organization)}' AND '$scope' IN ('all', kind)), 0) AS plain) AS p
SQL
	return defined $row && $row ne '' ? split /\|/, $row : ();
}

# Looks again and again while it runs; the most that was seen, how many looks there were, and how many sums were not the same.
sub watch
{
	my ($run, $organization, $scope) = @_;
	my ($most, $looks, $wrong) = (0, 0, 0);
	while (1)
	{
		my $goes_on = $run->pumpable;
		$run->pump_nb if $goes_on;
		if (my ($plain, undef, $same) = look($organization, $scope))
		{
			++$looks;
			++$wrong if $same ne 't';
			$most = $plain if $plain > $most;
		}
		last unless $goes_on;
		sleep 0.02;
	}
	eval { $run->finish };
	return ($most, $looks, $wrong);
}

sub set_budget { my ($organization, $scope, $cents, $period) = @_; return value("SELECT limit_cents FROM trainer_set_budget('${\ org($organization)}', '$scope', $cents, '${\ ($period // 'month')}')") }

sub left_of { my ($organization) = @_; return value("SELECT left_cents FROM trainer_budget_status WHERE organization_id = '${\ org($organization)}'") }

# What a reply to the comment is asked for before it is made.
sub most { my ($organization, $n) = @_; return value("SELECT trainer_most_cents('{gpt-4o}', ARRAY[trainer_prompt(${\ comment($organization, $n)})::text], $max_tokens)") }

# One session goes on alone until it is refused: what is left then would not have paid for another reply.
sub exhaust
{
	my ($organization) = @_;
	value("CALL go_on(${\ comment($organization, 1)}, $max_tokens)");
	my $left = left_of($organization);
	cmp_ok($left, '>=', 0, 'not overspent');
	cmp_ok($left, '<', most($organization, 1), '... and what is left pays for no other reply');
	my ($plain, $spent, $same) = look($organization, 'inference');
	is($same, 't', "... the books agree: $plain");
	return $left;
}

sub ledger_is_right { return is(value("SELECT ok, detail FROM trainer_check_ledger()"), 't|the ledger adds up to what trainings and replies have cost', 'the ledger adds up') }

set_budget(1, 'inference', 100);

staged('M1', "$sessions sessions, $each replies each, on one budget of 100 cents", sub {
	my $run = spenders(1, 'spend');
	my ($most, $looks, $wrong) = watch($run, 1, 'inference');
	is($run->result(0), 0, 'every session came to its end') or diag($told);
	cmp_ok($looks, '>', 10, "looked at $looks times meanwhile");
	cmp_ok($most, '<=', 100, 'never above it');
	cmp_ok($most, '>', 90, '... and it has been spent');
	is($wrong, 0, 'the sums agreed at every look');
	my $replies = value("SELECT count(*) FROM trainer_generations WHERE organization_id = '${\ org(1)}'");
	cmp_ok($replies, '<', $sessions * $each, "$replies replies: it ended midway");
	my $left = exhaust(1);
	my ($state, $error) = sql_error($node, "SELECT trainer_generate(${\ comment(1, 1)}, max_tokens => $max_tokens)");
	is($state, 'TR005', 'whoever comes later is refused');
	like($error, qr/has $left of 100 cents left of its budget for inference for the month; asked for were up to ${\ most(1, 1)}\./, '... and told what is left, and what was asked for');
	my $sent = scalar(() = $sandbox->history(method => 'POST', path => '/v1/chat/completions'));
	is($sent, value('SELECT count(*) FROM trainer_generations'), '... and what was refused was never sent');
	wait_until('the worker has warned', sub { value("SELECT count(*) FROM trainer_event_log WHERE kind = 'budget_warning'") > 0 }, 30);
	is(value("SELECT count(*) FROM trainer_event_log WHERE kind = 'budget_warning' AND detail ->> 'scope' = 'inference'"), 1, 'one warning');
	return sprintf 'at most %s of 100 cents, %s left at the end', $most, $left;
});

staged('M2', 'a backend is killed in the midst of it, and the server', sub {
	my ($highest, $deaths) = (0, 0);
	foreach my $death ('a backend', 'the server')
	{
		my $limit = set_budget(1, 'inference', value("SELECT round(trainer_spent('${\ org(1)}', 'inference', trainer_period_start('month')) + 100)"));
		my $before = value('SELECT count(*) FROM trainer_generations');
		my $run = spenders(1, $death =~ s/\W/_/gr);
		wait_until('it is under way', sub { value('SELECT count(*) FROM trainer_generations') > $before + 20 });
		if ($death eq 'a backend')
		{
			my ($pid) = split /\n/, value("SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT try_reply%' AND pid <> pg_backend_pid()");
			is(kill(9, $pid), 1, 'a backend is killed');
			wait_for_restart($node, ++$deaths);
		}
		else
		{
			kill_server($node);
			$node->start;
		}
		eval { $run->finish };
		isnt($run->result(0), 0, 'the sessions went down with it');
		my ($most, $looks, $wrong) = watch(spenders(1, 'after_' . ($death =~ s/\W/_/gr)), 1, 'inference');
		cmp_ok($most, '<=', $limit, "after the death of $death: never above $limit");
		is($wrong, 0, 'the sums agreed at every look');
		exhaust(1);
	}
	return 'never above it; the books agree';
});

staged('M3', 'transactions that last, are rolled back, ended, or prepared', sub {
	my $most = most(2, 1);
	set_budget(2, 'inference', 1.2 * $most, 'total');
	my $reply = "SELECT try_reply(${\ comment(2, 1)}, $max_tokens)";
	my $session = session($node);
	$session->query_safe('BEGIN');
	is($session->query_safe($reply), 'base', 'a reply in a transaction that lasts');
	my $began = time;
	is(value($reply), 'refused', 'others do not have what it took');
	cmp_ok(time - $began, '<', 2, '... and do not wait for it');
	is(value("SELECT try_reply(${\ comment(3, 1)}, $max_tokens)"), 'base', 'another organization does not care');
	$session->query_safe('ROLLBACK');
	$session->query_safe("BEGIN; SAVEPOINT s; $reply; ROLLBACK TO s");
	is(value($reply), 'base', 'rolled back, also to a savepoint, it is there for others again');
	$session->query_safe('ROLLBACK');
	set_budget(2, 'inference', value("SELECT trainer_spent('${\ org(2)}', 'inference', '-infinity') + 1.2 * $most"), 'total');
	$session->query_safe('BEGIN');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_safe($reply);
	is(value($reply), 'refused', 'taken again');
	value("SELECT pg_terminate_backend($pid)");
	wait_until('the session is gone', sub { value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 });
	eval { $session->quit };
	is(value($reply), 'base', 'a session that is ended gives it back');
	set_budget(2, 'inference', 1000, 'total');
	my ($state) = sql_error($node, "BEGIN; $reply; PREPARE TRANSACTION 'money'");
	is($state, '0A000', 'what is in flight is not prepared');
	my ($one, $two) = split /\|/, value("SELECT a, b FROM (SELECT trainer_spent('${\ org(2)}', 'inference', '-infinity') AS a) x, (SELECT sum(cost_cents) AS b FROM trainer_generations WHERE organization_id = '${\ org(2)}') y");
	is($one, $two, 'the books agree');
	# Under one old snapshot each reply sees what others have spent since.
	set_budget(2, 'inference', value("SELECT trainer_spent('${\ org(2)}', 'inference', '-infinity') + 1.2 * $most"), 'total');
	$session = session($node);
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM comments LIMIT 1');
	is(value($reply), 'base', 'spent after the snapshot');
	is($session->query_safe($reply), 'refused', '... and seen all the same');
	$session->query_safe('ROLLBACK');
	value("SELECT trainer_set_budget('${\ org(2)}', 'inference', NULL, 'total')");
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM comments LIMIT 1');
	is($session->query_safe($reply), 'base', 'without a budget');
	set_budget(2, 'inference', 0, 'total');
	is($session->query_safe($reply), 'refused', '... and with one that was set after the snapshot');
	is($session->query_safe("SELECT try_request(${\ comment(2, 1)}, $max_tokens)"), 'refused', '... also in the background');
	$session->query_safe('ROLLBACK');
	$session->quit;
	return 'held for as long as it lasts, and not longer';
});

staged('M4', "$sessions sessions ask for replies in the background, of which some fail", sub {
	set_budget(3, 'all', 100);
	# A worker that is paused answers nothing: all that is asked for stays reserved.
	value('SELECT trainer_pause_worker()');
	my ($most, $looks, $wrong) = watch(crowd('ask', "\\set n random(1, 100)\nSELECT try_request(${\ comment(3, ':n')}, $max_tokens);\n", $each), 3, 'all');
	cmp_ok($most, '<=', 100, "never above it ($looks looks)");
	cmp_ok($most, '>', 95, '... and it was all reserved');
	is($wrong, 0, 'the sums agreed at every look');
	my $asked = value('SELECT count(*) FROM trainer_generation_requests');
	$sandbox->heal;
	$sandbox->fault(kind => 'status', status => 400, code => 'invalid_request', method => 'POST', path => '/v1/chat/completions', count => 5);
	value('SELECT trainer_resume_worker()');
	wait_until('every request has come to its end', sub { value('SELECT count(*) FROM trainer_generation_requests WHERE finished_at IS NULL') == 0 }, 120);
	$sandbox->heal;
	is(value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'failed'"), 5, 'some have failed');
	is(value("SELECT count(*) FROM trainer_ledger WHERE entry = 'released'"), 5, '... and gave back all that was reserved for them');
	is(value("SELECT sum(cost_cents) = trainer_spent('${\ org(3)}', 'all', '-infinity') FROM trainer_generations WHERE organization_id = '${\ org(3)}'"), 't', 'what is left of the rest is what it cost');
	is(value("SELECT count(*) FROM trainer_generations WHERE reserved"), $asked - 5, '... by its row in the ledger');
	ledger_is_right();
	cmp_ok(left_of(3), '>', 0, 'what the others did not need is there again');
	return "$asked reserved, 5 given back, the rest settled";
});

staged('M5', 'trainings are submitted by many at once, one is called off, one fails', sub {
	my @datasets = map { prepare($node, 4) } 1 .. 8;
	my $cost = value("SELECT cost_cents FROM trainer_estimate_training_cost('$datasets[0]')");
	set_budget(4, 'training', 3.5 * $cost);
	my @pids = map {
		my $dataset = $_;
		my $pid = fork() // die "cannot fork: $!";
		if ($pid == 0)
		{
			eval { $node->safe_psql('postgres', "SELECT try_training('$dataset')") };
			POSIX::_exit(0);
		}
		$pid
	} @datasets;
	waitpid $_, 0 foreach @pids;
	my @models = split /\n/, value("SELECT id FROM custom_models WHERE organization_id = '${\ org(4)}' ORDER BY version");
	is(scalar @models, 3, 'three of eight: as many as the budget pays for');
	wait_for_status($node, $_, 'succeeded') foreach @models;
	is(value("SELECT sum(training_cost_cents) = trainer_spent('${\ org(4)}', 'training', '-infinity') FROM custom_models WHERE organization_id = '${\ org(4)}'"), 't', 'settled to what the provider counted');
	set_budget(4, 'training', value("SELECT trainer_spent('${\ org(4)}', 'training', '-infinity') + 1.1 * $cost"));
	my $spent = value("SELECT trainer_spent('${\ org(4)}', 'training', '-infinity')");
	value('SELECT trainer_pause_worker()');
	my $off = train($node, 4);
	is(value("SELECT try_training('" . prepare($node, 4) . "')"), 'refused', 'another does not fit beside it');
	value("SELECT trainer_cancel_training('$off')");
	is(value("SELECT trainer_spent('${\ org(4)}', 'training', '-infinity')"), $spent, 'one that is called off gives it back');
	value('SELECT trainer_resume_worker()');
	$sandbox->fault(kind => 'job_failure', count => -1);
	my $failed = train($node, 4);
	wait_for_status($node, $failed, 'failed');
	$sandbox->heal;
	is(value("SELECT trainer_spent('${\ org(4)}', 'training', '-infinity')"), $spent, '... and so does one that fails, after its second try');
	ledger_is_right();
	return 'three of eight, settled; the others cost nothing';
});

staged('M7', 'variants of which the budget has the first alone', sub {
	set_budget(3, 'inference', value("SELECT trainer_spent('${\ org(3)}', 'inference', '-infinity')") + 1.5 * most(3, 2), 'total');
	my $written = sub { return value("SELECT count(*) FROM trainer_generations WHERE organization_id = '${\ org(3)}'") };
	my $asked   = sub { return scalar($sandbox->history(method => 'POST', path => '/v1/chat/completions')) };
	my ($before, $sent) = ($written->(), $asked->());
	my $variants = "SELECT count(*) FROM trainer_generate_variants(${\ comment(3, 2)}, 2, '{\"max_tokens\": $max_tokens}')";
	is(value($variants), 1, 'one is made');
	is($written->() - $before, 1, '... and written down');
	is($asked->() - $sent, 1, '... and the other one is not asked for');
	my ($state) = sql_error($node, $variants);
	is($state, 'TR005', 'then none');
	is($asked->() - $sent, 1, '... and nothing is sent');
	return 'what was paid for is kept';
});

# What the provider answers instead of a reply of the sandbox; of this model, if one is named.
sub answer_instead
{
	my ($text, $reason, $usage, %rule) = @_;
	my $body = { object => 'chat.completion', choices => [ { message => { content => $text }, finish_reason => $reason } ], $usage ? (usage => $usage) : () };
	$sandbox->fault(kind => 'malformed', body => JSON::PP::encode_json($body), method => 'POST', path => '/v1/chat/completions', count => -1, %rule);
}

sub request_and_wait
{
	my ($comment) = @_;
	my $id = value("SELECT trainer_request_generation($comment, '{\"max_tokens\": $max_tokens}')");
	wait_until('the request has come to its end', sub { value("SELECT state IN ('done', 'failed') FROM trainer_generation_requests WHERE id = '$id'") eq 't' }, 60);
	return $id;
}

staged('M8', 'an answer that is paid for and held back, and a better rung that would be asked again', sub {
	$sandbox->heal;
	my $spent = "SELECT trainer_spent('${\ org(4)}', 'inference', '-infinity')";
	value("SELECT trainer_deploy_model(id) FROM custom_models WHERE organization_id = '${\ org(4)}' AND status = 'succeeded' ORDER BY version LIMIT 1");
	wait_until('a model serves', sub { value("SELECT count(*) FROM custom_models WHERE organization_id = '${\ org(4)}' AND is_active") == 1 });
	my $tuned = value("SELECT fine_tuned_model_id FROM custom_models WHERE organization_id = '${\ org(4)}' AND is_active");
	set_budget(4, 'inference', 1000, 'total');
	answer_instead('x', 'content_filter', { prompt_tokens => 0, completion_tokens => 20, total_tokens => 20 }, model => $tuned);
	$sandbox->fault(kind => 'status', status => 503, method => 'POST', path => '/v1/chat/completions', count => 3);
	my $request = request_and_wait(comment(4, 1));
	is(value("SELECT state, reason, rung FROM trainer_generation_requests WHERE id = '$request'"), 'done|the answer of a better model was withheld|1', 'the base model replies, when the ladder is climbed down again');
	is(value("SELECT count(*) FILTER (WHERE withheld), count(*) FROM trainer_generations WHERE organization_id = '${\ org(4)}'"), '1|2', 'what was held back was asked for once');
	is(value("SELECT spent_cents <= reserved_cents AND spent_cents = ($spent) FROM trainer_generation_requests WHERE id = '$request'"), 't', 'both were paid for, out of what was reserved');
	ledger_is_right();
	$sandbox->heal;
	return 'paid once';
});

staged('M9', 'answers that do not say what they have used', sub {
	$sandbox->heal;
	my $spent = sub { return value("SELECT trainer_spent('${\ org(3)}', 'all', '-infinity')") };
	set_budget(3, 'inference', 10000, 'total');
	set_budget(3, 'all', 10000);
	answer_instead('Fine.', 'stop');
	my $before = $spent->();
	is(value("SELECT try_reply(${\ comment(3, 3)}, $max_tokens)"), 'base', 'a reply in a session');
	is(value("SELECT ${\ $spent->()} - $before = ${\ most(3, 3)}"), 't', '... has cost the most that it can');
	$before = $spent->();
	my $request = request_and_wait(comment(3, 3));
	is(value("SELECT spent_cents IS NULL AND reserved_cents = ${\ $spent->()} - $before FROM trainer_generation_requests WHERE id = '$request'"), 't', '... and one in the background');
	# One that was held back says it, and the other one does not: together the most.
	my $tuned = value("SELECT fine_tuned_model_id FROM custom_models WHERE organization_id = '${\ org(4)}' AND is_active");
	$sandbox->heal;
	answer_instead('x', 'content_filter', { prompt_tokens => 0, completion_tokens => 20, total_tokens => 20 }, model => $tuned);
	answer_instead('Fine.', 'stop');
	my $spent_of_4 = sub { return value("SELECT trainer_spent('${\ org(4)}', 'inference', '-infinity')") };
	my $all = value("SELECT trainer_most_cents(ARRAY['$tuned', 'gpt-4o'], array_fill(trainer_prompt(${\ comment(4, 3)})::text, '{2}'), $max_tokens)");
	$before = $spent_of_4->();
	is(value("SELECT try_reply(${\ comment(4, 3)}, $max_tokens)"), 'base', 'below one that is held back');
	cmp_ok($spent_of_4->() - $before, '<=', $all, '... both together have cost the most, and not more');
	cmp_ok($spent_of_4->() - $before, '>', $all / 2, '... and not only one of them');
	ledger_is_right();
	$sandbox->heal;
	return 'taken to have cost the most';
});

staged('M6', 'the same without the look at what others hold, and without a look at all', sub {
	$sandbox->fault(kind => 'latency', ms => 300, method => 'POST', path => '/v1/chat/completions', count => -1);
	my $found = value("SELECT pg_get_functiondef('trainer_budget_obstacle'::regproc)");
	my %blind = ('what others hold' => $found =~ s/WHEN 'training' THEN \$4 WHEN 'inference' THEN \$5 ELSE \$4 \+ \$5 END/WHEN '' THEN \$4 ELSE 0 END/r,
		'any look' => $found =~ s/o\.left_cents < \$3/false/r);
	foreach my $what (sort keys %blind)
	{
		isnt($blind{$what}, $found, "without $what");
		value($blind{$what});
		my $limit = set_budget(1, 'inference', value("SELECT round(trainer_spent('${\ org(1)}', 'inference', trainer_period_start('month')) + 100)"));
		my ($most) = watch(spenders(1, 'blind_' . ($what =~ s/\W/_/gr)), 1, 'inference');
		cmp_ok($most, '>', $limit, "... it is overspent, and this test sees it: $most of $limit");
	}
	value($found);
	return 'overspent, and seen';
});

unlike(log_of($node), qr/deadlock detected|PANIC|TRAP/, 'no deadlock');
done_testing();

# trainer_request_generation(): replies in the background. What is committed is answered once, whatever dies; and it is written with the
# rights of who asked.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Replies in the background');
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600, api_key => undef);
my $node = start_node('requests', $sandbox, organizations => 6, 'trainer.request_timeout' => '3s', 'trainer.breaker_cooldown' => '1s',
	'restart_after_crash' => 'on');
my $chats = '/v1/chat/completions';

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# SQL for the id of the n-th comment of an organization.
sub comment { my ($organization, $n) = @_; return "md5('" . org($organization) . "comment$n')::uuid" }

# n new comments of an organization, as SQL that gives their ids.
sub new_comments
{
	my ($organization, $n) = @_;
	return "INSERT INTO comments SELECT gen_random_uuid(), '" . org($organization) . "', 'bluesky', 'New question ' || n || '?' FROM generate_series(1, $n) AS n RETURNING id";
}

sub chats { return scalar(() = $sandbox->history(method => 'POST', path => $chats)) }

sub answered
{
	my ($seconds) = @_;
	return wait_until('every request has come to its end', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE finished_at IS NULL") == 0 }, $seconds // 60, 0.05);
}

sub start_again { value('DELETE FROM trainer_generation_requests; DELETE FROM trainer_generations; DELETE FROM trainer_model_usage'); return }

# What holds when all have come to their end: a request that is done has one response, and one generation that names it.
sub check_replies
{
	my ($what) = @_;
	is(value(<<'SQL'), '0|t', "$what: one response a request, and one generation");
SELECT count(*) FILTER (WHERE q.state <> 'done' OR r.comment_id IS DISTINCT FROM q.comment_id OR r.organization_id <> q.organization_id OR g.response_id IS DISTINCT FROM r.id OR q.response_text IS NOT NULL),
  count(*) = (SELECT count(*) FROM trainer_generations)
FROM trainer_generation_requests q LEFT JOIN responses r ON r.id = q.response_id LEFT JOIN trainer_generations g ON g.id = q.generation_id
SQL
	is(value("SELECT coalesce(sum(replies), 0) = (SELECT count(*) FROM trainer_generations WHERE custom_model_id IS NOT NULL) FROM trainer_model_usage"), 't', '... and each counts once');
	return;
}

my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');
settle($node, 60);

staged('V14', 'a request of an organization with a model, and one without', sub {
	my $response = 'aaaaaaaa-0000-4000-8000-000000000001';
	value("SELECT trainer_request_generation(${\ comment(1, 1)}, '{\"response_id\": \"$response\", \"max_tokens\": 50}'); SELECT trainer_request_generation(${\ comment(2, 1)})");
	answered();
	is(value("SELECT count(*), min(response_text) <> '' FROM responses WHERE id = '$response' AND comment_id = ${\ comment(1, 1)}"), '1|t', 'the reply has the id that was asked for');
	is(value('SELECT rung, reason, prompt_tokens > 0, response_time_ms > 0, cost_cents > 0 FROM trainer_generations ORDER BY rung DESC'),
		"fine_tuned|active model|t|t|t\nbase|no custom model|t|t|t", 'what it was answered by is written down');
	is(value('SELECT count(*) FROM trainer_generation_requests WHERE rungs IS NULL AND response_text IS NULL'), 2, 'and the prompts are gone');
	foreach (['{"temperature": 3}', 'temperature is out of range'], ['{"max_tokens": "many"}', 'is not a number'], ['{"rungs": 1}', 'option "rungs" is not known'], ['[]', 'not a JSON object'])
	{
		my ($state, $message) = sql_error($node, "SELECT trainer_request_generation(${\ comment(1, 1)}, '$_->[0]')");
		is($state, '22023', $_->[0]);
		like($message, qr/\Q$_->[1]\E/, '... with what is wrong');
	}
	my ($state) = sql_error($node, "SELECT trainer_request_generation(gen_random_uuid())");
	is($state, "P0002", 'a comment that does not exist');
	check_replies('at rest');
	return 'fine_tuned; base; the response written';
});

staged('V15', '1,000 requests in one transaction: rolled back; then committed, and the worker killed four times among them', sub {
	start_again();
	my $sent = chats();
	value("BEGIN; CREATE TEMP TABLE made ON COMMIT DROP AS WITH c AS (${\ new_comments(1, 50)}) SELECT id FROM c; SELECT count(trainer_request_generation(id)) FROM made; ROLLBACK");
	my $began = time;
	value("BEGIN; CREATE TEMP TABLE made (id uuid) ON COMMIT DROP; WITH c AS (${\ new_comments(1, 900)}) INSERT INTO made SELECT id FROM c; WITH c AS (${\ new_comments(2, 100)}) INSERT INTO made SELECT id FROM c;"
	  . ' SELECT count(trainer_request_generation(id)) FROM made; COMMIT');
	my $asked = time - $began;
	my $killed = deaths($node);
	foreach my $kill (1 .. 4)
	{
		wait_until("reply " . $kill * 150, sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'done'") >= $kill * 150 });
		kill_of($node, 'trainer worker');
		wait_for_restart($node, $killed + $kill);
	}
	answered(120);
	is(value("SELECT count(*), count(DISTINCT comment_id) FROM responses WHERE comment_id IN (SELECT comment_id FROM trainer_generation_requests)"), '1000|1000', 'each comment has exactly one response');
	check_replies('after four deaths');
	my $more = chats() - $sent - 1000;
	cmp_ok($more, '<=', 4 * 100, 'no more is paid for twice than was under way');
	is(value("SELECT count(*) FROM responses r JOIN comments c ON c.id = r.comment_id WHERE c.original_text LIKE 'New question%' AND r.comment_id NOT IN (SELECT comment_id FROM trainer_generation_requests)"), 0,
		'nothing of what was rolled back');
	return sprintf 'one response each; asked for in %.1f s; %d of 1,000 paid for twice', $asked, $more;
});

staged('V16', 'the worker dies in each gap of a reply: claimed, answered, written and not committed', sub {
	start_again();
	foreach my $fault ('reply-claimed:crash', 'reply-answered:crash', 'reply-recording:crash')
	{
		my $killed = deaths($node);
		set_faults($node, $fault);
		# The worker may die of it before the session that asks has heard that its request is committed.
		$node->psql('postgres', "SELECT trainer_request_generation(${\ comment(1, 2)})");
		wait_until($fault, sub { fault_met($node, $fault) });
		wait_for_restart($node, $killed + 1);
		answered();
		check_replies($fault);
	}
	set_faults($node);
	return 'one response each';
});

# What a role of the app has: its own organization, by the app's own policies.
value(<<"SQL");
CREATE ROLE app LOGIN; SELECT trainer_grant('app', 'app');
GRANT SELECT ON organizations, comments, roastr_persona, roast_metadata TO app; GRANT SELECT, INSERT, TRIGGER ON responses TO app; GRANT INSERT ON comments TO app;
ALTER TABLE responses ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON responses TO app USING (organization_id = current_setting('trainer.organization_id')::uuid);
CREATE SCHEMA den AUTHORIZATION app;
SQL
sub as_app { my ($sql) = @_; return $node->safe_psql('postgres', "SET trainer.organization_id = '" . org(3) . "'; $sql", extra_params => [ '-U', 'app' ]) }

# Plants a trigger on the app's responses, asks for a reply, and tells what the worker noted of it.
sub with_trigger
{
	my ($timing, $body) = @_;
	my $events = $timing =~ s/ deferred// ? 'INITIALLY DEFERRED' : '';
	my $kind = $events ? 'CONSTRAINT TRIGGER' : 'TRIGGER';
	as_app("CREATE FUNCTION den.plant() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $body; RETURN NEW; END \$\$; CREATE $kind plant $timing INSERT ON public.responses $events FOR EACH ROW EXECUTE FUNCTION den.plant()");
	as_app("SELECT trainer_request_generation(${\ comment(3, 1)})");
	wait_until('a first try', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'done' OR last_error IS NOT NULL") });
	my $error = value('SELECT last_error FROM trainer_generation_requests');
	value('DROP FUNCTION den.plant() CASCADE');
	wait_until('the reply is written once the trigger is gone', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'done'") }, 30, 0.05);
	return $error;
}

staged('V17', 'a trigger on the app\'s table tries to use the worker\'s rights', sub {
	value('CREATE TABLE loot (who text, session text); GRANT INSERT ON loot TO app');
	foreach (
		['AFTER', 'ALTER ROLE app SUPERUSER', qr/must be superuser|permission denied/],
		['BEFORE', "SET ROLE postgres", qr/cannot set parameter "role" within security-(?:restricted operation|definer function)/],
		['BEFORE', 'RESET ROLE', qr/cannot set parameter "role"/],
		['BEFORE', "SET SESSION AUTHORIZATION DEFAULT", qr/cannot set parameter "session_authorization"/],
		['AFTER deferred', "INSERT INTO public.loot VALUES (current_user, session_user)", undef],
		['BEFORE', "SET CONSTRAINTS ALL DEFERRED", undef],
		['AFTER', 'CREATE TEMP TABLE mine ()', qr/security-restricted operation/],
		['BEFORE', 'PERFORM pg_advisory_lock(42); SET search_path = den; SET statement_timeout = 1', undef],
		['AFTER', "INSERT INTO public.loot VALUES (current_user, session_user)", undef],
		['BEFORE', 'PERFORM pg_sleep(60)', qr/canceling statement/],
		['BEFORE', "PERFORM pg_read_file('/etc/passwd')", qr/permission denied for function pg_read_file/])
	{
		my ($timing, $body, $refused) = @$_;
		start_again();
		my $error = with_trigger($timing, $body);
		$refused ? like($error, $refused, "$timing: $body") : is($error, '', "$timing: $body: goes on");
		check_replies($body);
	}
	# Deferred while the statement runs: what it defers would be fired at the commit.
	start_again();
	as_app("CREATE FUNCTION den.late() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.loot VALUES (current_user, 'late'); RETURN NULL; END \$\$;"
		. ' CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.responses DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION den.late()');
	like(with_trigger('BEFORE', 'SET CONSTRAINTS ALL DEFERRED'), qr/cannot fire deferred trigger within security-restricted operation/, 'what is deferred on the way is refused');
	value('DROP FUNCTION den.late() CASCADE');
	# Names of the statement itself, which a database's owner could bring in by a search path.
	start_again();
	as_app('CREATE FUNCTION den.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE app SUPERUSER; RETURN clock_timestamp(); END $$');
	value('ALTER DATABASE postgres SET search_path = den, pg_catalog, public');
	$node->safe_psql('postgres', "SET search_path = public; SELECT trainer_request_generation(${\ comment(3, 1)})");
	answered();
	value('ALTER DATABASE postgres RESET search_path; DROP FUNCTION den.now()');
	check_replies('a search path');
	# What asks for the next reply while one is written would never end; and a lock outlives the failure of its statement.
	start_again();
	my $asked = chats();
	like(with_trigger('AFTER', 'PERFORM public.trainer_request_generation(NEW.comment_id)'), qr/cannot ask for a reply within a security-restricted operation/, 'a reply that asks for a reply');
	start_again();
	like(with_trigger('AFTER', "PERFORM pg_advisory_lock(4242); RAISE 'not this one'"), qr/not this one/, 'a lock, and an error');
	is(chats() - $asked, 2, 'each was paid for once');
	is(value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock of its stays with the worker');
	is(value("SELECT string_agg(DISTINCT who, ' ') FROM loot"), 'app', 'whatever ran, ran as who asked');
	is(value("SELECT rolsuper FROM pg_roles WHERE rolname = 'app'"), 'f', 'and nobody has become more');
	return 'runs as the role that asked, in a restricted operation, 5 s at most';
});

staged('V18', 'the app\'s table does not take the reply', sub {
	start_again();
	my $sent = chats();
	value('ALTER TABLE responses ADD CONSTRAINT picky CHECK (organization_id <> \'' . org(4) . '\') NOT VALID');
	value("SELECT trainer_request_generation(${\ comment(4, 1)})");
	wait_until('the refusal', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'writing' AND last_error LIKE '%picky%' AND response_text <> ''") });
	is(value('SELECT count(*), count(response_id) FROM trainer_generations'), '1|0', 'what was paid for is written down');
	my $killed = deaths($node);
	kill_of($node, 'trainer worker');
	wait_for_restart($node, $killed + 1);
	value('ALTER TABLE responses DROP CONSTRAINT picky');
	answered();
	is(chats() - $sent, 1, 'the provider was asked once');
	check_replies('afterwards');
	return 'kept, and written once the table takes it; paid for once';
});

staged('V19', 'who asked is dropped, and another takes the name', sub {
	start_again();
	value('CREATE ROLE guest LOGIN; SELECT trainer_grant(\'guest\', \'app\'); GRANT SELECT ON organizations, comments, roastr_persona TO guest; GRANT SELECT, INSERT ON responses TO guest');
	my $slow = $sandbox->fault(kind => 'latency', ms => 1500, method => 'POST', path => $chats, count => 1);
	$node->safe_psql('postgres', "SET trainer.organization_id = '" . org(5) . "'; SELECT trainer_request_generation(${\ comment(5, 1)})", extra_params => [ '-U', 'guest' ]);
	wait_until('it is asked for', sub { $sandbox->applied($slow) });
	value('SELECT trainer_revoke(\'guest\'); DROP OWNED BY guest; DROP ROLE guest; CREATE ROLE guest LOGIN; GRANT SELECT, INSERT ON responses TO guest');
	wait_until('the refusal', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'writing' AND last_error = 'role \"guest\", which asked for the reply, is gone'") });
	is(value("SELECT count(*) FROM responses WHERE id = (SELECT response_id FROM trainer_generation_requests)"), 0, 'nothing is written in the other\'s name');
	# Gone before it is asked for: nobody could write the reply.
	start_again();
	my $sent = chats();
	value("BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO trainer_generation_requests (organization_id, comment_id, response_id, requested_by, role_oid, temperature, max_tokens, reason, rungs) VALUES ('" . org(5) . "', ${\ comment(5, 1)}, gen_random_uuid(), 'guest', 1, 1, 10, '', '[{\"rung\": \"base\", \"model\": \"gpt-4o\", \"messages\": []}]'); SELECT trainer_call_worker(); COMMIT");
	answered();
	is(value('SELECT state, last_error FROM trainer_generation_requests'), 'failed|the role that asked for the reply is gone', 'whoever is gone gets no reply');
	is(chats(), $sent, '... and none is paid for');
	value('DELETE FROM trainer_generation_requests; DROP OWNED BY guest; DROP ROLE guest');
	return 'not written; not asked for where it is known before';
});

staged('V20', 'a model that fails, and a provider that does', sub {
	start_again();
	my $name = status_of($node, $model, 'fine_tuned_model_id');
	$sandbox->fault(kind => 'status', status => 404, code => 'model_not_found', method => 'POST', path => $chats, model => $name, count => 1);
	value("SELECT trainer_request_generation(${\ comment(1, 3)})");
	answered();
	is(value('SELECT rung, reason FROM trainer_generations'), 'base|fine_tuned: model_not_found', 'the next rung answers, with the reason');
	check_replies('a model that is not there');
	start_again();
	$sandbox->fault(kind => 'status', status => 503, method => 'POST', path => $chats, count => 2);
	$sandbox->fault(kind => 'drop_after', method => 'POST', path => $chats, count => 1);
	value("SELECT trainer_request_generation(${\ comment(2, 3)})");
	answered();
	is(value('SELECT rung, reason FROM trainer_generations'), 'base|no custom model', 'tried until it is answered');
	check_replies('a provider with moods');
	start_again();
	$sandbox->fault(kind => 'status', status => 400, code => 'content_policy_violation', method => 'POST', path => $chats, count => -1);
	value("SELECT trainer_request_generation(${\ comment(1, 4)})");
	answered();
	is(value('SELECT state, reason, last_error LIKE \'content_policy_violation%\', rungs IS NULL FROM trainer_generation_requests'), 'failed|fine_tuned: content_policy_violation|t|t', 'what every model refuses has failed, with the reasons');
	$sandbox->heal;
	start_again();
	my $refused = $sandbox->fault(kind => 'status', status => 401, code => 'invalid_api_key', method => 'POST', path => $chats, headers => { 'Retry-After' => 600 }, count => 1);
	value("SELECT trainer_request_generation(${\ comment(2, 4)})");
	wait_until('a refused key', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'ready' AND last_error LIKE 'invalid_api_key%' AND due_at > now() + interval '1 minute'") });
	write_key($node->basedir . '/trainer.key', $TrainerTest::canary . '2');
	value('SELECT pg_reload_conf()');
	answered();
	check_replies('a key that was refused and replaced');
	return 'the next rung; later; failed; at once with another key';
});

staged('V21', 'generate_replies: a trigger on the app\'s comments', sub {
	start_again();
	is(value("SELECT triggers FROM trainer_attach(generate_replies => true) WHERE role = 'comments'"), '{trainer_reply_to_comment}', 'the binding tells it');
	is(value("SELECT count(*) FROM trainer_check() WHERE check_name = 'triggers' AND ok"), 1, '... and the doctor knows it');
	as_app("INSERT INTO comments SELECT gen_random_uuid(), '" . org(3) . "', 'bluesky', 'Thing ' || n FROM generate_series(1, 20) AS n");
	answered();
	is(value('SELECT count(*), count(DISTINCT requested_by), min(requested_by) FROM trainer_generation_requests'), '20|1|app', 'each new comment asks for a reply, in the name of who wrote it');
	check_replies('by the trigger');
	my ($code, $out, $err) = $node->psql('postgres', "INSERT INTO comments VALUES (gen_random_uuid(), '" . org(3) . "', 'bluesky', '  '); SELECT count(*) FROM comments WHERE original_text = '  '");
	is($out, 1, 'a comment that cannot be answered is let in');
	like($err, qr/WARNING:  no reply was asked for to comment [-0-9a-f]+: the comment is empty/, '... with a warning');
	is(value("BEGIN; DROP EXTENSION trainer; SELECT count(*) FROM pg_trigger WHERE tgname = 'trainer_reply_to_comment'; ROLLBACK"), 0, 'DROP EXTENSION takes the trigger along');
	value('SELECT trainer_attach()');
	is(value("SELECT count(*) FROM pg_trigger WHERE tgname = 'trainer_reply_to_comment'"), 0, 'attached without it, it is gone');
	value('CREATE VIEW seen AS SELECT * FROM comments');
	my ($state, $message) = sql_error($node, "SELECT trainer_attach(comments => 'seen', generate_replies => true)");
	is($state, 'TR008', 'a view takes no such trigger');
	value('DROP VIEW seen');
	return 'one reply each; a comment is never refused';
});

staged('V22', 'what a role of the app may do to requests', sub {
	start_again();
	foreach my $sql ("INSERT INTO trainer_generation_requests (organization_id, comment_id, response_id, requested_by, role_oid, temperature, max_tokens, reason) VALUES ('" . org(3) . "', gen_random_uuid(), gen_random_uuid(), 'postgres', 10, 1, 1, '')",
		"UPDATE trainer_generation_requests SET requested_by = 'postgres', role_oid = 10", 'DELETE FROM trainer_generation_requests', 'SELECT * FROM trainer_generation_requests FOR UPDATE')
	{
		my (undef, undef, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
		like($err, qr/permission denied/, $sql);
	}
	value('CREATE ROLE head LOGIN; SELECT trainer_grant(\'head\', \'admin\')');
	my (undef, undef, $err) = $node->psql('postgres', "UPDATE trainer_generation_requests SET requested_by = 'postgres', role_oid = 10", extra_params => [ '-U', 'head' ]);
	like($err, qr/permission denied/, 'nor may an admin write in another\'s name');
	value("SELECT trainer_request_generation(${\ comment(2, 5)})");
	is(as_app('SELECT count(*) FROM trainer_generation_requests'), 0, 'another\'s it does not see');
	answered();
	return 'refused';
});

staged('V23', 'a table that takes its time for each reply, and a training', sub {
	start_again();
	value("CREATE FUNCTION drag() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END \$\$; CREATE TRIGGER drag BEFORE INSERT ON responses FOR EACH ROW EXECUTE FUNCTION drag()");
	# 30 s of writing, and a training of some dozen requests.
	value("WITH c AS (${\ new_comments(2, 300)}) SELECT count(trainer_request_generation(id)) FROM c");
	wait_until('a first reply is written', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'done'") });
	my $trained = train($node, 6);
	wait_for_status($node, $trained, 'deployed');
	cmp_ok(value("SELECT count(*) FROM trainer_generation_requests WHERE finished_at IS NULL"), '>', 0, 'trained and deployed while replies wait to be written');
	answered();
	check_replies('slowly');
	start_again();
	my $sent = chats();
	value("WITH c AS (${\ new_comments(2, 20)}) SELECT count(trainer_request_generation(id)) FROM c");
	wait_until('all are answered, and kept', sub { value("SELECT count(*) FROM trainer_generation_requests WHERE state IN ('ready', 'sending')") == 0 });
	cmp_ok(value("SELECT count(*) FROM trainer_generation_requests WHERE state = 'writing'"), '>', 0, '... while they wait');
	my $killed = deaths($node);
	kill_of($node, 'trainer worker');
	wait_for_restart($node, $killed + 1);
	answered();
	is(chats() - $sent, 20, 'each was paid for once, though the worker was killed');
	value('DROP FUNCTION drag() CASCADE');
	check_replies('killed among them');
	my $doctor = "SELECT ok, detail ~ 'more than a minute ago' FROM trainer_examine() WHERE check_name = 'worker'";
	is(value($doctor), 't|f', 'the doctor finds the worker well');
	my $status = value("SELECT pg_get_functiondef('trainer_worker_status()'::regprocedure)") =~ s/slot\.heartbeat/slot.heartbeat - interval '70 s'/r;
	is(value("BEGIN; $status; $doctor; ROLLBACK"), 'f|t', '... and tells of one that has not turned for more than a minute');
	return 'a training goes on between them; what waits is kept';
});

check_invariants($node, $sandbox, crashed => 1);
done_testing();

# Notifications and webhooks: a row for who was away, NOTIFY for who listens, and a signed message to the app, which is sent again
# under the same id until it is taken; to no host that a superuser has not allowed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use Receiver;
use TrainerTest;

use DBI;
use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $key    = join '', map { chr int rand 256 } 1 .. 32;
my $secret = 'whsec_' . encode_base64($key, '');
my $dir    = PostgreSQL::Test::Utils::tempdir();
my $secret_file = write_key("$dir/webhook.secret", $secret);

my $app     = Receiver->new;
my $other   = Receiver->new;
my $sandbox = start_sandbox(job_seconds => 0.3);
system_or_bail($ENV{CC} // 'cc', '-shared', '-fPIC', '-o', "$dir/resolver.so", "$FindBin::RealBin/../preload/resolver.c", '-ldl');
my $node = new_node('webhooks', $sandbox, 'log_statement' => 'all', 'trainer.webhook_secret_file' => $secret_file,
	'trainer.webhook_allowed_hosts' => $app->host . ', ' . $other->host . ', https://127-0-0-1.public.test');
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, "$dir/resolver.so";
	$node->start;
}
set_up_app($node, 'postgres', organizations => 12);
wait_for_worker($node);
matrix('Webhooks');

sub value { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

# Something happens that somebody should hear of: the notification's id.
sub happen
{
	my ($organization, $what) = @_;
	$what //= 'input_length';
	return value("BEGIN; SELECT trainer_log_event('" . org($organization) . "', NULL, 'drift', '{\"stream\": \"$what\"}'); SELECT max(id) FROM trainer_notifications; COMMIT") =~ s/^\s+//r;
}

sub delivery { my ($id, $columns) = @_; return value("SELECT ${\ ($columns // 'state') } FROM trainer_webhook_deliveries WHERE notification_id = $id") }
sub wait_for_delivery { my ($id, $state, $seconds) = @_; return wait_until("message $id is $state", sub { delivery($id) eq $state }, $seconds // 30) }
sub set_webhook { my ($organization, $url, $kinds) = @_; return value("SELECT id FROM trainer_set_webhook('$url', '" . org($organization) . "'" . ($kinds ? ", '$kinds'" : '') . ')') }
sub no_webhooks { value('DELETE FROM trainer_webhooks'); return }

# The requests of one message, by its id.
sub tries { my ($receiver, $id) = @_; my $message = delivery($id, 'id'); return grep { $_->{headers}{'webhook-id'} eq $message } $receiver->requests }

# Independently of our code: by Perl's own HMAC.
sub is_signed
{
	my ($request) = @_;
	my $headers = $request->{headers};
	my $mac = hmac_sha256_base64("$headers->{'webhook-id'}.$headers->{'webhook-timestamp'}.$request->{body}", $key);
	$mac .= '=' while length($mac) % 4;
	return ($headers->{'webhook-signature'} // '') eq "v1,$mac";
}

# The page's own example.
sub page_takes
{
	my ($request, %instead) = @_;
	my ($example) = slurp_file("$FindBin::RealBin/../../docs/notifications.md") =~ /^```py\n(.*?)^```$/ms or die 'no example';
	my $file = "$dir/example.py";
	unlink $file;
	append_to_file($file, "$example\nimport json, sys\nr = json.load(sys.stdin)\nprint(is_genuine(r['secret'], r['headers'], base64.b64decode(r['body'])))\n");
	my $input = encode_json({ secret => $secret, headers => $request->{headers}, body => encode_base64($request->{body}, ''), %instead });
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'python3', $file ], '<', \$input, '>', \$out, '2>', \$err);
	is($err, '', 'the example of the page runs');
	return $out =~ /True/;
}

staged('W1', 'a training and its deployment, heard by LISTEN, by a row and by the webhook of every organization', sub {
	my $listener = DBI->connect(sprintf('dbi:Pg:host=%s;port=%s;dbname=postgres', $node->host, $node->port), undef, undef, { RaiseError => 1 });
	$listener->do('LISTEN trainer');
	value("SELECT trainer_set_webhook('${\ $app->url('/hook?a=b') }', kinds => '{training_succeeded,model_deployed}')");
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	wait_until('both have arrived', sub { $app->requests >= 2 });
	my @requests = $app->requests;
	my %by_kind = map { decode_json($_->{body})->{kind} => $_ } @requests;
	is_deeply([ sort keys %by_kind ], [ 'model_deployed', 'training_succeeded' ], 'what was asked for and no more');
	foreach my $request (@requests)
	{
		my $body = decode_json($request->{body});
		ok(is_signed($request), "$body->{kind} is signed");
		cmp_ok(abs($request->{headers}{'webhook-timestamp'} - $request->{at}), '<', 5, '... just now');
		is($request->{path}, '/hook?a=b', '... and sent where it was to be');
		is($request->{headers}{authorization}, undef, '... without the provider\'s key');
		is($body->{model}{id}, $model, '... about the model');
		is(value("SELECT n.payload = convert_from(decode('" . unpack('H*', $request->{body}) . "', 'hex'), 'UTF8')::jsonb FROM trainer_notifications n WHERE n.id = $body->{event}"), 't', '... in the words of the row');
	}
	my $request = $requests[0];
	ok(page_takes($request), 'the example of the page takes it');
	ok(!page_takes($request, body => encode_base64("$request->{body} ", '')), '... not with another body');
	ok(!page_takes($request, headers => { %{ $request->{headers} }, 'webhook-timestamp' => time - 600 }), '... not at another time');
	ok(!page_takes($request, secret => 'whsec_' . encode_base64('x' x 32, '')), '... not with another secret');
	my @heard;
	while (my $notice = $listener->pg_notifies) { push @heard, decode_json($notice->[2]) }
	my %events = map { $_ => decode_json($by_kind{$_}{body})->{event} } keys %by_kind;
	is_deeply({ map { $_->{kind} => $_->{event} } grep { $events{ $_->{kind} } } @heard }, \%events, 'and who listens has heard of the same');
	is_deeply([ grep { join(' ', sort keys %$_) ne 'event kind' } @heard ], [], '... and nothing of whom it is about');
	$listener->disconnect;
	is(value("SELECT payload ->> 'message' FROM trainer_notifications WHERE payload ->> 'kind' = 'training_succeeded'"), 'The training of "Custom model v1" (version 1) has succeeded.', 'the row says it in a sentence');
	no_webhooks();
	return 'both heard, by all three; signatures hold';
});

staged('W2', 'the app answers 500, 404, resets the connection, and asks for time', sub {
	my $webhook = set_webhook(1, $app->url);
	my $id;
	my $tried = 0;
	foreach my $mood ([500], [404], ['reset'])
	{
		$app->mood(@$mood);
		$id //= happen(1);
		wait_until("a try while it is $mood->[0]", sub { tries($app, $id) > $tried }, 30);
		$tried = wait_until("... is written down", sub { delivery($id) eq 'ready' && delivery($id, 'attempt') }, 30);
	}
	$app->mood(200);
	wait_for_delivery($id, 'delivered', 60);
	my @tries = tries($app, $id);
	cmp_ok(scalar(@tries), '>=', 4, 'sent again and again');
	is(scalar(grep { !is_signed($_) } @tries), 0, 'each signed by itself');
	cmp_ok($tries[-1]{headers}{'webhook-timestamp'}, '>', $tries[0]{headers}{'webhook-timestamp'}, '... with the time of the try');
	$app->mood(429, 'Retry-After: 8');
	my ($first, $second) = (happen(1));
	wait_until('it asks for time', sub { delivery($first, 'last_http_status') eq '429' });
	$app->mood(200);
	$second = happen(1);
	sleep 1;
	is(delivery($second, 'attempt'), 0, 'nothing else is sent meanwhile');
	wait_for_delivery($_, 'delivered') foreach $first, $second;
	is(value("SELECT sum(value) FROM trainer_metrics WHERE name = 'trainer_provider_requests_total' AND labels ->> 'result' <> 'ok'"), 0, 'what the app answers is not counted as the provider\'s');
	my ($before, $after) = map { $_->{at} } tries($app, $first);
	cmp_ok($after - $before, '>=', 7.9, 'and it gets what it asked for');
	no_webhooks();
	return scalar(@tries) . ' tries, one id; Retry-After kept';
});

staged('W3', 'the worker is killed before it sends, and between the app\'s answer and its record', sub {
	set_webhook(2, $app->url);
	my %arrived = ('webhook-claimed:crash' => 1, 'webhook-answered:crash' => 2);
	foreach my $fault (sort keys %arrived)
	{
		my $killed = deaths($node);
		set_faults($node, $fault);
		# The worker may die of it before the session has heard that its event is committed.
		$node->psql('postgres', "SELECT trainer_log_event('" . org(2) . "', NULL, 'drift', '{}')");
		wait_until($fault, sub { fault_met($node, $fault) });
		wait_for_restart($node, $killed + 1);
		my $id = value('SELECT max(id) FROM trainer_notifications');
		wait_for_delivery($id, 'delivered');
		is(scalar(tries($app, $id)), $arrived{$fault}, "$fault: it has arrived, each time under one id");
	}
	set_faults($node);
	no_webhooks();
	return 'arrives once, or twice under one id';
});

staged('W4', 'nine endpoints that hang, while a training runs with one connection, and others are told', sub {
	set_setting($node, 'trainer.max_concurrent_requests', 1);
	wait_for_reload($node, 'trainer.max_concurrent_requests', 1);
	$other->mood('hang');
	set_webhook($_, $other->url) foreach 3 .. 11;
	# At once: an endpoint is given up on before a busy machine has made them one by one.
	my $organizations = join ',', map { org($_) } 3 .. 11, 3 .. 11;
	value("SELECT trainer_log_event(o, NULL, 'drift', '{\"stream\": \"input_length\"}') FROM unnest('{$organizations}'::uuid[]) AS o");
	my @hanging = split /\n/, value('SELECT id FROM (SELECT id FROM trainer_notifications ORDER BY id DESC LIMIT 18) AS n ORDER BY id');
	wait_until('they hang', sub { $other->requests >= 8 });
	is(value("SELECT max(n), sum(n) FROM (SELECT count(*) AS n FROM trainer_webhook_deliveries WHERE state = 'sending' GROUP BY webhook_id) c"), '1|8', 'one message of each is under way, and eight of all');
	my $began = time;
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed', 60);
	my $training = time - $began;
	# In a line with them each of its requests would have waited for 10 s and more.
	cmp_ok($training, '<', 30, 'the training has not waited for them');
	set_webhook(12, $app->url);
	$began = time;
	wait_for_delivery(happen(12), 'delivered', 40);
	my $told = time - $began;
	wait_until('they have failed', sub { value("SELECT count(*) FROM trainer_webhooks WHERE failures > 0") >= 8 }, 40);
	like(value("SELECT ok, detail FROM trainer_examine() WHERE check_name = 'webhooks'"), qr/^f\|.*no answer, \d+ times in a row/, 'the doctor tells');
	$other->mood(200);
	value('UPDATE trainer_webhooks SET free_at = now(); UPDATE trainer_webhook_deliveries SET due_at = now() WHERE state = \'ready\'; SELECT trainer_wake_worker()');
	wait_for_delivery($_, 'delivered', 40) foreach @hanging;
	set_setting($node, 'trainer.max_concurrent_requests', 32);
	no_webhooks();
	return sprintf 'trained in %.1f s; told in %.1f s', $training, $told;
});

staged('W5', 'an endpoint that is gone; a message that nobody has taken for three days; a webhook that is disabled, or taken away, while messages wait', sub {
	$app->mood(410);
	set_webhook(4, $app->url);
	my $id = happen(4);
	wait_for_delivery($id, 'failed');
	is(value("SELECT enabled, disabled_because FROM trainer_webhooks"), 'f|The endpoint answered with HTTP status 410.', 'it is disabled');
	is(value("SELECT payload ->> 'kind' FROM trainer_notifications ORDER BY id DESC LIMIT 1"), 'webhook_disabled', '... which is a notification');
	$id = happen(4);
	is(delivery($id, 'count(*)'), 0, 'nothing is sent there any more');
	is(value("SELECT payload IS NOT NULL FROM trainer_notifications WHERE id = $id"), 't', '... and the row is there');
	$app->mood(500);
	set_webhook(4, $app->url);
	$id = happen(4);
	wait_until('a try', sub { delivery($id, 'last_http_status') eq '500' });
	wait_until('it is old', sub { $node->safe_psql('postgres', "UPDATE trainer_webhook_deliveries SET created_at = now() - interval '73 hours', due_at = now() WHERE notification_id = $id AND state = 'ready' RETURNING 1") });
	value('SELECT trainer_wake_worker()');
	wait_for_delivery($id, 'failed');
	is(value("SELECT kind FROM trainer_event_log ORDER BY id DESC LIMIT 1"), 'webhook_given_up', 'it is given up, with an event');
	my @ended = map { my $result = $_; sub { value("SELECT value FROM trainer_metrics WHERE name = 'trainer_webhook_messages_total' AND labels ->> 'result' = '$result'") } } qw(failed cancelled);
	my @before = map { $_->() } @ended;
	my @waiting = map { happen(4) } 1 .. 2;
	wait_until('a try', sub { value("SELECT count(*) FROM trainer_webhook_deliveries WHERE notification_id IN (" . join(',', @waiting) . ") AND last_http_status = 500") > 0 });
	value('UPDATE trainer_webhooks SET enabled = false');
	is(value("SELECT DISTINCT state, last_error, finished_at IS NOT NULL FROM trainer_webhook_deliveries WHERE notification_id IN (" . join(',', @waiting) . ")"),
		'cancelled|The webhook was disabled.|t', 'what waits is cancelled with its webhook');
	$app->mood(200);
	my $sent = () = $app->requests;
	value("UPDATE trainer_webhooks SET enabled = true; SELECT trainer_wake_worker()");
	$id = happen(4);
	wait_for_delivery($id, 'delivered');
	is(scalar(map { tries($app, $_) } $id), 1, 'enabled again, it is told what happens from then on');
	is(value("SELECT string_agg(DISTINCT state, ',') FROM trainer_webhook_deliveries WHERE notification_id IN (" . join(',', @waiting) . ")"), 'cancelled', '... and nothing of before');
	$app->mood(410);
	my @gone = split /\n/, value("SELECT trainer_log_event('" . org(4) . "', NULL, 'drift', '{}') FROM generate_series(1, 3)");
	wait_until('it is disabled', sub { value('SELECT NOT enabled FROM trainer_webhooks') eq 't' });
	is(value("SELECT string_agg(state || ': ' || last_error, ', ' ORDER BY state) FROM (SELECT * FROM trainer_webhook_deliveries ORDER BY notification_id DESC LIMIT 3) AS d"),
		join(', ', map { "$_: The endpoint answered with HTTP status 410." } qw(cancelled cancelled failed)), 'of an endpoint that is gone one message was refused, the others are cancelled');
	is(join('|', map { $ended[$_]->() - $before[$_] } 0, 1), '1|4', 'all are counted');
	value('DELETE FROM trainer_event_log');
	is(join('|', map { $ended[$_]->() - $before[$_] } 0, 1), '1|4', '... whatever becomes of their events');
	$app->mood(500);
	set_webhook(4, $app->url);
	$id = happen(4);
	no_webhooks();
	is(delivery($id, 'count(*)'), 0, 'what waits goes with its webhook');
	$app->mood('hang');
	set_webhook(4, $app->url);
	$id = happen(4);
	wait_until('it hangs', sub { tries($app, $id) });
	$app->mood(200);
	set_webhook(4, $app->url('/another'));
	wait_until('the try has ended', sub { delivery($id, 'last_error IS NOT NULL') eq 't' }, 30, 0.05);
	is(value('SELECT failures, free_at <= now() FROM trainer_webhooks'), '0|t', 'that the former URL does not answer is not held against another one');
	no_webhooks();
	return 'disabled; given up; cancelled; gone';
});

staged('W6', 'a copy of the database that has messages to send', sub {
	$app->mood(500);
	set_webhook(5, $app->url);
	my $id = happen(5);
	wait_until('a try', sub { delivery($id, 'last_http_status') eq '500' });
	value('SELECT trainer_pause_worker()');
	wait_until('it is not under way', sub { delivery($id) eq 'ready' });
	$app->mood(200);
	my $sent = () = $app->requests;
	# A dump without the row of the installation, as of a table after the other: the message alone pauses.
	$node->command_ok([ 'pg_dump', '-f', "$dir/copy.sql", '--exclude-table-data=trainer_installation', '--exclude-table-data=trainer_operations', $node->connstr('postgres') ], 'a dump');
	value('CREATE DATABASE copy');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/copy.sql", $node->connstr('copy') ], 'restored beside it');
	wait_for_worker($node, 'copy');
	like(value('SELECT paused, paused_reason FROM trainer_installation', 'copy'), qr/^t\|operations were restored/, 'it is paused');
	value("UPDATE trainer_webhook_deliveries SET due_at = now(); UPDATE trainer_webhooks SET free_at = now(); SELECT trainer_wake_worker()", $_) foreach 'postgres', 'copy';
	sleep 2;
	is(scalar(() = $app->requests), $sent, 'nothing is sent, by the copy or the original');
	leave_out($node, 'copy');
	value('DROP DATABASE copy WITH (FORCE)');
	value('SELECT trainer_resume_worker()');
	wait_for_delivery($id, 'delivered');
	no_webhooks();
	return 'silent';
});

# --- attacks ---

staged('W7', 'an admin sends notifications to a host that the superuser has not allowed', sub {
	value("CREATE ROLE boss LOGIN; SELECT trainer_grant('boss', 'admin')");
	my ($allowed) = $app->host =~ m{//(.*)};
	my $as_boss = sub { my ($sql) = @_; my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', 'boss' ], on_error_stop => 0); return $err };
	foreach my $url ("http://127.0.0.1:1/", "http://127.0.0.1/", 'http://169.254.169.254/latest/meta-data/', 'https://evil.example/', "http://$allowed\@evil.example/", "https://$allowed/",
		"https://evil.example#$allowed", "http://127.0.0.1%2e:$app->{port}/", "http://2130706433:$app->{port}/", "http://localhost:$app->{port}/", "file:///etc/passwd", "gopher://$allowed/", "http://$allowed\\\@evil.example/")
	{
		like($as_boss->("SELECT trainer_set_webhook('$url')"), qr/ERROR:  22023: cannot send notifications/, $url);
	}
	like($as_boss->("SET trainer.webhook_allowed_hosts = 'https://evil.example'"), qr/ERROR/, 'the list is not a session\'s to set');
	like($as_boss->("ALTER SYSTEM SET trainer.webhook_allowed_hosts = 'https://evil.example'"), qr/ERROR:  42501/, '... nor an admin\'s');
	like($as_boss->('SHOW trainer.webhook_secret_file'), qr/ERROR:  42501/, '... and where the secret is he is not told');
	# Past the function.
	is($as_boss->("INSERT INTO trainer_webhooks (organization_id, url) VALUES ('" . org(6) . "', '" . $other->url =~ s/127.0.0.1/localhost/r . "')"), '', 'he may write into the table');
	my ($id, $sent) = (happen(6), scalar(() = $other->requests));
	wait_until('it is looked at', sub { delivery($id, 'last_error') ne '' });
	like(delivery($id, 'last_error'), qr/is not on the list of trainer.webhook_allowed_hosts/, '... which sends nothing');
	is(scalar(() = $other->requests), $sent, '... as its end can tell');
	no_webhooks();
	return 'refused (22023); not sent';
});

staged('W8', 'a host that is taken off the list while messages wait', sub {
	$app->mood(500);
	set_webhook(6, $app->url);
	my $id = happen(6);
	wait_until('a try', sub { delivery($id, 'last_http_status') eq '500' });
	my $list = value('SHOW trainer.webhook_allowed_hosts');
	set_setting($node, 'trainer.webhook_allowed_hosts', '');
	wait_for_reload($node, 'trainer.webhook_allowed_hosts', '');
	$app->mood(200);
	my $sent = () = $app->requests;
	my $due = "UPDATE trainer_webhook_deliveries SET due_at = now() WHERE state = 'ready'; UPDATE trainer_webhooks SET free_at = now(); SELECT trainer_wake_worker()";
	value($due);
	wait_until('it is looked at', sub { delivery($id, 'last_error') =~ /is not on the list/ });
	is(scalar(() = $app->requests), $sent, 'nothing is sent');
	like(value("SELECT ok, detail FROM trainer_examine() WHERE check_name = 'webhooks'"), qr/^f\|.*is not on the list/, 'the doctor tells');
	set_setting($node, 'trainer.webhook_allowed_hosts', $list);
	wait_for_reload($node, 'trainer.webhook_allowed_hosts', $list);
	value($due);
	wait_for_delivery($id, 'delivered');
	no_webhooks();
	return 'not sent, until it is on it again';
});

staged('W9', 'an endpoint that answers with a redirect, and with what nobody should read', sub {
	$app->mood(307, 'Location: ' . $other->url, 'the password is hunter2');
	set_webhook(7, $app->url);
	my ($id, $sent) = (happen(7), scalar(() = $other->requests));
	wait_until('a try', sub { delivery($id, 'last_http_status') eq '307' });
	is(delivery($id, 'last_error'), 'The endpoint answered with HTTP status 307, a redirect, which is never followed.', 'it says what came');
	is(scalar(() = $other->requests), $sent, 'and is not followed');
	unlike(value('SELECT string_agg(d::text, chr(10)) FROM trainer_webhook_deliveries d') . value('SELECT last_error FROM trainer_worker_slot()'), qr/hunter2/, 'nothing of the answer is shown');
	unlike(log_of($node) =~ s/^.*(?:statement|STATEMENT):.*$//mgr, qr/hunter2/, '... or logged');
	no_webhooks();
	$app->mood(200);
	return 'not followed, not shown';
});

staged('W10', 'an allowed name of the world that leads inside, and a certificate that nobody trusts', sub {
	set_webhook(8, 'https://127-0-0-1.public.test/hook');
	my $id = happen(8);
	wait_until('a try', sub { delivery($id, 'last_error') ne '' });
	is(delivery($id, 'last_http_status, last_error'), '|the host of the URL resolves to a private address', 'it is not connected to');
	no_webhooks();
	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=itself', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/itself.key", '-out', "$dir/itself.pem");
	my $stranger = Receiver->new(tls => { SSL_cert_file => "$dir/itself.pem", SSL_key_file => "$dir/itself.key" });
	my $list = value('SHOW trainer.webhook_allowed_hosts') . ', ' . $stranger->host;
	set_setting($node, 'trainer.webhook_allowed_hosts', $list);
	wait_for_reload($node, 'trainer.webhook_allowed_hosts', $list);
	set_webhook(8, $stranger->url);
	$id = happen(8);
	wait_until('a try', sub { delivery($id, 'last_error') ne '' });
	like(delivery($id, 'last_error'), qr/self.signed certificate/, 'it is not sent to whom nobody vouches for');
	is(scalar(() = $stranger->requests), 0, '... as its end can tell');
	no_webhooks();
	return 'not connected to; not sent';
});

staged('W11', 'the secret: its file open to others, gone, no secret; then looked for in all that can be read', sub {
	set_webhook(9, $app->url);
	my %bad = ('open to others' => [ sub { chmod 0644, $secret_file }, qr/can be reached by group or others/ ], 'gone' => [ sub { unlink $secret_file }, qr/cannot be read/ ],
		'no secret' => [ sub { write_key($secret_file, 'whsec_short') }, qr/base64|24 to 64 bytes/ ], 'the API key' => [ sub { write_key($secret_file, $canary) }, qr/begins with whsec_/ ]);
	foreach my $what (sort keys %bad)
	{
		$bad{$what}[0]->();
		my $id = happen(9);
		wait_until($what, sub { delivery($id, 'last_error') ne '' });
		like(delivery($id, 'last_error'), $bad{$what}[1], "$what: nothing is sent, and it says why");
		like(delivery($id, 'last_error'), qr/^(?:The file of trainer.webhook_secret_file|A webhook's secret) /, '... of a file that it does not name');
		my ($state, $error) = sql_error($node, "SELECT trainer_set_webhook('" . $app->url . "')");
		is($state, '22023', '... and none can be set');
		unlike($error . value("SELECT detail FROM trainer_examine() WHERE check_name = 'webhooks'"), qr/\Q$secret_file\E/, '... and nobody is told where the file is');
		write_key($secret_file, $secret);
		value('UPDATE trainer_webhook_deliveries SET due_at = now() WHERE state = \'ready\'; UPDATE trainer_webhooks SET free_at = now(), failures = 0; SELECT trainer_wake_worker()');
		wait_for_delivery($id, 'delivered');
	}
	my ($rest) = $secret =~ /whsec_(.*)/;
	my $hex = unpack 'H*', $key;
	my $shown = join "\n", log_of($node), value('SELECT string_agg(s::text, chr(10)) FROM pg_settings s'), value('SELECT string_agg(a::text, chr(10)) FROM pg_stat_activity a'),
	  value('SELECT string_agg(c::text, chr(10)) FROM trainer_examine() c'), slurp_file("$dir/copy.sql");
	$node->command_ok([ 'pg_dump', '-f', "$dir/all.sql", $node->connstr('postgres') ], 'a dump');
	$shown .= slurp_file("$dir/all.sql");
	unlike($shown, qr/\Q$rest\E|\Q$key\E|$hex/, 'the secret is nowhere');
	unlike($shown =~ s/trainer\.api_key_file.*//gr, qr/\Q$canary\E/, '... nor the key that was taken for one');
	no_webhooks();
	return 'not sent, says why; nowhere';
});

check_invariants($node, $sandbox, crashed => 1);
done_testing();

# Certificates that must not be trusted, and one that may; names that lead nowhere, hang, or lead inside.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use RawServer;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $sandbox = start_sandbox(job_seconds => 0.2);
my ($port) = $sandbox->api_base =~ /:(\d+)/;

# A CA of our own, and what it has signed; a second one that nobody trusts.
sub openssl { system_or_bail('openssl', @_) }
sub authority { my ($name) = @_; openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', "/CN=$name", '-keyout', "$dir/$name.key", '-out', "$dir/$name.pem"); return }
sub certificate
{
	my ($name, %of) = @_;
	my $authority = $of{authority} // 'trusted';
	open my $extensions, '>', "$dir/$name.ext" or die;
	print $extensions "subjectAltName=$of{for}\n";
	close $extensions;
	openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$name", '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	openssl('x509', '-req', '-' . ($of{digest} // 'sha256'), '-in', "$dir/$name.csr", '-CA', "$dir/$authority.pem", '-CAkey', "$dir/$authority.key", '-CAcreateserial', '-days', $of{days} // 2,
		'-extfile', "$dir/$name.ext", '-out', "$dir/$name.pem");
	return (SSL_cert_file => "$dir/$name.pem", SSL_key_file => "$dir/$name.key");
}
authority($_) foreach qw(trusted stranger);
my %server;
sub raw { my ($name, %tls) = @_; return $server{$name} = RawServer->new(dir => "$dir/rules-$name", to => $port, tls => \%tls) }

my $cc = $ENV{CC} // 'cc';
system_or_bail($cc, '-shared', '-fPIC', '-o', "$dir/resolver.so", "$FindBin::RealBin/../preload/resolver.c", '-ldl');

my $good = raw('good', certificate('good', for => 'IP:127.0.0.1'));
my $node;
matrix('TLS and names', sub { check_invariants($node, $sandbox, seconds => 60) });
$node = new_node('tls', $sandbox, 'trainer.api_ca_file' => "$dir/trusted.pem", 'trainer.api_base' => $good->base, 'trainer.request_timeout' => '5s',
	'trainer.reconcile_quiet_period' => '600ms');
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, "$dir/resolver.so";
	$node->start;
}
set_up_app($node, 'postgres', organizations => 8);
wait_for_worker($node);

sub provider { return $node->safe_psql('postgres', "SELECT ok, detail FROM trainer_examine() WHERE check_name = 'provider'") }
sub point_at
{
	my ($base) = @_;
	set_setting($node, 'trainer.api_base', $base);
	wait_until('the new base', sub { $node->safe_psql('postgres', 'SHOW trainer.api_base') eq $base });
	return;
}

staged('F42', 'a certificate of the CA that trainer.api_ca_file names', sub {
	is(provider(), 't|the provider answers, and takes the key', 'the doctor is content');
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	return 'a whole job over TLS';
});

# A subjectAltName of one dNSName (RFC 5280, 4.2.1.6), which may hold any byte.
sub name_in_der { my ($name) = @_; return join ':', map { sprintf '%02x', ord } split //, pack 'C C C C a*', 0x30, 2 + length $name, 0x82, length $name, $name }

my $inside = '127-0-0-1.app.internal';    # which the preloaded resolver knows
my %bad = (
	'expired'                        => [ sub { certificate('expired', for => 'IP:127.0.0.1', days => -1) }, qr/expired/ ],
	'of a CA that is not trusted'    => [ sub { certificate('strange', for => 'IP:127.0.0.1', authority => 'stranger') }, qr/unable to get local issuer certificate/ ],
	'signed by itself'               => [ sub { authority('itself'); (SSL_cert_file => "$dir/itself.pem", SSL_key_file => "$dir/itself.key") }, qr/self.signed certificate/ ],
	'of another host'                => [ sub { certificate('other', for => 'DNS:api.example.com') }, qr/no alternative certificate subject name matches/ ],
	'of another address'             => [ sub { certificate('address', for => 'IP:127.0.0.2') }, qr/no alternative certificate subject name matches/ ],
	'of a server with TLS 1.1 alone' => [ sub { (certificate('old', for => 'IP:127.0.0.1'), SSL_version => 'TLSv1_1', SSL_cipher_list => 'ALL:@SECLEVEL=0') }, qr/SSL|TLS/ ],
	'signed with SHA-1'              => [ sub { (certificate('sha1', for => 'IP:127.0.0.1', digest => 'sha1'), weak => 1) }, qr/CA md too weak|CA signature digest algorithm too weak/ ],
	# A reader of C strings takes the name for localhost.
	'whose name goes on behind a NUL' => [ sub { certificate('nul', for => 'DER:' . name_in_der("$inside\0.evil.test")) }, qr/no alternative certificate subject name matches/, $inside ],
	'of a server that cuts the handshake' => [ sub { (certificate('cut', for => 'IP:127.0.0.1'), truncated => 1) }, qr/SSL|TLS|reset/ ]);
foreach my $what (sort keys %bad)
{
	staged('F42', "a certificate $what", sub {
		my $name = $what =~ s/\W+/-/gr;
		my $server = raw($name, $bad{$what}[0]->());
		point_at($server->base($bad{$what}[2]));
		my $answer = provider();
		like($answer, qr/^f\|.*not_connected/, 'refused, and nothing was sent');
		like($answer, $bad{$what}[1], '... for the reason that is staged');
		my $model = train($node, 2);
		wait_until('the worker is refused, too', sub { $node->safe_psql('postgres', "SELECT state, last_delivery FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file'") eq 'ready|not_sent' });
		is($server->forwarded, 0, 'no request has come through');
		point_at($good->base);
		$node->safe_psql('postgres', "SELECT trainer_cancel_training('$model')");
		$server->stop;
		return 'not sent';
	});
}

# How long a session that asks the provider goes on after pg_cancel_backend(), in seconds.
sub cancelled_after
{
	my $session = session($node);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->{stdin} .= "SELECT trainer_probe_provider();\n";
	$session->{run}->pump_nb;
	my $active = "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active' AND query ~ 'probe'";
	wait_until('it asks', sub { $session->{run}->pump_nb; $node->safe_psql('postgres', $active) });
	sleep 0.2;
	my $began = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	wait_until('it is let go', sub { !$node->safe_psql('postgres', $active) }, 10, 0.01);
	my $took = time - $began;
	$session->quit;
	return $took;
}

staged('F42', 'a handshake that never ends: statement_timeout, a cancel, and the end of the worker', sub {
	my $server = raw('silent', certificate('silent', for => 'IP:127.0.0.1'), silent => 1);
	set_setting($node, 'trainer.connect_timeout', '1min');
	point_at($server->base);
	my $began = time;
	my ($state) = sql_error($node, "SET statement_timeout = '200ms'; SELECT trainer_probe_provider()");
	is($state, '57014', 'the session is let go');
	cmp_ok(time - $began, '<', 1.2, '... at once');
	cmp_ok(cancelled_after(), '<', 1, '... and when it is cancelled');
	my $model = train($node, 3);
	wait_until('the worker shakes hands', sub { $node->safe_psql('postgres', 'SELECT in_flight FROM trainer_worker_status()') > 0 });
	my $pid = worker_pid($node);
	$began = time;
	kill 'TERM', $pid;
	wait_until('the worker ends', sub { !TrainerTest::is_alive($pid) }, 10, 0.01);
	cmp_ok(my $took = time - $began, '<', 1, 'and the worker');
	wait_for_worker($node, 'postgres', $pid);
	set_setting($node, 'trainer.connect_timeout', '1s');
	point_at($good->base);
	wait_for_status($node, $model, 'deployed', 60);
	return sprintf 'the worker ends in %.2f s', $took;
});

# --- names ---

staged('F43', 'a name that does not exist', sub {
	point_at('https://none-at-all.test/v1');
	like(provider(), qr/^f\|.*not_connected/, 'not sent');
	my $model = train($node, 4);
	wait_until('tried again later', sub { $node->safe_psql('postgres', "SELECT state, last_delivery FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file'") eq 'ready|not_sent' });
	point_at($good->base);
	wait_for_status($node, $model, 'deployed', 60);
	return 'not sent; goes on when there is a name';
});

staged('F43', 'a resolver that fails, and one that answers differently each time', sub {
	my ($number) = $good->base =~ /:(\d+)/;
	my $fickle = raw('fickle', certificate('fickle', for => 'DNS:fickle.app.internal'));
	point_at("https://fail-now.app.internal:$number/v1");
	like(provider(), qr/^f\|.*not_connected/, 'not sent');
	point_at($fickle->base('fickle.app.internal'));
	my $model = train($node, 6);
	wait_for_status($node, $model, 'deployed', 60);
	like(status_of($node, $model, "(SELECT string_agg(DISTINCT last_delivery, ' ') FROM trainer_operations o WHERE o.custom_model_id = custom_models.id)"), qr/ok/, 'sent where somebody listens');
	point_at($good->base);
	return 'not sent; goes on when the answer is good';
});

staged('F44', 'a name whose IPv6 address leads nowhere, before one that works', sub {
	my $six = raw('six', certificate('six', for => 'DNS:broken-six.app.internal'));
	point_at($six->base('broken-six.app.internal'));
	my $began = time;
	like(provider(), qr/^t/, 'it is spoken to by the other one');
	cmp_ok(my $took = time - $began, '<', 2, '... without waiting for the first');
	my $model = train($node, 7);
	wait_for_status($node, $model, 'deployed', 60);
	cmp_ok($six->forwarded, '>', 4, '... with every request');
	point_at($good->base);
	return sprintf 'the other address is taken, in %.2f s', $took;
});

staged('F43', 'a resolver that takes half a minute: statement_timeout, a cancel, and the end of the worker', sub {
	point_at('https://hang-for-long.test/v1');
	my @took;
	my $began = time;
	my ($state) = sql_error($node, "SET statement_timeout = '200ms'; SELECT trainer_probe_provider()");
	push @took, time - $began - 0.2, cancelled_after();
	is($state, '57014', 'the session is let go');
	my $model = train($node, 5);
	wait_until('the worker waits for the name', sub { $node->safe_psql('postgres', 'SELECT in_flight FROM trainer_worker_status()') > 0 });
	my $pid = worker_pid($node);
	$began = time;
	kill 'TERM', $pid;
	wait_until('the worker ends', sub { !TrainerTest::is_alive($pid) }, 10, 0.01);
	push @took, time - $began;
	wait_for_worker($node, 'postgres', $pid);
	point_at($good->base);
	wait_for_status($node, $model, 'deployed', 60);
	cmp_ok((sort { $b <=> $a } @took)[0], '<', 1, 'each within a second');
	return sprintf 'each within %.2f s', (sort { $b <=> $a } @took)[0];
});

staged('F43', 'a public name that leads to an address inside', sub {
	# 127.0.0.1 stands for all of them. The certificate is good for both names, so that the name alone makes the difference.
	my $server = raw('inside', certificate('inside', for => 'DNS:127-0-0-1.public.test,DNS:127-0-0-1.app.internal'));
	my ($number) = $server->base =~ /:(\d+)/;
	point_at("https://127-0-0-1.app.internal:$number/v1");
	like(provider(), qr/^t/, 'a name that is local by what it says is spoken to');
	my $asked = $server->forwarded;
	cmp_ok($asked, '>', 0, '... with requests that are counted');
	point_at("https://127-0-0-1.public.test:$number/v1");
	like(provider(), qr/^f\|.*not_connected/, 'a public one is not');
	is($server->forwarded, $asked, '... not with a single request');
	point_at($good->base);
	return 'refused';
});

$node->stop;
$_->stop foreach values %server;
done_testing();

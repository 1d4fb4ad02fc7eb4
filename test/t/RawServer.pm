# A server on loopback that stands before the sandbox and passes requests on, one a connection, but treats those that a rule
# names as no honest server would. Rules are files, so that they can be added while it runs; each is good for one request.
package RawServer;

use strict;
use warnings;

use Compress::Zlib;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

my $longest = 40;    # seconds that a connection may take
my $head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

# What is done to a request: with the answer that the sandbox has given, and the body of it.
my %treatments = (
	'refused early' => undef,    # before the sandbox is asked
	'reset before'  => undef,
	'half taken'    => undef,    # while it still sends
	'no UTF-8'      => undef,
	'reset after'   => sub { my ($client) = @_; reset_of($client) },
	'silent'        => sub { sleep $longest },
	'half a header' => sub { my ($client) = @_; print $client "HTTP/1.1 200 OK\r\nContent-Le"; $client->flush; sleep $longest },
	'drip'          => sub { my ($client, $answer) = @_; foreach (split //, $answer) { syswrite $client, $_; sleep 0.5 } },
	'endless'       => sub {
		my ($client) = @_;
		syswrite $client, "${head}Transfer-Encoding: chunked\r\n\r\n";
		my $chunk = sprintf "%x\r\n%s\r\n", 65536, ' ' x 65536;
		1 while syswrite $client, $chunk;
	},
	'gzip bomb' => sub {
		my ($client) = @_;
		my $bomb = Compress::Zlib::memGzip(' ' x 200_000_000);
		print $client "${head}Content-Encoding: gzip\r\nContent-Length: " . length($bomb) . "\r\n\r\n$bomb";
	},
	# Frames of zstd that repeat a byte (RFC 8878, 3.1.1.2: blocks of type RLE), 128 kB each.
	'zstd bomb' => sub {
		my ($client) = @_;
		my $block = sub { my ($last) = @_; return substr(pack('V', 131072 << 3 | 1 << 1 | $last), 0, 3) . ' ' };
		my $bomb = "\x28\xb5\x2f\xfd\x00\x38" . $block->(0) x 1600 . $block->(1);
		print $client "${head}Content-Encoding: zstd\r\nContent-Length: " . length($bomb) . "\r\n\r\n$bomb";
	},
	# 200 MB of spaces, as `brotli -q 11 -w 24` packs them.
	'brotli bomb' => sub {
		my ($client) = @_;
		my $bomb = MIME::Base64::decode('z///f/glQOKxQCD3/p/////wSwDEYQGA7v0/////4ZcAiMMiAN37f/7//8MvARCHBQC69//8//+HXwIgDgsAdO//+f//D78EQBwWAOje//P//x9+CYA4'
			. 'LADQvf/n//8//BIAcVgAoHv/z///f/glAOKwAED3/p/////wSwDEYQGA7v0/////4ZcAiMMCAN37//wPXscvARCHBQC6ues=');
		print $client "${head}Content-Encoding: br\r\nContent-Length: " . length($bomb) . "\r\n\r\n$bomb";
	},
	# Numbers that no type of ours holds, in the place of every one.
	'odd numbers' => sub {
		my ($client, undef, $body) = @_;
		my @odd = ('1e400000', '-0', '9223372036854775808', '-1e-400000', '18446744073709551616', '0.1e1');
		my $n = 0;
		$body =~ s/(":\s*)-?\d[\d.eE+-]*/$1 . $odd[ $n++ % @odd ]/ge;
		print $client "${head}Content-Length: " . length($body) . "\r\n\r\n$body";
	},
	'large headers' => sub { my ($client) = @_; syswrite $client, $head; syswrite $client, 'X-Filler: ' . ('x' x 8000) . "\r\n" foreach 1 .. 50; print $client "\r\n{}" },
	'interim answers' => sub { my ($client, $answer) = @_; syswrite $client, "HTTP/1.1 100 Continue\r\n\r\n" x 100 foreach 1 .. 200; print $client $answer },
	'no header'       => sub { my ($client, undef, $body) = @_; print $client $body },
	'two lengths'     => sub { my ($client, undef, $body) = @_; print $client "${head}Content-Length: 5\r\nContent-Length: 7\r\n\r\n$body" },
	'NUL in a header' => sub { my ($client, undef, $body) = @_; print $client "${head}X-Nul: a\0b\r\nContent-Length: " . length($body) . "\r\n\r\n$body" },
	'NUL in the body' => sub { my ($client, undef, $body) = @_; print $client "${head}Content-Length: " . (2 + length $body) . "\r\n\r\n$body\0\0" },
	'cut at close'    => sub { my ($client, undef, $body) = @_; print $client "$head\r\n" . substr $body, 0, length($body) / 2 });

# new(dir => ..., to => port of the sandbox, tls => { certificate, key, options of IO::Socket::SSL }).
sub new
{
	my ($class, %self) = @_;
	my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "cannot listen: $!";
	my $self = bless { %self, port => $listener->sockport, rules => 0 }, $class;
	mkdir $self->{dir};
	if ($self->{tls}) { require IO::Socket::SSL }
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0) { $self->serve($listener); require POSIX; POSIX::_exit(0) }
	close $listener;
	return $self;
}

sub base { my ($self, $host) = @_; return ($self->{tls} ? 'https' : 'http') . '://' . ($host // '127.0.0.1') . ":$self->{port}/v1" }

# The next request whose method and path match gets that treatment.
sub rule
{
	my ($self, $kind, $method, $path) = @_;
	die "no such treatment: $kind" unless exists $treatments{$kind};
	my $file = sprintf '%s/%04d', $self->{dir}, ++$self->{rules};
	open my $out, '>', "$file.new" or die "$file: $!";
	print $out join "\n", $kind, $method, $path;
	close $out;
	rename "$file.new", $file;
	return $file;
}

sub met  { my ($self, $rule) = @_; return !-e $rule }
# Requests that were passed on.
sub forwarded { my ($self) = @_; return -s "$self->{dir}/forwarded" // 0 }
sub heal { my ($self) = @_; unlink glob "$self->{dir}/????"; return }

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', -$pid;
	waitpid $pid, 0;
	return;
}

sub DESTROY { my ($self) = @_; local ($?, $!); $self->stop; return }

# --- the server's process: a child a connection, in a process group of its own ---

sub serve
{
	my ($self, $listener) = @_;
	setpgrp 0, 0;
	$SIG{CHLD} = 'IGNORE';
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		my $child = fork() // next;
		if ($child == 0)
		{
			close $listener;
			alarm $longest;
			eval { $self->handle($client) };
			require POSIX;
			POSIX::_exit(0);
		}
		close $client;
	}
	return;
}

sub handle
{
	my ($self, $client) = @_;
	if ($self->{tls})
	{
		if ($self->{tls}{silent}) { sleep $longest }
		if ($self->{tls}{truncated}) { sysread $client, my $hello, 100; print $client "\x16\x03\x03\x00\x7a\x02"; close $client; return }
		allow_what_is_weak() if delete $self->{tls}{weak};
		IO::Socket::SSL->start_SSL($client, SSL_server => 1, %{ $self->{tls} }) or return;
	}
	my ($head, $body) = ('', '');
	until ($head =~ /\r\n\r\n/) { sysread($client, $head, 65536, length $head) or return }
	($head, $body) = $head =~ /^(.*?\r\n\r\n)(.*)$/s;
	my ($method, $path) = $head =~ m{^(\S+) ([^\s?]+)};
	my $kind = $self->take_rule($method, $path) // '';
	return early($client) if $kind eq 'refused early';
	if ($kind eq 'half taken') { sleep $longest }
	my ($length) = $head =~ /^Content-Length: (\d+)/mi;
	while (length $body < ($length // 0)) { sysread($client, $body, 65536, length $body) or return }
	return reset_of($client) if $kind eq 'reset before';
	return refusal_in_no_language($client) if $kind eq 'no UTF-8';
	my $answer = $self->forward($head, $body);
	treat($client, $kind, $answer);
	close $client;
	return;
}

# What OpenSSL would not even load at its default level: of the certificates, not of the client that looks at them.
sub allow_what_is_weak
{
	no warnings 'redefine';    ## no critic
	my $new = \&Net::SSLeay::CTX_new;
	*Net::SSLeay::CTX_new = sub { my $context = $new->(@_); Net::SSLeay::CTX_set_security_level($context, 0); return $context };
	return;
}

sub take_rule
{
	my ($self, $method, $path) = @_;
	foreach my $file (sort glob "$self->{dir}/????")
	{
		open my $in, '<', $file or next;
		chomp(my ($kind, $of, $like) = <$in>);
		return $kind if $method eq $of && $path =~ /^$like$/ && unlink $file;
	}
	return;
}

# What the sandbox answers to the request, all of it.
sub forward
{
	my ($self, $head, $body) = @_;
	open my $count, '>>', "$self->{dir}/forwarded" or die "$self->{dir}: $!";
	print $count 'x';
	close $count;
	my $up = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{to}) or return '';
	$head =~ s/\r\n\r\n$/\r\nConnection: close\r\n\r\n/;
	print $up $head, $body;
	local $/;
	return scalar <$up>;
}

sub early
{
	my ($client) = @_;
	print $client "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	shutdown $client, 1;
	# The rest is on its way: to close at once would reset the answer, too.
	1 while sysread $client, my $rest, 65536;
	return;
}

sub refusal_in_no_language
{
	my ($client) = @_;
	my $error = qq({"error":{"message":"Sa\xffd \xc0\x80\xed\xa0\x80 \xf0\x9f\x98","type":"invalid_request_error","param":null,"code":"b\xe4d"}});
	print $client "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($error) . "\r\n\r\n$error";
	close $client;
	return;
}

sub reset_of { my ($client) = @_; setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0); close $client; return }

sub treat
{
	my ($client, $kind, $answer) = @_;
	return print $client $answer if $kind eq '';
	my ($body) = $answer =~ /\r\n\r\n(.*)$/s;
	return $treatments{$kind}->($client, $answer, $body);
}

1;

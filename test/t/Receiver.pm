# The app's end of a webhook on loopback: writes down every request, and answers as its mood is, which a file says and can be changed
# while it runs.
package Receiver;

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

my $longest = 60;    # seconds that a connection may take

# new(): answers 200. tls => options of IO::Socket::SSL.
sub new
{
	my ($class, %self) = @_;
	my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "cannot listen: $!";
	my $self = bless { %self, dir => PostgreSQL::Test::Utils::tempdir(), port => $listener->sockport }, $class;
	require IO::Socket::SSL if $self->{tls};
	$self->mood(200);
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0) { $self->serve($listener); require POSIX; POSIX::_exit(0) }
	close $listener;
	return $self;
}

sub host { my ($self) = @_; return ($self->{tls} ? 'https' : 'http') . "://127.0.0.1:$self->{port}" }
sub url { my ($self, $path) = @_; return $self->host . ($path // '/hook') }

# A status with what follows it (headers, a body), 'hang' or 'reset'.
sub mood
{
	my ($self, $status, $headers, $body) = @_;
	my $file = "$self->{dir}/mood";
	append_to_file("$file.new", join "\n", $status, $headers // '', $body // '');
	rename "$file.new", $file;
	return;
}

# What has come, oldest first: { path, headers, body, at }. Since: leaves out so many.
sub requests
{
	my ($self, $since) = @_;
	# Whole lines: the last one may be half written.
	my @all = -e "$self->{dir}/requests" ? map { decode_json($_) } slurp_file("$self->{dir}/requests") =~ /^(.*)\n/mg : ();
	$_->{body} = decode_base64($_->{body}) foreach @all;
	@all = splice @all, $since // 0;
	return @all;    # or how many
}

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
	while (my $client = $listener->accept)
	{
		my $child = fork() // next;
		if ($child == 0) { close $listener; alarm $longest; eval { $self->handle($client) }; require POSIX; POSIX::_exit(0) }
		close $client;
	}
	return;
}

sub handle
{
	my ($self, $client) = @_;
	if ($self->{tls}) { IO::Socket::SSL->start_SSL($client, SSL_server => 1, %{ $self->{tls} }) or return }
	my ($head, $body) = ('', '');
	until ($head =~ /\r\n\r\n/) { sysread($client, $head, 65536, length $head) or return }
	($head, $body) = $head =~ /^(.*?\r\n)\r\n(.*)$/s;
	my ($path) = $head =~ m{^POST (\S+)};
	my %headers;
	while ($head =~ /^([\w-]+): ([^\r\n]*)/mg) { $headers{ lc $1 } = $2 }
	while (length $body < ($headers{'content-length'} // 0)) { sysread($client, $body, 65536, length $body) or return }
	open my $out, '>>', "$self->{dir}/requests" or die "$self->{dir}: $!";
	flock $out, LOCK_EX;
	syswrite $out, encode_json({ path => $path, headers => \%headers, body => encode_base64($body, ''), at => time }) . "\n";
	close $out;
	my ($status, $more, $content) = split /\n/, slurp_file("$self->{dir}/mood"), 3;
	if ($status eq 'hang') { sleep $longest; return }
	if ($status eq 'reset') { setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0); close $client; return }
	print $client "HTTP/1.1 $status Whatever\r\nContent-Length: " . length($content) . "\r\n" . ($more ? "$more\r\n" : '') . "Connection: close\r\n\r\n$content";
	close $client;
	return;
}

1;

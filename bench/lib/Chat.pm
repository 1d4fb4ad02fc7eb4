# What answers a chat completion while trainer_generate() is measured: always the same, at once, over a connection that stays open;
# and the peer that asks it by libcurl alone.
package Chat;
use strict;
use warnings;
use IO::Socket::INET;
use IPC::Open2 qw(open2);
use Latency;
use POSIX ();

my $key = 'sk-bench-0123456789';
my $body = '{"id":"chatcmpl-bench","object":"chat.completion","created":1735689600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,'
  . '"message":{"role":"assistant","content":"A reply of some length, as it would be posted under the comment that it answers.",'
  . '"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":20,"total_tokens":140}}';
my $answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: @{[ length $body ]}\r\n\r\n$body";

# start(dir => of the benchmark). The first request that comes is kept as a file, for the peer to repeat.
sub start {
    my ($class, %arg) = @_;
    my $self = bless { request => "$arg{dir}/chat-request", peer => "$arg{dir}/bench/chat" }, $class;
    my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "no port: $!\n";
    $self->{port} = $listener->sockport;
    $self->{pid} = fork // die "fork: $!\n";
    return $self if $self->{pid};
    # A group of its own, which ends as a whole: its processes hold the pipes of our sessions open.
    setpgrp;
    $SIG{TERM} = 'DEFAULT';
    $SIG{CHLD} = 'IGNORE';
    while (my $connection = $listener->accept) {
        next if fork // die "fork: $!\n";
        $listener->close;
        $self->serve($connection);
        POSIX::_exit(0);
    }
    POSIX::_exit(0);
}

# Until the client closes the connection.
sub serve {
    my ($self, $connection) = @_;
    my $got = '';
    while (sysread $connection, $got, 65536, length $got) {
        next unless $got =~ /\r\n\r\n/ && length($got) >= $+[0] + Latency::body_length($got);
        $self->keep(substr $got, $+[0]) unless -e $self->{request};
        syswrite $connection, $answer;
        $got = '';
    }
}

sub keep {
    my ($self, $request) = @_;
    open my $file, '>', $self->{request} or die $!;
    print $file $request;
    close $file or die $!;
}

sub base { return "http://127.0.0.1:$_[0]{port}" }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    local ($?, $!);
    kill TERM => -$pid;
    waitpid $pid, 0;
    return unless $self->{in};
    close $self->{in};
    waitpid $self->{client}, 0;
}

sub DESTROY { $_[0]->stop }

# The microseconds of so many calls by libcurl alone, in their order.
sub call {
    my ($self, $calls) = @_;
    if (!$self->{client}) {
        $self->{client} = open2($self->{out}, $self->{in}, $self->{peer}, $self->base . '/chat/completions', $self->{request}, $key);
        $self->{in}->autoflush(1);
    }
    print { $self->{in} } "$calls\n";
    my @took = split ' ', readline($self->{out}) // '';
    die "the libcurl peer was not answered\n" if @took != $calls || grep { $_ < 0 } @took;
    return @took;
}

1;

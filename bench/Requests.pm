# The worker's requests: how much of what the connections could carry it gets through, what a poll costs it, and how soon a
# committed request is on the wire. Every poll's claim is written; with news, so is its result.
package Requests;
use strict;
use warnings;
use Latency;
use Paired;
use Provider;
use Report;
use Worker;

my $latency = 0.2;    # of the provider, in seconds
my @moods = ([ news => 'each answer written down' ], [ still => 'nothing new' ], [ running => 'and asked for its events' ]);

sub measure {
    my ($postgres, %arg) = @_;
    heading('The worker\'s requests');
    if (my $missing = Provider::missing()) {
        report(goal => $_, what => 'needs nginx and libnginx-mod-http-echo', value => $missing) for qw(3b 3c);
    } else {
        my $provider = Provider->start(dir => "$arg{dir}/nginx");
        requests($postgres, $provider, %arg);
        $provider->stop;
    }
    Latency::measure($postgres, %arg);
}

sub requests {
    my ($postgres, $provider, %arg) = @_;
    my $trust = $provider->trust;
    if ($trust) {
        $postgres->stop;
        $postgres->start(under => $trust);
    }
    my $worker = Worker->new(postgres => $postgres, provider => $provider, dir => $arg{dir}, database => 'requests');
    my $seconds = $arg{quick} ? 3 : 6;
    my $rounds = $arg{quick} ? 1 : 5;
    share_of_ideal($worker, $provider, $seconds, $rounds);
    cost_of_a_poll($worker, $provider, $seconds, $rounds, $trust ? qw(tls plain) : ('plain'));
    $worker->pause;
}

# A look at the worker at work, in seconds of warming up and of measuring.
sub at_work {
    my ($worker, $seconds, %setting) = @_;
    $worker->resume('trainer.poll_interval' => '2s', 'trainer.request_timeout' => '30s', %setting);
    sleep 3;
    my $seen = $worker->observe($seconds);
    $worker->pause;
    return $seen;
}

sub share_of_ideal {
    my ($worker, $provider, $seconds, $rounds) = @_;
    my %goal = (64 => 0.97, 256 => 0.95, 1000 => 0.85);
    my @in_flight = (64, 256, 1000);
    $worker->seed(jobs => 25_000);
    my $shares = rounds($rounds, [ map { my $n = $_; ($n => sub {
        at_work($worker, $seconds, 'trainer.max_concurrent_requests' => $n,
            'trainer.api_base' => $provider->base('news', 'plain'))->{rate} / ($n / $latency);
    }) } @in_flight ]);
    for my $n (@in_flight) {
        report(goal => '3b', least => $goal{$n}, format => '%.3f', value => spread(@{ $shares->{$n} }),
            what => "$n in flight, 200 ms an answer: polls, with their rows / ideal of @{[ $n / $latency ]} a second");
    }
}

sub cost_of_a_poll {
    my ($worker, $provider, $seconds, $rounds, @wires) = @_;
    my @contenders;
    for my $wire (@wires) {
        for my $mood (map { $_->[0] } @moods) {
            push @contenders, "$wire $mood" => sub {
                my $seen = at_work($worker, $seconds, 'trainer.max_concurrent_requests' => 256,
                    'trainer.api_base' => $provider->base($mood, $wire));
                return $seen->{cpu} * 1e6 * ($mood eq 'running' ? 2 : 1);
            };
        }
    }
    my $cost = rounds($rounds, \@contenders);
    report(goal => '3c', most => 60, what => 'CPU of a poll over TLS', value => 'no user namespaces') if $wires[0] ne 'tls';
    for my $wire (@wires) {
        for (@moods) {
            my ($mood, $what) = @$_;
            my @goal = $wire eq 'tls' && $mood eq 'news' ? (goal => '3c', most => 60) : ();
            report(@goal, format => '%.0f', value => spread(@{ $cost->{"$wire $mood"} }),
                what => "CPU of the worker for a poll, 256 in flight, $wire, $what, microseconds");
        }
    }
}

1;

# Paired runs. Every contender runs once a round, in an order that is turned around every second round, so that what disturbs the
# machine for a while disturbs all of them; what counts is the ratio inside a round, and of the rounds the median.
package Paired;
use strict;
use warnings;
use Exporter qw(import);
use Time::HiRes qw(time);

our @EXPORT = qw(rounds ratio times spread median);

# rounds($count, [name => sub, ...], before => sub): the seconds of each contender, round by round, as {name => [seconds]}.
# A contender that returns a number has measured itself, and one that returns {part => seconds} its parts. `before` runs before
# each of them, untimed.
sub rounds {
    my ($count, $contenders, %arg) = @_;
    my @pairs;
    for (my $i = 0; $i < @$contenders; $i += 2) { push @pairs, [ @$contenders[ $i, $i + 1 ] ] }
    my %seconds;
    for my $round (1 .. $count) {
        for my $contender ($round % 2 ? @pairs : reverse @pairs) {
            my ($name, $run) = @$contender;
            $arg{before}->($name) if $arg{before};
            my $start = time;
            my $own = $run->() // time - $start;
            my %part = ref $own ? %$own : ($name => $own);
            push @{ $seconds{$_} }, $part{$_} for keys %part;
        }
    }
    return \%seconds;
}

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return undef unless @sorted;
    return @sorted % 2 ? $sorted[ @sorted / 2 ] : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

# Median, least and most of a list of numbers.
sub spread {
    my @sorted = sort { $a <=> $b } @_;
    return @sorted ? { median => median(@sorted), least => $sorted[0], most => $sorted[-1] } : undef;
}

# Round by round the seconds of the one by those of the other; either may be several names, whose seconds add up.
sub ratio {
    my ($seconds, $over, $under) = @_;
    my @over  = sums($seconds, $over);
    my @under = sums($seconds, $under);
    return @over && @under ? spread(map { $over[$_] / $under[$_] } 0 .. $#over) : undef;
}

sub times {
    my ($seconds, $names) = @_;
    return spread(sums($seconds, $names));
}

sub sums {
    my ($seconds, $names) = @_;
    my @names = ref $names ? @$names : ($names);
    return if grep { !$seconds->{$_} } @names;
    return map { my $round = $_; my $sum = 0; $sum += $seconds->{$_}[$round] for @names; $sum } 0 .. $#{ $seconds->{ $names[0] } };
}

1;

#!/usr/bin/perl
# Called by bench/run: starts the private server, runs the sets of measurements, prints the table.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", $FindBin::Bin;
use Getopt::Long;
use Postgres;
use Report;
use Dataset;
use Requests;
use Recording;
use Serving;
use Feedback;
use Tokens;
use Votes;

my %sets = (dataset => \&Dataset::measure, requests => \&Requests::measure, recording => \&Recording::measure,
    serving => \&Serving::measure, feedback => \&Feedback::measure, tokens => \&Tokens::measure, votes => \&Votes::measure);
my @order = qw(dataset requests recording serving feedback tokens votes);

my ($dir, $quick, @only);
GetOptions('dir=s' => \$dir, 'quick' => \$quick, 'only=s' => \@only) && $dir or die "measure.pl is called by bench/run\n";
for my $name (@only) { die "no such set: $name (there are @order)\n" unless $sets{$name} }
@only = @order unless @only;

# An interrupt must pass through END blocks and destructors, or servers would be left behind.
$SIG{INT} = $SIG{TERM} = sub { exit 130 };
$SIG{PIPE} = 'IGNORE';
$| = 1;

sub cpu_model {
    open my $info, '<', '/proc/cpuinfo' or return 'an unknown processor';
    my @models = map { /^model name\s*:\s*(.*)/ ? $1 : () } <$info>;
    return scalar(@models) . ' x ' . ($models[0] // 'an unknown processor');
}

my $postgres = Postgres->new(dir => $dir);
END { $postgres->stop if $postgres }
$postgres->start;
my $version = $postgres->session('postgres')->run('SHOW server_version');
my $started = time;
for my $name (@only) {
    print STDERR "$name ...\n";
    $sets{$name}->($postgres, dir => $dir, bench => $FindBin::Bin, quick => $quick);
}
exit 0 if "@only" eq 'votes';  # which measures no time
printf "%s, PostgreSQL %s, shared_buffers 2GB, fsync on; %d minutes%s\n", cpu_model(), $version, (time - $started) / 60,
    $quick ? '; --quick: these figures show that it runs, not how fast' : '';
print "Medians of paired rounds, in brackets the least and the most.\n";
print_report();

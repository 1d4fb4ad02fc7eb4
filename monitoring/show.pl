# What script/monitor asks of a running Prometheus.
#
#   show.pl metrics URL FAMILIES SERIES   prints every metric; fails for one that has no series, and where the series are not those of the file
#   show.pl dashboard URL JSON            runs every query of a Grafana dashboard; fails for an error, or an empty answer
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;

my ($what, $url, @files) = @ARGV;
my $failed = 0;

# The samples of an instant query; an error of Prometheus is one of ours.
sub samples
{
	my ($query) = @_;
	my $answer = HTTP::Tiny->new(timeout => 20)->post_form("$url/api/v1/query", { query => $query });
	my $json   = decode_json($answer->{content});
	die "$query: $json->{error}\n" unless $json->{status} eq 'success';
	return @{ $json->{data}{result} };
}

# A series by its name, without what Prometheus itself says of where it is from.
sub name_of
{
	my %labels = %{ $_[0] };
	my $name   = delete $labels{__name__} // '';
	delete @labels{qw(job instance)};
	my $of = join ',', map { "$_=\"$labels{$_}\"" } sort { ($a eq 'le') <=> ($b eq 'le') || $a cmp $b } keys %labels;
	return $name . ($of eq '' ? '' : "{$of}");
}

sub lines_of
{
	my ($file) = @_;
	open my $in, '<', $file or die "$file: $!\n";
	chomp(my @lines = <$in>);
	return @lines;
}

sub problem { print "    FAILED: $_[0]\n"; return ++$failed }

sub show_metrics
{
	my ($families, $expected) = @_;
	my %seen;
	foreach my $family (lines_of($families))
	{
		my ($name, $type) = split /\t/, $family;
		my @samples = samples("{__name__=~\"$name(_bucket|_sum|_count)?\"}");
		print "$name ($type)\n";
		problem("$name has no series") unless @samples;
		foreach my $sample (@samples)
		{
			my $series = name_of($sample->{metric});
			$seen{$series} = 1;
			# Of the buckets of a histogram the last one tells all.
			print "    $series $sample->{value}[1]\n" unless $series =~ /le="[0-9]/;
		}
	}
	my @expected = lines_of($expected);
	problem("$_ is not in Prometheus") foreach grep { !$seen{$_} } @expected;
	my %expected = map { $_ => 1 } @expected;
	problem("$_ is not in trainer_metrics") foreach grep { !$expected{$_} } sort keys %seen;
	print scalar(keys %seen), " series, ", scalar(@expected), " in trainer_metrics\n";
	return;
}

sub show_dashboard
{
	my ($file) = @_;
	my $queries = 0;
	foreach my $panel (@{ decode_json(join "\n", lines_of($file))->{panels} })
	{
		print "$panel->{title}\n" if $panel->{type} ne 'row';
		foreach my $target (@{ $panel->{targets} // [] })
		{
			my $query = $target->{expr} =~ s/\$__rate_interval/1m/gr;
			++$queries;
			my @samples = eval { samples($query) };
			problem($@) if $@;
			problem("$query: empty") unless $@ || @samples;
			printf "    %s: %d series, the first %s\n", $target->{expr}, scalar @samples, $samples[0]{value}[1] if @samples;
		}
	}
	print "$queries queries\n";
	return $queries || problem('there are no queries');
}

my %commands = (metrics => \&show_metrics, dashboard => \&show_dashboard);
($commands{ $what // '' } // die "show.pl metrics|dashboard URL FILE...\n")->(@files);
exit($failed ? 1 : 0);

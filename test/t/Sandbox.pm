# The provider's stand-in as the tests see it: faults, settings, and the history of its requests, which is the oracle.
package TrainerTest::Sandbox;

use strict;
use warnings;

use JSON::PP;
use Test::More;

sub api_base { return $_[0]{base} . '/v1' }

sub request
{
	my ($self, $method, $path, $body) = @_;
	my %options = (headers => { authorization => "Bearer $TrainerTest::canary" });
	if (defined $body)
	{
		$options{content} = JSON::PP->new->utf8->canonical->encode($body);
		$options{headers}{'content-type'} = 'application/json';
	}
	my $answer = $self->{http}->request($method, $self->{base} . $path, \%options);
	die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
	return JSON::PP->new->utf8->decode($answer->{content});
}

# fault(kind => ..., ...): the members of a rule, see docs/sandbox.md.
sub fault
{
	my ($self, %rule) = @_;
	return $self->request('POST', '/_sandbox/faults', \%rule)->{id};
}

# How often a rule was applied.
sub applied
{
	my ($self, $id) = @_;
	my ($rule) = grep { $_->{id} == $id } @{ $self->request('GET', '/_sandbox/faults') };
	return $rule->{applied};
}

sub heal     { return $_[0]->request('DELETE', '/_sandbox/faults') }
sub state    { return $_[0]->request('GET',    '/_sandbox/state') }
sub settings { my ($self, %settings) = @_; return $self->request('POST', '/_sandbox/settings', \%settings) }

# history(method => 'POST', path => qr/.../): the requests of that kind, oldest first.
sub history
{
	my ($self, %of) = @_;
	my $method = $of{method};
	my $path   = $of{path};
	return grep {
		(!defined $method || $_->{method} eq $method)
		  && (!defined $path || (ref $path ? $_->{path} =~ $path : $_->{path} eq $path))
	} @{ $self->request('GET', '/_sandbox/history') };
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

1;

# A server whose queries take no psql each: to start one, and a session for it, took most of the processors' time of a run. What
# only reads goes over a session that is kept. Everything else has a psql of its own as ever: what changes anything, calls a function
# of ours (which keeps things in its session), has options, or several statements.
package KeptSession;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';
use DBI;

my $may_be_kept = qr/^\s*SELECT\b/i;
my $of_its_own  = qr/;\s*\S|\btrainer_(?!worker_status\b)\w+\s*\(|\b(?:pg_(?!stat_get|get_|total_|relation_)\w+|set_config|current_setting|dblink\w*|nextval)\s*\(|\bFOR\s+(?:UPDATE|SHARE)\b|\bINTO\b/i;
# A session that begins after these may see something else.
my $begins_anew = qr/\b(?:ALTER|DROP|DATABASE|ROLE|GRANT|REVOKE|EXTENSION|TRUNCATE|LOAD)\b/i;

my %kept;  # by process, server and database

sub safe_psql
{
	my ($self, $database, $sql, %params) = @_;
	return $self->SUPER::safe_psql($database, $sql, %params) if %params || $database !~ /^\w+$/ || $sql !~ $may_be_kept || $sql =~ $of_its_own;
	my $statement = $self->session($database)->prepare($sql, { pg_direct => 1 });
	$statement->execute;
	my $is_bytes = $statement->{pg_type} ? [ map { $_ eq 'bytea' } @{ $statement->{pg_type} } ] : [];
	return join "\n", map {
		my $row = $_;
		join '|', map { !defined $row->[$_] ? '' : $is_bytes->[$_] ? '\x' . unpack('H*', $row->[$_]) : $row->[$_] } 0 .. $#$row
	} @{ $statement->fetchall_arrayref };
}

sub psql
{
	my ($self, $database, $sql, %params) = @_;
	$self->forget if ($sql // '') =~ $begins_anew;
	return $self->SUPER::psql($database, $sql, %params);
}

# A smart stop waits for all sessions.
sub stop
{
	my ($self, @how) = @_;
	$self->forget;
	return $self->SUPER::stop(@how);
}

# One that is alive, as a new one would be.
sub session
{
	my ($self, $database) = @_;
	my $session = \$kept{$$}{ $self->name }{$database};
	return $$session if $$session && $$session->ping;
	$$session = DBI->connect(sprintf('dbi:Pg:host=%s;port=%s;dbname=%s', $self->host, $self->port, $database), undef, undef,
		{ RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, AutoInactiveDestroy => 1, pg_enable_utf8 => 0, pg_server_prepare => 0, pg_bool_tf => 1, pg_expand_array => 0 });
	return $$session;
}

sub forget
{
	my ($self) = @_;
	$_ && $_->disconnect for values %{ delete $kept{$$}{ $self->name } // {} };
	return;
}

1;

# A server whose queries take no psql each: to start one took more of the processors' time of a run than what it asked for. What only
# reads goes over a session that is kept. What changes anything, or calls a function of ours (which keeps things in its session), has a
# session of its own as ever. Only what has options, or is written for psql, is given to psql.
package KeptSession;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';
use DBI;

my $for_psql    = qr/\\|\b(?:COPY|LISTEN|ATOMIC|RULE)\b/i;
my $may_be_kept = qr/^\s*SELECT\b/i;
my $of_its_own  = qr/;\s*\S|\btrainer_(?!worker_(?:status|slot)\b)\w+\s*\(|\b(?:pg_(?!stat_get|get_|total_|relation_)\w+|set_config|current_setting|dblink\w*|nextval)\s*\(|\bFOR\s+(?:UPDATE|SHARE)\b|\bINTO\b/i;
# A session that begins after these may see something else.
my $begins_anew = qr/\b(?:ALTER|DROP|DATABASE|ROLE|GRANT|REVOKE|EXTENSION|TRUNCATE|LOAD)\b/i;
# What a semicolon inside of ends no statement; a doubled quote is the end of one text and the start of the next.
my $comment = qr{--[^\n]*|/\*.*?\*/}s;
my $token   = qr/$comment|'[^']*'|"[^"]*"|(?<tag>\$(?:[a-z_]\w*)?\$).*?\k<tag>|;|\w+|./is;

my %kept;  # by process, server and database

sub safe_psql
{
	my ($self, $database, $sql, %params) = @_;
	return $self->SUPER::safe_psql($database, $sql, %params) unless !%params && is_plain($database, $sql);
	my ($code, $out, $messages) = $self->query($database, $sql);
	print "#### Begin standard error\n$messages\n#### End standard error\n" if $messages ne '';
	die(($code == 2 ? 'connection error' : 'error running SQL') . ": '$messages'\nwith sql '$sql'") if $code;
	return $out;
}

# Exit status, rows and messages, as of psql.
sub psql
{
	my ($self, $database, $sql, %params) = @_;
	my $stops = delete $params{on_error_stop} // 1;
	if ($stops && !%params && wantarray && is_plain($database, $sql))
	{
		return $self->query($database, $sql);
	}
	$self->forget if ($sql // '') =~ $begins_anew;
	return $self->SUPER::psql($database, $sql, on_error_stop => $stops, %params);
}

# As psql, but of an error everything is told, its code and place too.
sub psql_verbose
{
	my ($self, $database, $sql) = @_;
	return $self->query($database, $sql, 2) if is_plain($database, $sql);
	return $self->SUPER::psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
}

sub is_plain
{
	my ($database, $sql) = @_;
	return $database =~ /^\w+$/ && $sql !~ $for_psql;
}

# One statement after the other, until one fails.
sub query
{
	my ($self, $database, $sql, $error_level) = @_;
	my $is_kept = !defined $error_level && $sql =~ $may_be_kept && $sql !~ $of_its_own;
	$self->forget if $sql =~ $begins_anew;
	my $messages = '';
	local $SIG{__WARN__} = sub { $messages .= $_[0] };
	my $session = eval { $is_kept ? $self->session($database) : $self->new_session($database) };
	return (2, '', DBI->errstr) unless $session;
	$session->{pg_errorlevel} = $error_level if defined $error_level;
	my @lines;
	my $done = eval { push @lines, lines_of($session, $_) foreach statements_of($sql); 1 };
	my $code = $done ? 0 : $session->err ? $session->ping ? 3 : 2 : die $@;
	$messages .= $session->errstr unless $done;
	$session->disconnect unless $is_kept;
	chomp $messages;
	return ($code, join("\n", @lines), $messages);
}

sub statements_of
{
	my ($sql) = @_;
	my @statements = ('');
	while ($sql =~ /\G(?:$token)/g)
	{
		$statements[-1] .= $& =~ /\A$comment\z/ ? ' ' : $&;
		push @statements, '' if $& eq ';';
	}
	return map { s/^\s+//r } grep { /[^\s;]/ } @statements;
}

# What psql -At prints.
sub lines_of
{
	my ($session, $sql) = @_;
	my $statement = $session->prepare($sql, { pg_direct => 1 });
	$statement->execute;
	return unless $statement->{NUM_OF_FIELDS};
	my @is_bytes = map { ($_ // '') eq 'bytea' } @{ $statement->{pg_type} };
	return map {
		my $row = $_;
		join '|', map { !defined $row->[$_] ? '' : $is_bytes[$_] ? '\x' . unpack('H*', $row->[$_]) : $row->[$_] } 0 .. $#$row
	} @{ $statement->fetchall_arrayref };
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
	$$session = $self->new_session($database) unless $$session && $$session->ping;
	return $$session;
}

sub new_session
{
	my ($self, $database) = @_;
	return DBI->connect(sprintf('dbi:Pg:host=%s;port=%s;dbname=%s', $self->host, $self->port, $database), undef, undef,
		{ RaiseError => 1, PrintError => 0, PrintWarn => 1, AutoCommit => 1, AutoInactiveDestroy => 1, pg_enable_utf8 => 0, pg_server_prepare => 0, pg_bool_tf => 1, pg_expand_array => 0 });
}

sub forget
{
	my ($self) = @_;
	$_ && $_->disconnect for values %{ delete $kept{$$}{ $self->name } // {} };
	return;
}

1;

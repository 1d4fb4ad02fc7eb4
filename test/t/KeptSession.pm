# A server whose queries take no psql each: to start one took more of the processors' time of a run than what it asked for. What only
# reads goes over a session that is kept. What changes anything, or calls a function of ours (which keeps things in its session), has a
# session of its own as ever. Only what has options, or is written for psql, is given to psql. Nor does a server take an initdb.
package KeptSession;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';
use DBI;
use Fcntl qw(:flock);
use PostgreSQL::Test::Utils ();  # whose functions are methods of a cluster too

my $for_psql    = qr/\\|\b(?:COPY|LISTEN|ATOMIC|RULE)\b/i;
my $may_be_kept = qr/^\s*(?:SELECT|WITH)\b(?!.*\b(?:INSERT|UPDATE|DELETE|MERGE)\b)/is;
my $of_its_own  = qr/;\s*\S|\btrainer_(?!worker_(?:status|slot)\b|wake_worker\b)\w+\s*\(|\b(?:pg_(?!stat_get|get_|total_|relation_|reload_conf)\w+|set_config|current_setting|dblink\w*|nextval)\s*\(|\bFOR\s+(?:UPDATE|SHARE)\b|\bINTO\b/i;
# A session that begins after these may see something else.
my $begins_anew = qr/\b(?:ALTER|DROP|DATABASE|ROLE|GRANT|REVOKE|EXTENSION|TRUNCATE|LOAD)\b/i;
# What a semicolon inside of ends no statement; a doubled quote is the end of one text and the start of the next.
my $comment = qr{--[^\n]*|/\*.*?\*/}s;
my $token   = qr/$comment|'[^']*'|"[^"]*"|(?<tag>\$(?:[a-z_]\w*)?\$).*?\k<tag>|;|\w+|./is;

my %kept;  # by process, server and database

# The first servers of all tests are copies of one that was initialised once, the second ones of another one: two that may meet in a
# test are two systems to Postgres, as ever. same_system => 1 says that this one meets none.
my $initialised = 0;

sub init
{
	my ($self, %params) = @_;
	my $nth     = delete $params{same_system} ? 0 : $initialised++;
	my $execute = \&PostgreSQL::Test::Utils::system_or_bail;
	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		my ($program, $flag, $directory, @options) = @_;
		return $execute->(@_) unless $program eq 'initdb';
		my $template = join '-', "$PostgreSQL::Test::Utils::tmp_check/initialised", $nth, map { s/\W//gr } @options;
		open my $lock, '>', "$template.lock" or die "cannot write $template.lock: $!";
		flock $lock, LOCK_EX or die "cannot lock $template.lock: $!";
		unless (-d $template)
		{
			$execute->($program, $flag, "$template.new", @options);
			rename "$template.new", $template or die "cannot rename $template.new: $!";
		}
		close $lock;
		return $execute->('cp', '-a', $template, $directory);
	};
	return $self->SUPER::init(%params);
}

sub safe_psql
{
	my ($self, $database, $sql, %params) = @_;
	my $how = how($database, $sql, %params) or return $self->SUPER::safe_psql($database, $sql, %params);
	my ($code, $out, $messages) = $self->query($database, $sql, %$how);
	print "#### Begin standard error\n$messages\n#### End standard error\n" if $messages ne '';
	die(($code == 2 ? 'connection error' : 'error running SQL') . ": '$messages'\nwith sql '$sql'") if $code;
	return $out;
}

# Exit status, rows and messages, as of psql.
sub psql
{
	my ($self, $database, $sql, %params) = @_;
	my $how = wantarray && how($database, $sql, %params);
	return $self->query($database, $sql, %$how) if $how;
	$self->forget if ($sql // '') =~ $begins_anew;
	return $self->SUPER::psql($database, $sql, %params);
}

# As psql, but of an error everything is told, its code and place too.
sub psql_verbose
{
	my ($self, $database, $sql) = @_;
	my $how = how($database, $sql) or return $self->SUPER::psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
	return $self->query($database, $sql, %$how, error_level => 2);
}

# What psql would be told, of which only -U and -F are known here; nothing where it takes a psql.
sub how
{
	my ($database, $sql, %params) = @_;
	my %how = ('-F' => '|', goes_on => !(delete $params{on_error_stop} // 1));
	my @options = @{ delete $params{extra_params} // [] };
	while (@options && $options[0] =~ /^-[FU]$/)
	{
		my ($option, $value) = splice @options, 0, 2;
		$how{$option} = $value;
	}
	return if @options || %params || $database !~ /^\w+$/ || !defined $sql || $sql =~ $for_psql;
	return \%how;
}

# One statement after the other, until one fails.
sub query
{
	my ($self, $database, $sql, %how) = @_;
	my $is_kept = !defined $how{error_level} && !defined $how{'-U'} && $sql =~ $may_be_kept && $sql !~ $of_its_own;
	$self->forget if $sql =~ $begins_anew;
	my $messages = '';
	local $SIG{__WARN__} = sub { $messages .= $_[0] };
	my $session = eval { $is_kept ? $self->session($database) : $self->new_session($database, $how{'-U'}) };
	return (2, '', DBI->errstr) unless $session;
	$session->{pg_errorlevel} = $how{error_level} if defined $how{error_level};
	my $code = 0;
	my @lines;
	foreach my $statement (statements_of($sql))
	{
		next if eval { push @lines, lines_of($session, $statement, $how{'-F'}); 1 };
		die $@ unless $session->err;
		$messages .= $session->errstr . "\n";
		$code = !$session->ping ? 2 : $how{goes_on} ? 0 : 3;
		last if $code;
	}
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
	my ($session, $sql, $separator) = @_;
	my $statement = $session->prepare($sql, { pg_direct => 1 });
	$statement->execute;
	return unless $statement->{NUM_OF_FIELDS};
	my @is_bytes = map { ($_ // '') eq 'bytea' } @{ $statement->{pg_type} };
	return map {
		my $row = $_;
		join $separator, map { !defined $row->[$_] ? '' : $is_bytes[$_] ? '\x' . unpack('H*', $row->[$_]) : $row->[$_] } 0 .. $#$row
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
	my ($self, $database, $user) = @_;
	return DBI->connect(sprintf('dbi:Pg:host=%s;port=%s;dbname=%s', $self->host, $self->port, $database), $user, undef,
		{ RaiseError => 1, PrintError => 0, PrintWarn => 1, AutoCommit => 1, AutoInactiveDestroy => 1, pg_enable_utf8 => 0, pg_server_prepare => 0, pg_bool_tf => 1, pg_expand_array => 0 });
}

sub forget
{
	my ($self) = @_;
	$_ && $_->disconnect for values %{ delete $kept{$$}{ $self->name } // {} };
	return;
}

1;

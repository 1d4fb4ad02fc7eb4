# The private server that everything is measured on: one cluster, its settings, and sessions of psql that stay open.
package Postgres;
use strict;
use warnings;
use IPC::Open2 qw(open2);
use Time::HiRes qw(sleep);

# new(dir => where the cluster is made). The programs of the private installation are first in PATH.
sub new {
    my ($class, %arg) = @_;
    my $self = bless { dir => $arg{dir}, under => [] }, $class;
    $ENV{PGHOST} = "$arg{dir}/socket";
    $ENV{PGPORT} = 5432;
    $ENV{PGUSER} = 'postgres';
    mkdir $ENV{PGHOST}, 0700 or die "$ENV{PGHOST}: $!\n";
    quiet('initdb', '-D', "$arg{dir}/data", '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N');
    # One plan for all contenders: a cursor, which the extension reads by, has no parallel plan. Checkpoints are taken between
    # the measurements, never during one.
    open my $conf, '>>', "$arg{dir}/data/postgresql.conf" or die $!;
    print $conf <<"END";
listen_addresses = ''
unix_socket_directories = '$ENV{PGHOST}'
max_connections = 50
shared_buffers = 2GB
max_wal_size = 12GB
checkpoint_timeout = 1h
autovacuum = off
max_parallel_workers_per_gather = 0
shared_preload_libraries = 'trainer, auto_explain'
trainer.databases = 'nobody'
END
    close $conf or die $!;
    return $self;
}

# start(under => [command prefix]): the prefix gives the server an environment of its own.
sub start {
    my ($self, %arg) = @_;
    quiet(@{ $arg{under} || [] }, 'pg_ctl', '-D', "$self->{dir}/data", '-l', "$self->{dir}/server.log", '-w', 'start');
    $self->{running} = 1;
}

sub stop {
    my ($self) = @_;
    return unless delete $self->{running};
    quiet('pg_ctl', '-D', "$self->{dir}/data", '-m', 'fast', '-w', 'stop');
}

# Settings for the running server, as a reload takes them.
sub set {
    my ($self, %value) = @_;
    my $session = $self->session('postgres');
    my $loaded = $session->run('SELECT pg_conf_load_time()');
    $session->run("ALTER SYSTEM SET $_ = '$value{$_}'") for sort keys %value;
    $session->run('SELECT pg_reload_conf()');
    # Every session is told at the same time, and must not go on without it.
    for (my $tries = 0; $session->run('SELECT pg_conf_load_time()') eq $loaded; ++$tries) {
        die "the settings are not loaded\n" if $tries == 500;
        sleep 0.02;
    }
}

sub session {
    my ($self, $database) = @_;
    return Session->new($database);
}

sub create_database {
    my ($self, $name) = @_;
    $self->session('postgres')->run("CREATE DATABASE $name");
    return $self->session($name);
}

# Runs a command; what it says is shown when it fails.
sub quiet {
    my @command = @_;
    my $output = '';
    my $pid = open(my $pipe, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        # The server that pg_ctl leaves behind must not hold the pipe open: it logs to its file.
        open STDIN, '<', '/dev/null';
        exec @command or die "$command[0]: $!\n";
    }
    $output .= $_ while <$pipe>;
    close $pipe or die "@command failed:\n$output";
}

package Session;
use IPC::Open2 qw(open2);
use Time::HiRes qw(sleep);

my $end = '--end of the answer--';

sub new {
    my ($class, $database) = @_;
    my $self = bless { database => $database }, $class;
    $self->{pid} = open2($self->{out}, $self->{in}, 'sh', '-c',
        'exec psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$0" 2>&1', $database);
    $self->{in}->autoflush(1);
    return $self;
}

# Runs statements and returns their output, without the last line feed. An error ends the benchmark.
sub run {
    my ($self, $sql) = @_;
    print { $self->{in} } "$sql\n;\n\\echo $end\n";
    my $answer = '';
    while (defined(my $line = readline $self->{out})) {
        if ($line eq "$end\n") {
            chomp $answer;
            return $answer;
        }
        $answer .= $line;
    }
    die "psql ended in database $self->{database}:\n$answer\nafter:\n" . substr($sql, 0, 2000) . "\n";
}

# The columns of the one row that the statement returns.
sub row {
    my ($self, $sql) = @_;
    return split /\|/, $self->run($sql), -1;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!);
    close $self->{in};
    close $self->{out};
    waitpid $self->{pid}, 0;
}

1;

# The worker of one database: jobs for it to look after, and what it does in a stretch of time.
package Worker;
use strict;
use warnings;
use POSIX qw(sysconf _SC_CLK_TCK);
use Time::HiRes qw(sleep time);

# new(postgres => ..., provider => ..., database => a new one's name)
sub new {
    my ($class, %arg) = @_;
    my $self = bless {%arg}, $class;
    $self->{session} = $arg{postgres}->create_database($arg{database});
    $self->{session}->run('CREATE EXTENSION trainer CASCADE');
    open my $key, '>', "$arg{dir}/api-key" or die $!;
    print $key "sk-bench-0123456789\n";
    close $key or die $!;
    chmod 0600, "$arg{dir}/api-key" or die $!;
    $arg{postgres}->set('trainer.api_key_file' => "$arg{dir}/api-key", 'trainer.databases' => $arg{database});
    return $self;
}

sub session { $_[0]{session} }

# Jobs that wait at the provider, spread over organizations, all of them due within `over` seconds.
sub seed {
    my ($self, %arg) = @_;
    my $organizations = $arg{organizations} // 1000;
    my $over = $arg{over} // 0;
    $self->pause;
    $self->{session}->run(qq{
        -- Jobs that are under way keep their rows from being emptied; there is no provider that these run at.
        SET session_replication_role = replica;
        TRUNCATE custom_models, trainer_operations CASCADE;
        RESET session_replication_role;
        INSERT INTO custom_models (id, organization_id, name, version, base_model, status, provider_job_id, provider_status)
        SELECT md5('model ' || n)::uuid, md5('organization ' || n % $organizations)::uuid, 'model ' || n, n, 'gpt-4o', 'queued',
               'ftjob-' || n, 'queued' FROM generate_series(1, $arg{jobs}) AS n;
        INSERT INTO trainer_operations (organization_id, custom_model_id, kind, due_at)
        SELECT organization_id, id, 'poll_job', now() + version * interval '1 s' * $over / $arg{jobs} FROM custom_models;
        VACUUM (ANALYZE) custom_models, trainer_operations;
        CHECKPOINT});
}

sub pause {
    my ($self) = @_;
    my $session = $self->{session};
    $session->run('SELECT trainer_pause_worker()');
    # What is under way is finished first.
    wait_until(30, sub { $session->run('SELECT NOT running OR in_flight = 0 FROM trainer_worker_status()') eq 't' });
}

sub resume {
    my ($self, %setting) = @_;
    $self->{postgres}->set(%setting) if %setting;
    my $session = $self->{session};
    wait_until(30, sub {
        $session->run('SELECT trainer_wake_worker()');
        $session->run('SELECT running FROM trainer_worker_status()') eq 't';
    });
    $session->run('SELECT trainer_resume_worker()');
}

# What the worker does in `seconds`: requests and polls a second, and CPU time of its process, of the server's other processes none.
sub observe {
    my ($self, $seconds) = @_;
    my $pid = $self->{session}->run('SELECT pid FROM trainer_worker_status()');
    my @before = ($self->{provider}->requests, cpu_seconds($pid), time, $self->wal_bytes);
    sleep $seconds;
    my @after = ($self->{provider}->requests, cpu_seconds($pid), time, $self->wal_bytes);
    my ($requests, $cpu, $elapsed, $wal) = map { $after[$_] - $before[$_] } 0 .. 3;
    $requests -= 1;    # our own question
    die "the worker made no requests: see its log\n" unless $requests > 0;
    return { rate => $requests / $elapsed, cpu => $cpu / $requests, share => $cpu / $elapsed, wal => $wal / $requests };
}

sub wal_bytes {
    my ($self) = @_;
    return $self->{session}->run(q{SELECT pg_current_wal_insert_lsn() - '0/0'});
}

# User and system time of a process, in seconds.
sub cpu_seconds {
    my ($pid) = @_;
    open my $stat, '<', "/proc/$pid/stat" or die "the worker is gone\n";
    my ($rest) = <$stat> =~ /.*\) (.*)/;
    my @fields = split ' ', $rest;
    return ($fields[11] + $fields[12]) / sysconf(_SC_CLK_TCK);
}

sub wait_until {
    my ($seconds, $condition) = @_;
    my $deadline = time + $seconds;
    until ($condition->()) {
        die "waited for $seconds s in vain\n" if time > $deadline;
        sleep 0.05;
    }
}

1;

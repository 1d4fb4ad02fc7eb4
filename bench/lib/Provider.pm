# What stands in for the provider while requests are counted: nginx with the echo module, one process, which answers a look at any
# job after 200 ms, over plain HTTP and over TLS. It counts the requests itself. trainer-sandbox would have to keep 100,000 jobs,
# and has no TLS.
#
# Three providers in one, by the beginning of the path: at /still nothing ever changes, at /news each answer brings something that
# has to be written down, and at /running the job runs, so that its events are asked for, too.
package Provider;
use strict;
use warnings;
use HTTP::Tiny;
use IO::Socket::INET;

my $module = '/usr/lib/nginx/modules/ngx_http_echo_module.so';

sub missing {
    return 'no nginx' if system 'command -v nginx >/dev/null';
    return 'no echo module' unless -f $module;
    return;
}

# start(dir => a new directory's path)
sub start {
    my ($class, %arg) = @_;
    my $self = bless { dir => $arg{dir}, plain => free_port(), tls => free_port() }, $class;
    mkdir $arg{dir} or die "$arg{dir}: $!\n";
    $self->make_certificate;
    $self->write_configuration;
    Postgres::quiet('nginx', '-p', $arg{dir}, '-e', "$arg{dir}/error.log", '-c', "$arg{dir}/nginx.conf");
    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{stopped} ? undef : $self->pid;
    kill TERM => $pid if $pid;
}

sub pid {
    my ($self) = @_;
    open my $file, '<', "$self->{dir}/pid" or return;
    return 0 + <$file>;
}

sub base {
    my ($self, $mood, $wire) = @_;
    return ($wire eq 'tls' ? 'https' : 'http') . "://127.0.0.1:$self->{$wire}/$mood";
}

# Requests answered so far.
sub requests {
    my ($self) = @_;
    my $answer = HTTP::Tiny->new->get("http://127.0.0.1:$self->{plain}/status");
    my ($requests) = $answer->{content} =~ /\n \d+ \d+ (\d+)/ or die "nginx does not answer: $answer->{status}\n";
    return $requests;
}

# A command prefix that makes what runs under it trust our certificate, by a view of the file system of its own; nothing where
# that is not allowed.
sub trust {
    my ($self) = @_;
    my $bundle = '/etc/ssl/certs/ca-certificates.crt';
    my @prefix = ('unshare', '--user', '--map-current-user', '--keep-caps', '--mount', 'sh', '-c',
        "mount --bind '$self->{dir}/certificate.pem' $bundle && exec \"\$@\"", 'sh');
    return system("@{[ map { quotemeta } @prefix ]} true 2>/dev/null") == 0 ? \@prefix : undef;
}

sub make_certificate {
    my ($self) = @_;
    Postgres::quiet('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
        '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$self->{dir}/key.pem",
        '-out', "$self->{dir}/certificate.pem");
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "no port: $!\n";
    return $socket->sockport;
}

# The members of a job on the wire, as many as the provider sends.
sub job {
    my ($status, $finish) = @_;
    my $job = qq({"object":"fine_tuning.job","id":"\$job","model":"gpt-4o-2024-08-06","created_at":1735689600,"finished_at":null,)
      . qq("fine_tuned_model":null,"organization_id":"org-bench","result_files":[],"status":"$status","validation_file":null,)
      . qq("training_file":"file-bench","hyperparameters":{"n_epochs":3,"batch_size":1,"learning_rate_multiplier":0.1},)
      . qq("trained_tokens":null,"error":{},"user_provided_suffix":null,"seed":42,"estimated_finish":$finish,)
      . qq("integrations":[],"method":{"type":"supervised"},"metadata":{}});
    return "echo_sleep 0.2; echo '$job';";
}

sub write_configuration {
    my ($self) = @_;
    open my $conf, '>', "$self->{dir}/nginx.conf" or die $!;
    print $conf <<"END";
load_module $module;
worker_processes 1;
worker_rlimit_nofile 16384;
pid $self->{dir}/pid;
events { worker_connections 8192; }
http {
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_body_temp_path $self->{dir}/body;
  proxy_temp_path $self->{dir}/proxy;
  fastcgi_temp_path $self->{dir}/fastcgi;
  uwsgi_temp_path $self->{dir}/uwsgi;
  scgi_temp_path $self->{dir}/scgi;
  map \$msec \$seconds { ~^(?<whole>[0-9]+) \$whole; }
  server {
    listen 127.0.0.1:$self->{plain} backlog=4096;
    listen 127.0.0.1:$self->{tls} ssl backlog=4096;
    ssl_certificate $self->{dir}/certificate.pem;
    ssl_certificate_key $self->{dir}/key.pem;
    location = /status { stub_status; }
    location ~ ^/still/fine_tuning/jobs/(?<job>[^/]+)\$ { @{[ job('queued', 'null') ]} }
    location ~ ^/news/fine_tuning/jobs/(?<job>[^/]+)\$ { @{[ job('queued', '$seconds') ]} }
    location ~ ^/running/fine_tuning/jobs/(?<job>[^/]+)\$ { @{[ job('running', '$seconds') ]} }
    location ~ ^/running/fine_tuning/jobs/[^/]+/events\$ {
      echo_sleep 0.2; echo '{"object":"list","data":[],"has_more":false}';
    }
  }
}
END
    close $conf or die $!;
}

1;

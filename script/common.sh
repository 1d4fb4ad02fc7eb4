# What the commands here share; sourced by them, with `top` set to the root of the checkout. Owns: messages, which Postgres is
# used, the unprivileged user, and the private copy of a Postgres installation.
# shellcheck shell=bash
# shellcheck disable=SC2154  # top: see above

say() { printf '%s\n' "$@"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Which major version of Postgres is used: the one of PG_CONFIG, else the one that Debian's metapackage stands for.
postgres_major() {
  local depends
  if [ -n "${PG_CONFIG:-}" ]; then
    "$PG_CONFIG" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'
    return
  fi
  # Of a package that another one only suggests, dpkg knows the name and nothing else, and calls that a success.
  depends=$(dpkg-query -W -f '${Depends}' postgresql 2>/dev/null) || true
  [ -n "$depends" ] || depends=$(apt-cache depends postgresql 2>/dev/null) || true
  sed -nE 's/.*postgresql-([0-9]+).*/\1/p' <<<"$depends" | head -n 1
}

# Prints the path of the pg_config that everything here uses.
find_pg_config() {
  local found
  found=${PG_CONFIG:-/usr/lib/postgresql/$(postgres_major)/bin/pg_config}
  found=$(command -v "$found") || die "there is no $found: script/bootstrap installs it, or set PG_CONFIG"
  printf '%s\n' "$found"
}

compiler_launcher() { command -v ccache || true; }

# cmake_build DIR TARGET [OPTION...]: configures and builds core, provider, the sandbox and their tests. Some files at a time, since most of the time of one
# goes into its headers.
cmake_build() {
  local dir=$1 target=$2
  shift 2
  cmake -S "$top" -B "$dir" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=11 -DCMAKE_CXX_COMPILER_LAUNCHER="$(compiler_launcher)" "$@" >"$dir.configure.log" 2>&1 ||
    { cat "$dir.configure.log" >&2; return 1; }
  cmake --build "$dir" --target "$target" --parallel "$(nproc)" >"$dir.build.log" 2>&1 ||
    { cat "$dir.build.log" >&2; return 1; }
}

# The extension is built in a copy of the sources, so that its objects and those of whoever works in the checkout never mix.
# extension_sources DIR
extension_sources() {
  local dir=$1
  mkdir -p "$dir"
  find "$dir" -type f ! -name '*.o' ! -path '*/.deps/*' -delete # what has gone from the checkout goes here too
  tar -C "$top" --exclude=./build --exclude=./.git --exclude=./.deps --exclude='*.o' --exclude='./trainer.so' --exclude='./trainer_tokens.bin' -cf - . |
    tar -C "$dir" -xf -
}

# extension_build DIR [VARIABLE=VALUE...]
extension_build() {
  extension_sources "$1"
  extension_make "$@" all
}

extension_make() {
  local dir=$1 cxx='g++'
  shift
  [ -z "$(compiler_launcher)" ] || cxx='ccache g++'
  make --no-print-directory -C "$dir" -j "$(nproc)" PG_CONFIG="$(find_pg_config)" CXX="$cxx" "$@"
}

# private_postgres ROOT: an installation of our own under ROOT, so that nothing is written into the system's and runs do not
# disturb each other. Postgres finds its directories relative to its programs: copied programs and links to the rest, under
# the same absolute paths below ROOT, are a whole installation. `make install DESTDIR=ROOT` then adds the extension.
private_postgres() {
  local root=$1 pg_config dir
  pg_config=$(find_pg_config)
  dir=$("$pg_config" --bindir)
  mkdir -p "$root$dir"
  cp -p "$dir"/* "$root$dir"
  for dir in "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)" "$("$pg_config" --sharedir)/extension"; do
    rm -f "$root$dir"
    mkdir -p "$root$dir"
    find "$dir" -mindepth 1 -maxdepth 1 ! -name 'trainer*' -exec ln -sfn -t "$root$dir" {} +
  done
}

# Postgres refuses to run as root: root hands over to a user of our own, everybody else stays who they are. as_user is the
# command prefix for that, with an environment that depends on nobody's locale or connection settings.
run_user=
as_user=(env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGPASSWORD -u PGSERVICE -u PGOPTIONS -u PGDATA LC_ALL=C.UTF-8)
use_unprivileged_user() {
  local pass=()
  [ "$(id -u)" = 0 ] || return 0
  run_user=$1
  id -u "$run_user" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$run_user"
  # A bare root, fresh from debootstrap, may have a / that only root can enter: nobody else could run anything. The system stays
  # as it is; our user's processes get the capability to read and pass, kept when access(2) asks.
  if [[ $(stat -c %A /) != *x ]]; then
    say "Only root can enter / here: processes of $run_user may pass closed directories." >&2
    pass=(--inh-caps=+dac_read_search --ambient-caps=+dac_read_search --securebits=+no_setuid_fixup)
  fi
  as_user=(setpriv --reuid "$run_user" --regid "$run_user" --clear-groups "${pass[@]}" "${as_user[@]}")
}

give_to_user() { [ -z "$run_user" ] || chown -R "$run_user:" "$@"; }

# debian_programs NO_INSTALL PROGRAM[:PACKAGE]...: puts programs on PATH that Debian has as services, from the system where it has them, else from
# packages that are unpacked under build/programs: installed, they would be started.
debian_programs() {
  local no_install=$1 wanted program package into=$top/build/programs
  shift
  PATH=$PATH:$into/usr/bin
  for wanted in "$@"; do
    program=${wanted%%:*} package=${wanted##*:}
    ! command -v "$program" >/dev/null || continue
    [ -z "$no_install" ] || die "there is no $program: Debian's package $package has it"
    mkdir -p "$into"
    (cd "$into" && rm -f "$package"_*.deb && { apt-get download -qq "$package" || { apt-get update -qq && apt-get download -qq "$package"; }; } &&
      dpkg -x "$package"_*.deb .) >"$into/$package.log" 2>&1 </dev/null || { tail -n 5 "$into/$package.log" >&2; die "could not download $package"; }
    say "Unpacked $program from Debian's package $package."
  done
}

# shellcheck shell=bash
# Postgres: a cluster of this clone's own. Never the one that the distribution may have started.

PG_HOME=$STACK/postgres
PG_DATA=$PG_HOME/data

# pg_bin PROGRAM: its path in the newest version that is installed.
pg_bin() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1)
  if [[ -x $found ]]; then
    printf '%s' "$found"
  else
    command -v "$1" || die "Postgres' program $1 is not installed. Run: apt-get install postgresql"
  fi
}

postgres_version() { "$(pg_bin postgres)" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/'; }
postgres_address() { printf '127.0.0.1:%s' "${POSTGRES_PORT:-}"; }

# The server refuses to run as root: then it runs as the user that its package made.
as_postgres() {
  if ((EUID == 0)); then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

# sql DATABASE SQL…: as the cluster's superuser.
sql() {
  local database=$1
  shift
  PGCONNECT_TIMEOUT=5 psql -X -q -v ON_ERROR_STOP=1 -At -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d "$database" \
    "${@/#/-c}"
}

# Answers, and it is ours: it serves the data folder of this clone.
postgres_answers() {
  local dir
  running_pid postgres >/dev/null || return 1
  dir=$(sql postgres 'show data_directory' 2>/dev/null) && [[ $dir == "$(readlink -f "$PG_DATA")" ]]
}

# A clone may lie where the server's user cannot go (/root, a private temporary folder). Then the data lies under
# /var/tmp in a folder of its own, and a link here leads to it.
postgres_folder() {
  local folder
  [[ ! -d $PG_DATA ]] || return 0
  mkdir -p "$PG_HOME"
  rm -f "$PG_DATA"
  mkdir -m 0700 "$PG_DATA"
  ((EUID == 0)) || return 0
  chown postgres: "$PG_DATA"
  if ! (cd / && as_postgres test -w "$PG_DATA"); then
    rmdir "$PG_DATA"
    folder=$(mktemp -d /var/tmp/fabric-postgres.XXXXXXXX)
    chown postgres: "$folder"
    ln -s "$folder" "$PG_DATA"
    say postgres "data in $folder, since user postgres cannot enter $ROOT"
  fi
}

# Two GiB of shared buffers where the machine has 8 GiB or more, else a quarter of its memory.
postgres_conf() {
  local data=$1 mib
  mib=$(awk '/^MemTotal/ { printf "%d", $2 / 1024 }' /proc/meminfo)
  cat "$ROOT/dev/postgres/fabric.conf"
  printf "shared_buffers = '%dMB'\n" $((mib >= 7800 ? 2048 : mib / 4))
  # A socket's path has at most 107 bytes (unix(7)), with about 20 for the file's name.
  if ((${#data} <= 85)); then
    printf "unix_socket_directories = '%s'\n" "${data//\'/\'\'}"
  else
    printf "unix_socket_directories = ''\n"
  fi
}

postgres_init() {
  local data=$1 log=$LOGS/postgres-init.log
  [[ ! -e $data/PG_VERSION ]] || return 0
  mkdir -p "$LOGS"
  if ! (cd / && as_postgres "$(pg_bin initdb)" -D "$data" -U postgres --auth=trust --encoding=UTF8 \
    --locale=C.UTF-8 --no-sync --no-instructions) >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "Postgres' data folder $data could not be made. The whole log: $log"
  fi
  as_postgres tee "$data/pg_hba.conf" >/dev/null <<'END'
# Whoever is on this machine may come in: the server listens on loopback alone and holds made-up data.
local all all              trust
host  all all 127.0.0.1/32 trust
END
  printf "include 'fabric.conf'\n" | (cd / && as_postgres tee -a "$data/postgresql.conf" >/dev/null)
}

# Role and database, once. The role is an ordinary one, as in production; tests make databases of their own, and an
# operator may end a backend that hangs.
postgres_role() {
  local person role
  # fabric's own role may make none.
  for role in fabric_app fabric_reader fabric_analyst fabric_approver fabric_operator; do
    [[ $(sql postgres "select count(*) from pg_roles where rolname = '$role'") == 1 ]] ||
      sql postgres "create role $role nologin"
  done
  # Processes of tests that are not the owner.
  [[ $(sql postgres "select count(*) from pg_roles where rolname = 'fabric_worker'") == 1 ]] ||
    sql postgres 'create role fabric_worker login in role fabric_app'
  # People of tests: they may do what a test grants them in its own database.
  for person in fabric_anna fabric_ben; do
    [[ $(sql postgres "select count(*) from pg_roles where rolname = '$person'") == 1 ]] ||
      sql postgres "create role $person login"
  done
  [[ $(sql postgres "select count(*) from pg_database where datname = 'fabric'") == 0 ]] || return 0
  [[ $(sql postgres "select count(*) from pg_roles where rolname = 'fabric'") == 1 ]] ||
    sql postgres 'create role fabric login createdb' 'grant pg_signal_backend, pg_read_all_stats to fabric'
  sql postgres 'create database fabric owner fabric'
  sql fabric 'create extension pg_stat_statements'
}

postgres_claim() { claim_port POSTGRES_PORT; }

postgres_start() {
  local data
  postgres_folder
  data=$(readlink -f "$PG_DATA")
  postgres_init "$data"
  postgres_conf "$data" | (cd / && as_postgres tee "$data/fabric.conf" >/dev/null)
  # as_postgres is a function, which setsid cannot run: the same words, spelt out.
  local as=()
  ((EUID != 0)) || as=(setpriv --reuid=postgres --regid=postgres --init-groups --)
  start_detached postgres / "${as[@]}" "$(pg_bin postgres)" -D "$data" -p "$POSTGRES_PORT"
  await postgres 120 postgres_answers
  postgres_role
}

# SIGINT is Postgres' fast shutdown: it ends sessions and leaves a clean cluster.
postgres_stop() { stop_process postgres INT 60; }

postgres_data() {
  [[ ! -L $PG_DATA ]] || readlink -f "$PG_DATA"
  printf '%s\n' "$PG_HOME"
}

# shellcheck shell=bash
# An installation for a benchmark: a database and topics of its own on this clone's stack, one validator, and what a
# load and a bare \copy take.

# Functions leave their figures in variables that the scripts read.
# shellcheck disable=SC2034

# shellcheck source=dev/lib/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../dev/lib/say.sh"
for piece in process needs ports kafka postgres redis binary usage; do
  # shellcheck source=/dev/null
  source "$ROOT/dev/lib/$piece.sh"
done
# shellcheck source=perf/lib/figures.sh
source "$ROOT/perf/lib/figures.sh"

PERF=$ROOT/target/perf
DATABASE=fabric_perf
FABRIC=${FABRIC_BIN:-$ROOT/target/release/fabric}
HERTZ=$(getconf CLK_TCK)
INGEST=
# The names of the validators that share the work.
VALIDATORS=(perf-validate)
export AGAIN=${0##*/}

# prepare: builds, starts the servers, makes the database and topics anew.
prepare() {
  servers
  installation "perf-$EPOCHSECONDS."
}

# servers: builds, and has Kafka, Postgres and Redis running, without anything of an earlier run.
servers() {
  mkdir -p "$PERF"
  [[ -n ${FABRIC_BIN:-} ]] || build_fabric release || die "fabric could not be built: see above."
  "$ROOT/dev/stack" up --bare
  load_ports
  eval "$("$ROOT/dev/stack" env)"
  stop_others kafka postgres redis
  remove_topics
}

# installation PREFIX: the database DATABASE and the topics of that prefix, made by FABRIC.
installation() {
  make_database
  lead_to "$1"
  { "$FABRIC" migrate && "$FABRIC" topics apply; } >"$PERF/apply.log" 2>&1 ||
    die "the installation could not be made: $PERF/apply.log"
}

# lead_to PREFIX: from here on fabric finds DATABASE and these topics.
lead_to() {
  export FABRIC_POSTGRES_URL="postgres://fabric@127.0.0.1:$POSTGRES_PORT/$DATABASE?options=-csearch_path%3Dfabric,public"
  export FABRIC_KAFKA_PREFIX=$1
}

# Database and topics go together: offsets of a database that is gone would make a validator refuse its partitions.
make_database() {
  sql postgres 'set client_min_messages = warning' "drop database if exists $DATABASE with (force)"
  sql postgres "create database $DATABASE owner fabric"
}

# remove_topics: those of earlier runs.
remove_topics() {
  java -cp "$KAFKA_JARS/*" "$ROOT/perf/lib/RemoveTopics.java" "$(kafka_address)" perf- >"$PERF/topics.log" 2>&1 ||
    die "topics of earlier runs could not be removed: $PERF/topics.log"
}

# clean_up: what every script does at its end, also when it is interrupted.
clean_up() {
  trap '' INT TERM
  [[ -z $INGEST ]] || { kill -s TERM "$INGEST" 2>/dev/null && wait "$INGEST"; } || true
  stop_others kafka postgres redis
  sql postgres "drop database if exists $DATABASE with (force)" 2>/dev/null || true
}

at_the_end_clean_up() {
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# validator [NAME=VALUE…]: each of VALIDATORS, until it has partitions.
validator() {
  local name
  for name in "${VALIDATORS[@]}"; do
    start_detached "$name" "$ROOT" env "$@" "$FABRIC" validate
    await "$name" 60 grep -q 'partitions assigned' "$LOGS/$name.log"
  done
}

# generated RECORDS BAD_PPM: prints the path of a file of card transactions; the same parameters give the same file.
generated() {
  local file=$PERF/card-transactions-$1-$2.txt
  if [[ ! -s $file ]]; then
    "$FABRIC" generate card-transactions --records "$1" --seed 1 --bad-ppm "$2" --out "$file.part" >&2
    mv "$file.part" "$file"
  fi
  printf '%s' "$file"
}

# feed FEED [SED]: applies the example feed of card transactions under another name, with a table of that name.
feed() {
  local table=${1//-/_}
  sed -e "s/^feed: .*/feed: $1/" -e "s/table: card_transactions/table: $table/" -e "${2:-}" \
    "$ROOT/examples/card-transactions.yaml" >"$PERF/$1.yaml"
  "$FABRIC" feeds apply "$PERF/$1.yaml" >>"$PERF/apply.log" 2>&1 ||
    die "the feed $PERF/$1.yaml could not be applied: $PERF/apply.log"
}

# A run begins with an empty table and no dirty pages of the one before.
fresh() {
  local table
  for table in "$@"; do
    [[ $(sql "$DATABASE" "select to_regclass('public.$table') is null") == t ]] || sql "$DATABASE" "truncate public.$table"
  done
  sql postgres checkpoint
  warm
}

# warm: touches as much memory as a run writes. A virtual machine may have to ask its host for each page that it has not
# used of late (10 times the price of writing to it), and the chain, which writes Kafka's log too, would pay more of that
# than \copy does.
#
# A million records come to about 0.6 GiB of log, heap and WAL; never more than a quarter of what is free.
warm() {
  local file=/dev/shm/fabric-perf mib=$((RECORDS / 1600)) most
  most=$(awk '/^MemAvailable/ { printf "%d", $2 / 4096 }' /proc/meminfo)
  head -c "$(((mib < most ? mib : most) << 20))" /dev/zero >"$file" 2>/dev/null || true
  rm -f "$file"
}

# counters: processor ticks of the servers and the validators, in this order: postgres kafka, then each of VALIDATORS.
counters() {
  local name
  for name in postgres kafka "${VALIDATORS[@]}"; do
    ticks_of "$(running_pid "$name" || echo 0)"
    printf ' '
  done
}

# load FEED FILE: loads it to the end. Leaves SECONDS_TAKEN, INGEST_TICKS, INGEST_PEAK (MiB), VALIDATE_PEAK (of the
# validator that has the most), and POSTGRES_TICKS, KAFKA_TICKS, VALIDATE_TICKS of this load alone; REPORT is the path
# of its report.
load() {
  local began before after name number watcher ticks peak code=0
  REPORT=$PERF/report.json
  read -ra before <<<"$(counters)"
  began=$(now)
  "$FABRIC" ingest "$1" "$2" --wait --again --json >"$REPORT" 2>"$PERF/ingest.log" &
  INGEST=$!
  (watch_usage "$INGEST" ticks peak 0.2 && printf '%s %s\n' "$ticks" "$peak" >"$PERF/usage") &
  watcher=$!
  wait "$INGEST" || code=$?
  SECONDS_TAKEN=$(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }')
  INGEST=
  wait "$watcher"
  read -r INGEST_TICKS INGEST_PEAK <"$PERF/usage"
  ((code == 0 || code == 3)) || { cat "$PERF/ingest.log" >&2 && die "the load failed ($code)"; }
  read -ra after <<<"$(counters)"
  POSTGRES_TICKS=$((after[0] - before[0]))
  KAFKA_TICKS=$((after[1] - before[1]))
  VALIDATE_TICKS=0 VALIDATE_PEAK=0
  for ((number = 2; number < ${#after[@]}; number++)); do
    VALIDATE_TICKS=$((VALIDATE_TICKS + after[number] - before[number]))
  done
  for name in "${VALIDATORS[@]}"; do
    own_peak "$(running_pid "$name")" && ((VALIDATE_PEAK >= REPLY)) || VALIDATE_PEAK=$REPLY
  done
}

# copied TABLE FILE: the same rows by psql's \copy on one connection. Leaves SECONDS_TAKEN and POSTGRES_TICKS.
copied() {
  local began before after
  before=$(ticks_of "$(running_pid postgres)")
  began=$(now)
  sql "$DATABASE" "\\copy public.$1 from '$2'"
  SECONDS_TAKEN=$(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }')
  after=$(ticks_of "$(running_pid postgres)")
  POSTGRES_TICKS=$((after - before))
}

# rows_of TABLE: writes what a load left there to a file in \copy's text format; its path.
rows_of() {
  local file=$PERF/$1.copy
  sql "$DATABASE" "\\copy (select * from public.$1) to '$file'" ||
    die "the rows of $1 could not be written to $file"
  printf '%s' "$file"
}

# per_million TICKS RECORDS: processor seconds per million records, which are microseconds per record.
per_million() { awk -v t="$1" -v h="$HERTZ" -v n="$2" 'BEGIN { printf "%.3f", t / h * 1e6 / n }'; }

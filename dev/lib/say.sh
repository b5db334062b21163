# shellcheck shell=bash
# Where this clone is, and how its scripts speak: facts to standard output, everything else to standard error.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
STACK=$ROOT/target/stack
LOGS=$STACK/logs
# Wherever cargo is told to build on this machine: what we build, we run from here.
CARGO_TARGET_DIR=$ROOT/target
export ROOT STACK LOGS CARGO_TARGET_DIR

# say NAME TEXT…: one aligned line of progress.
say() {
  printf '  %-19s %s\n' "$1" "${*:2}" >&2
}

# die TEXT…: what went wrong and what to do next; ends the script.
die() {
  printf '%s: %s\n' "dev/${0##*/}" "$*" >&2
  exit 1
}

# thousands NUMBER: 1234567 becomes 1,234,567.
thousands() {
  local rest=$1 out=
  while ((${#rest} > 3)); do
    out=,${rest: -3}$out
    rest=${rest:0:${#rest}-3}
  done
  printf '%s' "$rest$out"
}

# duration SECONDS: 161 becomes 2m 41s.
duration() {
  local s=$1
  if ((s >= 3600)); then
    printf '%dh %02dm' $((s / 3600)) $((s % 3600 / 60))
  elif ((s >= 60)); then
    printf '%dm %02ds' $((s / 60)) $((s % 60))
  else
    printf '%ds' "$s"
  fi
}

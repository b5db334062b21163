# shellcheck shell=bash
# Servers as processes: start detached, know again by pid and start time, stop by pid.
#
# A pid alone may have been reused since; a pid and the clock tick at which it started name one process for the
# life of the machine (proc(5), field 22 of /proc/PID/stat).

# started_at PID: the clock tick since boot at which it started; fails when there is no such process.
started_at() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # The second field is the command in parentheses and may hold spaces: count from behind the last one.
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z ]] || return 1
  printf '%s' "${fields[19]}"
}

# running_pid NAME: its pid while the very process that we started lives; fails otherwise.
running_pid() {
  local pid tick now
  { read -r pid tick <"$STACK/$1.pid"; } 2>/dev/null || return 1
  now=$(started_at "$pid") || return 1
  [[ $now == "$tick" ]] || return 1
  printf '%s' "$pid"
}

# start_detached NAME DIR COMMAND…: runs it in a session of its own, its output in logs/NAME.log, its pid file
# written. It inherits no file but those: neither our lock nor a caller's pipe.
start_detached() {
  local name=$1 dir=$2 pid
  shift 2
  mkdir -p "$LOGS"
  [[ ! -e $LOGS/$name.log ]] || mv -f "$LOGS/$name.log" "$LOGS/$name.log.1"
  (
    cd "$dir" || exit 1
    exec </dev/null >"$LOGS/$name.log" 2>&1
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || eval "exec $fd>&-"
    done
    exec setsid "$@"
  ) &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$STACK/$name.pid"
}

# await NAME SECONDS CHECK…: waits until the check passes; fails with the end of its log when it has died or
# the time is over.
await() {
  local name=$1 limit=$2 deadline
  shift 2
  deadline=$((SECONDS + limit))
  until "$@"; do
    running_pid "$name" >/dev/null || give_up "$name" "ended before it answered"
    ((SECONDS < deadline)) || give_up "$name" "did not answer within $limit s"
    sleep 0.1
  done
}

give_up() {
  printf '\n%s %s. The end of %s:\n' "$1" "$2" "$LOGS/$1.log" >&2
  tail -n 25 "$LOGS/$1.log" >&2 || true
  die "$1 $2. Its whole log: dev/stack logs $1. Try again: ${AGAIN:-dev/stack up}"
}

# stop_process NAME SIGNAL SECONDS: signals the process that we started and waits for its end; SIGKILL after that.
stop_process() {
  local name=$1 signal=$2 limit=$3 pid deadline
  if pid=$(running_pid "$name"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    deadline=$((SECONDS + limit))
    while running_pid "$name" >/dev/null; do
      if ((SECONDS >= deadline)); then
        say "$name" "still running $limit s after SIG$signal: killed"
        kill -s KILL "$pid" 2>/dev/null || true
        deadline=$((SECONDS + limit))
      fi
      sleep 0.05
    done
  fi
  rm -f "$STACK/$name.pid"
}

# stop_others COMPONENT…: ends every process of ours that is none of these: what dev/demo --keep left.
stop_others() {
  local file name
  for file in "$STACK"/*.pid; do
    name=${file##*/}
    name=${name%.pid}
    [[ ! -e $file || " $* " == *" $name "* ]] || stop_process "$name" TERM 30
  done
}

# memory_of PID: resident bytes of it and its children, in MiB.
memory_of() {
  ps -o rss= --pid "$1" --ppid "$1" 2>/dev/null | awk '{ kib += $1 } END { printf "%d MiB", kib / 1024 }'
}

# shellcheck shell=bash
# A process into what it used: peak memory and processor time (proc(5)).

# ticks_of PID: processor time in clock ticks, of it, of its children, and of those that have ended.
ticks_of() {
  local sum=0 child
  for child in "$1" $(ps -o pid= --ppid "$1"); do
    own_ticks "$child" || continue
    sum=$((sum + REPLY))
  done
  printf '%s' "$sum"
}

# own_ticks PID: into REPLY, without starting a process: fields 14 and 15 of stat, and 16 and 17 for children that it
# has waited for.
own_ticks() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  REPLY=$((fields[11] + fields[12] + fields[13] + fields[14]))
}

# own_peak PID: into REPLY, the most memory that it has had resident, in MiB. Fails once it has ended.
own_peak() {
  local lines line
  { mapfile -t lines <"/proc/$1/status"; } 2>/dev/null || return 1
  for line in "${lines[@]}"; do
    [[ $line =~ ^VmHWM:[^0-9]*([0-9]+) ]] || continue
    REPLY=$((BASH_REMATCH[1] / 1024))
    return 0
  done
  return 1
}

# watch_usage PID TICKS PEAK [SECONDS]: looks every so often (0.1 s) at a process until it has ended, for one that has
# ended shows nothing any more. Leaves both figures in the variables that it is given; what it did after the last look
# is missing.
watch_usage() {
  local REPLY
  printf -v "$2" 0
  printf -v "$3" 0
  while own_peak "$1"; do
    printf -v "$3" '%s' "$REPLY"
    ! own_ticks "$1" || printf -v "$2" '%s' "$REPLY"
    sleep "${4:-0.1}"
  done
}

# seconds_of TICKS: with one digit.
seconds_of() {
  local hertz
  hertz=$(getconf CLK_TCK)
  printf '%d.%d' $(($1 / hertz)) $(($1 % hertz * 10 / hertz))
}

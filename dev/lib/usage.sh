# shellcheck shell=bash
# A process into what it used: peak memory and processor time.

# used_by PID: its peak resident memory and processor seconds so far (proc(5): VmHWM; fields 14 and 15 of stat).
used_by() {
  local stat fields peak ticks hertz
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || { printf 'ended\n'; return; }
  read -ra fields <<<"${stat##*) }"
  ticks=$((fields[11] + fields[12]))
  hertz=$(getconf CLK_TCK)
  peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$1/status")
  printf '%s MiB at most, %d.%d s of processor time\n' "${peak:-?}" $((ticks / hertz)) $((ticks % hertz * 10 / hertz))
}

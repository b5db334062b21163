# shellcheck shell=bash
# Figures into medians with their spread, tables for people and a line of JSON for programs.

# quantile Q NUMBER…: by linear interpolation between the two nearest (type 7 of Hyndman and Fan, "Sample Quantiles in
# Statistical Packages", The American Statistician 50, 1996).
quantile() {
  local q=$1
  shift
  printf '%s\n' "$@" | LC_ALL=C sort -g | awk -v q="$q" '{ v[NR] = $1 } END {
    if (NR == 0) exit 1
    at = (NR - 1) * q + 1; low = int(at); high = low < NR ? low + 1 : NR
    printf "%.10g", v[low] + (at - low) * (v[high] - v[low]) }'
}

median() { quantile 0.5 "$@"; }
least() { quantile 0 "$@"; }
most() { quantile 1 "$@"; }

# divide A B DIGITS
divide() { awk -v a="$1" -v b="$2" -v d="${3:-3}" 'BEGIN { printf "%.*f", d, (b == 0 ? 0 : a / b) }'; }

# thousands_of NUMBER: a rate in whole thousands.
thousands_of() { awk -v n="$1" 'BEGIN { printf "%.0f k", n / 1000 }'; }

# row WIDTHS CELL…: the first cell to the left, the others to the right, each as wide as its word of WIDTHS says.
row() {
  local -a widths
  local i cell
  read -ra widths <<<"$1"
  shift
  for ((i = 1; i <= $#; i++)); do
    cell=${!i}
    if ((i == 1)); then printf '  %-*s' "${widths[0]}" "$cell"; else printf '  %*s' "${widths[i - 1]}" "$cell"; fi
  done
  printf '\n'
}

# json KEY VALUE…: one line; a value that is a number, a list or an object stands as it is, any other as a string.
json() {
  local out='' value
  while (($# > 1)); do
    value=$2
    [[ $value =~ ^(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null|[\[{].*)$ ]] || value="\"$value\""
    out+=${out:+, }"\"$1\": $value"
    shift 2
  done
  printf '{%s}\n' "$out"
}

# list NUMBER…: as a JSON list.
list() {
  local IFS=,
  printf '[%s]' "$*"
}

# now: seconds since the epoch, with microseconds.
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }

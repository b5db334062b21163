# shellcheck shell=bash
# The whole chain with two rules that look up references in sets of 100,000 keys, against the same load without them.

# shellcheck disable=SC2154 # the script that reads this file has RECORDS, RUNS, LOADERS
KEYS=100000

# Both warn: what is loaded is the same with them and without.
TWO_RULES='rules:\
  - { name: known-branch, fields: [branch_code], reference: branches, severity: warn }\
  - { name: open-account, fields: [account_number], reference: closed, match: not-in, severity: warn }\
'

WITHOUT=() WITH=() SHARES=()
PAIR_WIDTHS='6 12 12 9'

# reference_set NAME COLUMN FILE: the first KEYS different cells of a column; made-up ones where it has fewer.
reference_set() {
  local keys=$PERF/$1.csv
  awk -F'|' -v column="$2" -v keys="$KEYS" '
    BEGIN { print "key" }
    count < keys && $column ~ /^[A-Z0-9]+$/ && length($column) <= 12 && !seen[$column]++ { print $column; count++ }
    END { for (; count < keys; count++) printf "none-%d\n", count }' "$3" >"$keys"
  "$FABRIC" references load "$1" "$keys" >>"$PERF/apply.log" 2>&1 ||
    die "the reference set $keys could not be loaded: $PERF/apply.log"
}

reference_half() {
  fresh "${1//-/_}"
  load "$1" "$2"
  if [[ $1 == perf-cards ]]; then WITHOUT+=("$SECONDS_TAKEN"); else WITH+=("$SECONDS_TAKEN"); fi
}

# The order of the two halves turns from pair to pair, so that neither always follows the other.
reference_pair() {
  local first=perf-cards second=perf-looked-up-cards
  (($1 % 2)) || first=perf-looked-up-cards second=perf-cards
  reference_half "$first" "$2"
  reference_half "$second" "$2"
  SHARES+=("$(divide "${WITHOUT[-1]}" "${WITH[-1]}")")
  row "$PAIR_WIDTHS" "$1" "$(thousands_of "$(divide "$RECORDS" "${WITHOUT[-1]}")")" \
    "$(thousands_of "$(divide "$RECORDS" "${WITH[-1]}")")" "${SHARES[-1]}"
}

references_summary() {
  local without with ratio
  without=$(median "${WITHOUT[@]}")
  with=$(median "${WITH[@]}")
  ratio=$(divide "$without" "$with")
  printf '\n  two rules, sets of %s keys: %s of the rate without (%.3f to %.3f in %s pairs)\n\n' "$KEYS" "$ratio" \
    "$(least "${SHARES[@]}")" "$(most "${SHARES[@]}")" "$RUNS"
  json benchmark throughput-references records "$RECORDS" runs "$RUNS" loaders "$LOADERS" keys "$KEYS" ratio "$ratio" \
    ratios "$(list "${SHARES[@]}")" withoutRecordsPerSecond "$(divide "$RECORDS" "$without" 0)" \
    withRecordsPerSecond "$(divide "$RECORDS" "$with" 0)" validatePeakMiB "$VALIDATE_PEAK"
}

# references FILE
references() {
  local run
  reference_set branches 11 "$1"
  reference_set closed 2 "$1"
  feed perf-cards
  feed perf-looked-up-cards "s/^target:/$TWO_RULES&/"
  validator FABRIC_VALIDATE_LOADERS="$LOADERS"
  # The first load of each makes its table and warms every cache. It is not counted.
  load perf-cards "$1"
  load perf-looked-up-cards "$1"
  row "$PAIR_WIDTHS" run without with ratio
  row "$PAIR_WIDTHS" '' records/s records/s ''
  for ((run = 1; run <= RUNS; run++)); do reference_pair "$run" "$1"; done
  references_summary
}

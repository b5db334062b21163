# shellcheck shell=bash
# Which fabric to run, and what it does to a stack that is up.

# fabric_bin: FABRIC_BIN if set; else the newer of the release and the debug binary, if no source is newer than it;
# else cargo builds the same profile again.
fabric_bin() {
  local bin=${FABRIC_BIN:-} profile=debug
  if [[ -n $bin ]]; then
    [[ -x $bin ]] || die "FABRIC_BIN is $bin, which is not a program."
    printf '%s' "$bin"
    return
  fi
  bin=$ROOT/target/debug/fabric
  if [[ $ROOT/target/release/fabric -nt $bin ]]; then
    profile=release
    bin=$ROOT/target/release/fabric
  fi
  is_current "$bin" || build_fabric "$profile"
  printf '%s' "$bin"
}

is_current() {
  local newer
  [[ -x $1 ]] || return 1
  cd "$ROOT" || return 1
  newer=$(find Cargo.toml Cargo.lock src migrations schemas topics -newer "$1" -type f -print -quit 2>/dev/null)
  [[ -z $newer ]]
}

# build_fabric PROFILE: cargo's own progress goes to standard error, if there is anything to build.
build_fabric() {
  local args=(--manifest-path "$ROOT/Cargo.toml" --bin fabric --locked)
  ! is_current "$ROOT/target/$1/fabric" || args+=(--quiet)
  [[ $1 != release ]] || args+=(--release)
  cargo build "${args[@]}" 1>&2
}

# apply_everything BIN: migrations, topics, the example feeds. Each of them may be repeated: it changes only what differs.
apply_everything() {
  local bin=$1 feeds
  mapfile -t feeds < <(printf '%s\n' "$ROOT"/examples/*.yaml)
  # Callers ask whether this succeeded, and `set -e` does not hold inside a question.
  "$bin" migrate && "$bin" topics apply || return
  [[ ! -e ${feeds[0]} ]] || "$bin" feeds apply "${feeds[@]}"
}

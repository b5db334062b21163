# shellcheck shell=bash
# What must be installed: fetched where we may (as root, from Debian's packages), else named in one command.

# need_tools GROUP…: build (the binary), stack (the servers), registry (the schema registry), lint (the scripts),
# metrics (their check), examples (the programs under examples/producers).
need_tools() {
  local group packages=()
  for group in "$@"; do "missing_for_$group"; done
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
}

# want PACKAGE COMMAND…: notes the package when its check fails.
want() {
  "${@:2}" >/dev/null 2>&1 || packages+=("$1")
}

missing_for_build() {
  want build-essential command -v cc
  want build-essential command -v c++
  want build-essential command -v make
  want pkg-config command -v pkg-config
  want libssl-dev test -e /usr/include/openssl/ssl.h
  want zlib1g-dev test -e /usr/include/zlib.h
  command -v cargo >/dev/null 2>&1 ||
    die "Rust is not installed: fabric is built with cargo. Get it from https://rustup.rs, then run this again."
}

missing_for_stack() {
  want postgresql any_executable /usr/lib/postgresql/*/bin/postgres "$(command -v postgres)"
  want postgresql command -v psql
  want redis-server command -v redis-server
  want redis-tools command -v redis-cli
  want openjdk-17-jre-headless java_is_new_enough
  kafka_jars_are_current || want maven command -v mvn
  want procps command -v ps
}

missing_for_registry() {
  want openjdk-17-jre-headless java_is_new_enough
  registry_jars_are_current || want maven command -v mvn
  # docs/producing.md registers a schema with these.
  want jq command -v jq
  want curl command -v curl
}

# The example programs: Java from its source, Python in a folder of its own.
missing_for_examples() {
  want openjdk-17-jdk-headless command -v javac
  want python3-venv python3 -c 'import ensurepip, venv'
}

# promtool, which checks what stands on /metrics.
missing_for_metrics() {
  want prometheus command -v promtool
}

missing_for_lint() {
  want shellcheck command -v shellcheck
}

any_executable() {
  local file
  for file in "$@"; do
    [[ -x $file ]] && return 0
  done
  return 1
}

# Kafka 4's broker needs Java 17.
java_is_new_enough() {
  local version
  version=$(java -version 2>&1 | sed -n '1s/[^"]*"\([0-9]*\).*/\1/p')
  ((version >= 17))
}

install_packages() {
  local packages log=$ROOT/target/apt-get.log
  mapfile -t packages < <(printf '%s\n' "$@" | sort -u)
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    die "missing: ${packages[*]}. Run: sudo apt-get update && sudo apt-get install -y ${packages[*]}"
  fi
  say installing "${packages[*]}"
  mkdir -p "$ROOT/target"
  [[ " ${packages[*]} " != *" postgresql "* ]] || no_default_cluster
  [[ " ${packages[*]} " != *" prometheus "* ]] || no_prometheus_service
  # In runlevel 1 nothing is started that a package brings.
  if ! { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    "${packages[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    die "apt-get could not install ${packages[*]}. The whole log: $log"
  fi
}

# Debian's package makes and starts a cluster on port 5432 unless it is told not to. We never use that one.
no_default_cluster() {
  local conf=/etc/postgresql-common/createcluster.conf
  [[ ! -e $conf ]] || return 0
  mkdir -p "${conf%/*}"
  printf 'create_main_cluster = false\n' >"$conf"
}

# Debian's package starts a server on port 9090 unless it is told not to. We only want its promtool.
no_prometheus_service() {
  [[ ! -d /run/systemd/system ]] || systemctl mask --quiet prometheus prometheus-node-exporter
}

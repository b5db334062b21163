# shellcheck shell=bash
# Apicurio, a schema registry that speaks Confluent's API under /apis/ccompat/v7, from what dev/registry/pom.xml pins.
# It keeps its schemas in memory: they are gone with it.

REGISTRY_HOME=$STACK/registry
REGISTRY_JARS=$ROOT/target/registry-jars
REGISTRY_API=/apis/ccompat/v7

registry_version() { sed -n '/apicurio-registry-app/{n;s/.*<version>\(.*\)\.Final<.*/\1/p}' "$ROOT/dev/registry/pom.xml"; }
registry_address() { printf '127.0.0.1:%s' "${REGISTRY_PORT:-}"; }
registry_url() { printf 'http://%s%s' "$(registry_address)" "$REGISTRY_API"; }

# Whoever else had the port, ours would have ended.
registry_answers() {
  local status
  running_pid registry >/dev/null || return 1
  status=$(registry_status_line 2>/dev/null) || return 1
  [[ $status == 'HTTP/1.1 200 '* ]]
}

# registry_status_line: of the answer to a question for all subjects.
registry_status_line() {
  local fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$REGISTRY_PORT"
  printf 'GET %s/subjects HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$REGISTRY_API" "$(registry_address)" >&"$fd"
  timeout 5 head -n 1 <&"$fd"
  exec {fd}>&-
}

registry_jars_are_current() { cmp -s "$ROOT/dev/registry/pom.xml" "$REGISTRY_JARS/pom.xml"; }

# Fetched again when the pom changes.
registry_jars() {
  local pom=$ROOT/dev/registry/pom.xml log=$LOGS/registry-jars.log
  ! registry_jars_are_current || return 0
  say registry "fetching Apicurio $(registry_version) with Maven (142 MB)"
  mkdir -p "$LOGS"
  rm -rf "$REGISTRY_JARS.new"
  mkdir -p "$REGISTRY_JARS.new"
  # Maven notes what it has unpacked beside the pom that it reads: that is to go with what it unpacked.
  cp "$pom" "$REGISTRY_JARS.new/pom.xml"
  if ! mvn -q -B -f "$REGISTRY_JARS.new/pom.xml" dependency:unpack-dependencies -DoutputDirectory="$REGISTRY_JARS.new" \
    >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "Maven could not fetch Apicurio. Is Maven Central reachable? The whole log: $log"
  fi
  rm -rf "$REGISTRY_JARS"
  mv "$REGISTRY_JARS.new" "$REGISTRY_JARS"
}

registry_claim() { claim_port REGISTRY_PORT; }

registry_start() {
  need_tools registry
  registry_jars
  mkdir -p "$REGISTRY_HOME"
  # It lives for minutes: the quick compiler is enough.
  start_detached registry "$REGISTRY_HOME" java -Xmx192m -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$REGISTRY_PORT" \
    -jar "$(echo "$REGISTRY_JARS"/*-runner.jar)"
  await registry 60 registry_answers
}

registry_stop() { stop_process registry TERM 10; }

registry_data() { printf '%s\n' "$REGISTRY_HOME"; }

# shellcheck shell=bash
# Apache Kafka: one KRaft node, broker and controller in one process, from the jars that dev/kafka/pom.xml pins.

KAFKA_HOME=$STACK/kafka
KAFKA_JARS=$ROOT/target/kafka-jars
KAFKA_HEAP=512m

kafka_version() { sed -n '/kafka_2.13/{n;s/.*<version>\(.*\)<.*/\1/p}' "$ROOT/dev/kafka/pom.xml"; }
kafka_address() { printf '127.0.0.1:%s' "${KAFKA_PORT:-}"; }

# kafka_answers: a Metadata request (key 3, version 2, no topics) over the wire, https://kafka.apache.org/protocol.
# Its answer must list one broker, as it does once the node has joined its cluster, and name the cluster that we formatted.
kafka_answers() {
  local id answer
  running_pid kafka >/dev/null || return 1
  id=$(<"$KAFKA_HOME/cluster-id") || return 1
  answer=$(kafka_metadata 2>/dev/null) || return 1
  # After the length and the correlation id comes the number of brokers.
  [[ ${answer:8:16} == 0000000700000001 && $answer == *$(printf '%s' "$id" | od -An -v -tx1 | tr -d ' \n')* ]]
}

kafka_metadata() {
  local fd a b c d size
  exec {fd}<>"/dev/tcp/127.0.0.1/$KAFKA_PORT"
  printf '\0\0\0\x13\0\x03\0\x02\0\0\0\x07\0\x05stack\0\0\0\0' >&"$fd"
  read -r a b c d < <(timeout 5 head -c 4 <&"$fd" | od -An -v -tu1)
  size=$((a << 24 | b << 16 | c << 8 | d))
  printf '%08x' "$size"
  timeout 5 head -c "$size" <&"$fd" | od -An -v -tx1 | tr -d ' \n'
  exec {fd}>&-
}

kafka_jars_are_current() { cmp -s "$ROOT/dev/kafka/pom.xml" "$KAFKA_JARS/pom.xml"; }

# The jars are fetched again when the pom changes, so a new version needs no clean-up by hand.
kafka_jars() {
  local pom=$ROOT/dev/kafka/pom.xml log=$LOGS/kafka-jars.log
  ! kafka_jars_are_current || return 0
  say kafka "fetching Apache Kafka $(kafka_version) with Maven"
  mkdir -p "$LOGS"
  rm -rf "$KAFKA_JARS.new"
  if ! mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$KAFKA_JARS.new" >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "Maven could not fetch Kafka's jars. Is Maven Central reachable? The whole log: $log"
  fi
  cp "$pom" "$KAFKA_JARS.new/pom.xml"
  rm -rf "$KAFKA_JARS"
  mv "$KAFKA_JARS.new" "$KAFKA_JARS"
}

kafka_java() {
  printf '%s\n' java -cp "$KAFKA_JARS/*" "-Dorg.slf4j.simpleLogger.showDateTime=true" \
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" "$@"
}

# The listener PROXIED1 leads whoever asks there to proxy 1, and so on. One thread serves each: they are idle but in a
# test of theirs.
kafka_properties() {
  local i name listeners advertised protocols
  listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
  advertised=$listeners
  protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
  cat "$ROOT/dev/kafka/server.properties"
  for ((i = 1; i <= KAFKA_PROXIES; i++)); do
    name=KAFKA_PROXIED_${i}_PORT
    listeners+=,PROXIED$i://127.0.0.1:${!name}
    name=KAFKA_PROXY_${i}_PORT
    advertised+=,PROXIED$i://127.0.0.1:${!name}
    protocols+=,PROXIED$i:PLAINTEXT
    printf 'listener.name.proxied%d.num.network.threads=1\n' "$i"
  done
  cat <<END
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=$protocols
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:$KAFKA_CONTROLLER_PORT
log.dirs=$KAFKA_HOME/data
END
}

kafka_format() {
  local java log=$LOGS/kafka-format.log
  [[ ! -e $KAFKA_HOME/data/meta.properties ]] || return 0
  mapfile -t java < <(kafka_java -Xmx128m kafka.tools.StorageTool)
  head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' >"$KAFKA_HOME/cluster-id"
  if ! "${java[@]}" format --standalone --cluster-id "$(<"$KAFKA_HOME/cluster-id")" \
    --config "$KAFKA_HOME/server.properties" >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "Kafka's storage could not be formatted. The whole log: $log"
  fi
}

kafka_claim() {
  local i
  claim_port KAFKA_PORT
  claim_port KAFKA_CONTROLLER_PORT
  for ((i = 1; i <= KAFKA_PROXIES; i++)); do
    claim_port "KAFKA_PROXIED_${i}_PORT"
    keep_port "KAFKA_PROXY_${i}_PORT"
  done
}

# kafka_proxied: for each proxy, where it listens and where it leads to: PROXY=BROKER,…
kafka_proxied() {
  local i proxy proxied pairs=()
  for ((i = 1; i <= KAFKA_PROXIES; i++)); do
    proxy=KAFKA_PROXY_${i}_PORT
    proxied=KAFKA_PROXIED_${i}_PORT
    [[ -z ${!proxy:-} ]] || pairs+=("127.0.0.1:${!proxy}=127.0.0.1:${!proxied}")
  done
  local IFS=,
  printf '%s' "${pairs[*]}"
}

kafka_start() {
  local java
  kafka_jars
  mkdir -p "$KAFKA_HOME"
  kafka_properties >"$KAFKA_HOME/server.properties"
  kafka_format
  mapfile -t java < <(kafka_java "-Xms$KAFKA_HEAP" "-Xmx$KAFKA_HEAP" -XX:+ExitOnOutOfMemoryError \
    -Djava.awt.headless=true kafka.Kafka)
  start_detached kafka "$KAFKA_HOME" "${java[@]}" "$KAFKA_HOME/server.properties"
  await kafka 60 kafka_answers
}

kafka_stop() { stop_process kafka TERM 20; }

kafka_data() { printf '%s\n' "$KAFKA_HOME"; }

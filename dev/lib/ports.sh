# shellcheck shell=bash
# Free ports for this clone, remembered in target/stack/ports.env.
#
# From 20000 to 29999: outside the default ports of all servers and below 32768, where Linux begins to hand
# out ports to outgoing connections. A clone begins its search at a place that its path decides, so that two clones
# that start at the same instant do not race for one port.

PORT_NAMES=(KAFKA_PORT KAFKA_CONTROLLER_PORT POSTGRES_PORT REDIS_PORT REGISTRY_PORT)

# Processes whose way to Kafka tests may take away at one time. Each needs a listener of the broker (PROXIED) that
# advertises the address where a test's proxy listens (PROXY), since clients of Kafka go where the broker says.
KAFKA_PROXIES=6
for ((i = 1; i <= KAFKA_PROXIES; i++)); do PORT_NAMES+=("KAFKA_PROXIED_${i}_PORT" "KAFKA_PROXY_${i}_PORT"); done
unset i

load_ports() {
  # shellcheck disable=SC1091 # written by save_ports
  [[ ! -e $STACK/ports.env ]] || source "$STACK/ports.env"
}

save_ports() {
  local name
  for name in "${PORT_NAMES[@]}"; do
    [[ -z ${!name:-} ]] || printf '%s=%s\n' "$name" "${!name}"
  done >"$STACK/ports.env.new"
  mv "$STACK/ports.env.new" "$STACK/ports.env"
}

port_in_use() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port_is_taken() {
  local name
  for name in "${PORT_NAMES[@]}"; do
    [[ ${!name:-} != "$1" ]] || return 0
  done
  port_in_use "$1"
}

# claim_port NAME: keeps the remembered port if nobody listens there, else finds and remembers another. Only for a
# server of ours that is down: whoever listens there then is a stranger.
claim_port() {
  local name=$1 port sum
  port=${!name:-}
  [[ -z $port ]] || ! port_in_use "$port" || port=
  if [[ -z $port ]]; then
    sum=$(printf '%s' "$ROOT" | cksum)
    port=$((20000 + ${sum%% *} % 9000))
    while port_is_taken "$port"; do port=$((port + 1)); done
  fi
  printf -v "$name" '%s' "$port"
  save_ports
}

# keep_port NAME: as claim_port, but whoever listens at the remembered port is no stranger: a test's proxy outlives a
# restart of its server.
keep_port() {
  [[ -n ${!1:-} ]] || claim_port "$1"
}

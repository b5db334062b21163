# shellcheck shell=bash
# Redis: a cache that may be lost at any time, so nothing is written to disk.

redis_version() { redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/'; }
redis_address() { printf '127.0.0.1:%s' "${REDIS_PORT:-}"; }

# Answers, and it is ours: the process that answers is the one that we started.
redis_answers() {
  local pid
  pid=$(running_pid redis) || return 1
  timeout 5 redis-cli -h 127.0.0.1 -p "$REDIS_PORT" info server 2>/dev/null | tr -d '\r' | grep -qx "process_id:$pid"
}

redis_claim() { claim_port REDIS_PORT; }

redis_start() {
  mkdir -p "$STACK/redis"
  start_detached redis "$STACK/redis" redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --dir "$STACK/redis" \
    --save '' --appendonly no --daemonize no --maxmemory 256mb --maxmemory-policy allkeys-lru
  await redis 30 redis_answers
}

redis_stop() { stop_process redis TERM 10; }

redis_data() { printf '%s\n' "$STACK/redis"; }

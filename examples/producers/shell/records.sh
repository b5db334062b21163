#!/usr/bin/env bash
# Writes records to a stream: one JSON object per line of standard input, one message per object.
#
#   records.sh BROKERS TOPIC <records.jsonl
#
# The producer of Kafka's own command line retries without writing twice and waits for every acknowledgement, but ends with
# 0 whatever Kafka did not take: so this looks at what it said.
set -euo pipefail

said=$(kafka-console-producer.sh --bootstrap-server "$1" --topic "$2" 2>&1)
if grep -q ERROR <<<"$said"; then
  printf '%s\n' "$said" >&2
  exit 1
fi

#!/usr/bin/env bash
# The console producer of a Kafka distribution, from the jars that dev/stack has fetched.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
exec java -Xmx128m -cp "$HERE/../../target/kafka-jars/*" org.apache.kafka.tools.ConsoleProducer "$@"

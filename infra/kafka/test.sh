#!/usr/bin/env bash
# The tests of the Kafka adapter on a real Apache Kafka: one that is started here and taken away again, or, with
# KAFKA_BROKERS, one that is there; then without those tests that stop it or need more listeners than one. Arguments are
# for vitest, instead of the usual files.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
tests=(npx vitest run --no-file-parallelism)

if [[ -n ${KAFKA_BROKERS:-} ]]; then
  exec "${tests[@]}" test/adapters/kafka-bus.test.ts
fi

KAFKA_DIR=$(mktemp -d)
export KAFKA_DIR KAFKA_KEYSTORE=$KAFKA_DIR/keystore.pem
read -r KAFKA_PORT KAFKA_PROXIED_PORT KAFKA_ADVERTISED_PORT KAFKA_SECURE_PORT KAFKA_CONTROLLER_PORT < <(node infra/kafka/free-ports.mjs 5)
export KAFKA_PORT KAFKA_PROXIED_PORT KAFKA_ADVERTISED_PORT KAFKA_SECURE_PORT KAFKA_CONTROLLER_PORT
trap 'infra/kafka/kafka.sh wipe' EXIT
trap 'exit 130' INT TERM
node --import tsx test/support/certificate.ts >"$KAFKA_KEYSTORE"
infra/kafka/kafka.sh start
printf 'Apache Kafka listens on 127.0.0.1:%s\n' "$KAFKA_PORT"
[[ $# -gt 0 ]] || set -- test/adapters/kafka-bus.test.ts test/adapters/kafka.test.ts test/e2e/kafka.test.ts
"${tests[@]}" "$@"

#!/usr/bin/env bash
# kafka.sh start|stop|kill|wipe: one Apache Kafka broker for tests, from Maven Central. Needs Java 17 and Maven.
# Ports: KAFKA_PORT, KAFKA_PROXIED_PORT, KAFKA_ADVERTISED_PORT, KAFKA_SECURE_PORT, KAFKA_CONTROLLER_PORT.
# KAFKA_DIR holds its data, KAFKA_KEYSTORE is a PEM file with a key and a certificate for localhost.
set -Eeuo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jars=${KAFKA_JARS:-$here/../../node_modules/.cache/kafka}

fetch() {
  [[ -e $jars/complete ]] && return
  mkdir -p "$jars"
  mvn -B -q -ntp -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$jars"
  touch "$jars/complete"
}

configure() {
  sed -e "s|@PORT@|$KAFKA_PORT|g" -e "s|@PROXIED_PORT@|$KAFKA_PROXIED_PORT|g" \
    -e "s|@ADVERTISED_PORT@|$KAFKA_ADVERTISED_PORT|g" -e "s|@SECURE_PORT@|$KAFKA_SECURE_PORT|g" \
    -e "s|@CONTROLLER_PORT@|$KAFKA_CONTROLLER_PORT|g" -e "s|@DATA@|$KAFKA_DIR/log|g" \
    -e "s|@KEYSTORE@|$KAFKA_KEYSTORE|g" "$here/server.properties" >"$KAFKA_DIR/server.properties"
}

run_java() {
  java -Djava.net.preferIPv4Stack=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
}

format() {
  local users=()
  for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
    users+=(--add-scram "$mechanism=[name=zapini,password=zapini-secret]")
  done
  run_java kafka.tools.StorageTool format -t JLBef7jcQDyk27X-4oZycw -c "$KAFKA_DIR/server.properties" "${users[@]}"
  touch "$KAFKA_DIR/formatted"
}

start() {
  fetch
  mkdir -p "$KAFKA_DIR"
  if [[ ! -e $KAFKA_DIR/formatted ]]; then
    configure
    format >"$KAFKA_DIR/format.log" 2>&1 || { cat "$KAFKA_DIR/format.log" >&2; return 1; }
  fi
  java -Xmx512m -Djava.net.preferIPv4Stack=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" kafka.Kafka "$KAFKA_DIR/server.properties" \
    </dev/null >>"$KAFKA_DIR/kafka.log" 2>&1 &
  echo $! >"$KAFKA_DIR/pid"
  for _ in $(seq 300); do
    # Open a little before it serves; clients try again.
    (exec 3<>"/dev/tcp/127.0.0.1/$KAFKA_PORT") 2>/dev/null && return
    kill -0 "$(cat "$KAFKA_DIR/pid")" 2>/dev/null || break
    sleep 0.1
  done
  tail -40 "$KAFKA_DIR/kafka.log" >&2
  return 1
}

# end <signal>: waits until the process is gone.
end() {
  [[ -e $KAFKA_DIR/pid ]] || return 0
  local pid
  pid=$(cat "$KAFKA_DIR/pid")
  kill "-$1" "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$KAFKA_DIR/pid"
}

case ${1:-} in
  start) start ;;
  stop) end TERM ;;
  kill) end KILL ;;
  wipe)
    end KILL
    rm -rf "$KAFKA_DIR"
    ;;
  *)
    sed -n 's/^# //p' "$0" | head -4
    exit 2
    ;;
esac

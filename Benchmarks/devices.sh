#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# devices.sh: how soon nbdd answers while it looks after many devices whose server is away, and is watched.
#
#   Benchmarks/devices.sh [DEVICES [WATCHERS [RECONNECT_DELAY]]]
#
# Connections are refused before a kernel device is needed, so nothing of this machine is touched.
set -u
cd "$(dirname "$0")/.." || exit
devices=${1-1000} watchers=${2-10} delay=${3-30s}
binaries=${BINARIES:-.build/release}
work=$(mktemp -d)
trap 'kill "${running[@]}" 2>/dev/null; wait; rm -r "$work"' EXIT
mkdir -p "$work/etc/devices.d" "$work/bin"
export NBDD_SOCKET=$work/org.nbdd
for ((number = 0; number < devices; number++)); do
  echo "{ \"uri\": \"nbd://127.0.0.1:1/$number\", \"device\": \"nbd$((20000 + number))\", \"reconnectDelay\": \"$delay\" }" \
    >"$work/etc/devices.d/device$number.json"
done
# Without modprobe in its PATH it loads no driver.
PATH=$work/bin "$binaries/nbdd" --config "$work/etc" 2>"$work/log" &
daemon=$! running=($!)
until "$binaries/nbdctl" status >/dev/null 2>&1; do kill -0 $daemon || { cat "$work/log"; exit 1; }; done
[ "$("$binaries/nbdctl" status | grep -c ' reconnecting \| connecting ')" = "$devices" ] || {
  head -n 3 "$work/log"; echo "not all devices try to connect"; exit 1
}
for ((number = 0; number < watchers; number++)); do
  "$binaries/nbdctl" watch >"$work/watch$number" &
  running+=($!)
done
ticks() { read -r -a stat </proc/$daemon/stat; echo $((stat[13] + stat[14])); }
sleep 3
before=$(ticks) began=${EPOCHREALTIME/./} times=()
for _ in {1..30}; do
  started=${EPOCHREALTIME/./}
  "$binaries/nbdctl" status >/dev/null || exit
  times+=($(((${EPOCHREALTIME/./} - started + 500) / 1000)))
  sleep 0.2
done
mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
used=$((($(ticks) - before) * 1000000 / $(getconf CLK_TCK) * 100 / (${EPOCHREALTIME/./} - began)))
echo "$devices devices without their server, $watchers watchers: nbdctl status in ${times[15]} ms (median), ${times[29]} ms" \
  "(longest); nbdd uses $used % of a processor"

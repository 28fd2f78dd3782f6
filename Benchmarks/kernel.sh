#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Loads devices of a real kernel, each attached in another way to the same server, in turn. Runs inside on-kernel;
# Benchmarks/run starts it and reads the lines "load NAME LOAD MICROSECONDS", one for each repetition.
#
#   kernel.sh ROUNDS CREDENTIALS
. "$(dirname "$0")/../Tests/Machine/common.sh"
rounds=$1 credentials=$2

serve unix --unix $work/unix.sock memory 128M
serve tcp --port 10809 memory 128M
serve tls --port 10810 --tls=require --tls-certificates "$credentials/server" memory 128M
unix="?socket=$work/unix.sock" tcp=nbd://127.0.0.1:10809
device unix-relay "{ \"uri\": \"nbd+unix:///relay$unix\", \"device\": \"/dev/nbd0\" }"
device unix-direct "{ \"uri\": \"nbd+unix:///direct$unix\", \"path\": \"direct\", \"device\": \"/dev/nbd1\" }"
device tcp-relay "{ \"uri\": \"$tcp/relay\", \"device\": \"/dev/nbd2\" }"
device tcp-direct "{ \"uri\": \"$tcp/direct\", \"path\": \"direct\", \"device\": \"/dev/nbd3\" }"
device tls-relay "{ \"uri\": \"nbds://127.0.0.1:10810\", \"tlsCertificates\": \"$credentials/trust\", \"device\": \"/dev/nbd4\" }"
start_nbdd
all_attached() { [ "$(nbdctl status --json | jq '[.devices[] | select(.runtime.state == "attached")] | length')" = 5 ]; }
within 40 "five devices are attached" all_attached
nbd-client -N '' -L 127.0.0.1 10809 /dev/nbd5 >$work/client.log 2>&1
nbd-client -N '' -L -x -A "$credentials/ca.pem" -H 127.0.0.1 127.0.0.1 10810 /dev/nbd6 >>$work/client.log 2>&1
within 10 "nbd-client has two" test -e /sys/block/nbd6/pid || cat $work/client.log
devices=(unix-relay unix-direct tcp-relay tcp-direct tls-relay tcp-nbd-client tls-nbd-client)

# Memory that is touched for the first time costs much here: all that there is is touched before.
for index in "${!devices[@]}"; do
  dd if=/dev/zero of=/dev/nbd"$index" bs=1M oflag=direct status=none
  dd if=/dev/nbd"$index" of=/dev/null bs=1M iflag=direct status=none
done

# load NAME DEVICE PATTERN BLOCK DEPTH
load() {
  local report; report=$(fio --name=load --filename="$2" --direct=1 --ioengine=libaio --rw="$3" --bs="$4" --iodepth="$5" \
    --time_based --ramp_time=100ms --runtime=400ms --output-format=json 2>>$work/fio.log) || { cat $work/fio.log; return; }
  jq -r --arg name "load $1 $3/$4/$5" '.jobs[0] | (.read, .write) | select(.iops > 0) | "\($name) \(1000000 / .iops)"' <<<"$report"
}
for round in $(seq "$rounds"); do
  for shape in "4k 1" "4k 16" "1m 4"; do
    for pattern in randread randwrite; do
      for index in "${!devices[@]}"; do load "${devices[index]}" /dev/nbd"$index" $pattern $shape; done
    done
  done
done
nbd-client -d /dev/nbd5 >/dev/null
nbd-client -d /dev/nbd6 >/dev/null
finish

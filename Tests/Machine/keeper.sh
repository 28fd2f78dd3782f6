#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What outlives nbdd is missing, flawed, of another version, or of another nbdd; and servers that make nbdd crash. Always
# one device is concerned, and no other.
. "$(dirname "$0")/common.sh"

serve raw --port 10809 memory 64M
serve other --unix $work/other.sock memory 64M
device raw '{ "uri": "nbd://127.0.0.1/" }'
device other "{ \"uri\": \"nbd+unix:///?socket=$work/other.sock\" }"

# kill_nbdd: it dies and is started again.
kill_nbdd() {
  kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
  start_nbdd
}
# word NAME OFFSET NUMBER: changes a word of what a device's relay has left, in the keeper's memory file.
word() {
  $python - "$(keeper)" "$@" <<'END'
import os, struct, sys
process, name, offset, number = sys.argv[1:]
directory = f'/proc/{process}/fd'
for fd in os.listdir(directory):
    if os.readlink(f'{directory}/{fd}').startswith(f'/memfd:nbdd:{name} '):
        file = os.open(f'{directory}/{fd}', os.O_RDWR)
        os.pwrite(file, struct.pack('<Q', int(number)), int(offset))
END
}
# trap_in NAME: the relay of a device runs into what ends the process.
trap_in() {
  $python - "$daemon" "$1/io" <<'END'
import ctypes, os, signal, sys
process, name = int(sys.argv[1]), sys.argv[2]
for thread in os.listdir(f'/proc/{process}/task'):
    with open(f'/proc/{process}/task/{thread}/comm') as file:
        if file.read().strip() == name:
            ctypes.CDLL(None).syscall(234, process, int(thread), signal.SIGABRT)
END
  within 10 "nbdd has ended" gone "$daemon"
  wait "$daemon" 2>/dev/null
}
# untouched: the other device is as it was.
untouched() {
  within 20 "other is attached" in_state other attached
  check "other is the same" "$identity" "$(runtime other .device) $(runtime other .thread)"
  ends "and can be read" 0 dd if="$(runtime other .device)" of=/dev/null bs=64k count=4 iflag=direct status=none
}

start_nbdd
within 20 "raw is attached" in_state raw attached
within 20 "other is attached" in_state other attached
identity="$(runtime other .device) $(runtime other .thread)"
first=$(runtime raw .thread)

say "a second nbdd"
ends "with the same socket" 1 nbdd --config $config
matches "it says why" 'another nbdd is already listening' "$noted"
mkdir -p $work/second
timeout 5 nbdd --config $work/second --socket $work/second.sock >$work/second.log 2>&1
check "with another socket, it takes nothing" '' "$(grep -i 'taken over' $work/second.log)"
untouched

say "two that take over at the same time"
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
two=()
for one in 1 2 3 4; do
  nbdd --config $config >>$work/nbdd.log 2>&1 </dev/null &
  two+=($!)
done
remaining() { local one count=0; for one in "${two[@]}"; do gone "$one" || count=$((count + 1)); done; echo $count; }
within 10 "all but one end" is 1 remaining
for one in "${two[@]}"; do gone "$one" || daemon=$one; done
untouched
within 20 "raw is served" in_state raw attached
check "raw is the same" "$first" "$(runtime raw .thread)"

say "killed while it takes over, again and again"
for one in 1 2 3 4 5 6 7 8; do
  kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
  nbdd --config $config >>$work/nbdd.log 2>&1 </dev/null &
  daemon=$!
  sleep 0.0$one
done
kill_nbdd
untouched
within 20 "raw is served" in_state raw attached
check "raw is the same" "$first" "$(runtime raw .thread)"

say "an nbdd of another version"
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
word raw 8 2
start_nbdd
untouched
matches "it says what it does not know" 'raw: not taken over: .*its layout is version 2' "$(cat $work/nbdd.log)"
check "it does not touch it" "$first" "$(cat /sys/block/nbd*/pid | grep -x "$first")"
ends "a device that it does not have" 64 nbdd --fail nobody
kernel_errors_expected=1
ends "end it by hand" 0 nbdd --fail raw
within 30 "raw is attached anew" in_state raw attached
untouched

say "what was left contradicts itself"
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
word raw 136 123456789
start_nbdd
within 30 "raw is attached anew" in_state raw attached
matches "it says so" 'raw: .*contradicts itself: the bounds of the ledger' "$(cat $work/nbdd.log)"
untouched

say "a server that makes nbdd crash"
$python "$machine/prober.py" "$(runtime other .device)" $work/prober >$work/prober.log 2>&1 &
prober=$!
for attempt in 1 2 3; do
  within 20 "raw is served" in_state raw attached
  trap_in raw
  start_nbdd
done
within 10 "raw waits" in_state raw failed
matches "why" 'ended three times within a minute.*signal 6' "$(nbdctl status raw)"
untouched
touch $work/prober
wait $prober; check "the other device meanwhile" 0 $?
figure "three crashes while another device is served: it waited $(cat $work/prober.longest) ms at most"
ends "reconnect" 0 nbdctl reconnect raw
within 20 "raw is served again" in_state raw attached
kill_nbdd
within 20 "and stays so" in_state raw attached

say "the keeper is killed"
untouched
kill -KILL "$(keeper)"
matched() { grep -q 'nbdd-keeper has ended, and with it 2 devices' $work/nbdd.log; }
within 10 "nbdd says so" matched
changed() { [ "$(runtime other .state)" = attached ] && [ "$(runtime other .thread)" != "${identity#* }" ]; }
within 30 "other is attached again" changed
within 30 "raw is attached again" in_state raw attached
check "by another keeper" nbdd-keeper "$(runtime raw .keptBy)"
stop_nbdd

say "there is no keeper"
mkdir $work/alone
cp "$binaries/nbdd" $work/alone/
PATH=$work/alone:$PATH
hash -r
within 20 "the last keeper has ended" is '' keeper
start_nbdd
within 20 "raw is attached all the same" in_state raw attached
check "by nbdd" null "$(runtime raw .keptBy)"
matches "it says what that means" 'nbdd-keeper cannot be used: .*devices that are attached now end when nbdd ends' "$(cat $work/nbdd.log)"
stop_nbdd
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Bad input: each gets its own clear error, and an attached device continues to read and write.
. "$(dirname "$0")/common.sh"

serve good --port 10809 memory 64M
device good '{ "uri": "nbd://127.0.0.1/" }'

# witness WHAT: the attached device still stores data, and its status is unchanged.
head -c 1M /dev/urandom >$work/random
good_device='' good_thread=''
witness() {
  check "good device after: $1" "attached $good_thread" "$(runtime good .state) $(runtime good .thread)"
  local block=$((RANDOM % 60))
  dd if=$work/random of="$good_device" bs=1M seek=$block oflag=direct status=none
  check "data of the good device after: $1" same \
    "$(dd if="$good_device" bs=1M skip=$block count=1 iflag=direct status=none | cmp - $work/random && echo same)"
}

# --- servers -------------------------------------------------------------------------------------------------------

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $work/server-key.pem \
  -out $work/server-cert.pem 2>/dev/null
cp $work/server-cert.pem $work/ca-cert.pem
serve tls --port 10821 --tls=require --tls-certificates=$work memory 1M
serve empty --port 10822 null size=0
image exports 1M
qemu-nbd --fork --persistent --format=raw --export-name=there --port=10823 --pid-file=$work/exports.pid $work/exports.img
$python $machine/peer.py serve http 10824 >$work/http.log &
$python $machine/peer.py serve silent 10825 >$work/silent.log &
within 10 "peers listen" grep -q listening $work/http.log
within 10 "peers listen" grep -q listening $work/silent.log
# NAME PORT/EXPORT STATUS PATTERN: the error must say what is wrong.
servers='
tls 127.0.0.1:10821/ 77 TLS
empty 127.0.0.1:10822/ 1 (size|empty|0.bytes)
missing 127.0.0.1:10823/nothere 1 (nothere|export)
http 127.0.0.1:10824/ 76 (not.*NBD|HTTP|magic)
silent 127.0.0.1:10825/ 75 (waited|timed.out|timeout|no.answer|within|in.time|silent|seconds|passed)
refused 127.0.0.1:10826/ 69 refused
unresolvable no-such-host.invalid/ 69 (resolve|not.known|name|temporary)
'
while read -r name address _; do
  [ -z "$name" ] || device "$name" "{ \"uri\": \"nbd://$address\", \"autoAttach\": false,
    \"connectTimeout\": \"2s\", \"negotiationTimeout\": \"2s\" }"
done <<<"$servers"
start_nbdd
within 20 "good is attached" in_state good attached
good_device=$(runtime good .device) good_thread=$(runtime good .thread)
witness "start"

while read -r name address status pattern; do
  [ -n "$name" ] || continue
  started=$(now)
  ends "attach to a server: $name" "$status" nbdctl attach "$name"
  matches "the error says why: $name" "$pattern" "$noted"
  check "standard output: $name" '' "$said"
  [ $(($(now) - started)) -lt 12000 ] || failed "deadline: $name" "an answer in 12 s" "$(seconds $(($(now) - started))) s"
  matches "the failure is in the status: $name" "$pattern" "$(runtime "$name" .failure.message)"
  ends "detach: $name" 0 nbdctl detach "$name"
  check "state: $name" detached "$(runtime "$name" .state)"
  witness "server $name"
done <<<"$servers"
ends "attach with a time limit" 75 nbdctl attach refused --wait 1s
ends "detach" 0 nbdctl detach refused
ends "attach by address to a server that is not there" 69 nbdctl attach nbd://127.0.0.1:10826/ --name passing
ends "it is not kept" 4 nbdctl status passing

# --- commands ------------------------------------------------------------------------------------------------------

ends "detach of an unknown name" 4 nbdctl detach nobody
ends "detach of an unknown device" 4 nbdctl detach /dev/nbd9
ends "attach of an unknown name" 4 nbdctl attach nobody
ends "status of an unknown name" 4 nbdctl status nobody
ends "status of a detached device" 3 nbdctl status tls
ends "detach of a detached device" 0 nbdctl detach tls
ends "attach of an attached device" 0 nbdctl attach good
check "it prints the path" "$good_device" "$said"
ends "a second address under a name" 1 nbdctl attach nbd://127.0.0.1:10826/ --name good
matches "reason" "good" "$noted"
ends "a URI of another scheme" 64 nbdctl attach http://127.0.0.1/ --name web
ends "a name that cannot be one" 64 nbdctl attach nbd://127.0.0.1/ --name ../etc
ends "a device that cannot be one" 64 nbdctl attach nbd://127.0.0.1/ --name a --device sda
ends "a device that does not exist" 1 nbdctl attach nbd://127.0.0.1/a --name a --device nbd4711
ends "no argument" 64 nbdctl attach
ends "an argument too many" 64 nbdctl detach good better
ends "an unknown option" 64 nbdctl status --frobnicate
ends "no daemon there" 69 nbdctl --socket $work/nobody status
ends "a user without the right" 77 setpriv --reuid=65534 --regid=65534 --clear-groups nbdctl detach good
witness "commands"

# --- the control socket --------------------------------------------------------------------------------------------

memory() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
before=$(memory)
$python $machine/peer.py call $NBDD_SOCKET half >$work/half.log &
half=$!
within 10 "half a call is sent" grep -q waiting $work/half.log
for kind in garbage binary large endless; do
  ends "control message: $kind" 0 $python $machine/peer.py call $NBDD_SOCKET $kind
  matches "the connection is closed: $kind" closed "$said"
  [ $kind != garbage ] || matches "the error names the fault" 'org.nbdd.InvalidMessage' "$said"
  ends "others are served: $kind" 0 nbdctl status good
  witness "control message $kind"
done
grown=$(($(memory) - before))
[ $grown -lt 65536 ] || failed "memory after large messages" "less than 64 MiB more" "$grown kB more"
figure "nbdd grew by $grown kB over a message of 100 MB and an endless one"
kill $half
ends "200 clients that say nothing" 0 $python $machine/peer.py call $NBDD_SOCKET many
ends "after many clients at once" 0 nbdctl status good

# --- configuration -------------------------------------------------------------------------------------------------

cp -r $config $work/kept
listed=$(nbdctl status --json | jq -c '[.devices[].context.name]')
# faulty WHAT FILE TEXT PATTERN: refused by --check and by reload, with the place and the reason.
faulty() {
  printf '%s\n' "$3" >"$config/$2"
  ends "nbdd --check: $1" 78 nbdd --config $config --check
  matches "place and reason: $1" "$(basename "$2"):[0-9]+:[0-9]+: .*$4" "$said$noted"
  ends "nbdctl reload: $1" 78 nbdctl reload
  matches "reload says why: $1" "$4" "$noted"
  check "devices after: $1" "$listed" "$(nbdctl status --json | jq -c '[.devices[].context.name]')"
  witness "configuration with $1"
  rm -rf $config; cp -r $work/kept $config
}
faulty "an unknown key" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "mout": {} }' mout
faulty "a wrong type" devices.d/new.json '{ "uri": 5 }' '(uri|string)'
faulty "a wrong type inside" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "mount": { "path": true } }' '(path|string)'
faulty "a missing key" devices.d/new.json '{ "readOnly": true }' uri
faulty "no JSON" devices.d/new.json '{ "uri": ' .
faulty "an empty file" devices.d/new.json '' .
faulty "a bad duration" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "connectTimeout": "soon" }' '(duration|soon|connectTimeout)'
faulty "a duration of nothing" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "requestTimeout": "0s" }' requestTimeout
faulty "a bad URI" devices.d/new.json '{ "uri": "ftp://127.0.0.1/" }' '(uri|ftp|scheme)'
faulty "a relative mount" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "mount": { "path": "data" } }' '(path|absolute)'
faulty "a key twice" devices.d/new.json '{ "uri": "nbd://a/", "uri": "nbd://b/" }' uri
faulty "a bad file name" 'devices.d/-x y.json' '{ "uri": "nbd://127.0.0.1/" }' .
faulty "an unknown key of the daemon" nbdd.json '{ "stopTimout": "3s" }' stopTimout
faulty "a device that is none" devices.d/new.json '{ "uri": "nbd://127.0.0.1/", "device": "sda" }' '(device|sda)'

for name in left right; do printf '{ "uri": "nbd://127.0.0.1/%s", "device": "nbd12" }' $name >$config/devices.d/$name.json; done
if nbdctl reload 2>$work/noted; then
  # Accepted: then the second of the two must fail to attach and say why.
  within 20 "one of the two is attached" bash -c 'nbdctl status left || nbdctl status right'
  sleep 1
  states=$(echo "$(runtime left .state) $(runtime right .state)" | tr ' ' '\n' | grep -c attached)
  check "attached of two for one device" 1 "$states"
  matches "the other says why" nbd12 "$(runtime left .message) $(runtime right .message)"
else
  matches "two files for one device" nbd12 "$(cat $work/noted)"
fi
witness "one device in two files"
rm -rf $config; cp -r $work/kept $config
nbdctl reload >/dev/null 2>&1

say "a daemon that starts with one bad file"
stop_nbdd
printf '{ "urj": 1 }' >$config/devices.d/bad.json
start_nbdd
within 20 "the good device is attached" in_state good attached
rm $config/devices.d/bad.json
# Servers that end the negotiation are no errors of the kernel: its log must be clean.
finish

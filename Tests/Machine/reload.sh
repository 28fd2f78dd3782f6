#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A reload while devices are in use: where the server is now, and how it is verified, ends an outage without a
# detach; what works stays as it is; what cannot change waits for the next attach.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"

# reload WHAT EXPECTED: and what it says.
reload() {
  ends "reload: $1" 0 nbdctl reload
  check "what the reload says: $1" "$2" "$said"
}
# One image, and servers of it at several ports, one after the other.
image tree 128M
mkfs.ext4 -q $work/tree.img
tree() { device tree "{ \"uri\": \"nbd://127.0.0.1:$1/\", \"mount\": { \"path\": \"$work/tree\" }, \"requestTimeout\": \"1s\",
  \"negotiationTimeout\": \"1h\" $2 }"; }
up() { serve "$1" --port "$1" file $work/tree.img; }
server() { runtime tree .server; }
goes_on() { under_way tree 20; figure "$1: I/O again $(seconds $(($(now) - started))) s after the reload"; }

certificates $work/one storage.test
certificates $work/two storage.test
web() { device web "{ \"uri\": \"nbds://127.0.0.1:10820/\", \"tlsHostname\": \"storage.test\", \"tlsCertificates\": \"$work/$1\" $2 }"; }
up_web() { serve web --port 10820 --tls=require --tls-certificates="$work/$1" file $work/web.img; }
several() { device several "{ \"uri\": \"nbd://127.0.0.1:$1/\", \"connections\": 4 }"; }
image several 64M
image web 64M
$python $machine/proxy.py 10831 127.0.0.1:10830 $work/proxy >$work/proxy.log 2>&1 &
serve several --port 10830 file $work/several.img

tree 10801 ''; web one ''; several 10831
up 10801
up_web one
within 10 "the proxy listens" grep -q listening $work/proxy.log
start_nbdd
within 20 "tree is mounted" mounted $work/tree
within 20 "web is attached" in_state web attached
within 20 "several has all connections" all_up several
path=$(runtime tree .device)
files_begin tree $work/tree
under_way tree 40

say "the server is at another port"
nbdctl watch tree >$work/watched 2>&1 &
watcher=$!
within 10 "the watch begins" grep -q attached $work/watched
end_server 10801 KILL
up 10802
within 10 "an outage" in_state tree reconnecting
tree 10802 ''
echo '{' >$config/devices.d/bad.json
ends "a reload with a fault in another file" 78 nbdctl reload
check "it changes nothing" nbd://127.0.0.1:10801/ "$(context tree .uri)"
check "the outage goes on" reconnecting "$(runtime tree .state)"
rm $config/devices.d/bad.json
started=$(now)
reload "another port" "changed: tree"
within 15 "attached" in_state tree attached
goes_on "another port"
kill $watcher
matches "what was watched" '^[0-9-]+ [0-9:.]+ tree: reconnecting: ' "$(cat $work/watched)"
lines=$(wc -l <$work/watched)
[ "$lines" -le 6 ] || failed "lines for an outage" "at most 6" "$lines: $(cat $work/watched)"
check "what holds" "nbd://127.0.0.1:10802/ false" "$(context tree .uri) $(runtime tree .pending)"
check "the server" 127.0.0.1:10802 "$(server)"
check "the same device" "$path" "$(runtime tree .device)"

say "the server says nothing any more, and an attempt waits for it"
kill -STOP "$(cat $work/10802.pid)"
within 10 "an outage" in_state tree reconnecting
attempt_hangs() { runtime tree .message | grep -q 'under way'; }
within 15 "an attempt is under way" attempt_hangs
up 10803
tree 10803 ''
started=$(now)
reload "a third port" "changed: tree"
within 15 "attached" in_state tree attached
goes_on "an attempt that waits"
check "the server" 127.0.0.1:10803 "$(server)"
end_server 10802 KILL

say "what is well stays as it is, until somebody reconnects"
up 10804
tree 10804 ', "readAhead": "1MiB"'
outages=$(runtime tree .relay.outages)
reload "with something that has to wait" "changed: tree; from the next attach: readAhead"
under_way tree 20
check "the server and the outages" "127.0.0.1:10803 $outages" "$(server) $(runtime tree .relay.outages)"
check "what holds and what waits" 'nbd://127.0.0.1:10804/ null ["readAhead"]' \
  "$(context tree .uri) $(context tree .readAhead) $(nbdctl status tree --json | jq -c '.devices[0].runtime.pendingKeys')"
# Both where it is and where it will be.
for port in 10803 10804; do
  ends "another name for its export at $port" 1 nbdctl attach nbd://127.0.0.1:$port/ --name twice
  matches "it says who has it" 'is attached as device tree already' "$noted"
done
device twice '{ "uri": "nbd://localhost:10803/", "autoAttach": false }'
ends "that a name leads to the same server nbdd cannot know" 0 nbdctl reload
device twice '{ "uri": "nbd://127.0.0.1:10803/", "autoAttach": false }'
ends "a file with the export that it has left, but not yet" 78 nbdctl reload
matches "it names both" 'twice.json:1:10: uri: this export is attached as device tree already' "$noted"
started=$(now)
ends "reconnect" 0 nbdctl reconnect tree
within 15 "the next server" is 127.0.0.1:10804 server
end_server 10803 KILL
goes_on "reconnect"
ends "now it has left that export" 0 nbdctl reload
rm $config/devices.d/twice.json
reload "a removed file" "removed: twice"
check "state" attached "$(runtime tree .state)"

say "a file does not lead what was attached by hand to another disk"
image hand 16M
image file 16M
serve hand --port 10841 file $work/hand.img
serve file --port 10842 file $work/file.img
ends "attach by hand" 0 nbdctl attach nbd://127.0.0.1:10841/ --name hand
device hand '{ "uri": "nbd://127.0.0.1:10842/" }'
ends "reload" 78 nbdctl reload
matches "it names both" 'hand.json:1:10: uri: device hand was attached by hand .*nbd://127.0.0.1:10841/' "$noted"
end_server hand KILL
within 10 "an outage" in_state hand reconnecting
ends "reload in an outage" 78 nbdctl reload
sleep 1
check "it waits for its own server" "reconnecting nbd://127.0.0.1:10841/" "$(runtime hand .state) $(context hand .uri)"
serve hand --port 10841 file $work/hand.img
within 10 "attached" in_state hand attached
check "its own server" 127.0.0.1:10841 "$(runtime hand .server)"
ends "detach" 0 nbdctl detach hand
reload "after the detach" "added: hand"
within 10 "attached" in_state hand attached
check "the server" 127.0.0.1:10842 "$(runtime hand .server)"
ends "detach" 0 nbdctl detach hand
rm $config/devices.d/hand.json
reload "a removed file" "removed: hand"

say "one of several connections has to be made anew: all are, where the export is now"
servers() { runtime several '.relay.connections | map(.server) | unique | join(" ")'; }
several 10830
reload "another port for several" "changed: several"
under_way tree 20
check "the servers" 127.0.0.1:10831 "$(servers)"
# Each would be cut by its second request: one is, and what it carried is the first of another.
echo cut up 40 >$work/proxy
holds "reads" dd if="$(runtime several .device)" of=/dev/null bs=4k count=2 iflag=direct
within 15 "all at the other server" is 127.0.0.1:10830 servers
within 15 "all are up" all_up several
check "how many were cut" 1 "$(grep -c ^cut $work/proxy.log)"

say "a name that moves: a connection beside others goes where they are"
cp /etc/hosts $work/hosts
named() { { cat $work/hosts; echo "$1 several.test"; } >/etc/hosts; }
named 127.0.0.1
ends "detach" 0 nbdctl detach several
device several '{ "uri": "nbd://several.test:10831/", "connections": 4 }'
reload "a name for several" "changed: several"
ends "attach" 0 nbdctl attach several
within 15 "all are up" all_up several
named 127.0.0.2
echo cut up 40 >$work/proxy
holds "reads" dd if="$(runtime several .device)" of=/dev/null bs=4k count=2 iflag=direct
within 15 "one is cut" is 2 grep -c ^cut $work/proxy.log
within 15 "all are up" all_up several
check "where they are" 127.0.0.1:10831 "$(servers)"

say "the server has a certificate of another authority"
head -c 1M /dev/urandom >$work/first
dd if=$work/first of="$(runtime web .device)" bs=64k oflag=direct status=none
end_server web KILL
up_web two
within 10 "failed" in_state web failed
matches "why" 'signed|trust|authority|issuer' "$(runtime web .failure.message)"
dd if="$(runtime web .device)" of=$work/read bs=1M count=1 iflag=direct status=none &
reader=$!
sleep 0.5
check "it stays so" failed "$(runtime web .state)"
web two ''
started=$(now)
reload "another directory" "changed: web"
within 15 "attached" in_state web attached
within 15 "the reader ends" gone $reader
wait $reader
check "the reader's status" 0 $?
figure "failed: I/O again $(seconds $(($(now) - started))) s after the reload"
holds "what was read is what was written" cmp $work/first $work/read
check "what holds" "$work/two" "$(context web .tlsCertificates)"

say "the files are right"
files_end tree
sync -f $work/tree
echo 3 >/proc/sys/vm/drop_caches
files_right tree $work/tree
check "mounted all the time" "$path" "$(findmnt -n -o SOURCE $work/tree)"
quiet_kernel

say "giveUpAfter for an outage that is under way"
kernel_errors_expected=1  # what is given up fails
end_server web KILL
within 10 "an outage" in_state web reconnecting
web two ', "giveUpAfter": "1s"'
dd if="$(runtime web .device)" of=/dev/null bs=4k count=1 skip=5000 iflag=direct 2>$work/error &
reader=$!
sleep 1.2
holds "the reader waits" kill -0 $reader
reload "giveUpAfter" "changed: web"
within 15 "the reader ends" gone $reader
matches "with an error" 'Input/output error' "$(cat $work/error)"
up_web two
within 10 "the device is back" in_state web attached
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What `make demo` shows: a day with nbdd, on a real kernel. Runs inside on-kernel; ends with 0 only if all of it held.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
PATH=${NBD_BIN_DIR:-$tree/.build/release}:$PATH
failures=0

heading() { printf '\n== %s\n' "$*"; }
# run COMMAND: shows it as typed, and its output.
run() { printf '\n$ %s\n' "$1"; eval "$1" || wrong "ended with $?: $1"; }
wrong() { failures=$((failures + 1)); printf '!! %s\n' "$*"; }
# until_shown SECONDS COMMAND: repeats it quietly until it ends with 0.
until_shown() {
  local deadline=$((SECONDS + $1))
  until eval "$2" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { wrong "not within $1 s: $2"; return; }
    sleep 0.1
  done
}
# expect WHAT COMMAND: a check that the reader sees.
expect() { if eval "$2" >/dev/null 2>&1; then echo "   ✓ $1"; else wrong "$1"; fi; }
state() { nbdctl status "$1" --json | jq -r '.devices[0].runtime.state'; }

mkdir -p /images /etc/nbdd/devices.d
echo "Linux $(uname -r), with $(find /sys/block -name 'nbd*' | wc -l) network block devices, none of them in use."

heading "Two servers: one on TCP with an image file, one on a UNIX socket"
run 'truncate --size=256M /images/photos.img'
run 'nbdkit --pidfile=/run/photos.pid --port=10809 file /images/photos.img'
run 'nbdkit --pidfile=/run/scratch.pid --unix=/run/scratch.sock memory 64M'

heading "One file for each device"
run 'cat >/etc/nbdd/devices.d/photos.json <<END
{
  "uri": "nbd://localhost/",
  "device": "nbd5",
  "mount": { "path": "/srv/photos" },   // comments are welcome
  "reconnectDelay": "2s",
}
END'
run 'cat >/etc/nbdd/devices.d/scratch.json <<END
{ "uri": "nbd+unix:///?socket=/run/scratch.sock" }
END'
run 'nbdd --check'

heading "nbdd attaches both"
run 'nbdd 2>/var/log/nbdd.log & echo $! >/run/nbdd.pid'
nbdd=$(cat /run/nbdd.pid)
until_shown 20 '[ "$(state photos)$(state scratch)" = attachedattached ]'
run 'nbdctl status'
expect "both are attached" '[ "$(state photos)$(state scratch)" = attachedattached ]'
thread=$(cat /sys/block/nbd5/pid)
expect "the thread that serves nbd5 is called photos" \
  '[ "$(cat /proc/$thread/comm)" = photos ]'

heading "photos has no file system yet: make one, and let nbdd mount it"
run 'mkfs.ext4 -q /dev/nbd5'
run 'nbdctl attach photos'
run 'findmnt --noheadings /srv/photos'
run 'nbdctl status photos'

heading "Data in, checksums, detach, attach, checksums"
run 'dd if=/dev/urandom of=/srv/photos/album bs=1M count=64 status=none'
run 'cp -r /etc/systemd /srv/photos/'
run 'cd /srv/photos && find . -type f -exec sha256sum {} + >/run/sums; cd /; wc -l </run/sums'
run 'nbdctl detach photos'
expect "nothing of it is mounted" '! grep -q nbd5 /proc/mounts'
expect "the kernel has let go of nbd5" '[ ! -e /sys/block/nbd5/pid ]'
run 'e2fsck -fn /images/photos.img 2>&1 | tail -n 1'
run 'nbdctl attach photos'
run '(cd /srv/photos && sha256sum --check --quiet /run/sums) && echo all the same'

heading "The server is killed; a copy that begins then waits for it"
run 'kill -KILL $(cat /run/photos.pid)'
run '(cp /srv/photos/album /srv/photos/copy && sync -f /srv/photos && touch /run/copied) &'
until_shown 15 '[ "$(state photos)" = reconnecting ] && nbdctl status | grep -q held'
run 'nbdctl status'
run 'nbdctl status photos --json | jq -Mc ".devices[0].runtime | { state, message, attempts, failure }"'
expect "the copy has not ended" '[ ! -e /run/copied ]'
expect "photos is mounted all the while" 'grep -q " /srv/photos " /proc/mounts'
expect "scratch is untouched" '[ "$(state scratch)" = attached ]'

heading "The server is back: the copy goes on"
run 'nbdkit --pidfile=/run/photos.pid --port=10809 file /images/photos.img'
until_shown 20 '[ -e /run/copied ]'
run 'nbdctl status photos | grep -E "state|outages"'
run 'cmp /srv/photos/album /srv/photos/copy && echo the same'
run '(cd /srv/photos && sha256sum --check --quiet /run/sums) && echo all the same'
expect "no I/O error, for nobody" '! dmesg | grep -E "I/O error|EXT4-fs error"'

heading "nbdd itself is killed in the middle of a copy, and started again"
run 'rm /srv/photos/copy'
run '(cp /srv/photos/album /srv/photos/copy && sync -f /srv/photos && touch /run/copied2) &'
run 'kill -KILL $(cat /run/nbdd.pid)'
wait "$nbdd" 2>/dev/null
expect "photos is mounted all the while" 'grep -q " /srv/photos " /proc/mounts'
run 'nbdd 2>>/var/log/nbdd.log & echo $! >/run/nbdd.pid'
nbdd=$(cat /run/nbdd.pid)
until_shown 20 '[ -e /run/copied2 ] && [ "$(state photos)" = attached ]'
run 'nbdctl status photos | grep -E "state|restarts|thread"'
run 'cmp /srv/photos/album /srv/photos/copy && echo the same'
expect "no I/O error, for nobody" '! dmesg | grep -E "I/O error|EXT4-fs error"'

heading "Stop"
run 'kill -TERM $(cat /run/nbdd.pid)'
wait "$nbdd"; ended=$?
expect "nbdd ended with 0" '[ $ended = 0 ]'
expect "nothing is mounted" '! grep -q /dev/nbd /proc/mounts'
expect "nothing is attached" '! ls /sys/block/nbd*/pid'
run 'e2fsck -fn /images/photos.img 2>&1 | tail -n 1'

echo
if [ $failures = 0 ]; then echo "Everything held."; else
  echo "$failures things did not hold. The log of nbdd:"; tail -n 30 /var/log/nbdd.log; exit 1
fi

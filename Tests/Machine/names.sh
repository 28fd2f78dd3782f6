#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Names in /dev/disk/by-id: there when attach returns, whatever number the device gets, and gone after the detach; none
# for devices of other programs.
# on-kernel: --udev
. "$(dirname "$0")/common.sh"

by_id=/dev/disk/by-id by_path=/dev/disk/by-path
# by-path is looked at by itself.
links() { find $by_id -name 'nbd-*' -printf '%f ' 2>/dev/null | tr ' ' '\n' | sort | tr '\n' ' '; }
leads_to() { [ "$(readlink -f "$1")" = "$2" ]; }

image one 32M
image two 16M
echo 'start=2048, size=8192' | sfdisk -q $work/one.img
serve one --unix $work/one.sock file $work/one.img
serve two --unix $work/two.sock file $work/two.img
device one "{ \"uri\": \"nbd+unix:///?socket=$work/one.sock\", \"autoAttach\": false }"
device two.2-b "{ \"uri\": \"nbd+unix:///?socket=$work/two.sock\", \"autoAttach\": false }"

say "without the rule"
start_nbdd
ends "attach" 0 nbdctl attach one
matches "its number" '^/dev/nbd[0-9]+$' "$said"
ends "its name" 1 nbdctl attach one --by-id
matches "what is missing" 'there is no /dev/disk/by-id/nbd-one.*61-nbdd.rules' "$noted"
ends "detach" 0 nbdctl detach one

say "with the rule"
install -D -m 644 "$tree/systemd/61-nbdd.rules" /etc/udev/rules.d/61-nbdd.rules
udevadm control --reload
for round in 1 2 3 4 5; do
  ends "attach ($round)" 0 nbdctl attach one --by-id
  check "what attach prints" $by_id/nbd-one "$said"
  holds "the link is there at once ($round)" leads_to $by_id/nbd-one "$(runtime one .device)"
  within 5 "and that of the partition" leads_to $by_id/nbd-one-part1 "$(runtime one .device)p1"
  within 5 "the path" leads_to "$by_path/nbd-unix:\x2frun\x2fscenario\x2fone.sock" "$(runtime one .device)"
  within 5 "the path of the partition" leads_to "$by_path/nbd-unix:\x2frun\x2fscenario\x2fone.sock-part1" "$(runtime one .device)p1"
  ends "attach another" 0 nbdctl attach two.2-b
  holds "its link" leads_to $by_id/nbd-two.2-b "$(runtime two.2-b .device)"
  if [ $round = 2 ]; then
    kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
    start_nbdd
    within 20 "taken over" in_state one attached
    udevadm trigger --action=change --subsystem-match=block --settle
    check "links after a crash" "nbd-one nbd-one-part1 nbd-two.2-b " "$(links)"
    # udev's probe of the device waits, but the rule asks nobody.
    kill -STOP "$daemon"
    udevadm trigger --action=change --subsystem-match=block
    sleep 3
    check "links while nbdd is stopped" "nbd-one nbd-one-part1 nbd-two.2-b " "$(links)"
    kill -CONT "$daemon"
    udevadm settle
    check "links when it goes on" "nbd-one nbd-one-part1 nbd-two.2-b " "$(links)"
  fi
  ends "detach" 0 nbdctl detach one
  within 5 "only the other's link is left" is "nbd-two.2-b " links
  ends "attach it after the other, with another number" 0 nbdctl attach one
  holds "its link" leads_to $by_id/nbd-one "$(runtime one .device)"
  ends "detach the other" 0 nbdctl detach two.2-b
  ends "detach" 0 nbdctl detach one
  within 5 "no link is left" is '' links
done
check "what nbdd tells udev" '' "$(ls /run/nbdd/by-index)"

say "another export"
ends "attach" 0 nbdctl attach two.2-b
serve other --unix $work/other.sock file $work/two.img
device two.2-b "{ \"uri\": \"nbd+unix:///a%2Fb?socket=$work/other.sock\", \"autoAttach\": false }"
ends "reload" 0 nbdctl reload
within 5 "its path is another" leads_to "$by_path/nbd-unix:\x2frun\x2fscenario\x2fother.sock-a\x2fb" "$(runtime two.2-b .device)"
within 5 "the former is gone" test ! -e "$by_path/nbd-unix:\x2frun\x2fscenario\x2ftwo.sock"
ends "detach" 0 nbdctl detach two.2-b
check "paths" '' "$(find $by_path -name 'nbd-*' 2>/dev/null)"

say "another nbdd beside this one"
ends "attach" 0 nbdctl attach one
timeout 3 nbdd --config $work --socket $work/second.sock >/dev/null 2>&1
udevadm trigger --action=change --subsystem-match=block --settle
check "links" "nbd-one nbd-one-part1 " "$(links)"
stop_nbdd
within 5 "no link is left" is '' links

say "devices that end with nbdd"
start_nbdd --no-keeper
ends "attach" 0 nbdctl attach two.2-b
holds "the link is there" leads_to $by_id/nbd-two.2-b "$(runtime two.2-b .device)"
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
start_nbdd --no-keeper
within 5 "its link has gone" is '' links
check "what nbdd tells udev" '' "$(ls /run/nbdd/by-index)"

say "a device of another program"
nbd-client -unix $work/two.sock /dev/nbd5 -N '' >$work/client 2>&1
udevadm settle
check "links" '' "$(links)"
nbd-client -d /dev/nbd5 >/dev/null 2>&1
finish

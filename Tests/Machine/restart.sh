#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd under systemd is restarted, killed, upgraded, stopped for a moment and traced, under verified I/O: a pause each time,
# for devices and for the units that depend on them. A stop detaches. NBD_SOAK=1: 20 restarts, instead of 6.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
. "$(dirname "$0")/loads.sh"

restarts=$(for_soak 6 20)
property() { systemctl show nbdd.service --property="$1" --value; }
started_anew() { local process; process=$(property MainPID); [ "$process" != "$1" ] && [ "$process" != 0 ] && nbdctl status >/dev/null; }
# pause LABEL: how long the prober had to wait at most since the last time.
pause() {
  sleep 1.2
  figure "$1: longest wait $(cat $work/prober.longest) ms"
  touch $work/prober.reset
  within 10 "the prober goes on" test ! -e $work/prober.reset
}
alive() {
  within 30 "raw is served" in_state raw attached
  under_way raw 5
  holds "the prober goes on" test -e "/proc/$prober"
  check "the dependent unit" "active $dependent" \
    "$(systemctl is-active dependent.service) $(systemctl show dependent.service --property=MainPID --value)"
  check "device and thread" "$identity" "$(runtime raw .device) $(runtime raw .thread)"
}

make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
PATH=/usr/local/sbin:/usr/local/bin:$PATH
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
cat >/etc/systemd/system/dependent.service <<'UNIT'
[Unit]
Requires=nbdd-devices.target
After=nbdd-devices.target
[Service]
ExecStart=/bin/sleep infinity
UNIT
systemctl daemon-reload
image raw 32M
image probe 8M
serve raw --port 10809 file $work/raw.img
serve probe --unix $work/probe.sock file $work/probe.img
mkdir -p /etc/nbdd/devices.d
echo '{ "uri": "nbd://127.0.0.1/", "connections": 4 }' >/etc/nbdd/devices.d/raw.json
echo "{ \"uri\": \"nbd+unix:///?socket=$work/probe.sock\" }" >/etc/nbdd/devices.d/probe.json
ends "start" 0 systemctl start nbdd.socket nbdd.service dependent.service
within 20 "raw is attached" in_state raw attached
within 20 "probe is attached" in_state probe attached
check "who has the devices" nbdd-keeper "$(runtime raw .keptBy)"
dependent=$(systemctl show dependent.service --property=MainPID --value)
identity="$(runtime raw .device) $(runtime raw .thread)"
$python "$machine/prober.py" "$(runtime probe .device)" $work/prober >$work/prober.log 2>&1 &
prober=$!
sleep 1.5
pause "nothing happens"

say "restarts without other load"
for ((count = 0; count < restarts; count++)); do
  process=$(property MainPID)
  ends "restart" 0 systemctl restart nbdd.service
  within 20 "nbdd is another process" started_anew "$process"
  within 20 "probe is attached" in_state probe attached
done
check "restarts" $restarts "$(runtime probe .restarts)"
pause "$restarts restarts, UNIX socket"

say "restarts under load"
fio_begin raw "$(runtime raw .device)" "${writing[@]}"
under_way raw
for ((count = 0; count < restarts; count++)); do
  between 50 500
  process=$(property MainPID)
  ends "restart" 0 systemctl restart nbdd.service
  within 20 "nbdd is another process" started_anew "$process"
  alive
done
pause "$restarts restarts under load"

say "systemd itself"
ends "daemon-reexec" 0 systemctl daemon-reexec
alive
process=$(property MainPID)
ends "restart after it" 0 systemctl restart nbdd.service
within 20 "nbdd is another process" started_anew "$process"
alive

say "killed"
process=$(property MainPID) began=$(now)
ends "kill" 0 systemctl kill -s KILL nbdd.service
within 20 "nbdd is another process" started_anew "$process"
alive
figure "served $(seconds $(($(now) - began))) s after SIGKILL"
pause "killed"

say "an upgrade"
process=$(property MainPID)
make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
ends "restart" 0 systemctl try-restart nbdd.service
within 20 "nbdd is another process" started_anew "$process"
alive

say "an upgrade to another layout of the Record, and back, without the server"
# layout_is NUMBER: from the next start on.
layout_is() {
  rm -f /run/systemd/system/nbdd.service.d/layout.conf
  if [ "$1" != 1 ]; then
    mkdir -p /run/systemd/system/nbdd.service.d
    printf '[Service]\nExecStart=\nExecStart=%s\nEnvironment=NBDD_TEST_LAYOUT=%s\n' "$tree/.build/debug/nbdd" "$1" \
      >/run/systemd/system/nbdd.service.d/layout.conf
  fi
  systemctl daemon-reload
}
raw_waits() { nbdctl status raw 2>&1 | grep -q reconnecting; }
if [ -x "$tree/.build/debug/nbdd" ]; then
  for layout in 2 3 1; do
    end_server raw KILL
    within 20 "raw waits for its server" raw_waits
    between 50 500
    process=$(property MainPID)
    layout_is $layout
    ends "restart" 0 systemctl restart nbdd.service
    within 20 "nbdd is another process" started_anew "$process"
    within 20 "raw waits for its server again" raw_waits
    serve raw --port 10809 file $work/raw.img
    alive
  done
  # After a crash the layout has to be the same, and until then requests wait.
  process=$(property MainPID)
  layout_is 2
  ends "kill" 0 systemctl kill -s KILL nbdd.service
  within 20 "nbdd is another process" started_anew "$process"
  matches "what it says" 'raw: not taken over: .*its layout is version 1, and this nbdd reads version 2' \
    "$(journalctl -b --no-pager -o cat -u nbdd.service | grep 'not taken over' | tail -n 2)"
  process=$(property MainPID)
  layout_is 1
  ends "restart" 0 systemctl restart nbdd.service
  within 20 "nbdd is another process" started_anew "$process"
  alive
  figure "three layouts of the Record, and one that it did not know: a pause"
  pause "with other layouts"
else
  figure "other layouts of the Record: not shown, there is no build for tests (swift build)"
fi

say "stopped for a moment, and traced"
process=$(property MainPID)
kill -STOP "$process"; sleep 1; kill -CONT "$process"
alive
timeout -s INT 3 strace -f -o $work/strace -p "$process" 2>/dev/null
matches "strace has seen the relay" 'sendmmsg' "$(grep -m 1 sendmmsg $work/strace)"
alive
if [ -n "$(command -v gdb)" ]; then
  timeout 60 gdb -p "$process" -batch -ex "info threads" >$work/gdb 2>&1 </dev/null
  matches "gdb has seen the threads" "raw/io" "$(cat $work/gdb)"
  alive
fi
[ "$(property MainPID)" = "$process" ] || failed "the process" "$process" "$(property MainPID)"

say "a configuration that changes while nbdd is away"
ends "stop nbdd for a while" 0 systemctl kill -s STOP nbdd.service
process=$(property MainPID)
image more 8M
rm -f $work/more.sock
serve more --unix $work/more.sock file $work/more.img
echo "{ \"uri\": \"nbd+unix:///?socket=$work/more.sock\" }" >/etc/nbdd/devices.d/more.json
echo '{ "uri": "nbd://127.0.0.1/", "connections": 4, "requestTimeout": "20s", "readOnly": true }' >/etc/nbdd/devices.d/raw.json
rm /etc/nbdd/devices.d/probe.json
ends "kill" 0 systemctl kill -s KILL nbdd.service
within 20 "nbdd is another process" started_anew "$process"
within 20 "the new device is attached" in_state more attached
alive
check "what waits for the next attach" '["readOnly","requestTimeout"]' "$(runtime raw '.pendingKeys | tostring')"
check "a device without a file stays until it is detached" "attached true" "$(runtime probe '| "\(.state) \(.pending)"')"

fio_end raw
touch $work/prober
within 20 "the prober ends" gone $prober
wait $prober
check "what the prober found" 0 $?
figure "$ios verified I/Os; prober: $(tail -n 1 $work/prober.log)"
quiet_kernel

say "without a server"
end_server more KILL
ends "restart" 0 systemctl restart nbdd.service
within 20 "it waits" in_state more reconnecting
end_server raw KILL  # a stop has to end all the same
serve raw --port 10809 file $work/raw.img
rm -f $work/more.sock
serve more --unix $work/more.sock file $work/more.img
within 20 "it is back" in_state more attached
within 20 "raw is back" in_state raw attached

say "a stop detaches"
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
check "result" success "$(property Result)"
check "attached devices" '' "$(busy)"
keeper_gone() { ! systemctl is-active --quiet nbdd-keeper.service; }
within 20 "the keeper has nothing left to do" keeper_gone
[ $failures = 0 ] || journalctl -b --no-pager -u nbdd.service -n 60
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A machine with declared mounts is booted, shut down, booted, loses its power, and is booted again. Servers that are not there
# hold up nobody who does not need them. A service with a database on a device goes through a restart and a crash of nbdd, an
# outage, the shutdown and the power cut: no transaction that it has acknowledged is lost. The shutdown waits for a slow
# server, and not for a dead one.
# on-kernel: --boots 3
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
kept=$ON_KERNEL_OUT boot=$ON_KERNEL_BOOT
kernel_errors_expected=1  # of the server that dies
property() { systemctl show "$1" --property="$2" --value; }
active() { systemctl is-active --quiet "$1"; }
installed() {
  make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
  systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
  mkdir -p /etc/nbdd/devices.d
}
# server NAME ARGUMENT...: its unit, which outlives everything else on the machine, as another machine would.
server() {
  cat >/etc/systemd/system/server-"$1".service <<UNIT
[Unit]
DefaultDependencies=no
[Service]
ExecStart=@/usr/bin/nbdkit @nbdkit --foreground --unix /run/$1.sock ${*:2}
Restart=on-failure
RestartSec=2
ExecStartPre=-/bin/rm /run/$1.sock
[Install]
WantedBy=multi-user.target
UNIT
}
at_boot() { systemctl -q enable "$@"; }
# service NAME MOUNT UNIT: one that needs a file system, and starts when that is mounted.
service() {
  printf '[Unit]\nRequiresMountsFor=%s\n[Service]\n%s\n[Install]\nWantedBy=%s\n' "$2" "$3" \
    "$(systemd-escape -p --suffix=mount "$2")" >/etc/systemd/system/"$1".service
  at_boot "$1".service
}

if [ "$ON_KERNEL" = prepare ]; then
  installed
  echo '{ "shutdownTimeout": "6s", "stopTimeout": "3s" }' >/etc/nbdd/nbdd.json
  for name in db late slow dying missing hand; do
    [ -e $kept/$name.img ] || { truncate -s 64M $kept/$name.img; mkfs.ext4 -q -F $kept/$name.img; }
    echo "{ \"uri\": \"nbd+unix:///?socket=/run/$name.sock\", \"mount\": { \"path\": \"/srv/$name\" }, \"reconnectDelay\": \"1s\" }" \
      >/etc/nbdd/devices.d/$name.json
  done
  server db --filter=cache file $kept/db.img cache=writeback
  server late file $kept/late.img
  server dying file $kept/dying.img
  # Two without a declared mount: one is mounted by hand, the other is under LVM.
  truncate -s 64M $kept/volume.img
  for name in hand volume; do
    server $name file $kept/$name.img
    echo "{ \"uri\": \"nbd+unix:///?socket=/run/$name.sock\" }" >/etc/nbdd/devices.d/$name.json
  done
  server slow --filter=rate file $kept/slow.img connection-rate=16M
  at_boot nbdd.service
  at_boot blk-availability.service
  at_boot server-{db,slow,dying,hand,volume}.service
  service ledger /srv/db "ExecStart=$machine/ledger.py /srv/db/ledger $kept/acknowledged"
  service late /srv/late $'Type=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/touch /srv/late/here'
  mkdir -p /etc/systemd/system/nbdd.service.d
  printf '[Service]\nExecStopPost=/bin/cp %s %s\n' $kept/acknowledged $kept/ended \
    >/etc/systemd/system/nbdd.service.d/test.conf
  [ "$boot" != 2 ] || holds "nbdd has ended after the last transaction" cmp $kept/ended $kept/acknowledged
  finish
fi

PATH=/usr/local/sbin:/usr/local/bin:$PATH
transactions() { sed 's/^0*//' $kept/acknowledged 2>/dev/null; }
goes_on() { local before; before=$(transactions); within 30 "transactions $1" eval '[ "$(transactions)" -gt '"$((before + 20))"' ]'; }

say "boot $boot"
within 60 "the machine is up" active multi-user.target
figure "boot $boot: up $(($(property multi-user.target ActiveEnterTimestampMonotonic) / 1000)) ms after the kernel, without the servers late and missing"
within 40 "the service with the database runs" active ledger.service
check "what waits for late" inactive "$(property late.service ActiveState)"
goes_on "after boot $boot"

case $boot in
  1)
    say "a server comes late"
    ends "start late's server" 0 systemctl start server-late
    within 30 "the service that needs it runs" active late.service
    holds "on its device" test -e /srv/late/here

    say "restart, crash, and an outage, under the service"
    pid=$(property ledger.service MainPID)
    ends "restart" 0 systemctl restart nbdd.service
    goes_on "after a restart of nbdd"
    systemctl kill -s KILL nbdd.service
    goes_on "after a crash of nbdd"
    systemctl kill -s KILL server-db
    goes_on "after an outage"
    check "the service" "$pid" "$(property ledger.service MainPID)"

    say "file systems that are mounted by hand, and services that are slow to stop"
    for name in hand volume; do within 20 "$name is attached" in_state $name attached; done
    udevadm settle
    mkdir -p /srv/hand /srv/volume
    holds "vgcreate" vgcreate -q group /dev/disk/by-id/nbd-volume
    holds "lvcreate" lvcreate -q -l 100%FREE -n volume group
    mkfs.ext4 -q /dev/group/volume
    holds "mount" mount /dev/disk/by-id/nbd-hand /srv/hand
    holds "mount" mount /dev/group/volume /srv/volume
    for name in hand volume; do
      cat >$work/$name <<SCRIPT
#!/bin/bash
cd /srv/$name || exit
trap 'sleep 16; echo last >last; exit 0' TERM
while :; do sleep 0.2; done
SCRIPT
      chmod 755 $work/$name
      printf '[Unit]\nAfter=srv-%s.mount\n[Service]\nExecStart=%s\nKillMode=mixed\n' $name $work/$name \
        >/run/systemd/system/$name.service
    done
    systemctl daemon-reload
    ends "start" 0 systemctl start hand.service volume.service

    say "a shutdown, with a server that is slow and one that has gone"
    within 20 "dying is mounted" mounted /srv/dying
    within 20 "slow is mounted" mounted /srv/slow
    head -c 4M /dev/urandom >/srv/dying/file
    head -c 12M /dev/urandom >/srv/slow/file
    (cd /srv/slow && sha256sum file) >$kept/slow.sum
    ends "dying dies" 0 systemctl stop --signal=KILL server-dying
    ;;
  2)
    say "what the shutdown has left"
    took=$(cat $kept/off.1)
    figure "shutdown with a dead server (6 s) and 12 MiB for one of 16 Mbit/s: $(seconds "$took") s"
    [ "$took" -lt 90000 ] || failed "the shutdown" "less than 90 s" "$took ms"
    within 20 "slow is mounted" mounted /srv/slow
    check "the last write to what was mounted by hand" last "$(debugfs -R 'cat last' $kept/hand.img 2>/dev/null)"
    udevadm settle
    holds "its volume is there again" vgchange -q -ay group
    check "and on a volume of LVM" last "$(debugfs -R 'cat last' /dev/group/volume 2>/dev/null)"
    holds "all that was written to slow is there" bash -c "cd /srv/slow && sha256sum --quiet -c $kept/slow.sum"

    say "a power cut"
    sleep 2
    goes_on "before the power cut"
    [ $failures != 0 ] || { figure "the power is cut after transaction $(transactions)"; finished=99; exit 99; }
    ;;
  3)
    say "stopped, and looked at"
    vgchange -q -an group
    ends "stop" 0 systemctl stop nbdd.service nbdd.socket
    within 10 "the service has ended" eval '! active ledger.service'
    check "mounts" '' "$(grep '^/dev/nbd' /proc/mounts)"
    ends "stop its server" 0 systemctl stop server-db
    ends "the file system" 0 e2fsck -fn $kept/db.img
    debugfs -R "dump ledger $work/ledger" $kept/db.img 2>/dev/null
    holds "the database" $machine/ledger.py --check $work/ledger $kept/acknowledged
    figure "$($machine/ledger.py --check $work/ledger $kept/acknowledged), none lost"
    ;;
esac
[ $failures = 0 ] || journalctl -b --no-pager -n 150
finish

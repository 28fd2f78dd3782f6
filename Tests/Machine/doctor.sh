#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A machine on which all is well, then broken in one way after the other: nbdctl doctor names the fault, and the command that
# it gives mends it.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
. "$(dirname "$0")/loads.sh"

make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
PATH=/usr/local/sbin:/usr/local/bin:$PATH
hash -r
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
udevadm control --reload
systemctl daemon-reload
systemctl enable -q nbdd.socket nbdd.service 2>/dev/null
certificates $work/pki localhost
mkdir -p /etc/nbdd/devices.d /etc/nbdd/tls
cp $work/pki/ca-cert.pem /etc/nbdd/tls
cp $work/pki/server-cert.pem /etc/nbdd/tls/client-cert.pem
install -m 600 $work/pki/server-key.pem /etc/nbdd/tls/client-key.pem
image disk 16M
serve disk --port 10809 --tls=require --tls-certificates=$work/pki file $work/disk.img
cat >/etc/nbdd/devices.d/disk.json <<'FILE'
{ "uri": "nbds://localhost/", "device": "nbd3", "tlsCertificates": "/etc/nbdd/tls" }
FILE
started() { systemctl start nbdd.socket nbdd.service && within 20 "disk is attached" in_state disk attached; }
started
udevadm settle
fstab=$work/fstab
echo "/dev/disk/by-id/nbd-disk /srv/disk ext4 _netdev,nofail 0 2" >$fstab
doctor=(nbdctl doctor --fstab "$fstab")
# well: the doctor finds nothing.
well() { ends "all is well: the doctor ends with 0" 0 "${doctor[@]}"; check "and is silent" ' ' "$said $noted"; }
# ill WHAT FAULT MEND: it finds one fault, and says what mends it.
ill() {
  ends "$1" 1 "${doctor[@]}"
  check "$1: findings" 2 "$(wc -l <<<"$said")"
  matches "$1: the fault" "$2" "$(head -n 1 <<<"$said")"
  mend=$(sed -n '2s/^ *//p' <<<"$said")
  matches "$1: what mends it" "$3" "$mend"
}
# mended: by the command that the doctor gave.
mended() { holds "it can be done: $mend" bash -c "$mend"; "${@:-true}"; well; }

say "a good machine"
well

say "1: the driver is not loaded"
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
if modprobe -r nbd 2>/dev/null; then
  ends "no driver" 1 "${doctor[@]}"
  matches "no driver: the fault" 'driver is not loaded' "$said"
  matches "no driver: what mends it" 'modprobe nbd' "$said"
  modprobe nbd
else
  figure "the driver cannot be unloaded here: not tried"
fi

say "2: nbdd does not run"
ill "no nbdd" 'nbdd does not answer' 'systemctl start nbdd.service'
mended within 20 "disk is attached" in_state disk attached

say "3: a fault in the configuration"
echo '{ "uri": "nbd://localhost/other", "conections": 2 }' >/etc/nbdd/devices.d/other.json
ill "configuration" '/etc/nbdd/devices.d/other.json:1:[0-9]+: unknown key "conections"; did you mean' 'correct that.*nbdctl reload'
rm /etc/nbdd/devices.d/other.json
well

say "4: a line of fstab that holds up the boot"
echo "/dev/disk/by-id/nbd-disk /srv/disk ext4 defaults 0 2" >$fstab
ill "fstab" "$fstab:1: .* holds up the boot" 'add to its options: _netdev,nofail'
echo "/dev/disk/by-id/nbd-disk /srv/disk ext4 defaults,_netdev,nofail 0 2" >$fstab
well

say "5: a unit that stops at each restart"
printf '[Unit]\nRequires=nbdd.service\n[Service]\nExecStart=sleep infinity\n' >/run/systemd/system/database.service
systemctl daemon-reload
systemctl start database.service
ill "dependent" 'database.service has Requires=nbdd.service, and is stopped' 'replace it with Requires=nbdd-devices.target'
systemctl stop database.service
rm /run/systemd/system/database.service
systemctl daemon-reload
well

say "6: nobody holds the devices for nbdd"
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
mkdir -p /run/systemd/system/nbdd.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/local/sbin/nbdd --no-keeper\n' >/run/systemd/system/nbdd.service.d/keeper.conf
systemctl daemon-reload
started
udevadm settle
ill "no keeper" 'disk: no nbdd-keeper holds it' 'keeper'
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
rm /run/systemd/system/nbdd.service.d/keeper.conf
systemctl daemon-reload
started
udevadm settle
well

say "7: udev has no rule"
mv /usr/local/lib/udev/rules.d/61-nbdd.rules $work
ill "no rule" 'udev has no rule 61-nbdd.rules' 'make install; then udevadm control --reload'
mv $work/61-nbdd.rules /usr/local/lib/udev/rules.d
well

say "8: a key that others can read"
chmod 644 /etc/nbdd/tls/client-key.pem
ill "open key" 'client-key.pem' 'chmod 600 /etc/nbdd/tls/client-key.pem'
mended

say "9: a certificate that has ended"
mkdir $work/old
cp $work/pki/ca-*.pem $work/old
certificates $work/old localhost expired
cp $work/old/server-cert.pem /etc/nbdd/tls/client-cert.pem
install -m 600 $work/old/server-key.pem /etc/nbdd/tls/client-key.pem
ill "expired" 'client-cert.pem' 'replace it; then nbdctl reconnect disk'
cp $work/pki/server-cert.pem /etc/nbdd/tls/client-cert.pem
install -m 600 $work/pki/server-key.pem /etc/nbdd/tls/client-key.pem
well

say "10: nbdd is not started at boot"
systemctl disable -q nbdd.service
ill "not enabled" 'not started at boot' 'systemctl enable nbdd.socket nbdd.service'
mended

say "11: nbd-client wants the same device"
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/nbd@.service
systemctl daemon-reload
systemctl enable -q nbd@nbd3.service
ill "a rival" 'nbd@nbd3.service attaches /dev/nbd3 by nbd-client at boot' 'systemctl disable --now nbd@nbd3.service'
mended

say "12: somebody who may not"
ends "nobody" 1 setpriv --reuid=65534 --regid=65534 --clear-groups nbdctl doctor --fstab $fstab
matches "nobody: the fault" 'you may not talk to nbdd' "$said"
matches "nobody: what mends it" 'usermod -aG nbdd' "$said"

say "13: a device whose server has a certificate for another name"
echo '{ "uri": "nbds://127.0.0.1:10810/", "tlsCertificates": "/etc/nbdd/tls" }' >/etc/nbdd/devices.d/none.json
serve other --port 10810 --tls=require --tls-certificates=$work/pki memory 16M
nbdctl reload >/dev/null
within 20 "none has failed" in_state none failed
ill "failed" '^none: ' 'nbdctl status none'
ends "forget it" 0 nbdctl forget none
holds "its file is gone" test ! -e /etc/nbdd/devices.d/none.json
well
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
check "attached devices" '' "$(busy)"
finish

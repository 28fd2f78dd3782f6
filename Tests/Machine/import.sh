#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A machine that runs nbd-client is moved to nbdd with the commands of docs/recipes.md, data intact; and what --save, forget
# and config do to the configuration.
. "$(dirname "$0")/common.sh"

image db 32M
image logs 16M
mkfs.ext4 -q -F $work/db.img
serve db --port 10809 file $work/db.img
serve logs --unix $work/logs.sock file $work/logs.img
cat >$work/nbdtab <<TAB
# what this machine attaches
nbd2  127.0.0.1  db  timeout=20
nbd3  $work/logs.sock  logs  unix,persist
nbd4  127.0.0.1
TAB

say "a machine with nbd-client"
# Debian's reads /etc/nbdtab; these are its lines as it would run them.
nbd-client -L -N db -timeout 20 127.0.0.1 /dev/nbd2 >$work/nbd-client.log 2>&1 &
nbd-client -L -N logs -unix $work/logs.sock /dev/nbd3 >>$work/nbd-client.log 2>&1 &
for index in 2 3; do within 10 "nbd-client has nbd$index" test -e /sys/block/nbd$index/pid; done
mkdir $work/mnt
mount /dev/nbd2 $work/mnt
dd if=/dev/urandom of=$work/mnt/data bs=1M count=8 conv=fsync status=none
sum=$(sha256sum <$work/mnt/data)

say "what there is, as device files"
start_nbdd
ends "import of the table" 1 nbdctl import nbdtab $work/nbdtab --save --config $config
check "what it wrote" "$config/devices.d/db.json $config/devices.d/logs.json" "$(tr '\n' ' ' <<<"$said" | sed 's/ $//')"
matches "what it could not" 'nbdtab:4: not imported: expected a device, a server and an export' "$noted"
ends "once more" 1 nbdctl import nbdtab $work/nbdtab --save --config $config
matches "nothing is overwritten" 'db.json exists, and was left as it is' "$noted"
ends "the files are right" 0 nbdctl config check $config
ends "import of what runs" 0 nbdctl import --running
matches "the first" '"uri": "nbd://127.0.0.1:10809/db"' "$said"
matches "its time limit" '"requestTimeout": "20s"' "$said"
matches "the second" "\"uri\": \"nbd\\+unix:///logs\\?socket=$work/logs.sock\"" "$said"
ends "reload" 0 nbdctl reload
check "added" "added: db added: logs" "$(tr '\n' ' ' <<<"$said" | sed 's/ $//')"
check "nothing is taken away" "detached $sum" "$(runtime db .state) $(sha256sum <$work/mnt/data)"

say "one device after the other"
umount $work/mnt
for pair in 2:db 3:logs; do
  index=${pair%:*} name=${pair#*:}
  nbd-client -d /dev/nbd$index >>$work/nbd-client.log 2>&1
  within 10 "nbd-client has ended" test ! -e /sys/block/nbd$index/pid
  ends "attach $name" 0 nbdctl attach $name
  check "its device" /dev/nbd$index "$said"
  sed -i '/autoAttach/d' $config/devices.d/$name.json
done
ends "reload" 0 nbdctl reload
mount /dev/nbd2 $work/mnt
check "the data" "$sum" "$(sha256sum <$work/mnt/data)"
umount $work/mnt
stop_nbdd
start_nbdd
for name in db logs; do within 20 "$name is attached at the next start" in_state $name attached; done

say "a device that is kept, and forgotten"
serve more --unix $work/more.sock memory 16M
more="nbd+unix:///?socket=$work/more.sock"
ends "attach --save" 0 nbdctl attach "$more" --name more --read-only --save --config $config
holds "its file" test -e $config/devices.d/more.json
ends "which is right" 0 nbdctl config check $config/devices.d/more.json
check "it has what was asked for" "true $more" \
  "$(nbdctl config show $config | jq -r '.devices[] | select(.name == "more") | "\(.readOnly) \(.uri)"')"
check "nothing waits" "$config/devices.d/more.json false" "$(runtime more '| "\(.source) \(.pending)"')"
stop_nbdd
start_nbdd
within 20 "it is attached at the next start" in_state more attached
exec 9<"$(runtime more .device)"
ends "forget it while it is in use" 1 nbdctl forget more
holds "its file is still there" test -e $config/devices.d/more.json
exec 9<&-
ends "attach --save over a file" 73 nbdctl attach "nbd+unix:///other?socket=$work/more.sock" --name more --save --config $config
within 10 "it can be forgotten" nbdctl forget more
holds "its file is gone" test ! -e $config/devices.d/more.json
ends "it is unknown" 4 nbdctl status more

say "config"
echo '{ "uri": "nbd://localhost/x", "readonly": true }' >$work/bad.json
ends "a file with a fault" 78 nbdctl config check $work/bad.json
matches "the fault" "bad.json:1:[0-9]+: unknown key \"readonly\"; did you mean \"readOnly\"" "$noted"
ends "the schema" 0 nbdctl config schema device
check "it is that of the documents" '' "$(diff <(nbdctl config schema device) "$tree/config/device.schema.json")"
ends "nothing runs but nbdd" 0 nbdctl import --running
check "so there is nothing to import" '' "$said"
stop_nbdd
quiet_kernel
finish

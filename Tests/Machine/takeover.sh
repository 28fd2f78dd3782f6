#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A server that is alive but slow, or never finishes one request; and an export that another machine takes
# over.
. "$(dirname "$0")/common.sh"
kernel_errors_expected=1  # what is given up fails

block() { head -c 4096 /dev/zero | tr '\0' "$1"; }
letter() { dd if="$1" bs=4096 skip="$2" count=1 iflag=direct status=none | head -c 1; }
write_block() { block "$1" | dd of="$2" bs=4096 seek="$3" oflag=direct iflag=fullblock conv=notrunc status=none; }

# slow: a server of one MiB. The first write after $work/slow.delay exists takes the seconds that this file
# contains; the first read after $work/slow.stop exists takes 100 s.
cat >$work/slow.plugin <<PLUGIN
#!/bin/sh
case "\$1" in
  get_size) echo 1048576 ;;
  thread_model) echo parallel ;;
  can_write | can_flush | can_multi_conn) exit 0 ;;
  pread)
    if mv $work/slow.stop $work/slow.stopped 2>/dev/null; then sleep 100; fi
    dd if=$work/slow.img bs=4096 skip=\$((\$4 / 4096)) count=\$((\$3 / 4096)) status=none ;;
  pwrite)
    cat >$work/slow.\$\$
    if mv $work/slow.delay $work/slow.delayed 2>/dev/null; then sleep "\$(cat $work/slow.delayed)"; fi
    dd if=$work/slow.\$\$ of=$work/slow.img bs=4096 seek=\$((\$4 / 4096)) conv=notrunc status=none
    rm $work/slow.\$\$ ;;
  flush) ;;
  *) exit 2 ;;
esac
PLUGIN
chmod +x $work/slow.plugin
image slow 1M
serve slow --port 10860 sh $work/slow.plugin
device slow '{ "uri": "nbd://127.0.0.1:10860/", "requestTimeout": "30s" }'
image shared 16M
up_shared() { serve shared --port 10861 file $work/shared.img; }
up_shared
device shared '{ "uri": "nbd://127.0.0.1:10861/", "giveUpAfter": "3s", "afterGiveUp": "abandon" }'
start_nbdd
within 20 "slow is attached" in_state slow attached
within 20 "shared is attached" in_state shared attached
path=$(runtime slow .device)

say "a write that is executed late undoes no newer one"
echo 1.5 >$work/slow.delay
write_block A "$path" 3 &
writer=$!
within 10 "the write is at the server" test -e $work/slow.delayed
started=$(now)
ends "reconnect" 0 nbdctl reconnect slow
wait $writer; check "the late write" 0 $?
figure "a write that takes 1.5 s: its connection was given up, and it was answered $(seconds $(($(now) - started))) s later"
write_block B "$path" 3
sleep 3
check "the newer write" B "$(letter "$path" 3)"
check "at the server" B "$(dd if=$work/slow.img bs=4096 skip=3 count=1 status=none | head -c 1)"

say "a request that is never answered, given up by hand"
touch $work/slow.stop
(dd if="$path" of=/dev/null bs=4096 skip=8 count=1 iflag=direct 2>$work/reader.error; echo >$work/reader.ended) &
within 10 "the read is at the server" test -e $work/slow.stopped
sleep 1.5
ends "fail" 0 nbdctl fail slow
within 10 "the reader has its error" test -e $work/reader.ended
matches "the error" 'Input/output error' "$(cat $work/reader.error)"
within 20 "attached" in_state slow attached
check "the others go on" B "$(letter "$path" 3)"

say "the same with giveUpAfter, without a hand"
rm -f $work/slow.stopped
device slow '{ "uri": "nbd://127.0.0.1:10860/", "requestTimeout": "30s", "giveUpAfter": "3s" }'
ends "reload" 0 nbdctl reload
touch $work/slow.stop
started=$(now)
matches "the error" 'Input/output error' "$(dd if="$path" of=/dev/null bs=4096 skip=8 count=1 iflag=direct 2>&1)"
took=$(($(now) - started))
[ $took -ge 3000 ] && [ $took -le 10000 ] || failed "time until the error" "3 s" "$(seconds $took) s"
figure "a read that a living server never answers: an error after $(seconds $took) s"
within 20 "attached" in_state slow attached
check "the others go on" B "$(letter "$path" 3)"
matches "the log" 'slow: given up: 1 request failed with I/O errors' "$(cat $work/nbdd.log)"

say "an export that another machine takes over"
path=$(runtime shared .device)
write_block A "$path" 3
end_server shared KILL
within 20 "given up for good" grep -q 'shared: given up for good: 4096 bytes' $work/nbdd.log
check "state" failed "$(runtime shared .state)"
up_shared
block B | dd of=$work/shared.img bs=4096 seek=3 conv=notrunc,fsync iflag=fullblock status=none
sleep 3
check "nbdd has left it alone" B "$(dd if=$work/shared.img bs=4096 skip=3 count=1 status=none | head -c 1)"
check "nobody is connected" '' "$(ss -Htn state established 'dport = :10861')"
ends "the device answers errors" 1 dd if="$path" of=/dev/null bs=4096 count=1 iflag=direct
ends "reconnect is of no use" 0 nbdctl reconnect shared
sleep 1
check "state" failed "$(runtime shared .state)"
ends "attach has nothing to wait for" 1 nbdctl attach shared
matches "and says what to do" 'given up for good.* detach' "$noted"
ends "detach" 0 nbdctl detach shared
ends "attach" 0 nbdctl attach shared --wait 10s
check "what the other has written" B "$(letter "$(runtime shared .device)" 3)"

say "the same by hand"
path=$(runtime shared .device)
write_block C "$path" 4
ends "fail --abandon" 0 nbdctl fail shared --abandon
within 10 "state" in_state shared failed
ends "the device answers errors" 1 dd if="$path" of=/dev/null bs=4096 count=1 iflag=direct
ends "detach" 0 nbdctl detach shared
finish

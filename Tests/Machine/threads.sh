#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# One thread per attached device waits in NBD_DO_IT and has the device's name.
. "$(dirname "$0")/common.sh"

serve tcp --port 10809 memory 64M
names=(db storage.vg-01 a-name-longer-than-15-bytes)
for name in "${names[@]}"; do device "$name" "{ \"uri\": \"nbd://127.0.0.1/$name\" }"; done
start_nbdd
for name in "${names[@]}"; do within 20 "$name is attached" in_state "$name" attached; done

for name in "${names[@]}"; do
  thread=$(runtime "$name" .thread) path=$(runtime "$name" .device)
  check "$name: thread in the status and in sysfs" "$(cat "/sys/block/${path#/dev/}/pid")" "$thread"
  check "$name: name of the thread" "${name:0:15}" "$(cat "/proc/$daemon/task/$thread/comm")"
  if [ -e "/proc/$daemon/task/$thread/syscall" ]; then
    # Number of ioctl, descriptor, request: NBD_DO_IT is 0xab03.
    matches "$name: system call of the thread" '^(16|29|54) 0x[0-9a-f]+ 0xab03 ' \
      "$(cat "/proc/$daemon/task/$thread/syscall")"
    evidence_is=syscall
  else
    # Kernels without that file have the stack: an ioctl that waits inside the nbd driver.
    matches "$name: kernel stack of the thread" 'nbd_(ioctl|start_device_ioctl).*\[nbd\]' \
      "$(cat "/proc/$daemon/task/$thread/stack")"
    evidence_is='stack (no /proc/PID/syscall in this kernel)'
  fi
  matches "$name: all signals are blocked there" '^SigBlk:.f{4}' "$(grep SigBlk "/proc/$daemon/task/$thread/status")"
done
check "different threads" 3 "$(for name in "${names[@]}"; do runtime "$name" .thread; done | sort -u | wc -l)"
figure "3 devices, $(find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 | wc -l) threads, shown by /proc/…/$evidence_is"
for name in "${names[@]}"; do ends "detach $name" 0 nbdctl detach "$name"; done
for name in "${names[@]}"; do check "$name: thread after detach" null "$(runtime "$name" .thread)"; done
finish

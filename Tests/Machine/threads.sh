#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# One thread per attached device waits in NBD_DO_IT and has the device's name.
. "$(dirname "$0")/common.sh"

serve tcp --port 10809 memory 64M
names=(db storage.vg-01 a-name-longer-than-15-bytes)
for name in "${names[@]}"; do device "$name" "{ \"uri\": \"nbd://127.0.0.1/$name\" }"; done

# examine PROCESS: its threads serve the devices.
examine() {
  local name thread path tasks=/proc/$1/task
  for name in "${names[@]}"; do within 20 "$name is attached" in_state "$name" attached; done
  for name in "${names[@]}"; do
    thread=$(runtime "$name" .thread) path=$(runtime "$name" .device)
    check "$name: thread in the status and in sysfs" "$(cat "/sys/block/${path#/dev/}/pid")" "$thread"
    check "$name: name of the thread" "${name:0:15}" "$(cat "$tasks/$thread/comm")"
    if [ -e "$tasks/$thread/syscall" ]; then
      # Number of ioctl, descriptor, request: NBD_DO_IT is 0xab03.
      matches "$name: system call of the thread" '^(16|29|54) 0x[0-9a-f]+ 0xab03 ' "$(cat "$tasks/$thread/syscall")"
      evidence_is=syscall
    else
      # Kernels without that file have the stack: an ioctl that waits inside the nbd driver.
      matches "$name: kernel stack of the thread" 'nbd_(ioctl|start_device_ioctl).*\[nbd\]' "$(cat "$tasks/$thread/stack")"
      evidence_is='stack (no /proc/PID/syscall in this kernel)'
    fi
    matches "$name: all signals are blocked there" '^SigBlk:.f{4}' "$(grep SigBlk "$tasks/$thread/status")"
  done
  check "different threads" 3 "$(for name in "${names[@]}"; do runtime "$name" .thread; done | sort -u | wc -l)"
  figure "$(cat "/proc/$1/comm"): 3 devices, $(find "$tasks" -mindepth 1 -maxdepth 1 | wc -l) threads, $(awk '/^RssAnon/ { print $2 " kB" }' "/proc/$1/status") of its own memory, shown by /proc/…/$evidence_is"
}

say "in the keeper"
start_nbdd
examine "$(keeper)"
check "who has them" nbdd-keeper "$(runtime db .keptBy)"
for name in "${names[@]}"; do ends "detach $name" 0 nbdctl detach "$name"; done
for name in "${names[@]}"; do check "$name: thread after detach" null "$(runtime "$name" .thread)"; done

say "without a keeper, in nbdd"
stop_nbdd
start_nbdd --no-keeper
examine "$daemon"
check "who has them" null "$(runtime db .keptBy)"
for name in "${names[@]}"; do ends "detach $name" 0 nbdctl detach "$name"; done
finish

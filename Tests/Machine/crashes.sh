# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Kills of nbdd and of servers, under load. Needs common.sh and loads.sh; `kills` is how many kills a variant has.
# shellcheck shell=bash disable=SC2034

cached=  # an argument of nbdkit's file plugin, or of its cache

# killed: nbdd dies and is started again, as systemd would do it; `back` is how long it took until raw was served.
killed() {
  local process=$daemon; daemon=
  kill -KILL "$process"
  wait "$process" 2>/dev/null
  [ "${1:-}" = servers ] && { end_server raw KILL; end_server tree KILL; up_raw; up_tree; }
  local started; started=$(now)
  nbdd --config $config >>$work/nbdd.log 2>&1 </dev/null &
  daemon=$!
  within 20 "nbdd answers" nbdctl status
  within 30 "raw is back" in_state raw attached
  back=$(($(now) - started))
  [ $back -le "$longest" ] || longest=$back
  within 30 "tree is back" in_state tree attached
}

# variant LABEL SCHEME SETTINGS [ARGUMENT-OF-NBDKIT...]
variant() {
  local label=$1 scheme=$2 settings=$3 count; shift 3
  say "$label"
  local server=("$@")
  longest=0
  up_raw() { serve raw --port 10809 ${server[@]+"${server[@]}"} file $work/raw.img $cached; }
  up_tree() { serve tree --port 10810 ${server[@]+"${server[@]}"} file $work/tree.img $cached; }
  rm -f $work/{raw,tree}.img
  image raw 32M
  image tree 96M
  mkfs.ext4 -q $work/tree.img
  up_raw; up_tree
  device raw "{ \"uri\": \"$scheme://localhost:10809/\", $settings }"
  device tree "{ \"uri\": \"$scheme://localhost:10810/\", $settings, \"mount\": { \"path\": \"$work/tree\" } }"
  ends "reload" 0 nbdctl reload
  within 20 "raw is attached" in_state raw attached
  within 20 "tree is mounted" mounted $work/tree
  within 20 "all connections of raw are up" all_up raw
  local path thread
  path=$(runtime raw .device) thread=$(runtime raw .thread)
  fio_begin raw "$path" "${writing[@]}"
  files_begin tree $work/tree
  under_way raw; under_way tree

  for ((count = 0; count < kills; count++)); do
    between 50 900
    # Every third time, with the servers.
    if [ $((count % 3)) = 2 ]; then killed servers; else killed; fi
    check "device of raw" "$path" "$(runtime raw .device)"
    check "thread of raw" "$thread" "$(runtime raw .thread)"
    under_way raw 5
  done
  within 30 "all connections of raw are up again" all_up raw
  under_way raw; under_way tree
  fio_end raw
  files_end tree
  check "restarts of raw" $kills "$(runtime raw .restarts)"
  figure "$label: $kills kills of nbdd, $((kills / 3)) with the servers; $ios verified I/Os; files: $files; back after $longest ms at most"
  ends "detach tree" 0 nbdctl detach tree
  ends "e2fsck on the server's image" 0 e2fsck -fn $work/tree.img
  ends "attach tree" 0 nbdctl attach tree
  files_right tree $work/tree
  rm $config/devices.d/{raw,tree}.json
  ends "detach tree" 0 nbdctl detach tree
  ends "detach raw" 0 nbdctl detach raw
  ends "reload" 0 nbdctl reload
  end_server raw; end_server tree
  quiet_kernel
}

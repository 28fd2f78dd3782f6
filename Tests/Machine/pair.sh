# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Two devices under load while something is killed: raw, with verified I/O, and tree, with an ext4 on whose files somebody
# works. Needs common.sh and loads.sh.
# shellcheck shell=bash disable=SC2034

cached=  # an argument of nbdkit's file plugin, or of its cache

# pair_begin SCHEME SETTINGS [ARGUMENT-OF-NBDKIT...]: starts servers (again with up_raw, up_tree), attaches, and begins.
pair_begin() {
  local scheme=$1 settings=$2; shift 2
  server=("$@")
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
  fio_begin raw "$(runtime raw .device)" "${writing[@]}"
  files_begin tree $work/tree
  under_way raw; under_way tree
}
# pair_rest: ends the load, and says whether every byte was right.
pair_rest() {
  within 30 "all connections of raw are up again" all_up raw
  under_way raw; under_way tree
  fio_end raw
  files_end tree
}
# pair_end: checks what the servers have, and forgets both.
pair_end() {
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

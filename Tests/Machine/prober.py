#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# prober: writes and reads back 4 KiB of a device, again and again, and notes how long it had to wait.
#
#   prober.py DEVICE STOP      until the file STOP is there
#
# Once a second, and at the end, it writes the longest wait since the file STOP.reset was last removed, in milliseconds,
# to STOP.longest; errors and wrong bytes go to standard output, with the status 1.
import mmap, os, sys, time

device, stop = sys.argv[1:]
file = os.open(device, os.O_RDWR | os.O_DIRECT)
block = mmap.mmap(-1, 4096)
longest, count, status = 0.0, 0, 0


def note():
    with open(stop + '.new', 'w') as out:
        print(f'{longest * 1000:.0f}', file=out)
    os.rename(stop + '.new', stop + '.longest')


try:
    while not os.path.exists(stop):
        if os.path.exists(stop + '.reset'):
            longest = 0.0
            note()
            os.unlink(stop + '.reset')
        count += 1
        text = b'%015d ' % count * 256
        began = time.monotonic()
        block[:] = text
        os.pwritev(file, [block], 4096 * (count % 64))
        block[:] = bytes(4096)
        os.preadv(file, [block], 4096 * (count % 64))
        longest = max(longest, time.monotonic() - began)
        if block[:] != text:
            print('other bytes at block', count % 64)
            status = 1
            break
        if count % 64 == 0:
            os.fsync(file)
            note()
        time.sleep(0.002)
except OSError as error:
    print(error)
    status = 1
note()
print(count, 'writes and reads')
sys.exit(status)

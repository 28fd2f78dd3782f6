// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// Linux names that Swift cannot see otherwise: request numbers are function-like macros,
// ioctl(2) and prctl(2) are variadic, and some headers are not in the Glibc module.

#pragma once

#include <linux/fs.h>
#include <linux/nbd.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/// Requests to a block device that is served by the nbd driver.
enum __attribute__((enum_extensibility(open))) clinux_request : unsigned long {
  CLINUX_SET_SOCKET __attribute__((swift_name("setSocket"))) = NBD_SET_SOCK,
  CLINUX_SET_BLOCK_SIZE __attribute__((swift_name("setBlockSize"))) = NBD_SET_BLKSIZE,
  CLINUX_SET_SIZE_IN_BLOCKS __attribute__((swift_name("setSizeInBlocks"))) = NBD_SET_SIZE_BLOCKS,
  CLINUX_SET_FLAGS __attribute__((swift_name("setFlags"))) = NBD_SET_FLAGS,
  CLINUX_SET_TIMEOUT __attribute__((swift_name("setTimeout"))) = NBD_SET_TIMEOUT,
  CLINUX_DO_IT __attribute__((swift_name("doIt"))) = NBD_DO_IT,
  CLINUX_DISCONNECT __attribute__((swift_name("disconnect"))) = NBD_DISCONNECT,
  CLINUX_CLEAR_SOCKET __attribute__((swift_name("clearSocket"))) = NBD_CLEAR_SOCK,
} __attribute__((swift_name("DeviceRequest")));

/// BLKROSET: takes away the flag that makes a block device read-only beside what its driver says.
static inline int clinux_make_writable(int descriptor)
    __attribute__((swift_name("makeWritable(_:)"))) {
  int read_only = 0;
  return ioctl(descriptor, BLKROSET, &read_only);
}

/// ioctl(2) with an argument of the width the nbd driver takes.
static inline int clinux_ioctl(int descriptor, enum clinux_request request, unsigned long argument)
    __attribute__((swift_name("ioctl(_:_:_:)"))) {
  return ioctl(descriptor, request, argument);
}

/// prctl(2) is variadic. Marks the calling thread, and those it creates, as serving I/O, so
/// that its allocations do not wait for writeback which may need this very process.
static inline int clinux_set_io_flusher(void) __attribute__((swift_name("setIOFlusher()"))) {
  return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

/// RLIMIT_MEMLOCK is not in the Glibc module. Lets the process lock as much memory as it wants.
static inline int clinux_lift_memory_lock_limit(void)
    __attribute__((swift_name("liftMemoryLockLimit()"))) {
  const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  return setrlimit(RLIMIT_MEMLOCK, &limit);
}

/// WIFEXITED and its like are function-like macros: the exit status, or 128 + signal.
int clinux_exit_status(int status) __attribute__((swift_name("exitStatus(_:)")));

/// How many arguments main has received, and which: Swift reads its own from /proc, where that is mounted.
int clinux_argument_count(void) __attribute__((swift_name("argumentCount()")));
char *_Nullable *_Nullable clinux_arguments(void) __attribute__((swift_name("arguments()")));

/// epoll(7) for the ends of connections only: no events are requested, and the end of a connection is
/// reported without a request. Each is reported once.
int clinux_end_watch(void) __attribute__((swift_name("endWatch()")));
int clinux_watch_end(int watch, int socket) __attribute__((swift_name("watchEnd(_:_:)")));

/// A socket that has ended, without waiting for one; -1 if there is none.
int clinux_ended(int watch) __attribute__((swift_name("ended(_:)")));

/// Runs a program found in PATH with no input, with `output` as standard output and error and with `socket`, unless it
/// is -1, as descriptor 3, in a process group of its own. Returns a pidfd, readable when the program has ended, and its process in `process`; -1 and errno if it
/// cannot be run, and nothing is left of it then.
///
/// The program starts as any other does, whatever nbdd has set for itself: with no signal blocked, without
/// PR_SET_IO_FLUSHER, and not spared when memory is short. posix_spawn(3) can do the first of these only.
int clinux_spawn(char *_Nullable const *_Nonnull arguments, int output, int socket, pid_t *_Nonnull process)
    __attribute__((swift_name("spawn(_:_:_:_:)")));

/// Keeps the compiler from moving stores to memory across it, from joining them, and from removing them because
/// a later store replaces them. Costs no instruction. Swift has neither volatile stores nor such a barrier.
static inline void clinux_compiler_barrier(void) __attribute__((swift_name("compilerBarrier()"))) {
  __asm__ volatile("" ::: "memory");
}

/// Signal handlers that record a fault of the calling thread, such as a trap, in memory that outlives the process:
/// at `record` the signal, then the number of faults so far, then the times of the last three, in milliseconds of
/// CLOCK_BOOTTIME. The process then ends as it would have done without them. NULL: of this thread no longer.
void clinux_note_faults(uint64_t *_Nullable record) __attribute__((swift_name("noteFaults(at:)")));

/// sendmsg(2) and recvmsg(2) with SCM_RIGHTS: `count` is the number of descriptors, or the room for them
/// and on return how many were received. EMSGSIZE: something did not fit; received descriptors were closed then.
long clinux_send_message(int socket, const void *_Nonnull bytes, size_t size, const int *_Nullable descriptors,
                         int count, int flags) __attribute__((swift_name("sendMessage(_:_:_:_:_:_:)")));
long clinux_receive_message(int socket, void *_Nonnull bytes, size_t size, int *_Nonnull descriptors,
                            int *_Nonnull count, int flags)
    __attribute__((swift_name("receiveMessage(_:_:_:_:_:_:)")));

/// Starts a program that outlives this process and is in a session of its own, with `descriptor` as its descriptor 3
/// and no others; its standard streams lead nowhere. Returns 0, or -1 and errno.
int clinux_start_server(const char *_Nonnull path, int descriptor)
    __attribute__((swift_name("startServer(_:_:)")));

#ifdef TEST_SWITCHES
/// Ends the calling thread, and only that, at its `count`th call of `clinux_crash_point`; 0: never.
void clinux_crash_after(long count) __attribute__((swift_name("crashThread(after:)")));
void clinux_crash_point(void) __attribute__((swift_name("crashPoint()")));
/// How many calls the calling thread has made since `clinux_crash_after`.
long clinux_crash_points(void) __attribute__((swift_name("crashPointCount()")));
#endif

// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

// What Swift cannot do: take the arguments of main, and run code between a fork and an exec. And what needs
// headers that would make pthread_attr_t a type of this module, and no longer one of Glibc.

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int argument_count;
static char **arguments;

// glibc gives the arguments of main to constructors as well (elf/dl-init.c, csu/libc-start.c).
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

int clinux_argument_count(void) { return argument_count; }

char **clinux_arguments(void) { return arguments; }

int clinux_exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int clinux_end_watch(void) { return epoll_create1(EPOLL_CLOEXEC); }

int clinux_watch_end(int watch, int socket) {
  struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = socket};
  return epoll_ctl(watch, EPOLL_CTL_ADD, socket, &event);
}

int clinux_ended(int watch) {
  struct epoll_event event;
  return epoll_wait(watch, &event, 1, 0) == 1 ? event.data.fd : -1;
}

// Undoes what MemoryPressure does to nbdd, and what a unit may have done: a program that uses up all memory
// because of some file system must be killed before others are.
static void become_ordinary(void) {
  prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
  int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  char sign = 0;
  if (file >= 0 && read(file, &sign, 1) == 1 && sign == '-') pwrite(file, "0", 1, 0);
  if (file >= 0) close(file);
}

static int end_unstarted(pid_t process, int error) {
  kill(process, SIGKILL);
  while (waitpid(process, NULL, 0) < 0 && errno == EINTR) continue;
  errno = error;
  return -1;
}

int clinux_spawn(char *const values[], int output, int socket, pid_t *result) {
  // The child has this thread's memory until it runs the program: no handler of ours may run in it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  volatile int failure = 0;
  pid_t process = vfork();
  if (process == 0) {
    setpgid(0, 0);
    become_ordinary();
    int input = open("/dev/null", O_RDONLY);
    dup2(input, 0);
    if (input > 2) close(input);
    dup2(output, 1);
    dup2(output, 2);
    // A duplicate stays open, and so does this, if it has the number already.
    if (socket == 3) fcntl(3, F_SETFD, 0);
    if (socket >= 0) dup2(socket, 3);
    // The calling thread blocks all signals; the program must not inherit that.
    for (int signal_number = 1; signal_number < NSIG; signal_number++) signal(signal_number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(values[0], values);
    failure = errno;
    _exit(127);
  }
  int error = process < 0 ? errno : failure;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (process < 0) {
    errno = error;
    return -1;
  }
  if (error) return end_unstarted(process, error);
  // Nothing else reaps it: the number is its own until we do.
  int handle = (int)syscall(SYS_pidfd_open, process, 0);
  if (handle < 0) return end_unstarted(process, errno);
  *result = process;
  return handle;
}

static _Thread_local uint64_t *fault_record;

// Calls nothing that a signal handler may not call.
static void note_fault(int number) {
  uint64_t *record = fault_record;
  if (record != NULL) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    record[2 + record[1] % 3] = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    record[1] += 1;
    record[0] = (uint64_t)number;
  }
  // A trap happens again when this returns; an abort does not, if another process has asked for it.
  if (number == SIGABRT) raise(number);
}

void clinux_note_faults(uint64_t *record) {
  static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
  sigset_t set;
  sigemptyset(&set);
  fault_record = record;
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
    // The second one, which follows at once, has its usual effect.
    const struct sigaction action = {.sa_handler = note_fault, .sa_flags = (int)SA_RESETHAND};
    sigaction(signals[i], &action, NULL);
    sigaddset(&set, signals[i]);
  }
  // A blocked signal of this kind ends the process without its handler.
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

long clinux_send_message(int socket, const void *bytes, size_t size, const int *descriptors, int count, int flags) {
  char control[CMSG_SPACE(253 * sizeof(int))] = {0};
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 253) {
    errno = EINVAL;
    return -1;
  }
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, (size_t)count * sizeof(int));
  }
  return sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

long clinux_receive_message(int socket, void *bytes, size_t size, int *descriptors, int *count, int flags) {
  char control[CMSG_SPACE(253 * sizeof(int))];
  struct iovec part = {.iov_base = bytes, .iov_len = size};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const int room = *count;
  *count = 0;
  const long received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  int is_cut = (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t numbers = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < numbers; i++) {
      int number;
      memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      if (*count < room) {
        descriptors[(*count)++] = number;
      } else {
        close(number);
        is_cut = 1;
      }
    }
  }
  if (is_cut) {
    for (int i = 0; i < *count; i++) close(descriptors[i]);
    *count = 0;
    errno = EMSGSIZE;
    return -1;
  }
  return received;
}

int clinux_start_server(const char *path, int descriptor) {
  int status;
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    const pid_t server = fork();
    if (server != 0) _exit(server < 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (dup2(descriptor, 3) < 0) _exit(1);
    if (descriptor == 3) fcntl(3, F_SETFD, 0);
    // Whoever reads the output of this process does not wait for that one.
    const int nowhere = open("/dev/null", O_RDWR);
    for (int number = 0; number < 3; number++) dup2(nowhere, number);
    close_range(4, ~0U, 0);
    execl(path, path, (char *)NULL);
    _exit(1);
  }
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  if (status == 0) return 0;
  errno = EAGAIN;
  return -1;
}

#ifdef TEST_SWITCHES
static _Thread_local long crash_after, crash_points;

void clinux_crash_after(long count) {
  crash_after = count;
  crash_points = 0;
}

void clinux_crash_point(void) {
  if (++crash_points == crash_after) syscall(SYS_exit, 0);
}

long clinux_crash_points(void) { return crash_points; }
#endif

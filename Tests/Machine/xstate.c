// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// For User Mode Linux 6.1 on a processor with more registers than it knows (AVX-512, AMX), where it does not start: it
// saves and restores the first 832 bytes of the extended state of a process, and the host accepts the whole only.
// Preloaded into it, this completes each part with the rest of the state that was saved at the same address. A state
// that was saved elsewhere gets the initial rest: no such register is in use across a system call.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { ROOM = 16384, SLOTS = 4096, HEADER = 512 };
// In the header of the state: the components that are not in their initial state. The first three fit.
static const uint64_t KNOWN = 7;

struct state {
  void *place;
  size_t size;
  unsigned char bytes[ROOM];
};
// Not on the heap, which is not ours, and used only as far as there are processes.
static struct state states[SLOTS];

static struct state *state_of(void *place, int is_new) {
  size_t slot = ((uintptr_t)place >> 4) % SLOTS;
  for (size_t i = 0; i < SLOTS; i++, slot = (slot + 1) % SLOTS) {
    if (states[slot].place == NULL && is_new) states[slot].place = place;
    if (states[slot].place == place) return &states[slot];
    if (states[slot].place == NULL) return NULL;
  }
  return NULL;
}

long ptrace(enum __ptrace_request request, ...) {
  static long (*real)(enum __ptrace_request, pid_t, void *, void *);
  if (real == NULL) real = (long (*)(enum __ptrace_request, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
  va_list list;
  va_start(list, request);
  const pid_t process = va_arg(list, pid_t);
  void *address = va_arg(list, void *), *data = va_arg(list, void *);
  va_end(list);
  struct iovec *part = data;
  const int is_state = (uintptr_t)address == NT_X86_XSTATE && part != NULL;
  if (request == PTRACE_GETREGSET && is_state) {
    struct state *state = state_of(part->iov_base, 1);
    if (state == NULL) return real(request, process, address, data);
    struct iovec whole = {state->bytes, ROOM};
    const long result = real(request, process, address, &whole);
    if (result != 0) return result;
    state->size = whole.iov_len;
    if (part->iov_len > whole.iov_len) part->iov_len = whole.iov_len;
    memcpy(part->iov_base, state->bytes, part->iov_len);
    return 0;
  }
  if (request == PTRACE_SETREGSET && is_state) {
    // The stacks of that kernel are small.
    static unsigned char bytes[ROOM];
    struct iovec whole = {bytes, ROOM};
    if (real(PTRACE_GETREGSET, process, address, &whole) != 0 || whole.iov_len <= part->iov_len)
      return real(request, process, address, data);
    const struct state *state = state_of(part->iov_base, 0);
    uint64_t components;
    memcpy(&components, (char *)part->iov_base + HEADER, sizeof components);
    if (state != NULL && state->size == whole.iov_len) {
      memcpy(bytes, state->bytes, whole.iov_len);
    } else {
      memset(bytes + part->iov_len, 0, whole.iov_len - part->iov_len);
      components &= KNOWN;
    }
    memcpy(bytes, part->iov_base, part->iov_len);
    memcpy(bytes + HEADER, &components, sizeof components);
    return real(request, process, address, &whole);
  }
  return real(request, process, address, data);
}

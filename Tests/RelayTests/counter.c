// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

// Counts the allocations of each thread; loaded ahead of the C library.

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static struct {
  atomic_int thread;
  atomic_long count;
} counts[4096];
static atomic_int next;
static __thread int own __attribute__((tls_model("initial-exec"))) = -1;

static void count(void) {
  if (own < 0) {
    own = atomic_fetch_add(&next, 1) % 4096;
    atomic_store(&counts[own].thread, gettid());
  }
  atomic_fetch_add(&counts[own].count, 1);
}

// How often a thread has allocated; -1 if never.
long allocations_of(int thread) {
  for (int index = 0; index < 4096; index++)
    if (atomic_load(&counts[index].thread) == thread) return atomic_load(&counts[index].count);
  return -1;
}

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count();
  return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
  count();
  return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  count();
  *result = __libc_memalign(alignment, size);
  return *result == NULL ? ENOMEM : 0;
}

// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// The rules by which the relay keeps what it has acknowledged. README.md explains them and this model;
// Tests/Model/run searches it, complete and with each rule removed by a macro WITHOUT_... .

#ifndef CONNECTIONS
#define CONNECTIONS 2 // simultaneous connections: 2 or 3
#endif
#ifndef BLOCKS
#define BLOCKS 2    // 1 or 2
#endif
#ifndef BOUND
#define BOUND 2     // entries in the ledger: 1 to 3
#endif
#ifndef WRITES
#define WRITES 3    // what the kernel requests, in total
#endif
#ifndef FLUSHES
#define FLUSHES 1
#endif
#ifndef FUA
#define FUA 1       // writes that may carry FUA
#endif
#ifndef CRASHES
#define CRASHES 1   // of the server
#endif
#ifndef CUTS
#define CUTS 1      // connections that the relay gives up while the server lives
#endif
#ifndef REFUSALS
#define REFUSALS 1  // replayed writes that the server refuses
#endif
#ifndef FAILURES
#define FAILURES 0  // flushes and FUA writes that the server fails
#endif
#ifndef ABANDON
#define ABANDON 0   // whether the relay may abandon the export
#endif

// Requests. A block has at most one write in flight: its number is the block's.
#define FLUSH 2
#define OWN 3        // the relay's own flush
#define REPLAY 4     // REPLAY + i: entry i of the ledger, sent again
#define REQUESTS 7

#define FREE 0
#define PENDING 1    // at the relay
#define SENT 2       // on a connection, not executed
#define DONE 3       // executed, its reply in transit
#define ANSWERED 4   // of a replay: its reply has arrived
#define CLOSING 5    // sent on a connection that was given up but is not over; not executed
byte at[REQUESTS];
byte carrier[REQUESTS]; // the connection, while SENT or DONE

// Connections from the relay's point of view.
#define DOWN 0
#define JOINING 1    // made while another is up or an old one is not over: carries nothing
#define REPLAYING 2  // carries the ledger; nothing else is sent
#define UP 3
byte state[CONNECTIONS];
bool alive[CONNECTIONS]; // whether they lead to a live server

// A value is the number of the write to its block. The kernel's memory:
byte acked[2];       // the last acknowledged write; one in flight is the next
bool fua[2];         // of the write in flight
byte before[2];      // what was acknowledged when the flush was requested
byte promised[2];    // the last write that was reported to it as durable

// The server's.
byte cache[2], stable[2];
bool spoiled[2];     // a flush or FUA write failed: later ones skip what was not stable then
bool refused;        // the reply to a replay is a refusal
bool failed[REPLAY]; // the reply to a flush or FUA write is an error
byte behind[2];      // the FUA writes that had failed when a flush was executed; [1] is the relay's own

// The relay's.
byte count, block[3], version[3]; // the ledger
byte mark[2];                     // the number of entries that a flush covers; [1] is the relay's own
byte since[2];                    // the waiting connections that were made before it was sent
#if ABANDON
bool abandoned;
bool foreign;        // another machine has written to the export since
#define FOREIGN 100
#endif

byte writes = WRITES, flushes = FLUSHES, fuas = FUA;
byte crashes = CRASHES, cuts = CUTS, refusals = REFUSALS, failures = FAILURES;

hidden byte i, n;    // scratch, not live between two steps
#ifdef WITHOUT_ONCE
bool stray[REQUESTS]; // replies on closed connections
#endif

// Rule drain removed, wholly or for some requests: they are sent again at once, and the server of the
// connection that was given up has a copy, at most one of each.
#ifdef WITHOUT_DRAIN
#define COPIED(q) true
#endif
#ifdef WITHOUT_DRAIN_WRITE
#define COPIED(q) (q < 2)
#endif
#ifdef WITHOUT_DRAIN_FLUSH
#define COPIED(q) (q == FLUSH || q == OWN)
#endif
#ifdef WITHOUT_DRAIN_REPLAY
#define COPIED(q) (q >= REPLAY)
#endif
#ifdef COPIED
byte copy[REQUESTS], copyOf[REQUESTS]; // the value, and its block
#define IS_COPIED(q) (copy[q] != 0)
#else
#define COPIED(q) false
#define NO_COPIES
#endif

#define EITHER(p) (p(0) || p(1))
#if CONNECTIONS == 2
#define SOME_CONNECTION(p) (p(0) || p(1))
#define CHOOSE_CONNECTION(p) if :: p(0) -> c = 0 :: p(1) -> c = 1 fi
#else
#define SOME_CONNECTION(p) (p(0) || p(1) || p(2))
#define CHOOSE_CONNECTION(p) if :: p(0) -> c = 0 :: p(1) -> c = 1 :: p(2) -> c = 2 fi
#endif
#define SOME_REQUEST(p) (p(0) || p(1) || p(2) || p(3) || p(4) || p(5) || p(6))
#define CHOOSE_REQUEST(p) \
  if :: p(0) -> r = 0 :: p(1) -> r = 1 :: p(2) -> r = 2 :: p(3) -> r = 3 \
     :: p(4) -> r = 4 :: p(5) -> r = 5 :: p(6) -> r = 6 fi

#define IS_DOWN(c) (state[c] == DOWN)
#define IS_MADE(c) (state[c] != DOWN)
#define IS_JOINING(c) (state[c] == JOINING)
#define IS_REPLAYING(c) (state[c] == REPLAYING)
#define IS_LOST(c) (IS_MADE(c) && (!alive[c] || cuts > 0))
#ifdef WITHOUT_FIRST_ALONE
#define CARRIES(c) (state[c] == UP || state[c] == REPLAYING)
#else
#define CARRIES(c) (state[c] == UP)
#endif
#define SERVES(c) (state[c] == UP || state[c] == REPLAYING)
#define IS_PENDING(q) (at[q] == PENDING && (q != FLUSH || FLUSHABLE))
#define IN_FLIGHT(q) (at[q] == SENT || at[q] == DONE)
#define IS_CLOSING(q) (at[q] == CLOSING)
// Rule drain: whether a connection that was given up is not over.
#if defined(WITHOUT_DRAIN) || defined(WITHOUT_DRAIN_FIRST) || defined(WITHOUT_DRAIN_REPLAY)
#define DRAINS false
#else
#ifdef WITHOUT_DRAIN_WRITE
#define DRAINS (SOME_REQUEST(IS_CLOSING) || SOME_REQUEST(IS_COPIED))
#else
#define DRAINS SOME_REQUEST(IS_CLOSING)
#endif
#endif
#define WRITES_IN_FLIGHT (IN_FLIGHT(0) || IN_FLIGHT(1))
// Rule fail: one flush at a time. If flushes do not fail, all rules hold with several in flight as well.
#if FAILURES == 0 || defined(WITHOUT_FAIL_ALONE)
#define FLUSHABLE true
#else
#define FLUSHABLE (!IN_FLIGHT(FLUSH) && !IN_FLIGHT(OWN))
#endif

#define IN_LEDGER(b, v) \
  ((count > 0 && block[0] == b && version[0] == v) || (count > 1 && block[1] == b && version[1] == v) \
    || (count > 2 && block[2] == b && version[2] == v))
#define OVERLAPS(b) \
  ((count > 0 && block[0] == b) || (count > 1 && block[1] == b) || (count > 2 && block[2] == b))

// What holds in every state. Everything acknowledged is durable or in the ledger; what was reported as
// durable stays so; and no read, on any connection, would find less than what is acknowledged.
#define SAFE(b) ((stable[b] >= acked[b] || IN_LEDGER(b, acked[b])) && stable[b] >= promised[b])
#define READS(c) (CARRIES(c) && alive[c])
#define FRESH (cache[0] >= acked[0] && cache[1] >= acked[1])
#if ABANDON // What another machine has written since is not overwritten.
#define KEPT(b) (!foreign || (cache[b] == FOREIGN && stable[b] == FOREIGN))
inline promise() {
  assert(KEPT(0) && KEPT(1));
  assert(abandoned || (SAFE(0) && SAFE(1))); assert(abandoned || !SOME_CONNECTION(READS) || FRESH)
}
#else
inline promise() { assert(SAFE(0) && SAFE(1)); assert(!SOME_CONNECTION(READS) || FRESH) }
#endif

/* ---- server and network ---- */

#define FAILED(b) (at[b] == DONE && failed[b])
#define EXECUTABLE(q) ((at[q] == SENT && alive[carrier[q]]) || at[q] == CLOSING)
#define DIRTY(b) (cache[b] != stable[b])
inline spoil() { spoiled[0] = DIRTY(0); spoiled[1] = DIRTY(1) }

// Rule again.
#ifdef WITHOUT_AGAIN
#define AGAIN(q) (q < OWN -> ANSWERED : FREE)
#else
#define AGAIN(q) (q < OWN -> PENDING : FREE)
#endif

inline forget(q) {
  if
  :: q < 2 -> failed[q] = false; behind[0] = behind[0] & ~(1 << q); behind[1] = behind[1] & ~(1 << q)
  :: q == FLUSH || q == OWN -> failed[q] = false; behind[q - FLUSH] = 0
  :: q >= REPLAY -> refused = false
  fi
}

// The server is done with a request: the relay gets a reply, or learns that the connection is over.
inline ended(q) {
  if
  :: at[q] == SENT -> at[q] = DONE
  :: else ->
    at[q] = AGAIN(q);
    forget(q)
  fi
}

active proctype server() {
  byte r, c;
end:
  do
  :: atomic { // In any order, on any connection, whether it was given up or not.
      SOME_REQUEST(EXECUTABLE) -> CHOOSE_REQUEST(EXECUTABLE);
      if
      :: r < 2 -> d_step {
          cache[r] = acked[r] + 1; spoiled[r] = false;
          if :: fua[r] -> stable[r] = cache[r] :: else fi
        }
      :: r < 2 && fua[r] && failures > 0 -> d_step { // As if it were a write and a flush.
          failures--; failed[r] = true; cache[r] = acked[r] + 1; spoil()
        }
      :: r == FLUSH || r == OWN -> d_step {
          behind[r - FLUSH] = (FAILED(0) -> 1 : 0) + (FAILED(1) -> 2 : 0);
          if :: !spoiled[0] -> stable[0] = cache[0] :: else fi;
          if :: !spoiled[1] -> stable[1] = cache[1] :: else fi
        }
      :: (r == FLUSH || r == OWN) && failures > 0 -> d_step {
          failures--; failed[r] = true; spoil()
        }
      :: r >= REPLAY -> d_step {
          cache[block[r - REPLAY]] = version[r - REPLAY]; spoiled[block[r - REPLAY]] = false
        }
      :: r >= REPLAY && refusals > 0 -> refusals--; refused = true
      :: at[r] == CLOSING -> skip // Dropped.
      fi;
      d_step { ended(r); r = 0; promise() }
    }
#ifndef NO_COPIES
  :: atomic {
      SOME_REQUEST(IS_COPIED) -> CHOOSE_REQUEST(IS_COPIED);
      if
      :: r < 2 || r >= REPLAY -> d_step { cache[copyOf[r]] = copy[r]; spoiled[copyOf[r]] = false }
      :: (r == FLUSH || r == OWN) && failures > 0 -> d_step {
          failures--; spoil()
        }
      :: skip // Dropped; a late flush that succeeds equals a write-back, which the server may do at any time.
      fi;
      d_step { copy[r] = 0; copyOf[r] = 0; r = 0; promise() }
    }
#endif
  :: d_step { DIRTY(0) -> stable[0] = cache[0]; promise() } // Written back at any time.
  :: d_step { DIRTY(1) -> stable[1] = cache[1]; promise() }
  :: d_step { // A crash. A new instance starts with the stable data; all old connections are over.
      crashes > 0 -> crashes--;
      for (i : 0 .. CONNECTIONS - 1) { alive[i] = false }
      for (i : 0 .. 1) { cache[i] = stable[i]; spoiled[i] = false }
      for (i : 0 .. REQUESTS - 1) {
        if :: at[i] == CLOSING -> ended(i) :: else fi;
#ifndef NO_COPIES
        copy[i] = 0; copyOf[i] = 0
#endif
      }
      promise()
    }
#if ABANDON
  :: d_step { // Another machine has taken over.
      abandoned && !foreign -> foreign = true;
      for (i : 0 .. 1) { cache[i] = FOREIGN; stable[i] = FOREIGN; spoiled[i] = false }
      promise()
    }
#endif
  od
}

/* ---- relay ---- */

// A reply reaches the kernel, which checks it.
inline answer(q) {
  assert(at[q] != FREE);
  if
  :: q < 2 ->
    acked[q]++;
    if :: fua[q] -> promised[q] = acked[q] :: else fi;
    fua[q] = false
  :: q == FLUSH ->
    if :: before[0] > promised[0] -> promised[0] = before[0] :: else fi;
    if :: before[1] > promised[1] -> promised[1] = before[1] :: else fi;
    before[0] = 0; before[1] = 0
  fi;
  at[q] = FREE; carrier[q] = 0
}

// Rule keep: which writes enter the ledger.
#ifdef WITHOUT_KEEP
#define ENTERED(b) false
#else
#ifdef WITHOUT_DURABLE
#define ENTERED(b) (!fua[b] || OVERLAPS(b))
#else
#define ENTERED(b) (!fua[b])
#endif
#endif

// Rule durable: the reply to a FUA write waits until no older entry can be replayed over it.
#if defined(WITHOUT_DURABLE) || defined(WITHOUT_DURABLE_HELD)
#define HELD(b) false
#else
#define HELD(b) (at[b] == DONE && fua[b] && !failed[b] && OVERLAPS(b))
#endif

// Rule fail: a flush or FUA write on a lost connection may have failed, unless its reply has arrived and is held.
#define LOST_WITH(q, l) (IN_FLIGHT(q) && carrier[q] == l)
#define FUA_LOST_WITH(b, l) (LOST_WITH(b, l) && fua[b] && !HELD(b))
#if FAILURES == 0 || defined(WITHOUT_FAIL_UNKNOWN)
#define UNKNOWN(l) false
#else
#ifdef WITHOUT_FAIL_UNKNOWN_FUA
#define UNKNOWN(l) (LOST_WITH(FLUSH, l) || LOST_WITH(OWN, l))
#else
#define UNKNOWN(l) (LOST_WITH(FLUSH, l) || LOST_WITH(OWN, l) || FUA_LOST_WITH(0, l) || FUA_LOST_WITH(1, l))
#endif
#endif

// Rule fail: a flush is not taken before the reply to a FUA write that failed earlier.
#ifdef WITHOUT_FAIL_BEHIND
#define IN_TURN(q) true
#else
#define IN_TURN(q) (q < FLUSH || q > OWN || behind[q - FLUSH] == 0)
#endif

// Rule bound: a write that finds no room is not acknowledged yet.
#ifdef WITHOUT_BOUND
#define ROOM(b) true
#else
#define ROOM(b) (!ENTERED(b) || count < BOUND)
#endif
#define TAKEABLE(q) (at[q] == DONE && IN_TURN(q) && (q >= 2 || failed[q] || (ROOM(q) && !HELD(q))))

#ifdef WITHOUT_BOUND_FLUSH
#define FULL false
#else
#define FULL (count >= BOUND)
#endif

// Rule join: when a waiting connection needs no proof of reaching the same server.
#ifdef WITHOUT_JOIN_IDLE
#define NOTHING_TO_PROVE (count == 0)
#else
#define NOTHING_TO_PROVE (count == 0 && !WRITES_IN_FLIGHT)
#endif

// Rule fail: when a failure has spoiled nothing that is relied on.
#ifdef WITHOUT_FAIL
#define NOTHING_SPOILED true
#else
#ifdef WITHOUT_FAIL_IDLE
#define NOTHING_SPOILED (count == 0)
#else
#define NOTHING_SPOILED (count == 0 && !WRITES_IN_FLIGHT)
#endif
#endif

// When the relay sends its own flush: rules bound, durable, join.
#ifdef WITHOUT_DURABLE_FLUSH
#define WANTS_FLUSH (FULL || SOME_CONNECTION(IS_JOINING))
#else
#define WANTS_FLUSH (FULL || EITHER(HELD) || SOME_CONNECTION(IS_JOINING))
#endif

// Rule order.
#ifdef WITHOUT_ORDER
#define BEHIND(e, later) false
#else
#define BEHIND(e, later) (later > e && block[e] == block[later] && at[REPLAY + e] != ANSWERED)
#endif
#define REPLAYABLE(e) (e < count && at[REPLAY + e] == FREE && !BEHIND(0, e) && !BEHIND(1, e))
#define OPEN(e) (e < count && at[REPLAY + e] != ANSWERED)

inline replay(l) {
  if :: REPLAYABLE(0) -> at[REPLAY] = SENT; carrier[REPLAY] = l :: else fi;
  if :: REPLAYABLE(1) -> at[REPLAY + 1] = SENT; carrier[REPLAY + 1] = l :: else fi;
  if :: REPLAYABLE(2) -> at[REPLAY + 2] = SENT; carrier[REPLAY + 2] = l :: else fi
}

// Rule first: a generation begins.
inline begin(l) {
#ifdef WITHOUT_FIRST
  state[l] = UP
#else
  state[l] = (count > 0 -> REPLAYING : UP);
  replay(l)
#endif
}

// Rules first and drain: if no connection is in use and all old ones are over, a waiting one begins.
#define BEGINS (!SOME_CONNECTION(SERVES) && !DRAINS)
inline lead() {
  for (i : 0 .. CONNECTIONS - 1) {
    if :: state[i] == JOINING && BEGINS -> begin(i) :: else fi
  }
}

inline made(l) {
  alive[l] = true;
#ifndef WITHOUT_JOIN_AFTER
  since[0] = since[0] & ~(1 << l); since[1] = since[1] & ~(1 << l);
#else
  since[0] = since[0] | (1 << l); since[1] = since[1] | (1 << l);
#endif
#ifdef WITHOUT_JOIN
  state[l] = (SOME_CONNECTION(SERVES) -> UP : JOINING);
#else
  state[l] = JOINING;
#endif
  lead()
}

// Rule cover: a flush has completed.
inline covered(f) {
#ifdef WITHOUT_COVER
  n = count;
#else
  n = mark[f];
#endif
  for (i : 0 .. 2) {
    if
    :: i + n < count -> block[i] = block[i + n]; version[i] = version[i + n]
    :: else -> block[i] = 0; version[i] = 0
    fi
  }
  count = count - n;
  mark[f] = 0;
  mark[1 - f] = (mark[1 - f] > n -> mark[1 - f] - n : 0);
  // Rule join: connections made before it was sent need not wait any longer.
  for (i : 0 .. CONNECTIONS - 1) {
    if :: state[i] == JOINING && (since[f] & (1 << i)) -> state[i] = UP :: else fi
  }
  since[f] = 0
}

inline send(q, l) {
  at[q] = SENT; carrier[q] = l;
  if
  :: q == FLUSH || q == OWN ->
    mark[q - FLUSH] = count;
    for (i : 0 .. CONNECTIONS - 1) {
      if :: state[i] == JOINING -> since[q - FLUSH] = since[q - FLUSH] | (1 << i) :: else fi
    }
  :: else
  fi
}

// Rules again and drain: a request loses its connection. If the server is alive, it may still execute what
// it has not executed; such a request is sent again once the server has executed or dropped it.
inline giveUp(q, l) {
  if
#ifndef NO_COPIES
  :: at[q] == SENT && alive[l] && COPIED(q) ->
    if
    :: q < 2 -> copy[q] = acked[q] + 1; copyOf[q] = q
    :: q >= REPLAY -> copy[q] = version[q - REPLAY]; copyOf[q] = block[q - REPLAY]
    :: else -> copy[q] = 1
    fi;
    at[q] = AGAIN(q)
#endif
  :: at[q] == SENT && alive[l] && !COPIED(q) -> at[q] = CLOSING
  :: else -> at[q] = AGAIN(q)
  fi;
  forget(q);
  carrier[q] = 0
}

// A connection is lost, or given up.
inline close(l) {
  state[l] = DOWN;
  for (i : 0 .. REQUESTS - 1) {
    if
#ifdef WITHOUT_DURABLE_AGAIN
    :: i < 2 && HELD(i) // The relay has its reply and keeps it.
#endif
    :: i < 2 && IN_FLIGHT(i) && carrier[i] == l ->
#ifdef WITHOUT_ONCE
      stray[i] = (at[i] == DONE);
#endif
      giveUp(i, l)
    :: (i == FLUSH || i == OWN) && IN_FLIGHT(i) && carrier[i] == l ->
      mark[i - FLUSH] = 0; since[i - FLUSH] = 0;
#ifdef WITHOUT_ONCE
      stray[i] = (i == FLUSH && at[i] == DONE);
#endif
#ifndef WITHOUT_AGAIN_FLUSH
      giveUp(i, l)
#else
      if :: i == FLUSH -> forget(i); answer(FLUSH) :: else -> giveUp(i, l) fi
#endif
    :: i >= REPLAY && (IN_FLIGHT(i) || at[i] == ANSWERED) && carrier[i] == l -> giveUp(i, l)
    :: else
    fi
  }
  alive[l] = false;
  lead()
}

inline closeAll() {
  for (i : 0 .. CONNECTIONS - 1) { state[i] = DOWN }
  for (n : 0 .. CONNECTIONS - 1) { close(n) }
}

inline take(q) {
  if
  :: q < 2 && failed[q] -> // Rule fail. The kernel gets the error and repeats the request.
    forget(q); at[q] = PENDING; carrier[q] = 0;
#ifndef WITHOUT_FAIL_FUA
    if :: !NOTHING_SPOILED -> closeAll() :: else fi
#endif
  :: q < 2 && !failed[q] -> // Rule keep: first entered into the ledger, then acknowledged.
    if
    :: ENTERED(q) ->
      assert(count < BOUND);
      block[count] = q; version[count] = acked[q] + 1; count++
    :: else
    fi;
    answer(q)
  :: (q == FLUSH || q == OWN) && failed[q] -> // Rule fail. The kernel gets the error of its own flush.
    if :: q == FLUSH -> before[0] = 0; before[1] = 0 :: else fi;
    forget(q); at[q] = FREE; carrier[q] = 0; mark[q - FLUSH] = 0; since[q - FLUSH] = 0;
    if :: !NOTHING_SPOILED -> closeAll() :: else fi
  :: q == FLUSH && !failed[q] -> covered(0); answer(q)
  :: q == OWN && !failed[q] -> covered(1); at[q] = FREE; carrier[q] = 0
#ifndef WITHOUT_LOUD
  :: q >= REPLAY && refused -> closeAll() // Rule loud: nothing continues until a server accepts it.
#endif
  :: else ->
    at[q] = ANSWERED; refused = false;
    if
    :: !(OPEN(0) || OPEN(1) || OPEN(2)) ->
      state[carrier[q]] = UP;
      for (i : REPLAY .. REQUESTS - 1) { at[i] = FREE; carrier[i] = 0 }
    :: else -> replay(carrier[q])
    fi
  fi
}

// Rule abandon: only after all connections are over, and none is made afterwards.
#if !ABANDON || defined(WITHOUT_ABANDON) || defined(WITHOUT_ABANDON_END)
#define CONNECTS true
#else
#define CONNECTS (!abandoned)
#endif
#ifdef WITHOUT_ABANDON_DRAIN
#define ABANDONABLE (!SOME_CONNECTION(IS_MADE))
#else
#define ABANDONABLE (!SOME_CONNECTION(IS_MADE) && !DRAINS)
#endif

active proctype relay() {
  byte r, c;
end:
  do
  :: atomic { CONNECTS && SOME_CONNECTION(IS_DOWN) -> CHOOSE_CONNECTION(IS_DOWN); d_step { made(c); c = 0; promise() } }
  :: atomic { // It notices that the server is gone, or gives up a connection although it is not.
      SOME_CONNECTION(IS_LOST) -> CHOOSE_CONNECTION(IS_LOST);
      d_step {
        cuts = (alive[c] -> cuts - 1 : cuts);
        if :: UNKNOWN(c) -> closeAll() :: else -> close(c) fi;
        c = 0; promise()
      }
    }
  :: d_step { BEGINS && SOME_CONNECTION(IS_JOINING) -> lead(); promise() }
#ifdef WITHOUT_DRAIN_FIRST
  :: atomic { // A replay waited for its old copy.
      SOME_CONNECTION(IS_REPLAYING) && (REPLAYABLE(0) || REPLAYABLE(1) || REPLAYABLE(2)) -> CHOOSE_CONNECTION(IS_REPLAYING);
      d_step { replay(c); c = 0 }
    }
#endif
  :: atomic {
      SOME_REQUEST(IS_PENDING) && SOME_CONNECTION(CARRIES) -> CHOOSE_REQUEST(IS_PENDING); CHOOSE_CONNECTION(CARRIES);
      d_step { send(r, c); r = 0; c = 0 }
    }
  :: atomic {
      at[OWN] == FREE && FLUSHABLE && WANTS_FLUSH && SOME_CONNECTION(CARRIES) -> CHOOSE_CONNECTION(CARRIES);
      d_step { send(OWN, c); c = 0 }
    }
  :: d_step {
      NOTHING_TO_PROVE && SOME_CONNECTION(CARRIES) && SOME_CONNECTION(IS_JOINING) ->
      for (i : 0 .. CONNECTIONS - 1) { if :: state[i] == JOINING -> state[i] = UP :: else fi }
      promise()
    }
  :: atomic { SOME_REQUEST(TAKEABLE) -> CHOOSE_REQUEST(TAKEABLE); d_step { take(r); r = 0; promise() } }
#ifdef WITHOUT_ONCE
  :: d_step { stray[0] -> stray[0] = false; answer(0) }
  :: d_step { stray[1] -> stray[1] = false; answer(1) }
  :: d_step { stray[FLUSH] -> stray[FLUSH] = false; answer(FLUSH) }
#endif
#if ABANDON
  :: d_step { // All requests fail with an error, and the ledger is dropped.
      !abandoned && ABANDONABLE -> abandoned = true;
#ifndef WITHOUT_ABANDON
      for (i : 0 .. REQUESTS - 1) { if :: at[i] != CLOSING -> at[i] = FREE :: else fi }
      count = 0; before[0] = 0; before[1] = 0; fua[0] = false; fua[1] = false;
#endif
      promise()
    }
#endif
  od
}

/* ---- kernel ---- */

#define UNWRITTEN(b) (b < BLOCKS && at[b] == FREE)

// What the relay cannot send at once counts as not requested yet.
active proctype kernel() {
  byte b, c;
end:
  do
  :: atomic {
      writes > 0 && EITHER(UNWRITTEN) && SOME_CONNECTION(CARRIES) ->
      if :: UNWRITTEN(0) -> b = 0 :: UNWRITTEN(1) -> b = 1 fi;
      if :: skip :: fuas > 0 -> fuas--; fua[b] = true fi;
      CHOOSE_CONNECTION(CARRIES);
      d_step { writes--; send(b, c); b = 0; c = 0 }
    }
  :: atomic {
      flushes > 0 && at[FLUSH] == FREE && FLUSHABLE && SOME_CONNECTION(CARRIES) -> CHOOSE_CONNECTION(CARRIES);
      d_step { flushes--; before[0] = acked[0]; before[1] = acked[1]; send(FLUSH, c); c = 0 }
    }
  :: timeout -> // Nothing more can happen: every request got its reply, and the server has the last write.
#if ABANDON
    if :: abandoned -> break :: else fi;
#endif
    assert(at[0] == FREE && at[1] == FREE && at[FLUSH] == FREE);
    assert(writes == 0 && flushes == 0);
    assert(cache[0] == acked[0] && cache[1] == acked[1]);
    break
  od
}

// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// How a relay continues from the Record of one that has ended anywhere: between any two stores, also in the recovery from an
// earlier end. README.md explains this model; Tests/Model/run searches it, complete and with each rule removed by a macro
// WITHOUT_... .

#ifndef WRITES
#define WRITES 2   // what the kernel requests, in total: 1 or 2
#endif
#ifndef KILLS
#define KILLS 2    // of the relay
#endif
#ifndef CRASHES
#define CRASHES 1  // of the server
#endif

// The stream from the kernel: unit 2i is the header of write i, 2i + 1 its data. The stream to the kernel: an answer has two
// units, which can be sent one by one. In memory a unit is its number + 1, and 0 is nothing.
#define UNITS (2 * WRITES)

// What really happened. It cannot be seen by the relay but through the counters of the sockets.
byte consumed;             // units that were taken from the kernel's socket
byte gone;                 // units that were put into the stream to the kernel
byte got[UNITS];           // those units: the write that is answered + 1
bit executed[WRITES];      // by the server, in its cache
bit durable[WRITES];
byte kills, crashes;
bit killed;                // the relay ends now

// The Record. Each assignment to it is one store.
byte received, noteAt, note;
byte parsed;
byte ring[UNITS];
byte store[WRITES];        // the data of a write
bit isTaken[WRITES];       // a slot, here that of write i; `number` in the code
bit isCopied[WRITES];
byte answer[WRITES];       // the position of the answer + 1
byte sent, sendNoteAt, sendNote;
byte entry[WRITES];        // of the ledger: the write + 1
byte first, next;

// What a relay only remembers.
byte queued;               // up to where answers have positions
bit isExecuted[WRITES];    // the server has replied
bit flushSent;
byte mark;
byte i, k, n;

#define header(i) (2 * (i))
#define data(i) (2 * (i) + 1)
#define isAccepted(i) (isTaken[i] && data(i) + 1 <= parsed)
#define hasData(i) (isAccepted(i) && received > data(i) && isCopied[i])
#define isGone(i) (answer[i] != 0 && answer[i] + 1 <= sent)
#define isKept(i) ((next > 0 && entry[0] == (i) + 1) || (WRITES > 1 && next > 1 && entry[WRITES - 1] == (i) + 1))
#define isInLedger(i) ((first < 1 && next > 0 && entry[0] == (i) + 1) || \
                       (WRITES > 1 && first < 2 && next > 1 && entry[WRITES - 1] == (i) + 1))
#define isAnswered(i) (gone >= 2 && (got[1] == (i) + 1 || (WRITES > 1 && gone == UNITS && got[UNITS - 1] == (i) + 1)))
// The write whose answer has that unit.
#define isAnswerAt(i, position) (answer[i] != 0 && (answer[i] - 1 == position || answer[i] == position))

// What a successor knows of a write that the ledger has.
#ifdef WITHOUT_LEDGER_IN_RECOVERY
#define isKnownDone(i) false
#else
#define isKnownDone(i) isKept(i)
#endif

// Whether the kernel may have ended a call without its note. With NOTES it does not, and they are all that a successor has.
#if defined(NOTES) || defined(WITHOUT_POSITION_IN_NOTE)
#define mayBeMissing false
#else
#define mayBeMissing true
#endif

// Rule `keep`, whatever ends: what the kernel was told to be done is durable, or will be sent again.
inline checkKept() {
  assert(!isAnswered(0) || durable[0] || isInLedger(0));
  assert(WRITES < 2 || !isAnswered(WRITES - 1) || durable[WRITES - 1] || isInLedger(WRITES - 1));
}

// --- the steps of a relay, in the order of the code

// A unit arrives: into the ring, or if it is the data of a write whose header was handled before, to where it stays. The
// kernel writes the note within the call; a relay that is killed in it may not have it.
inline receive() {
  note = 0;
  noteAt = received;
  atomic {
    consumed < UNITS;
    if
    :: received % 2 == 1 && isAccepted(received / 2) -> store[received / 2] = consumed + 1
    :: else -> ring[received] = consumed + 1
    fi;
    consumed++;
    if :: note = 1 :: mayBeMissing && kills < KILLS -> skip fi
  }
  received = received + 1;
}

// A header is in the ring. Its data may have come along, or not yet.
inline accept() {
  d_step { i = parsed / 2; n = received > data(i) };
#ifdef WITHOUT_SLOT_BEFORE_PARSED
  parsed = data(i) + 1;
#endif
  assert(ring[header(i)] == header(i) + 1);
  answer[i] = 0;
  isCopied[i] = !n;
  isTaken[i] = 1;
#ifndef WITHOUT_SLOT_BEFORE_PARSED
  parsed = data(i) + 1;
#endif
  if :: n -> copy(i) :: else fi;
}

inline copy(w) {
#ifdef WITHOUT_DATA_BEFORE_COPIED
  isCopied[w] = 1;
  store[w] = ring[data(w)];
#else
  store[w] = ring[data(w)];
  isCopied[w] = 1;
#endif
}

// Sent to the server, which executes it; the reply comes, or the end of the relay before it.
inline execute(w) {
  atomic {
    // Rule `once`: what the ledger has is not a new request any more.
    assert(!isKept(w));
    assert(store[w] == data(w) + 1);
    executed[w] = 1;
    isExecuted[w] = 1
  }
}

inline keepIt(w) {
  entry[next] = w + 1;
  next = next + 1;
}

inline answerIt(w) {
  answer[w] = queued + 1;
  queued = queued + 2;
}

inline complete(w) {
#ifdef WITHOUT_LEDGER_BEFORE_ANSWER
  answerIt(w);
  send();
  send();
  keepIt(w);
#else
  keepIt(w);
  answerIt(w);
#endif
}

// One unit of the answers goes out.
inline send() {
  sendNote = 0;
  sendNoteAt = sent;
  atomic {
    if
    :: isAnswerAt(0, sent) -> k = 0
    :: WRITES > 1 && isAnswerAt(WRITES - 1, sent) -> k = WRITES - 1
    :: else -> assert(false)
    fi;
    assert(gone < UNITS);                             // each write is answered once,
    got[gone] = k + 1;
    gone++;
    assert(gone % 2 == 1 || got[gone - 2] == k + 1);  // in one piece,
    assert(gone < UNITS || got[0] != got[UNITS - 1] || UNITS == 2);  // and no other one twice
    if :: sendNote = 1 :: mayBeMissing && kills < KILLS -> skip fi
  }
  checkKept();
  sent = sent + 1;
}

// --- a relay, from its beginning to its end

active proctype Relay() {
again:
  {
    // What the predecessor was doing: by the counters, or where there are none by the notes.
#if defined(WITHOUT_COUNTER)
    if :: noteAt == received -> received = received + note :: else fi;
    if :: sendNoteAt == sent -> sent = sent + sendNote :: else fi;
#elif defined(WITHOUT_POSITION_IN_NOTE)
    received = received + note;
    sent = sent + sendNote;
#elif defined(NOTES)
    if :: noteAt == received -> received = received + note :: else fi;
    if :: sendNoteAt == sent -> sent = sent + sendNote :: else fi;
#else
    received = consumed;
    sent = gone;
#endif
    d_step { queued = sent; flushSent = 0; isExecuted[0] = 0; isExecuted[WRITES - 1] = 0; i = 0 };
    // Free what is over; find where the answers end.
    do
    :: i < WRITES ->
      if
      :: isTaken[i] && (!isAccepted(i) || isGone(i)) -> isTaken[i] = 0
      :: isTaken[i] && isAccepted(i) && answer[i] != 0 && answer[i] + 1 > queued -> queued = answer[i] + 1
      :: else
      fi;
      i++
    :: else -> break
    od;
    // The ledger says what was executed; the rest of the data that came along is copied.
    i = 0;
    do
    :: i < WRITES ->
      if
      :: isTaken[i] && answer[i] == 0 && isKnownDone(i) -> answerIt(i)
      :: isTaken[i] && answer[i] == 0 && !isKnownDone(i) && !isCopied[i] -> copy(i)
      :: else
      fi;
      i++
    :: else -> break
    od;
    // A new connection: rule `first`, what is in the ledger is sent again before anything else.
    atomic {
      if :: isInLedger(0) -> executed[0] = 1 :: else fi;
      if :: WRITES > 1 && isInLedger(WRITES - 1) -> executed[WRITES - 1] = 1 :: else fi
    }
    do
    :: received < UNITS -> receive()
    :: parsed % 2 == 0 && received > parsed -> accept()
    :: hasData(0) && answer[0] == 0 && !isExecuted[0] && isTaken[0] -> execute(0); complete(0)
    :: WRITES > 1 && hasData(WRITES - 1) && answer[WRITES - 1] == 0 && !isExecuted[WRITES - 1] && isTaken[WRITES - 1] ->
      execute(WRITES - 1); complete(WRITES - 1)
    :: queued > sent -> send()
#ifdef WITHOUT_SENT_BEFORE_FREE
    :: isTaken[0] && answer[0] != 0 -> isTaken[0] = 0
#else
    :: isTaken[0] && isGone(0) -> isTaken[0] = 0
#endif
    :: WRITES > 1 && isTaken[WRITES - 1] && isGone(WRITES - 1) -> isTaken[WRITES - 1] = 0
    // Rule `cover`: a flush covers what was acknowledged when it was sent.
    :: !flushSent && first < next -> d_step { mark = next; flushSent = 1 }
    :: flushSent ->
      d_step {
        flushSent = 0;
        if :: mark > 0 && executed[entry[0] - 1] -> durable[entry[0] - 1] = 1 :: else fi;
        if :: mark > 1 && executed[entry[WRITES - 1] - 1] -> durable[entry[WRITES - 1] - 1] = 1 :: else fi
      };
#ifdef WITHOUT_MARK_AT_SENDING
      first = next;
#else
      first = mark;
#endif
    // The server loses its cache; the connection with it, so the ledger is sent again.
    :: crashes < CRASHES -> d_step {
        crashes++;
        flushSent = 0;
        executed[0] = durable[0] || isInLedger(0);
        executed[WRITES - 1] = durable[WRITES - 1] || isInLedger(WRITES - 1);
        isExecuted[0] = isKept(0);
        isExecuted[WRITES - 1] = isKept(WRITES - 1)
      }
    :: received == UNITS && sent == UNITS && !isTaken[0] && !isTaken[WRITES - 1] -> break
    od;
    // Every write was answered, and nothing is left.
    assert(gone == UNITS);
    goto over
  } unless { kills < KILLS && killed };
  d_step { kills++; killed = 0 };
  goto again;
over:
  skip
}

// Ends the relay at any moment.

active proctype Killer() {
  do
  :: kills < KILLS && !killed -> killed = 1
  :: kills == KILLS -> break
  :: break
  od
}

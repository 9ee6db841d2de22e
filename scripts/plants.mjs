/**
 * Bugs for the simulator to find: the test of the simulator itself. Each is planted into a copy of the compiled library,
 * never into src. `text` is what stands there, white space aside, exactly once; `breaks` is the promise that suffers.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const PLANTS = [
  {
    name: 'answer-dropped-while-draining',
    file: 'rpc/dispatcher.js',
    text: "if (this.#connection.state === 'closed') return; const { writes }",
    replacement: "if (this.#connection.state !== 'ready') return; const { writes }",
    breaks: 'a close in good order loses the answers of accepted calls',
  },
  {
    name: 'deadline-not-rearmed',
    file: 'rpc/deadline.js',
    text: 'if (next < this.#earliest) this.#arm(next);',
    replacement: '',
    breaks: 'after the first deadline that passes the others are not watched',
  },
  {
    name: 'deadline-too-early',
    file: 'rpc/caller.js',
    text: 'if (pending.expiresAt > now)',
    replacement: 'if (pending.expiresAt > now + 20)',
    breaks: 'calls are given up before their time',
  },
  {
    name: 'credit-granted-twice',
    file: 'connection/flow.js',
    text: 'this.#writes.credit(id === 0 ? priority : 0, id, bytes);',
    replacement: 'this.#writes.credit(id === 0 ? priority : 0, id, bytes * 2);',
    breaks: 'the peer sends beyond what we think we granted',
  },
  {
    name: 'credit-lost',
    file: 'connection/credit.js',
    text: 'let bytes = consumed + restored;',
    replacement: 'let bytes = consumed + restored - (consumed > 2000 ? 2000 : 0);',
    breaks: 'windows shrink until nothing moves',
  },
  {
    name: 'batch-overdraws-lane',
    file: 'connection/frame-writer.js',
    text: 'this.#payer?.charge(size - this.#charged);\n        this.#charged = size;',
    replacement: '',
    breaks: 'a large message leaves behind a batch that used up the credit',
  },
  {
    name: 'go-away-id-off-by-one',
    file: 'rpc/caller.js',
    text: '((id - lastAcceptedId) | 0) <= 0',
    replacement: '((id - lastAcceptedId) | 0) < 0',
    breaks: 'the last accepted call is told that it never ran',
  },
  {
    name: 'not-processed-though-handed-over',
    file: 'rpc/caller.js',
    text: "pending.endPosition <= handedBytes ? 'maybe' : 'no'",
    replacement: "pending.endPosition < handedBytes ? 'maybe' : 'no'",
    breaks: 'the last call handed to the socket is told that it never ran',
  },
  {
    name: 'cancelled-says-not-processed',
    file: 'rpc/pending-call.js',
    text: "error(this.held ? 'no' : 'maybe')",
    replacement: "error('no')",
    breaks: 'a call that was cancelled is told that it never ran',
  },
  {
    name: 'stream-says-not-processed',
    file: 'connection/streams.js',
    text: 'stream.ours && stream.endPosition > handedBytes',
    replacement: 'stream.ours',
    breaks: 'a stream on a lost connection is told that it never ran',
  },
  {
    name: 'calls-not-told-of-loss',
    file: 'rpc/session.js',
    text: 'this.caller.onClosed(error, handedBytes);',
    replacement: '',
    breaks: 'calls on a lost connection wait for their deadline',
  },
  {
    name: 'calls-told-of-loss-too-late',
    file: 'rpc/session.js',
    text: 'this.caller.onClosed(error, handedBytes);',
    replacement: 'this.#environment.clock.nextTurn(() => this.caller.onClosed(error, handedBytes));',
    breaks: 'calls on a lost connection are told a turn later',
  },
  {
    name: 'waiting-calls-forgotten-at-close',
    file: 'rpc/outbound.js',
    text: 'this.#waiting.failAll(closed);',
    replacement: '',
    breaks: 'calls that wait for a connection never settle when their client closes',
  },
  {
    name: 'pool-does-not-replace',
    file: 'pool/pool.js',
    text: 'if (!usable && !this.#closed) this.#owner.onTrouble(); this.#replenish();',
    replacement: 'if (!usable && !this.#closed) this.#owner.onTrouble();',
    breaks: 'a pool whose connections are lost stays small',
  },
  {
    name: 'pool-over-max',
    file: 'pool/endpoint.js',
    text: 'return this.size >= this.#max;',
    replacement: 'return this.size > this.#max;',
    breaks: 'more connections than allowed',
  },
  {
    name: 'dial-storm',
    file: 'pool/dial-gate.js',
    text: 'this.#parts.wheel.arm(this.#pause, this.#pauseMs())',
    replacement: 'this.#parts.wheel.arm(this.#pause, 1)',
    breaks: 'a dead endpoint is dialled without a pause',
  },
  {
    name: 'dial-without-limit',
    file: 'connection/dialer.js',
    text: 'wheel.disarm(limit);',
    replacement: '',
    breaks: 'the timer of each dial stays behind',
  },
  {
    name: 'one-way-overtakes',
    file: 'mailbox/mailbox.js',
    text: 'this.#ring.push(item); this.#bytes',
    replacement:
      'const first = this.#ring.shift(); this.#ring.push(item); if (first !== undefined) this.#ring.push(first); this.#bytes',
    breaks: 'a message is put before one that waits',
  },
  {
    name: 'one-way-sent-twice',
    file: 'rpc/one-way-sender.js',
    text: 'session.caller.sendNow(method, message, lane, metadata)) return;',
    replacement: 'session.caller.sendNow(method, message, lane, metadata)) break;',
    breaks: 'a message that had to wait is sent once more',
  },
  {
    name: 'waiter-never-woken',
    file: 'connection/one-way-lane.js',
    text: 'if (this.holding) return; for',
    replacement: 'return; for',
    breaks: 'who waits for an open lane waits for ever',
  },
  {
    name: 'stream-room-not-told',
    file: 'connection/stream.js',
    text: 'this.#wantsRoom = false; this.sink.onRoom(refusal);',
    replacement: 'this.#wantsRoom = false;',
    breaks: 'who waits for room in a stream waits for ever',
  },
  {
    name: 'stream-end-lost',
    file: 'connection/stream.js',
    text: 'this.#hold(KIND.STREAM_END, 0, aux, HeldBody.from(body)); return;',
    replacement: 'return;',
    breaks: 'an end behind data that waits is never sent',
  },
  {
    name: 'stream-end-overtakes',
    file: 'connection/stream.js',
    text: 'if (this.#queue.length > 0 || writes.mustWait || writes.encoding) { this.#hold(KIND.STREAM_END',
    replacement: 'if (writes.encoding) { this.#hold(KIND.STREAM_END',
    breaks: 'an end goes before the data that waits',
  },
  {
    name: 'stream-cut-looks-whole',
    file: 'rpc/inbound-messages.js',
    text: 'if (this.#ended && cut)',
    replacement: 'if (this.#ended && cut && false)',
    breaks: 'a stream that was given up looks complete to its handler',
  },
  {
    name: 'stream-slot-leaks',
    file: 'connection/stream.js',
    text: 'writes.heldFrameEnded(); if (!this.ours) this.#gone();',
    replacement: 'writes.heldFrameEnded();',
    breaks: 'a stream whose end had to wait holds its place for ever',
  },
  {
    name: 'call-slot-leaks-on-cancel',
    file: 'rpc/caller.js',
    text: 'else if (pending.settled) this.#abandoned -= 1; else {',
    replacement: 'else if (pending.settled) this.#table.open(pending); else {',
    breaks: 'a call that was given up holds its place for ever',
  },
  {
    name: 'handler-slot-leaks',
    file: 'rpc/dispatcher.js',
    text: 'this.#finishWithError(running.id, running.call.abandoned ?? handlerError(error)); running.registration.queue?.settled();',
    replacement: 'this.#finishWithError(running.id, running.call.abandoned ?? handlerError(error));',
    breaks: 'a handler that throws holds its place for ever',
  },
  {
    name: 'call-ids-reused',
    file: 'connection/exchange.js',
    text: 'let id = nextId(this.#lastId);',
    replacement: 'let id = this.#open === 0 ? 1 : nextId(this.#lastId);',
    breaks: 'the same id twice on one connection',
  },
  {
    name: 'place-taken-twice',
    file: 'connection/exchange.js',
    text: 'while (this.#entries[id & mask] !== undefined) id = nextId(id);',
    replacement: '',
    breaks: 'a call takes the place of one that is open, and its answer is for the other',
  },
  {
    name: 'leaves-before-what-crosses',
    file: 'rpc/session.js',
    text: 'if (!this.#registry.beyondCalls) {',
    replacement: 'if (this.connection !== null) {',
    breaks: 'a stream that crosses a GO_AWAY is refused, and its source is spent',
  },
  {
    name: 'retried-after-maybe',
    file: 'rpc/retry.js',
    text: "if (!refused && !idempotent) return 'none';",
    replacement: '',
    breaks: 'a call that may have run is made again',
  },
  {
    name: 'timer-left-at-close',
    file: 'rpc/session.js',
    text: 'this.#disarm(this.#grace);',
    replacement: '',
    breaks: 'a timer outlives its connection',
  },
  {
    name: 'buffer-not-returned',
    file: 'connection/write-loop.js',
    text: 'if (segment !== undefined) this.out.written(segment); if (this.closed || failed) return;',
    replacement: 'if (this.closed || failed) return; if (segment !== undefined) this.out.written(segment);',
    breaks: 'what a lost connection had open is never given back',
  },
  {
    name: 'carry-not-returned',
    file: 'wire/frame-reader.js',
    text: 'if (this.#carry !== NOTHING) this.#pool.release(this.#carry);',
    replacement: '',
    breaks: 'half a frame on a lost connection keeps its buffer',
  },
  {
    name: 'bytes-not-copied',
    file: 'codec/copy.js',
    text: 'const length = end - start;',
    replacement:
      'const length = end - start; if (length > 40) return new FastBuffer(bytes.buffer, bytes.byteOffset + start, length);',
    breaks: 'a body changes when the next bytes are read',
  },
  {
    name: 'split-frame-spoilt',
    file: 'wire/frame-reader.js',
    text: 'if (this.#carried < HEADER_BYTES) return HEADER_BYTES;',
    replacement: '',
    breaks: 'a header that comes in pieces is read too soon',
  },
  {
    name: 'part-lost',
    file: 'connection/held-frame.js',
    text: 'this.#sent += count;',
    replacement: 'this.#sent += count + (this.#sent > 100_000 ? 1 : 0);',
    breaks: 'a message in parts arrives short of a byte',
  },
  {
    name: 'handler-runs-for-refused-call',
    file: 'rpc/dispatcher.js',
    text: 'this.#run(registration, id, lane, value, call); this.#onSettled();',
    replacement:
      'this.#refuse(id, opaque(new Error("planted"))); this.#run(registration, id, lane, value, call); this.#onSettled();',
    breaks: 'a call is refused and runs',
  },
  {
    name: 'handler-runs-twice',
    file: 'rpc/handler-queue.js',
    text: 'job.start();',
    replacement: 'job.start(); if (job.bytes > 200) job.start();',
    breaks: 'a call that waited for its handler runs twice',
  },
  {
    name: 'peer-end-ignored',
    file: 'connection/connection.js',
    text: "this.#close(failure('connection-lost', 'the peer closed the connection', { processed: 'maybe' }));",
    replacement: 'if (this.#state === "ready") return;',
    breaks: 'a connection whose peer has gone is used on',
  },
  {
    name: 'handshake-timer-runs-on',
    file: 'connection/connection.js',
    text: 'this.#handshake = null; this.#environment.wheel.disarm(this.#timer);',
    replacement: 'this.#handshake = null;',
    breaks: 'a good connection is cut when its handshake would have been due',
  },
]

/** White space in the compiled code is the compiler's business. */
function patternOf(text) {
  const words = text.trim().split(/\s+/)
  return new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s*'), 'g')
}

/** How often the text of a bug is in the compiled library. Once, or it cannot be planted. */
export function timesFound({ file, text }, folder) {
  return readFileSync(join(folder, file), 'utf8').match(patternOf(text))?.length ?? 0
}

/** Copies the build into a folder of its own with one bug in it, and returns that folder. */
export function plant(name, build, plants) {
  const row = PLANTS.find((one) => one.name === name)
  if (row === undefined) throw new Error(`there is no bug called ${name}; see scripts/plants.mjs`)
  const folder = join(plants, name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(build, folder, { recursive: true })
  const found = timesFound(row, join(folder, 'src'))
  if (found !== 1)
    throw new Error(`${name}: its text is in ${row.file} ${found} times, and not once: adapt scripts/plants.mjs`)
  const file = join(folder, 'src', row.file)
  const code = readFileSync(file, 'utf8').replace(patternOf(row.text), () => row.replacement)
  writeFileSync(file, code)
  return folder
}

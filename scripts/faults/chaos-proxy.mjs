// A TCP proxy between a client and a server that does to their bytes what bad networks do: late, in pieces, stalled, cut.
// Everything it does is drawn from a seed, per connection and direction.
import { connect, createServer } from 'node:net'
import { seededRandom } from '../../dist/testing.js'

/** What each fault does with a chance of its own; all of them off is a plain proxy. */
export const MILD = { latencyMs: 4, slice: 0.3, stall: 0.02, reset: 0.15, halfClose: 0.05, limitBytes: 400_000 }

/** @param {import('./chaos-proxy.d.mts').ChaosOptions} options */
export async function startChaosProxy({ targetPort, seed, faults = MILD, connectionsWithout = 0 }) {
  const random = seededRandom(seed)
  const pairs = new Set()
  const counts = { connections: 0, resets: 0, halfCloses: 0, stalls: 0, slices: 0, bytes: 0 }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    counts.connections += 1
    const calm = counts.connections <= connectionsWithout
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const pair = new Pair(near, far, random, calm ? {} : faults, counts, () => pairs.delete(pair))
    pairs.add(pair)
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: server.address().port,
    counts,
    /** Cuts every connection there is, with a reset. */
    resetAll: () => {
      for (const pair of pairs) pair.reset()
    },
    async close() {
      for (const pair of pairs) pair.reset()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The two sockets of one connection. Whatever ends one of them ends both. */
class Pair {
  constructor(near, far, random, faults, counts, onGone) {
    this.sockets = [near, far]
    this.counts = counts
    this.timers = new Set()
    this.over = false
    this.onGone = onGone
    const limit = (faults.limitBytes ?? 0) * 2 * random.next()
    this.left = random.next() < (faults.reset ?? 0) ? limit : Number.POSITIVE_INFINITY
    const halfClose = random.next() < (faults.halfClose ?? 0)
    for (const socket of this.sockets) socket.on('error', () => this.reset())
    this.pipe(near, far, random, faults, halfClose ? limit : Number.POSITIVE_INFINITY)
    this.pipe(far, near, random, faults, Number.POSITIVE_INFINITY)
  }

  /** One direction. Bytes keep their order; the reader is held back while they wait, as a network does. */
  pipe(from, to, random, { latencyMs = 0, slice = 0, stall = 0 }, halfCloseAfter) {
    let passed = 0
    // Chunks under way, and whether the end is behind them.
    let open = 0
    let ended = false
    const next = (chunk, offset) => {
      if (this.over) return
      if (offset >= chunk.length) {
        open -= 1
        if (ended) to.end()
        else from.resume()
        return
      }
      const sliced = random.next() < slice
      const end = sliced ? Math.min(chunk.length, offset + 1 + Math.floor(random.next() * 64)) : chunk.length
      if (sliced) this.counts.slices += 1
      const part = chunk.subarray(offset, end)
      passed += part.length
      this.left -= part.length
      this.counts.bytes += part.length
      if (this.left < 0) {
        this.counts.resets += 1
        this.reset()
        return
      }
      to.write(part, () => this.after(sliced ? 0 : random.next() * latencyMs, () => next(chunk, end)))
      if (passed > halfCloseAfter) {
        this.counts.halfCloses += 1
        to.end()
        from.on('data', () => {})
      }
    }
    from.on('data', (chunk) => {
      if (passed > halfCloseAfter) return
      from.pause()
      open += 1
      const stalled = random.next() < stall
      if (stalled) this.counts.stalls += 1
      this.after(stalled ? 20 + random.next() * 200 : random.next() * latencyMs, () => next(chunk, 0))
    })
    from.on('end', () => {
      ended = true
      if (open === 0) to.end()
    })
    from.on('close', () => {
      this.gone(from)
    })
  }

  after(ms, callback) {
    if (ms < 1) {
      setImmediate(callback)
      return
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      callback()
    }, ms)
    this.timers.add(timer)
  }

  gone(socket) {
    this.sockets = this.sockets.filter((one) => one !== socket)
    if (this.sockets.length === 0) this.end()
  }

  reset() {
    this.end()
    for (const socket of this.sockets) {
      // The system takes no reset behind a FIN. Node does not notice, keeps the handle, and waits for it in vain at exit.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  end() {
    if (this.over) return
    this.over = true
    for (const timer of this.timers) clearTimeout(timer)
    this.onGone()
  }
}

import { describe, expect } from 'vitest'
import { type Codec, defineService, oneWay, raw, unary } from '../../src/index.js'
import { it, type Stage, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const MiB = 1024 * 1024

/** A codec whose user made a mistake. */
function faulty(where: 'encode' | 'decode'): Codec<string> {
  const fail = (): never => {
    throw new Error('the password is 1234')
  }
  return {
    name: 'raw',
    schema: 'faulty',
    encode: where === 'encode' ? fail : (text, out) => out.put(Buffer.from(text)),
    decode: where === 'decode' ? fail : (bytes, start, end) => bytes.toString('utf8', start, end),
  }
}

const circle: Record<string, unknown> = {}
circle['self'] = circle

const trap = {
  get field(): never {
    throw new Error('a getter of the user')
  },
}

const UNENCODABLE: readonly (readonly [string, unknown])[] = [
  ['a function', () => {}],
  ['a symbol', Symbol('x')],
  ['a circle', circle],
  ['a getter that throws', trap],
  ['a bigint of 65 bits', 2n ** 64n],
  ['a date that is none', new Date(Number.NaN)],
  ['something deep inside', { a: [1, 2, { b: () => {} }] }],
  ['large bytes, then a function', [Buffer.alloc(100_000), () => {}]],
]

describe('a request that cannot be encoded', () => {
  it.for(UNENCODABLE)('(%s) fails its own call and no other of the same turn', async ([_, value], { stage }) => {
    const { server, address } = await stage.listening()
    const notes: unknown[] = []
    server.handle('echo', (request) => request)
    server.receive('note', (note) => void notes.push(note))
    // Time stands still: no batch ends its turn early, and all of it leaves in one.
    const client = stage.client(address, { clock: new VirtualClock() })
    await client.connect()
    const before = client.call('echo', 'before')
    const failed = client.call('echo', value)
    const sent = client.sendBatch('note', [1, 2])
    const notSent = client.send('note', value)
    const batch = client.sendBatch('note', [3, value, 4])
    const after = client.call('echo', 'after')
    await expect(failed).rejects.toMatchObject({ reason: 'encode-failed', origin: 'user', processed: 'no' })
    await expect(notSent).rejects.toMatchObject({ reason: 'encode-failed' })
    await expect(batch).rejects.toMatchObject({ reason: 'encode-failed' })
    await sent
    expect(await Promise.all([before, after])).toEqual(['before', 'after'])
    await client.send('note', 5)
    await client.call('echo', null)
    expect(notes).toEqual([1, 2, 3, 5])
    expect(client.metrics().dialsStarted).toBe(1)
    expect(client.info().connections[0]?.openCalls).toBe(0)
  })

  it('as the second of a batch, leaves the first and the third whole', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const notes: unknown[] = []
    server.receive('note', (note) => void notes.push(note))
    server.handle('echo', (request) => request)
    const client = stage.client(address)
    await client.connect()
    const sends = [1, trap, 2, 3, trap, trap, 4].map((note) => client.send('note', note))
    const outcomes = (await Promise.allSettled(sends)).map(({ status }) => status)
    expect(outcomes).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled'])
    await client.call('echo', null)
    expect(notes).toEqual([1, 2, 3, 4])
    expect(server.metrics().oneWayDropped).toBe(0)
  })

  it('because it calls while it is encoded, fails with what it called, and nothing else does', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const notes: unknown[] = []
    server.handle('echo', (request) => request)
    server.receive('note', (note) => void notes.push(note))
    const client = stage.client(address)
    await client.connect()
    const controller = new AbortController()
    const inner: Promise<unknown>[] = []
    const running = client.call('echo', 'running', { signal: controller.signal })
    const before = client.call('echo', 'before')
    const outer = client.call('echo', {
      text: 'some text in front of it',
      get calls() {
        inner.push(client.call('echo', 'inner'), client.send('note', 'inner'), client.call('new-name', 1))
        controller.abort()
        return 1
      },
      more: 'and some behind',
    })
    const after = client.call('echo', 'after')
    await client.send('note', 'after')
    for (const one of inner) await expect(one).rejects.toMatchObject({ reason: 'encode-failed', processed: 'no' })
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await outer).toEqual({ text: 'some text in front of it', calls: 1, more: 'and some behind' })
    expect(await Promise.all([before, after])).toEqual(['before', 'after'])
    await client.call('echo', null)
    expect(notes).toEqual(['after'])
    expect(client.metrics().dialsStarted).toBe(1)
    await until(() => client.info().connections[0]?.openCalls === 0)
  })

  it('with the raw codec, for which only bytes will do', async ({ stage }) => {
    const Bytes = defineService('bytes', {
      echo: unary({ request: raw(), response: raw() }),
      note: oneWay({ request: raw() }),
    })
    const { server, address } = await stage.listening()
    server.implement(Bytes, { echo: (bytes) => bytes, note: () => {} })
    const bytes = stage.client(address).use(Bytes)
    for (const wrong of ['text', 7, null, undefined, [1, 2], new ArrayBuffer(3)]) {
      await expect(bytes.echo(wrong as never)).rejects.toMatchObject({ reason: 'encode-failed', processed: 'no' })
      await expect(bytes.note(wrong as never)).rejects.toMatchObject({ reason: 'encode-failed' })
    }
    expect(await bytes.echo(Buffer.from('right'))).toEqual(Buffer.from('right'))
  })

  it('because it is over what the peer takes, says so, and leaves the connection alone', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxMessageBytes: 64 * 1024 } })
    server.handle('length', (request) => (request as Buffer).length)
    const client = stage.client(address, { compression: { algorithm: 'none' } })
    // 3 of msgpack's head of bytes.
    const most = 64 * 1024 - 3
    expect(await client.call('length', Buffer.alloc(most))).toBe(most)
    const over = client.call('length', Buffer.alloc(most + 1))
    const beside = client.call('length', Buffer.alloc(3))
    await expect(over).rejects.toMatchObject({
      reason: 'message-too-large',
      code: 'RESOURCE_EXHAUSTED',
      processed: 'no',
    })
    expect(await beside).toBe(3)
    await expect(client.send('note', Buffer.alloc(most + 1))).rejects.toMatchObject({ reason: 'message-too-large' })
    expect(client.metrics().dialsStarted).toBe(1)
    expect(client.metrics().failures['message-too-large']).toBe(2)
  })

  it('because it inflates to more than the peer takes, is not sent for the peer to refuse', async ({ stage }) => {
    const options = { limits: { maxMessageBytes: 512 * 1024 } }
    const { server, address } = await stage.listening(options)
    server.handle('length', (request) => (request as string).length)
    const client = stage.client(address, { compression: { mode: 'always' } })
    expect(await client.call('length', 'x'.repeat(512 * 1024 - 5))).toBe(512 * 1024 - 5)
    const over = client.call('length', 'x'.repeat(512 * 1024 - 4))
    const beside = client.call('length', 'abc')
    await expect(over).rejects.toMatchObject({ reason: 'message-too-large', processed: 'no' })
    expect(await beside).toBe(3)
    expect(client.metrics().dialsStarted).toBe(1)
  })

  it('in a codec of the user that throws', async ({ stage }) => {
    const Odd = defineService('odd', { in: unary({ request: faulty('encode'), response: raw() }) })
    const { server, address } = await stage.listening()
    server.implement(Odd, { in: () => Buffer.alloc(1) })
    const failing = stage.client(address).use(Odd).in('x')
    await expect(failing).rejects.toMatchObject({ reason: 'encode-failed', processed: 'no' })
  })
})

describe('an answer that cannot be encoded', () => {
  async function answering(stage: Stage, values: readonly unknown[]) {
    const { server, address } = await stage.listening({ limits: { maxFrameBytes: 64 * MiB } })
    server.handle('now', (index) => values[index as number])
    server.handle('later', async (index) => values[index as number])
    server.handle('echo', (request) => request)
    return { server, client: stage.client(address, { compression: { algorithm: 'none' } }) }
  }

  it.for(UNENCODABLE)('(%s) fails its own call, whose handler ran', async ([_, value], { stage }) => {
    const { server, client } = await answering(stage, [value])
    const all = Promise.allSettled(['echo', 'now', 'echo', 'later', 'echo'].map((name) => client.call(name, 0)))
    const failed = {
      reason: { reason: 'encode-failed', processed: 'yes', origin: 'peer', message: 'the codec failed' },
    }
    const good = { value: 0 }
    expect(await all).toMatchObject([good, failed, good, failed, good])
    expect(server.metrics().failures['encode-failed']).toBe(2)
    expect(server.info().connections[0]?.runningHandlers).toBe(0)
  })

  it('because it is over what the caller takes, fails its own call, whose handler ran', async ({ stage }) => {
    const { server, client } = await answering(stage, [Buffer.alloc(4 * MiB)])
    const all = Promise.allSettled(['now', 'later', 'echo'].map((name) => client.call(name, 0)))
    const failed = { reason: { reason: 'message-too-large', processed: 'yes' } }
    expect(await all).toMatchObject([failed, failed, { value: 0 }])
    expect(server.metrics().failures['message-too-large']).toBe(2)
  })
})

describe('a codec of the user that throws', () => {
  const In = defineService('in', { put: unary({ request: faulty('decode'), response: raw() }) })
  const Out = defineService('out', { get: unary({ request: raw(), response: faulty('decode') }) })

  it('on a request: its text stays with the server, and the handler did not run', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.implement(In, { put: () => Buffer.alloc(1) })
    const failing = stage.client(address).use(In).put('x')
    await expect(failing).rejects.toMatchObject({ processed: 'no', message: expect.not.stringContaining('1234') })
  })

  it('on an answer: the caller has the text, and knows that the handler ran', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.implement(Out, { get: () => 'fine' })
    const failing = stage.client(address).use(Out).get(Buffer.alloc(1))
    await expect(failing).rejects.toMatchObject({ processed: 'yes', message: expect.stringContaining('1234') })
  })
})

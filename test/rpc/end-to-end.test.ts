import { describe, expect } from 'vitest'
import { type Client, defineService, oneWay, raw, type Server, unary } from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import { chain } from '../fixtures/proto/chain.js'
import { it, type Stage, until } from '../fixtures/stage.js'

interface Transaction {
  readonly hash: Uint8Array
  readonly height: number
}

const Chain = defineService('chain', {
  submit: unary<Transaction, { accepted: boolean; height: number }>(),
  announce: oneWay<number>(),
})

const Mixed = defineService('mixed', {
  packed: unary<chain.Block.$Properties, chain.Block.$Properties>(),
  proto: unary({ request: protobuf(chain.Block), response: protobuf(chain.Block) }),
  bytes: unary({ request: raw(), response: raw() }),
  crossed: unary({ request: raw(), response: protobuf(chain.Block) }),
})

const transports = [
  ['TCP', () => 'tcp://127.0.0.1:0'],
  ['a unix socket', (stage: Stage) => `unix:${stage.socketPath()}`],
] as const

describe.each(transports)('over %s', (_, addressOf) => {
  async function pair(stage: Stage, prepare: (server: Server) => void): Promise<{ server: Server; client: Client }> {
    const server = stage.server()
    prepare(server)
    const { address } = await server.listen(addressOf(stage))
    return { server, client: stage.client(address) }
  }

  it('a call of a bare name comes back with what the handler returned', async ({ stage }) => {
    const { client } = await pair(stage, (server) => server.handle('echo', (request) => request))
    expect(await client.call('echo', { hello: 'world' })).toEqual({ hello: 'world' })
    expect(client.metrics()).toMatchObject({ callsStarted: 1, callsSucceeded: 1, callsFailed: 0 })
  })

  it('a contract is called with its functions, and by its names', async ({ stage }) => {
    const seen: unknown[] = []
    const { client } = await pair(stage, (server) => {
      server.implement(Chain, {
        submit: async ({ height }) => ({ accepted: true, height }),
        announce: (number) => void seen.push(number),
      })
    })
    const contract = client.use(Chain)
    const tx = { hash: Buffer.alloc(32, 7), height: 9 }
    expect(await contract.submit(tx)).toEqual({ accepted: true, height: 9 })
    expect(await client.call('chain.submit', tx)).toEqual({ accepted: true, height: 9 })
    await contract.announce(1)
    await client.send('chain.announce', 2)
    await client.sendBatch('chain.announce', [3, 4])
    // An answer behind them says that all of them were delivered.
    await contract.submit(tx)
    expect(seen).toEqual([1, 2, 3, 4])
  })

  it('10,000 messages of a batch arrive once each, in order', async ({ stage }) => {
    const seen: unknown[] = []
    const { client } = await pair(stage, (server) => {
      server.receive('count', (number) => void seen.push(number))
      server.handle('done', () => seen.length)
    })
    const numbers = Array.from({ length: 10_000 }, (_, index) => index)
    await client.sendBatch('count', numbers)
    expect(await client.call('done', null)).toBe(10_000)
    expect(seen).toEqual(numbers)
    expect(client.metrics().oneWaySent).toBe(10_000)
  })

  it('messages of every size keep their order among each other', async ({ stage }) => {
    const seen: number[] = []
    const { client } = await pair(stage, (server) => {
      server.receive('sized', (message) => void seen.push((message as string | Buffer).length))
    })
    const sizes = [1, 1_100, 0, 5_000, 3, 70_000, 4_095, 4_096, 2, 300_000, 1, 1, 9_000]
    await client.sendBatch(
      'sized',
      sizes.map((size) => 'x'.repeat(size)),
    )
    await client.sendBatch(
      'sized',
      sizes.map((size) => Buffer.alloc(size, size)),
    )
    await until(() => seen.length === 26)
    expect(seen).toEqual([...sizes, ...sizes])
    expect(client.metrics().oneWaySent).toBe(26)
  })

  it('protobuf, msgpack and raw methods share one connection, and the same message passes in each', async ({
    stage,
  }) => {
    const { server, client } = await pair(stage, (server) => {
      server.implement(Mixed, {
        packed: (block) => block,
        proto: (block) => block,
        bytes: (bytes) => bytes,
        crossed: (bytes) => chain.Block.decode(bytes),
      })
    })
    const mixed = client.use(Mixed)
    const block = {
      hash: Buffer.alloc(32, 1),
      parent: Buffer.alloc(32, 2),
      number: 7,
      miner: 'mœurs',
      transactions: [{ hash: Buffer.alloc(32, 3), height: 1, time: 2, value: 3, fee: 4, inputs: 5, outputs: 6 }],
      labels: { shard: 'a' },
    }
    const encoded = Buffer.from(chain.Block.encode(block).finish())
    const [packed, proto, bytes, crossed] = await Promise.all([
      mixed.packed(block),
      mixed.proto(chain.Block.create(block)),
      mixed.bytes(encoded),
      mixed.crossed(encoded),
    ])
    expect(packed).toEqual(block)
    for (const answer of [proto, crossed, chain.Block.decode(bytes)]) {
      expect(chain.Block.toObject(chain.Block.fromObject(answer), { longs: Number })).toEqual(block)
    }
    expect(server.info().connections).toHaveLength(1)
  })

  it('a body over 1,024 bytes arrives whole, compressed where it pays and raw where it does not', async ({ stage }) => {
    const options = { compression: { mode: 'always' } } as const
    const server = stage.server(options)
    server.handle('echo', (request) => request)
    const client = stage.client((await server.listen(addressOf(stage))).address, options)
    const text = 'the same again, '.repeat(500)
    const zeroes = Buffer.alloc(200_000)
    expect(await client.call('echo', text)).toBe(text)
    expect(zeroes.equals(await client.call<Buffer>('echo', zeroes))).toBe(true)
    const list = await client.call<Buffer[]>('echo', ['and more', zeroes, 1, zeroes])
    expect([list[0], list[2], list.length]).toEqual(['and more', 1, 4])
    for (const index of [1, 3]) expect(list[index]?.equals(zeroes)).toBe(true)
    expect(client.metrics()).toMatchObject({ compressedBodies: 3, inflatedBodies: 3 })
    expect(server.metrics()).toMatchObject({ compressedBodies: 3, inflatedBodies: 3 })
    const noise = Buffer.from(Array.from({ length: 8_000 }, (_, index) => (index * index * 31 + index) >>> 3))
    expect(noise.equals(await client.call<Buffer>('echo', noise))).toBe(true)
  })

  it('bodies of 900 KiB arrive whole, eight at a time, both ways', async ({ stage }) => {
    const { client } = await pair(stage, (server) => server.handle('echo', (request) => request))
    const bodies = Array.from({ length: 8 }, (_, index) => {
      return Buffer.from(
        Array.from({ length: 900 * 1024 }, (_, at) => (Math.imul(at + index, 2_654_435_761) >>> 13) & 0xff),
      )
    })
    const answers = await Promise.all(bodies.map((body) => client.call<Buffer>('echo', body)))
    answers.forEach((answer, index) => {
      expect(answer.equals(bodies[index] as Buffer)).toBe(true)
    })
  })

  it('2,000 calls at once each get their own answer', async ({ stage }) => {
    const { client } = await pair(stage, (server) => {
      server.handle('double', (number) => (number as number) * 2)
      server.handle('later', async (number) => {
        await Promise.resolve()
        return (number as number) * 3
      })
    })
    const numbers = Array.from({ length: 2_000 }, (_, index) => index)
    const answers = await Promise.all(numbers.map((n) => client.call(n % 2 === 0 ? 'double' : 'later', n)))
    expect(answers).toEqual(numbers.map((n) => n * (n % 2 === 0 ? 2 : 3)))
  })
})

describe('a server', () => {
  it('takes handlers and services while it listens, also for names that were asked for before', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const client = stage.client(address)
    const contract = client.use(Chain)
    await expect(client.call('late', 1)).rejects.toMatchObject({ reason: 'method-unknown', processed: 'no' })
    await expect(contract.submit({ hash: Buffer.alloc(1), height: 1 })).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
    server.handle('late', (n) => n)
    server.implement(Chain, { submit: ({ height }) => ({ accepted: true, height }), announce: () => {} })
    expect(await client.call('late', 1)).toBe(1)
    expect(await contract.submit({ hash: Buffer.alloc(1), height: 4 })).toEqual({ accepted: true, height: 4 })
  })

  it('listens at several addresses with the same handlers', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const unix = await server.listen(`unix:${stage.socketPath()}`)
    server.handle('echo', (request) => request)
    expect(await stage.client(address).call('echo', 'tcp')).toBe('tcp')
    expect(await stage.client(unix.address).call('echo', 'unix')).toBe('unix')
  })

  it('refuses a second handler of a name, and registers nothing of a service with such a name', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const taken = expect.objectContaining({ reason: 'name-taken', code: 'ALREADY_EXISTS' })
    const submit = () => ({ accepted: true, height: 0 })
    server.handle('chain.announce', () => 'mine')
    expect(() => server.handle('chain.announce', () => 'other')).toThrow(taken)
    expect(() => server.receive('chain.announce', () => {})).toThrow(taken)
    expect(() => server.implement(Chain, { submit, announce: () => {} })).toThrow(taken)
    const client = stage.client(address)
    expect(await client.call('chain.announce', 0)).toBe('mine')
    await expect(client.call('chain.submit', 0)).rejects.toMatchObject({ reason: 'method-unknown' })
  })

  it('refuses handlers that are no functions, and services that lack one', ({ stage }) => {
    const server = stage.server()
    const misuse = expect.objectContaining({ reason: 'misuse' })
    expect(() => server.handle('x', 'text' as never)).toThrow(misuse)
    expect(() => server.implement(Chain, { announce: () => {} } as never)).toThrow(misuse)
  })

  it('calls the methods of a class instance with their this', async ({ stage }) => {
    class Counter {
      count = 0
      submit({ height }: Transaction): { accepted: boolean; height: number } {
        this.count += 1
        return { accepted: true, height: height + this.count }
      }
      announce(): void {}
    }
    const { server, address } = await stage.listening()
    server.implement(Chain, new Counter())
    const contract = stage.client(address).use(Chain)
    expect(await contract.submit({ hash: Buffer.alloc(1), height: 10 })).toEqual({ accepted: true, height: 11 })
  })
})

describe('a client', () => {
  it('refuses another contract of a name that it uses already', ({ stage }) => {
    const client = stage.client(`unix:${stage.socketPath()}`)
    client.use(Chain)
    expect(() => client.use(Chain)).not.toThrow()
    const other = defineService('chain', { submit: unary() })
    expect(() => client.use(other)).toThrow(expect.objectContaining({ reason: 'contract-mismatch', origin: 'user' }))
  })

  it('refuses to send what is called, and to call what is sent', async ({ stage }) => {
    const client = stage.client(`unix:${stage.socketPath()}`)
    client.use(Chain)
    await expect(client.send('chain.submit', {})).rejects.toMatchObject({ reason: 'method-unknown' })
    await expect(client.call('chain.announce', 1)).rejects.toMatchObject({ reason: 'method-unknown' })
  })

  it.for([
    ['timeoutMs of 0', { timeoutMs: 0 }, 'option-range'],
    ['timeoutMs of NaN', { timeoutMs: Number.NaN }, 'option-range'],
    ['timeoutMs as text', { timeoutMs: '5' as never }, 'option-type'],
    ['an unknown priority', { priority: 'urgent' as never }, 'option-range'],
    ['metadata that is no object', { metadata: 'text' as never }, 'metadata-malformed'],
    ['a signal that is none', { signal: {} as never }, 'option-type'],
  ] as const)('rejects a call with %s, and does not throw', async ([_, options, reason], { stage }) => {
    const { server, address } = await stage.listening()
    server.implement(Chain, { submit: () => ({ accepted: true, height: 0 }), announce: () => {} })
    const client = stage.client(address)
    const contract = client.use(Chain)
    const tx = { hash: Buffer.alloc(1), height: 1 }
    await expect(contract.submit(tx, options)).rejects.toMatchObject({ reason, processed: 'no' })
    await expect(client.call('chain.submit', tx, options)).rejects.toMatchObject({ reason, processed: 'no' })
    if (!('priority' in options || 'metadata' in options)) return
    await expect(contract.announce(1, options)).rejects.toMatchObject({ reason })
    await expect(client.send('chain.announce', 1, options)).rejects.toMatchObject({ reason })
    await expect(client.sendBatch('chain.announce', [1], options)).rejects.toMatchObject({ reason })
  })

  it('needs an address, and refuses those that it cannot read', ({ stage }) => {
    const malformed = expect.objectContaining({ reason: 'address-malformed' })
    for (const addresses of [[], 'localhost:1', 'http://localhost:1', ['tcp://ok:1', 'tcp://'], 'tcp://a:99999']) {
      expect(() => stage.client(addresses)).toThrow(malformed)
    }
  })
})

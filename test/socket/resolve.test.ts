import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemNetwork } from '../../src/socket/network.js'
import { type NameAnswer, type NameServer, resolveWith, type SystemLookup } from '../../src/socket/resolve.js'
import { turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const never = new Promise<never>(() => {})
const refused = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))
const quiet = new AbortController().signal

let clock: VirtualClock
beforeEach(() => {
  clock = new VirtualClock()
})
afterEach(() => {
  expect(clock.timers).toBe(0)
})

function server(answers: Partial<NameServer> = {}): NameServer {
  const unknown = refused('ENOTFOUND')
  return { resolve4: unknown, resolve6: unknown, resolveSrv: unknown, cancel: () => {}, ...answers }
}

const noLookup: SystemLookup = refused('ENOTFOUND')
const host = { name: 'nodes.example', records: 'address' } as const
const service = { name: '_chain._tcp.example', records: 'service' } as const
const plain = { port: null, priority: 0, weight: 1 }

describe('the addresses of a name', () => {
  it('are those of both families, good for the shorter time', async () => {
    const names = server({
      resolve4: async () => [
        { address: '10.0.0.1', ttl: 60 },
        { address: '10.0.0.2', ttl: 30 },
      ],
      resolve6: async () => [{ address: '::1', ttl: 45 }],
    })
    expect(await resolveWith(names, noLookup, clock, host, quiet)).toEqual({
      records: [
        { host: '10.0.0.1', ...plain },
        { host: '10.0.0.2', ...plain },
        { host: '::1', ...plain },
      ],
      ttlMs: 30_000,
    })
  })

  it.each([
    ['resolve4', '10.0.0.1'],
    ['resolve6', '::1'],
  ] as const)('are those of one family where the server has or knows only that: %s', async (family, address) => {
    const names = server({ [family]: async () => [{ address, ttl: 60 }] })
    expect((await resolveWith(names, noLookup, clock, host, quiet)).records).toEqual([{ host: address, ...plain }])
  })

  it('are what the system says where no name server knows the name', async () => {
    const lookup: SystemLookup = async () => [{ address: '127.0.0.1' }]
    expect(await resolveWith(server(), lookup, clock, host, quiet)).toEqual({
      records: [{ host: '127.0.0.1', ...plain }],
      ttlMs: null,
    })
  })

  it('that nobody knows are an error with that of the system as its cause', async () => {
    await expect(resolveWith(server(), noLookup, clock, host, quiet)).rejects.toMatchObject({
      reason: 'resolve-failed',
      code: 'UNAVAILABLE',
      details: { name: 'nodes.example', systemCode: 'ENOTFOUND' },
      cause: { code: 'ENOTFOUND' },
    })
    const empty: SystemLookup = async () => []
    await expect(resolveWith(server(), empty, clock, host, quiet)).rejects.toMatchObject({ reason: 'resolve-failed' })
  })

  it('of this machine are found for real', async () => {
    const { records } = await systemNetwork.resolve({ name: 'localhost', records: 'address' }, quiet)
    expect(records.map((one) => one.host).some((address) => address === '127.0.0.1' || address === '::1')).toBe(true)
  })
})

const FAMILIES = [
  ['resolve4', '10.0.0.1', 'resolve6', '::1'],
  ['resolve6', '::1', 'resolve4', '10.0.0.1'],
] as const

describe('a name server that never says anything of one family', () => {
  /** Asks a server that knows the one family, and takes down what becomes of the look-up and of its other question. */
  function ask(known: 'resolve4' | 'resolve6', address: string, signal = quiet) {
    const heard: { answer: NameAnswer | null; cancelled: number } = { answer: null, cancelled: 0 }
    let cancel: (error: Error) => void = () => {}
    let say: (address: string) => void = () => {}
    const other = new Promise<{ address: string; ttl: number }[]>((resolve, reject) => {
      say = (address) => resolve([{ address, ttl: 45 }])
      cancel = reject
    })
    const names = server({
      resolve4: () => other,
      resolve6: () => other,
      [known]: async () => [{ address, ttl: 60 }],
      cancel: () => {
        heard.cancelled += 1
        cancel(new Error('ECANCELLED'))
      },
    })
    const asked = resolveWith(names, noLookup, clock, host, signal)
    asked.then(
      (answer) => {
        heard.answer = answer
      },
      () => {},
    )
    return { heard, asked, say, fail: () => cancel(new Error('ESERVFAIL')) }
  }

  it.each(FAMILIES)('is waited for a moment, and then its question is taken back: %s', async (known, address) => {
    const { heard } = ask(known, address)
    await turn()
    clock.advance(99)
    await turn()
    expect(heard).toEqual({ answer: null, cancelled: 0 })
    clock.advance(1)
    await turn()
    expect(heard).toEqual({ answer: { records: [{ host: address, ...plain }], ttlMs: 60_000 }, cancelled: 1 })
  })

  it.each(FAMILIES)(
    'is taken at its word where it says something in that time: %s',
    async (known, address, _, late) => {
      const { heard, say } = ask(known, address)
      await turn()
      clock.advance(99)
      say(late)
      await turn()
      expect(heard.answer?.records.map((one) => one.host).sort()).toEqual(['10.0.0.1', '::1'])
      expect(heard.answer?.ttlMs).toBe(45_000)
      expect(heard.cancelled).toBe(0)
    },
  )

  it.each(FAMILIES)('is not waited for once it has failed: %s', async (known, address) => {
    const { heard, fail } = ask(known, address)
    await turn()
    fail()
    await turn()
    expect(heard).toEqual({ answer: { records: [{ host: address, ...plain }], ttlMs: 60_000 }, cancelled: 0 })
  })

  it('is not waited for once the look-up is given up', async () => {
    const attempt = new AbortController()
    const { heard, asked } = ask('resolve4', '10.0.0.1', attempt.signal)
    await turn()
    const why = new Error('too late')
    attempt.abort(why)
    await expect(asked).rejects.toBe(why)
    expect(heard).toEqual({ answer: null, cancelled: 1 })
  })

  it.each(['has no records', 'fails'] as const)('is waited for as long as it takes where the other %s', async (how) => {
    let say: (address: string) => void = () => {}
    const names = server({
      resolve4: () =>
        new Promise((resolve) => {
          say = (address) => resolve([{ address, ttl: 60 }])
        }),
      ...(how === 'fails' ? {} : { resolve6: async () => [] }),
    })
    const asked = resolveWith(names, noLookup, clock, host, quiet)
    await turn()
    clock.advance(4_000)
    say('10.0.0.1')
    expect((await asked).records).toEqual([{ host: '10.0.0.1', ...plain }])
  })
})

describe('the records of a service', () => {
  it('have hosts, ports, priorities and weights', async () => {
    const names = server({
      resolveSrv: async () => [{ name: 'a.example', port: 7_000, priority: 10, weight: 5 }],
    })
    expect(await resolveWith(names, noLookup, clock, service, quiet)).toEqual({
      records: [{ host: 'a.example', port: 7_000, priority: 10, weight: 5 }],
      ttlMs: null,
    })
  })

  it.each([
    ['that are not there', refused('ENODATA')],
    ['that say that it is decidedly not there', async () => [{ name: '', port: 0, priority: 0, weight: 0 }]],
  ])('%s are an error', async (_, resolveSrv) => {
    await expect(resolveWith(server({ resolveSrv }), noLookup, clock, service, quiet)).rejects.toMatchObject({
      reason: 'resolve-failed',
    })
  })
})

describe('a look-up that is given up', () => {
  it.each([host, service])('ends with the reason, and its question is taken back: $records', async (query) => {
    let cancelled = 0
    const hang = (): Promise<never> => never
    const names = server({ resolve4: hang, resolve6: hang, resolveSrv: hang, cancel: () => void (cancelled += 1) })
    const attempt = new AbortController()
    const asked = resolveWith(names, noLookup, clock, query, attempt.signal)
    const why = new Error('too late')
    attempt.abort(why)
    await expect(asked).rejects.toBe(why)
    expect(cancelled).toBe(1)
    await expect(resolveWith(names, noLookup, clock, query, attempt.signal)).rejects.toBe(why)
  })
})

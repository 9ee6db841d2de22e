import { describe, expect, it } from 'vitest'
import { systemNetwork } from '../../src/socket/network.js'
import { type NameServer, resolveWith, type SystemLookup } from '../../src/socket/resolve.js'

const never = new Promise<never>(() => {})
const refused = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))
const quiet = new AbortController().signal

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
    expect(await resolveWith(names, noLookup, host, quiet)).toEqual({
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
    expect((await resolveWith(names, noLookup, host, quiet)).records).toEqual([{ host: address, ...plain }])
  })

  it('are what the system says where no name server knows the name', async () => {
    const lookup: SystemLookup = async () => [{ address: '127.0.0.1' }]
    expect(await resolveWith(server(), lookup, host, quiet)).toEqual({
      records: [{ host: '127.0.0.1', ...plain }],
      ttlMs: null,
    })
  })

  it('that nobody knows are an error with that of the system as its cause', async () => {
    await expect(resolveWith(server(), noLookup, host, quiet)).rejects.toMatchObject({
      reason: 'resolve-failed',
      code: 'UNAVAILABLE',
      details: { name: 'nodes.example', systemCode: 'ENOTFOUND' },
      cause: { code: 'ENOTFOUND' },
    })
    const empty: SystemLookup = async () => []
    await expect(resolveWith(server(), empty, host, quiet)).rejects.toMatchObject({ reason: 'resolve-failed' })
  })

  it('of this machine are found for real', async () => {
    const { records } = await systemNetwork.resolve({ name: 'localhost', records: 'address' }, quiet)
    expect(records.map((one) => one.host).some((address) => address === '127.0.0.1' || address === '::1')).toBe(true)
  })
})

describe('the records of a service', () => {
  it('have hosts, ports, priorities and weights', async () => {
    const names = server({
      resolveSrv: async () => [{ name: 'a.example', port: 7_000, priority: 10, weight: 5 }],
    })
    expect(await resolveWith(names, noLookup, service, quiet)).toEqual({
      records: [{ host: 'a.example', port: 7_000, priority: 10, weight: 5 }],
      ttlMs: null,
    })
  })

  it.each([
    ['that are not there', refused('ENODATA')],
    ['that say that it is decidedly not there', async () => [{ name: '', port: 0, priority: 0, weight: 0 }]],
  ])('%s are an error', async (_, resolveSrv) => {
    await expect(resolveWith(server({ resolveSrv }), noLookup, service, quiet)).rejects.toMatchObject({
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
    const asked = resolveWith(names, noLookup, query, attempt.signal)
    const why = new Error('too late')
    attempt.abort(why)
    await expect(asked).rejects.toBe(why)
    expect(cancelled).toBe(1)
    await expect(resolveWith(names, noLookup, query, attempt.signal)).rejects.toBe(why)
  })
})

import { existsSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installed, install, node, packagesIn, project, write } from './install.js'

const STRICT_FLAGS = ['--disallow-code-generation-from-strings', '--unhandled-rejections=strict']

let installed: Installed

beforeAll(async () => {
  if (!existsSync(join(project, 'dist/index.js'))) throw new Error('there is no build: run `npm run build` first')
  installed = await install()
}, 240_000)

afterAll(() => {
  if (installed !== undefined) rmSync(installed.folder, { recursive: true, force: true })
})

/** The programs of the README, in their order. */
function readmePrograms(): string[] {
  const text = readFileSync(join(project, 'README.md'), 'utf8')
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([_, program]) => program ?? '')
}

/** Compiles files of the user, strictly, against the installed package. Returns what the compiler says. */
async function compile(...files: readonly string[]): Promise<string> {
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    outDir: 'out',
    types: ['node'],
    typeRoots: [join(project, 'node_modules/@types')],
  }
  write(installed.folder, 'tsconfig.json', JSON.stringify({ compilerOptions, files }))
  const tsc = join(project, 'node_modules/typescript/bin/tsc')
  return node(installed.folder, tsc, '-p', '.', '--pretty', 'false').catch((error: { stdout: string }) => error.stdout)
}

/** With optional packages as their user would have them. */
async function withPackages(names: readonly string[], use: () => Promise<void>): Promise<void> {
  const links = names.map((name) => join(installed.folder, 'node_modules', name))
  for (const [index, link] of links.entries()) symlinkSync(join(project, 'node_modules', names[index] ?? ''), link)
  try {
    await use()
  } finally {
    for (const link of links) unlinkSync(link)
  }
}

function json(path: string): Record<string, Record<string, string> | undefined> {
  return JSON.parse(readFileSync(join(project, path), 'utf8'))
}

const TYPED = `
import { Client, defineService, oneWay, Server, TransportError, unary } from 'alys-transport'
import { mapOrdered, WorkerPool } from 'alys-transport/bulk'
import { BufferPool, FrameReader, KIND, Ledger } from 'alys-transport/wire'

interface Transaction { readonly hash: Uint8Array; readonly value: number }
interface Receipt { readonly block: number }

const Chain = defineService('chain', { submit: unary<Transaction, Receipt>(), announce: oneWay<string[]>() })

export async function right(server: Server, client: Client): Promise<number> {
  server.implement(Chain, { submit: async ({ value }, call) => ({ block: value + call.remainingMs }), announce: () => {} })
  const chain = client.use(Chain)
  const receipt: Receipt = await chain.submit({ hash: new Uint8Array(32), value: 1 }, { timeoutMs: 500, priority: 'high' })
  const nothing: void = await chain.announce(['a'])
  const kinds: number = KIND.CALL
  const sink = { onFrame: (kind: number): boolean => kind === KIND.HELLO, onBadFrame: (error: TransportError): void => { throw error } }
  const reader: FrameReader = new FrameReader(sink, new BufferPool(new Ledger(), 4_096, 1), 65_536)
  const loose: unknown = await client.call('echo', 1)
  for await (const text of mapOrdered([1], async (item) => String(item), { concurrency: 2 })) text.trim()
  const digest: Promise<string> = new WorkerPool<number, string>({ filename: '/x.js' }).run(1)
  const code: string = new TransportError('x', { code: 'NOT_FOUND', origin: 'user' }).code
  return receipt.block + [nothing, kinds, reader, loose, digest, code].length + client.info().buffers.current + client.metrics().writes
}

export async function wrong(client: Client): Promise<void> {
  const chain = client.use(Chain)
  // @ts-expect-error: a reply has no such field
  ;(await chain.submit({ hash: new Uint8Array(1), value: 1 })).height
  // @ts-expect-error: a request of another type
  await chain.submit('text')
  // @ts-expect-error: no such option
  new Client('tcp://127.0.0.1:1', { timeout: 1 })
}
`

describe('the package, installed in an empty folder', () => {
  it('runs the program of the README, which prints what it says', async () => {
    write(installed.folder, 'program.mjs', readmePrograms()[0] ?? '')
    expect(await node(installed.folder, 'program.mjs')).toBe("{ hello: 'world' }\n")
  })

  it('runs it also where code may not be made from strings', async () => {
    write(installed.folder, 'program.mjs', readmePrograms()[0] ?? '')
    expect(await node(installed.folder, ...STRICT_FLAGS, 'program.mjs')).toBe("{ hello: 'world' }\n")
  })

  it('has types that a strict compiler accepts and infers from', async () => {
    write(installed.folder, 'typed.ts', TYPED)
    expect(await compile('typed.ts')).toBe('')
  })

  it('runs every program of the README, once compiled', async () => {
    const names = readmePrograms().map((program, index) => {
      write(installed.folder, `readme-${index}.ts`, program)
      return `readme-${index}`
    })
    expect(names.length).toBeGreaterThan(1)
    expect(await compile(...names.map((name) => `${name}.ts`))).toBe('')
    await withPackages(['piscina'], async () => {
      // One after the other: they may use the same port.
      for (const name of names) expect(await node(installed.folder, `out/${name}.js`)).not.toBe('')
    })
  })

  it('lets tools write and read its bytes with nothing but what it exports', async () => {
    const script = `
      import { BufferPool, decodeHello, encodeHello, FrameReader, HEADER_BYTES, KIND, Ledger, LENGTH_BYTES } from 'alys-transport/wire'
      const numbers = { codecs: 7, compressions: 1, features: 0, maxFrameBytes: 65_536, maxMessageBytes: 65_536, maxOpenCalls: 1, maxMethods: 1 }
      const body = Buffer.concat(encodeHello({ peerId: 'a tool', ...numbers, services: [], flow: null }, 4_000))
      const header = Buffer.alloc(HEADER_BYTES)
      header.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + body.length, 0)
      header.writeUInt8(KIND.HELLO, LENGTH_BYTES)
      const frame = Buffer.concat([header, body])
      const read = []
      const sink = {
        onFrame(kind, flags, aux, id, bytes, start, end) {
          read.push(kind === KIND.HELLO, decodeHello(Buffer.from(bytes.subarray(start, end))).peerId)
          return true
        },
        onBadFrame(error) { throw error },
      }
      const ledger = new Ledger()
      const reader = new FrameReader(sink, new BufferPool(ledger, 4_096, 1), 65_536)
      for (const at of frame.keys()) reader.read(frame, at, at + 1)
      reader.close()
      console.log(JSON.stringify([...read, ledger.allocated > 0, ledger.current]))
    `
    write(installed.folder, 'frames.mjs', script)
    expect(JSON.parse(await node(installed.folder, 'frames.mjs'))).toEqual([true, 'a tool', true, 0])
  })

  it('lets tools import its bytes, and nothing that it does not export', async () => {
    const script = `
      const wire = await import('alys-transport/wire')
      const { version } = (await import('alys-transport/package.json', { with: { type: 'json' } })).default
      const inside = await import('alys-transport/dist/rpc/client.js').catch(({ code }) => code)
      console.log(JSON.stringify([wire.preface().length, typeof wire.FrameReader, version, inside]))
    `
    write(installed.folder, 'wire.mjs', script)
    const { version } = json('package.json') as unknown as { version: string }
    const printed = JSON.parse(await node(installed.folder, '--no-warnings', 'wire.mjs'))
    expect(printed).toEqual([8, 'function', version, 'ERR_PACKAGE_PATH_NOT_EXPORTED'])
  })

  it('speaks protobuf where its user has protobufjs, and works without it', async () => {
    const script = `
      import { Client, defineService, Server, unary } from 'alys-transport'
      const { protobuf } = await import('alys-transport/protobuf')
      const { chain } = await import(${JSON.stringify(new URL('../fixtures/proto/chain.js', import.meta.url).href)})
      const Blocks = defineService('blocks', { put: unary({ request: protobuf(chain.Block), response: protobuf(chain.Block) }) })
      const server = new Server()
      server.implement(Blocks, { put: (block) => ({ ...block, number: block.number + 1 }) })
      const client = new Client((await server.listen('tcp://127.0.0.1:0')).address)
      console.log(Number((await client.use(Blocks).put({ number: 41 })).number))
      await client.close()
      await server.close()
    `
    write(installed.folder, 'protobuf.mjs', script)
    expect(packagesIn(installed.folder)).not.toContain('protobufjs')
    await expect(node(installed.folder, 'protobuf.mjs')).rejects.toThrow(/Cannot find package 'protobufjs'/)
    symlinkSync(join(project, 'node_modules/protobufjs'), join(installed.folder, 'node_modules/protobufjs'))
    expect(await node(installed.folder, ...STRICT_FLAGS, 'protobuf.mjs')).toBe('42\n')
    unlinkSync(join(installed.folder, 'node_modules/protobufjs'))
  })

  it('works in bulk in order with nothing beside it, and in threads where its user has piscina', async () => {
    const script = `
      import { mapOrdered, WorkerPool } from 'alys-transport/bulk'
      const all = async (results) => { const list = []; for await (const one of results) list.push(one); return list }
      const pool = new WorkerPool({ filename: new URL('bulk-work.mjs', import.meta.url), workers: 2 })
      console.log(JSON.stringify([
        await all(mapOrdered([1, 2, 3], async (item) => item * 2, { concurrency: 2 })),
        await all(pool.map([1, 2, 3])).catch(({ code, reason, message, cause }) => [code, reason, message, cause.message]),
      ]))
      await pool.close()
    `
    write(installed.folder, 'bulk-work.mjs', 'export default (item) => item * 3')
    write(installed.folder, 'bulk.mjs', script)
    expect(packagesIn(installed.folder)).not.toContain('piscina')
    const bulk = async (...flags: string[]): Promise<unknown> =>
      JSON.parse(await node(installed.folder, ...flags, 'bulk.mjs'))
    const missing = 'worker threads need the package piscina: npm install piscina'
    expect(await bulk(...STRICT_FLAGS)).toEqual([
      [2, 4, 6],
      ['FAILED_PRECONDITION', 'package-missing', missing, expect.stringContaining('piscina')],
    ])
    await withPackages(['piscina'], async () => {
      expect(await bulk('--unhandled-rejections=strict')).toEqual([
        [2, 4, 6],
        [3, 6, 9],
      ])
      // Threads that cannot even start are told, and nobody waits for them.
      const preload = `
        import { isMainThread } from 'node:worker_threads'
        if (!isMainThread) throw new Error('no threads today')
      `
      write(installed.folder, 'preload.mjs', preload)
      const crashed = ['INTERNAL', 'worker-crashed', 'the worker thread ended before the work did', 'no threads today']
      expect(await bulk('--import', './preload.mjs')).toEqual([[2, 4, 6], crashed])
    })
  })

  it('brings what it needs to run, and no tool or rival', () => {
    const packages = packagesIn(installed.folder)
    expect(packages).toEqual(
      expect.arrayContaining(['alys-transport', ...Object.keys(json('package.json')['dependencies'] ?? {})]),
    )
    const own = json('package.json')
    const bench = existsSync(join(project, 'bench/package.json')) ? json('bench/package.json') : {}
    const needed = new Set(['alys-transport', ...Object.keys(own['dependencies'] ?? {})])
    const rivals = [bench['dependencies'], bench['devDependencies']].flatMap((group) => Object.keys(group ?? {}))
    const tools = Object.keys(own['devDependencies'] ?? {})
    const unwanted = [...tools, ...rivals.filter((name) => !needed.has(name))]
    expect(unwanted.length).toBeGreaterThan(5)
    expect(packages.filter((name) => unwanted.includes(name))).toEqual([])
  })

  it('contains the build, its documents and its schemas, and neither tests nor benchmarks', () => {
    const { files } = installed
    expect(files).toEqual(
      expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'dist/wire.js', 'README.md', 'package.json']),
    )
    expect(files.filter((path) => /^(src|test|bench|scripts|node_modules)\//.test(path))).toEqual([])
    expect(files.filter((path) => /\.(test|spec)\./.test(path))).toEqual([])
  })

  it('contains every page that its README leads to', () => {
    const text = readFileSync(join(project, 'README.md'), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target ?? '')
    expect(targets).toContain('SECURITY.md')
    const { files } = installed
    const missing = targets.filter((target) => !files.some((path) => path === target || path.startsWith(`${target}/`)))
    expect(missing).toEqual([])
  })
})

import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { checkFloors, checkTable, readSources, TABLE } from '../../scripts/check-floors.mjs'

type Tree = Readonly<Record<string, string>>

function findings(tree: Tree) {
  const files = Object.entries(tree).map(([path, text]) => ({ path: `src/${path}`, text }))
  return checkFloors(files).map(({ rule, path, line }) => `${rule} ${path.slice('src/'.length)}:${line}`)
}

/** A small tree in good order, to plant into. */
const GOOD: Tree = {
  'base/clock.ts': 'export const now = () => performance.now()\nsetTimeout(() => Date.now(), 1)',
  'base/random.ts':
    "import { randomBytes } from 'node:crypto'\nexport const next = () => Math.random() + randomBytes(1)[0]",
  'memory/ring.ts': "import { now } from '../base/clock.js'\nexport const ring = now",
  'wire/frame.ts': "import { ring } from '../memory/ring.js'\nexport const frame = ring",
  'codec/msgpack.ts':
    "import { pack } from 'protobufjs'\nimport m from 'protobufjs/minimal.js'\nexport const msgpack = [pack, m]",
  'socket/dial.ts': "import net from 'node:net'\nimport tls from 'node:tls'\nexport const dial = [net, tls]",
  'socket/tuning.ts': "export const load = () => createRequire(import.meta.url)('sockopt')",
  'connection/connection.ts':
    "import { frame } from '../wire/frame.js'\nimport { dial } from '../socket/dial.js'\nexport const open = [frame, dial]",
  'pool/pool.ts':
    "import { createPool } from 'generic-pool'\nimport { open } from '../connection/connection.js'\nexport const pool = [createPool, open]",
  'rpc/client.ts': "import { pool } from '../pool/pool.js'\nexport class Client { pool = pool }",
  'telemetry/metrics.ts':
    "import { metrics } from '@opentelemetry/api'\nimport '../rpc/client.js'\nexport const m = metrics",
  'cli/main.ts': "import '../index.js'\nimport '../telemetry/metrics.js'\nimport '../wire/frame.js'",
  'index.ts': "export { Client } from './rpc/client.js'",
  'wire.ts': "export { frame } from './wire/frame.js'",
}

describe('the floors', () => {
  test('hold in this repository', () => {
    const files = readSources(fileURLToPath(new URL('../..', import.meta.url)))
    expect(files.length).toBeGreaterThan(50)
    const errors = checkFloors(files).filter((finding) => finding.level === 'error')
    expect(errors.map(({ rule, path, line, message }) => `${path}:${line} [${rule}] ${message}`)).toEqual([])
  })

  test('are a table in which every row lists only rows above itself', () => {
    expect(checkTable()).toEqual([])
    expect(TABLE.floors.map((row) => row.folder)).toEqual([
      ...[
        'base',
        'memory',
        'mailbox',
        'bulk',
        'codec',
        'compression',
        'wire',
        'socket',
        'connection',
        'pool',
        'rpc',
        'cache',
      ],
      ...['peer', 'gateway', 'telemetry', 'profiling', 'postgres', 'load', 'testing', 'cli'],
    ])
    const twisted = { ...TABLE, floors: [{ folder: 'base', mayImport: ['memory'], npm: [] }, ...TABLE.floors.slice(1)] }
    expect(checkTable(twisted)).toEqual(['base may not list memory, which is not below it'])
  })

  test('have nothing to say about a tree in good order', () => {
    expect(findings(GOOD)).toEqual([])
  })
})

describe('the floors refuse', () => {
  const planted: readonly [what: string, tree: Tree, expected: readonly string[]][] = [
    [
      'an import from a higher floor',
      { 'mailbox/lane.ts': "import { frame } from '../wire/frame.js'\nframe" },
      ['floor mailbox/lane.ts:1'],
    ],
    [
      'a lower floor that the row does not list',
      { 'wire/batch.ts': "\nimport '../codec/msgpack.js'" },
      ['row wire/batch.ts:2'],
    ],
    [
      'a higher floor that the row does not list, seen from rpc',
      { 'rpc/call.ts': "import '../wire/frame.js'" },
      ['row rpc/call.ts:1'],
    ],
    [
      'an import of types from a higher floor',
      { 'compression/policy.ts': "import type { Client } from '../rpc/client.js'" },
      ['floor compression/policy.ts:1'],
    ],
    [
      'a higher floor inside a type',
      { 'compression/policy.ts': "export type C = import('../rpc/client.js').Client" },
      ['floor compression/policy.ts:1'],
    ],
    [
      'a higher floor loaded late',
      { 'compression/policy.ts': "export const late = () => import('../rpc/client.js')" },
      ['floor compression/policy.ts:1'],
    ],
    ['an entry point from inside', { 'rpc/call.ts': "import '../index.js'" }, ['floor rpc/call.ts:1']],
    ['the command line from an entry point', { 'peer.ts': "import './cli/main.js'" }, ['row peer.ts:1']],
    ['a folder that is no floor', { 'net/dial.ts': 'export const a = 1' }, ['folder net/dial.ts:1']],
    ['a package where none is listed', { 'wire/lz4.ts': "import 'lz4-napi'" }, ['npm wire/lz4.ts:1']],
    ['a package of another floor', { 'codec/lz4.ts': "import { compress } from 'lz4-napi'" }, ['npm codec/lz4.ts:1']],
    ['a scoped package', { 'rpc/trace.ts': "import '@opentelemetry/api/experimental'" }, ['npm rpc/trace.ts:1']],
    ['a package in an entry point', { 'index.ts': "import 'undici'" }, ['npm index.ts:1']],
    [
      'a package loaded by require',
      { 'rpc/a.ts': "const r = createRequire(import.meta.url)\nr('pg')" },
      ['npm rpc/a.ts:2'],
    ],
    ['a module of Node without node:', { 'rpc/a.ts': "import 'fs'" }, ['npm rpc/a.ts:1']],
    ['this package by its own name', { 'rpc/a.ts': "import 'alys-transport'" }, ['npm rpc/a.ts:1']],
    [
      'a module whose name is computed',
      { 'rpc/a.ts': 'export const a = (n: string) => import(n)' },
      ['computed-import rpc/a.ts:1'],
    ],
    ['a file that does not exist', { 'rpc/a.ts': "import './b.js'" }, ['missing rpc/a.ts:1']],
    ['an import without its ending', { 'rpc/a.ts': "import './client'" }, ['missing rpc/a.ts:1']],
    ['a file outside src', { 'rpc/a.ts': "import '../../package.json'" }, ['missing rpc/a.ts:1']],
    ['a ring of two files', { 'rpc/a.ts': "import './b.js'", 'rpc/b.ts': "import './a.js'" }, ['ring rpc/a.ts:1']],
    [
      'a ring of three files through types',
      {
        'rpc/a.ts': "import type { B } from './b.js'",
        'rpc/b.ts': "export type { C } from './c.js'",
        'rpc/c.ts': "import './a.js'",
      },
      ['barrel rpc/b.ts:1', 'ring rpc/a.ts:1'],
    ],
    ['a file that imports itself', { 'rpc/a.ts': "import './a.js'" }, ['ring rpc/a.ts:1']],
    [
      'a ring of folders, even of files that form none',
      { 'base/a.ts': "import '../memory/ring.js'" },
      ['floor base/a.ts:1', 'folder-ring base:1'],
    ],
    [
      'an index.ts inside a folder',
      { 'rpc/index.ts': "export { Client } from './client.js'" },
      ['barrel rpc/index.ts:1'],
    ],
    ['export all', { 'rpc/all.ts': "export const a = 1\nexport * from './client.js'" }, ['barrel rpc/all.ts:2']],
    ['export all in an entry point', { 'peer.ts': "export * from './rpc/client.js'" }, ['barrel peer.ts:1']],
    [
      'export all under a name',
      { 'rpc/all.ts': "export const a = 1\nexport * as client from './client.js'" },
      ['barrel rpc/all.ts:2'],
    ],
    [
      'a file of nothing but the names of others',
      { 'rpc/public.ts': "// all of it\nexport { Client } from './client.js'" },
      ['barrel rpc/public.ts:1'],
    ],
    [
      'a value of another folder handed on',
      { 'connection/options.ts': "export { dial } from '../socket/dial.js'\nexport const a = 1" },
      ['barrel connection/options.ts:1'],
    ],
    [
      'a value of another folder handed on in two steps',
      { 'connection/options.ts': "import { dial } from '../socket/dial.js'\nexport const a = dial\nexport { dial }" },
      ['barrel connection/options.ts:1'],
    ],
    ['a default name', { 'base/Clock.ts': '' }, ['name base/Clock.ts:1']],
    ['an underscore', { 'base/my_clock.ts': '' }, ['name base/my_clock.ts:1']],
    ['a camel', { 'rpc/pendingCalls.ts': '' }, ['name rpc/pendingCalls.ts:1']],
    ['a bad name of a folder within a floor', { 'rpc/helpers/call.ts': '' }, ['name rpc/helpers/call.ts:1']],
    ['401 lines', { 'rpc/long.ts': '// Long: one table\n'.concat('a\n'.repeat(400)) }, ['length rpc/long.ts:400']],
    ['301 lines without a reason', { 'rpc/long.ts': 'a\n'.repeat(301) }, ['long rpc/long.ts:1']],
    [
      '301 lines with the reason too late',
      { 'rpc/long.ts': '\n'.repeat(12).concat('// Long: one table\n', 'a\n'.repeat(290)) },
      ['long rpc/long.ts:1'],
    ],
  ]

  test.each(planted)('%s', (_what, tree, expected) => {
    expect(findings({ ...GOOD, ...tree })).toEqual(expected)
  })

  test.each(TABLE.forbiddenNames)('the name %s, alone or as a part, one or many', (name) => {
    for (const file of [name, `${name}s`, `frame-${name}`, `${name}-frame`]) {
      expect(findings({ [`wire/${file}.ts`]: '' })).toEqual([`name wire/${file}.ts:1`])
    }
  })

  test.each([
    'setTimeout(f, 1)',
    'const t = setInterval',
    'globalThis.setImmediate(f)',
    'clearTimeout(t)',
    'queueMicrotask(f)',
    'performance.now()',
    'f(performance)',
    'Date.now()',
    'Date . now()',
    'Date?.now()',
    'Date["now"]()',
    'new Date()',
    'const d = new Date',
    'Date()',
    'globalThis.Date.now()',
    'process.nextTick(f)',
    'process.hrtime.bigint()',
    'AbortSignal.timeout(5)',
    'Atomics.wait(a, 0, 0)',
    'const { now } = Date',
    'const { now: time } = performance',
    'const { setTimeout } = globalThis',
    'const { nextTick } = process',
    "globalThis['setTimeout'](f)",
    "import { setTimeout } from 'node:timers'",
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "import { performance as p } from 'node:perf_hooks'",
  ])('time outside its room: %s', (line) => {
    const found = findings({ 'rpc/a.ts': `export const a = 1\n${line}` })
    expect(found.length).toBeGreaterThan(0)
    for (const finding of found) expect(finding).toBe('time rpc/a.ts:2')
    expect(findings({ 'base/clock.ts': line })).toEqual([])
  })

  test.each([
    'Math.random()',
    'Math?.random()',
    'Math["random"]()',
    'const { random } = Math',
    'const m = Math',
    'f(Math)',
    "import { randomBytes } from 'node:crypto'",
    "import { randomUUID } from 'node:crypto'",
    'globalThis.crypto.getRandomValues(a)',
  ])('chance outside its room: %s', (line) => {
    const found = findings({ 'rpc/a.ts': `export const a = 1\n${line}` })
    expect(found.length).toBeGreaterThan(0)
    for (const finding of found) expect(finding).toBe('chance rpc/a.ts:2')
    expect(findings({ 'base/random.ts': line })).toEqual([])
  })

  test.each([
    "import { connect } from 'node:net'",
    "import type { Socket } from 'node:net'",
    "import { connect } from 'node:tls'",
    "import { lookup } from 'node:dns/promises'",
    "export { connect } from 'node:net'",
    "const net = await import('node:net')",
    "const net = createRequire(import.meta.url)('node:net')",
    "const net = process.getBuiltinModule('node:net')",
    'fetch(a)',
    'new WebSocket(a)',
  ])('the network outside its room: %s', (line) => {
    const found = findings({ 'rpc/a.ts': `export const a = 1\n${line}` }).filter(
      (finding) => !finding.startsWith('barrel'),
    )
    expect(found.length).toBeGreaterThan(0)
    for (const finding of found) expect(finding).toBe('network rpc/a.ts:2')
  })

  test('HTTP outside the gateway, and nowhere else', () => {
    expect(findings({ 'rpc/a.ts': "import { createServer } from 'node:http'" })).toEqual(['http rpc/a.ts:1'])
    expect(findings({ 'gateway/a.ts': "import { createServer } from 'node:http'" })).toEqual([])
  })
})

describe('the floors let pass', () => {
  test.each([
    'const d = new Date(0)',
    'const d = new Date(clock.wallNow())',
    'function f(d: Date): Date { return d }',
    'if (types.isDate(d)) f()',
    'Date.UTC(2026, 0)',
    'clock.setTimeout(f)',
    'this.#performance = 1',
    'const o = { performance: 1, fetch: 2 }',
    'interface O { performance?: number }',
    '// Date.now() and Math.random() in prose',
    "const text = 'setTimeout(f, 1)'",
    'const text = `Math.random() ${1}`',
    'Math.max(1, 2)',
    'globalThis.gc?.()',
    "import { createHash } from 'node:crypto'",
    "import { inspect } from 'node:util'",
    'const text = "import \'../wire/frame.js\'"',
  ])('%s', (line) => {
    expect(findings({ 'rpc/a.ts': line })).toEqual([])
  })

  test('types of another folder that are handed on, and values of the same', () => {
    const tree = {
      'connection/hello.ts': "export type { Frame } from '../wire/frame.js'\nexport const a = 1",
      'connection/b.ts': "export { a } from './hello.js'\nexport const b = 1",
    }
    expect(findings({ ...GOOD, ...tree })).toEqual([])
  })

  test('400 lines, and more than 300 that say why', () => {
    for (const reason of [
      '// Long: one table',
      '/** The writer and its buffer, fused: a layer costs 40 ns. */',
      ' * Everything in one file: hot path.',
    ]) {
      expect(findings({ 'rpc/a.ts': `${reason}\n`.concat('a\n'.repeat(399)) })).toEqual([])
    }
    expect(findings({ 'rpc/a.ts': 'a\n'.repeat(300) })).toEqual([])
  })

  test('generated code that comes with its declarations', () => {
    expect(findings({ 'codec/a.ts': "import './shapes.generated.js'", 'codec/shapes.generated.d.ts': '' })).toEqual([])
  })

  test('names that only contain a forbidden one', () => {
    expect(
      findings({
        'rpc/metadata.ts': '',
        'rpc/score.ts': '',
        'rpc/utility-token.ts': '',
        'codec/shapes.generated.ts': '',
      }),
    ).toEqual([])
  })
})

/**
 * Holds `src/` to the table in `floors.json`: which folder may import which, which packages, and where time, chance
 * and the network come in; no rings, no barrels, no file too long or badly named.
 *
 *     node scripts/check-floors.mjs
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blank, exportedNames, importsOf, lineAt } from './source-text.mjs'

export const TABLE = JSON.parse(readFileSync(new URL('./floors.json', import.meta.url), 'utf8'))

/** Modules of Node that only their room may name. */
const ROOM_MODULES = {
  time: ['timers', 'timers/promises', 'perf_hooks'],
  network: ['net', 'tls', 'dgram', 'dns', 'dns/promises'],
  http: ['http', 'https', 'http2'],
}

/** A name used as a global: not a member, not the key of an object or type. */
const asGlobal = (names) => `(?<![\\w$.#])(?:globalThis\\s*\\.\\s*)?(?:${names})\\b(?!\\s*\\??:)`
const TIMERS = 'setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|clearImmediate|queueMicrotask'

/** What only a room may do, as patterns over code without comments and strings. */
const ROOM_CODE = {
  time: [
    [new RegExp(asGlobal(`${TIMERS}|performance`), 'g'), 'sets timers or reads the time'],
    [/\bDate\s*(?:\?\.|\.)\s*now\b|\bDate\s*\[/g, 'reads the time'],
    [/\bnew\s+Date\s*(?:\(\s*\)|(?![\w\s.(<[]))/g, 'reads the time'],
    [/(?<![\w$.#])(?<!\bnew\s+)Date\s*\(/g, 'reads the time'],
    [/\bprocess\s*\.\s*(?:nextTick|hrtime|uptime)\b/g, 'reads the time or decides on turns'],
    [/\bAbortSignal\s*\.\s*timeout\b|\bAtomics\s*\.\s*wait/g, 'waits for time to pass'],
    [
      /\{[^{}]*\b(?:now|nextTick|hrtime|uptime|timeout|performance)\b[^{}]*\}\s*=\s*(?:globalThis|Date|process|AbortSignal|performance)\b/g,
      'takes the time apart',
    ],
    [new RegExp(`\\{[^{}]*\\b(?:${TIMERS})\\b[^{}]*\\}\\s*=\\s*globalThis\\b`, 'g'), 'takes the time apart'],
    [/\bglobalThis\s*\[/g, 'hides which global it uses'],
  ],
  chance: [
    [/\bMath\s*(?:\?\.|\.)\s*random\b|\bMath\s*\[/g, 'throws dice'],
    [/\{[^{}]*\brandom\b[^{}]*\}\s*=\s*(?:globalThis\s*\.\s*)?Math\b/g, 'throws dice'],
    [/(?<!typeof\s)(?:=|\(|,|\?|:|\breturn)\s*Math\b(?!\s*[.?[\w])/g, 'hands dice on'],
    [
      /(?<![\w$#])(?:randomBytes|randomUUID|randomInt|randomFill|randomFillSync|getRandomValues|webcrypto)\b/g,
      'throws dice',
    ],
  ],
  network: [
    [/\bprocess\s*\.\s*(?:getBuiltinModule|binding)\b/g, 'hides which module of Node it uses'],
    [new RegExp(asGlobal('fetch|WebSocket|EventSource'), 'g'), 'opens connections'],
  ],
}

/**
 * What is wrong with `files`, `{ path, text }` each with paths such as `src/base/clock.ts`. Every finding is
 * `{ rule, path, line, message, level }`, with level `error` or `warning`.
 */
export function checkFloors(files, table = TABLE) {
  const findings = []
  const known = new Map(files.map((file) => [file.path, file]))
  const rows = new Map(table.floors.map((row, index) => [row.folder, { ...row, floor: index + 1 }]))
  const fileEdges = new Map()
  const folderEdges = new Map()

  for (const file of files) {
    const code = blank(file.text)
    const imports = importsOf(file.text, code)
    const report = (rule, line, message, level = 'error') =>
      findings.push({ rule, path: file.path, line, message, level })
    const place = placeOf(file.path, rows)
    checkName(file.path, table, report)
    checkLength(file, table, report)
    checkRooms(file, code, imports, table, report)
    if (place.unknown) report('folder', 1, `src/${place.folder} is no floor: add it to the table or move the file`)
    for (const one of imports) checkImport(file, place, one, { known, rows, table, fileEdges, folderEdges, report })
    checkBarrel(file, code, imports, place, report)
  }
  for (const ring of ringsOf(fileEdges)) {
    findings.push({
      rule: 'ring',
      path: ring[0],
      line: 1,
      message: `files import one another: ${ring.join(' > ')}`,
      level: 'error',
    })
  }
  for (const ring of ringsOf(folderEdges)) {
    const path = `src/${ring[0]}`
    findings.push({
      rule: 'folder-ring',
      path,
      line: 1,
      message: `folders import one another: ${ring.join(' > ')}`,
      level: 'error',
    })
  }
  return findings
}

/** Errors in the table itself: a row may only list folders below it. */
export function checkTable(table = TABLE) {
  const folders = table.floors.map((row) => row.folder)
  return table.floors.flatMap((row, index) => {
    if (row.mayImport === 'all') return []
    const wrong = row.mayImport.filter((folder) => !folders.slice(0, index).includes(folder))
    return wrong.map((folder) => `${row.folder} may not list ${folder}, which is not below it`)
  })
}

function placeOf(path, rows) {
  const [, first, ...deeper] = path.split('/')
  if (deeper.length === 0) return { entry: true, folder: null, row: null, unknown: false }
  return { entry: false, folder: first, row: rows.get(first) ?? null, unknown: !rows.has(first) }
}

function checkImport(file, place, one, { known, rows, table, fileEdges, folderEdges, report }) {
  const { specifier, line } = one
  if (specifier === null) {
    report('computed-import', line, 'the name of the module is computed: nobody can see which floor it is on')
    return
  }
  if (specifier.startsWith('node:')) return
  if (!specifier.startsWith('.')) {
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    if (place.row?.npm.includes(name)) return
    report('npm', line, `${place.folder ?? file.path} may not import the package ${name}`)
    return
  }
  const target = posix.normalize(posix.join(posix.dirname(file.path), specifier.replace(/\.js$/, '.ts')))
  const declared = known.has(target) || known.has(target.replace(/\.ts$/, '.d.ts'))
  if (!specifier.endsWith('.js') || !declared) {
    report('missing', line, `${specifier} is no file of src with its ending .js`)
    return
  }
  addEdge(fileEdges, file.path, target)
  const to = placeOf(target, rows)
  if (to.entry) {
    if (!place.entry && place.folder !== 'cli') {
      report('floor', line, `${place.folder} may not import ${target}, an entry point above all floors`)
    }
    return
  }
  if (place.entry) {
    if (table.entryPoints.mayNotImport.includes(to.folder)) {
      report('row', line, `an entry point may not import ${to.folder}`)
    }
    return
  }
  if (place.folder === to.folder) return
  addEdge(folderEdges, place.folder, to.folder)
  if (place.row === null || to.row === null || place.row.mayImport === 'all') return
  if (to.row.floor > place.row.floor) {
    report(
      'floor',
      line,
      `${place.folder} is floor ${place.row.floor} and may not import ${to.folder}, floor ${to.row.floor}`,
    )
  } else if (!place.row.mayImport.includes(to.folder)) {
    report(
      'row',
      line,
      `${place.folder} may import ${place.row.mayImport.join(', ') || 'nothing'}, and not ${to.folder}`,
    )
  }
}

/** Inside a folder names come from where they are made: nothing gathers them, nothing hands on another folder's. */
function checkBarrel(file, code, imports, place, report) {
  for (const one of imports) {
    if (one.all) report('barrel', one.line, `everything of ${one.specifier} is exported again: name what is meant`)
  }
  if (place.entry) return
  if (posix.basename(file.path) === 'index.ts') {
    report('barrel', 1, 'an index.ts stands only at src/index.ts')
    return
  }
  const ofOthers = new Set()
  for (const one of imports) {
    const fromOther = one.specifier?.startsWith('../') === true || one.specifier?.startsWith('.') === false
    for (const { name, typeOnly } of one.names) {
      if (!fromOther || typeOnly) continue
      if (one.reexports)
        report('barrel', one.line, `${name} of ${one.specifier} is handed on: import it where it is made`)
      else ofOthers.add(name)
    }
  }
  for (const { name, typeOnly } of exportedNames(code)) {
    if (!typeOnly && ofOthers.has(name)) report('barrel', 1, `${name} is handed on: import it where it is made`)
  }
  const statements = code.replace(/\b(?:import|export)\b[\w$*{},\s]*?\bfrom\s*(['"]) *\1/g, '').trim()
  if (statements === '' && imports.some((one) => one.reexports)) {
    report('barrel', 1, 'the file only hands on the names of others')
  }
}

function checkRooms(file, code, imports, table, report) {
  const inside = (room) =>
    table.rooms[room].some((place) => file.path === place || (place.endsWith('/') && file.path.startsWith(place)))
  const rooms = (room) => table.rooms[room].join(', ')
  for (const [room, modules] of Object.entries(ROOM_MODULES)) {
    if (inside(room)) continue
    for (const { specifier, line } of imports) {
      if (specifier === null || !modules.includes(specifier.replace(/^node:/, ''))) continue
      report(room, line, `only ${rooms(room)} may import ${specifier}`)
    }
  }
  for (const [room, patterns] of Object.entries(ROOM_CODE)) {
    if (inside(room)) continue
    for (const [pattern, what] of patterns) {
      for (const match of code.matchAll(pattern)) {
        report(
          room,
          lineAt(code, match.index),
          `${match[0].replace(/\s+/g, ' ').trim()} ${what}: only ${rooms(room)} may`,
        )
      }
    }
  }
}

function checkLength({ text, path }, { lines: limits }, report) {
  const lines = text.replace(/\n$/, '').split('\n')
  if (lines.length > limits.never) {
    report('length', limits.never, `${lines.length} lines: no file has more than ${limits.never}`)
  } else if (lines.length > limits.explainPast && !explainsLength(lines.slice(0, limits.explanationWithin))) {
    const head = `no comment in its first ${limits.explanationWithin} says why ("Long: ", "one file", "fused")`
    report('long', 1, `${posix.basename(path)} has ${lines.length} lines, and ${head}`, 'warning')
  }
}

function explainsLength(head) {
  return head.some((line) => /^\s*(?:\/\/|\/?\*).*\b(?:Long:|one file|fused)/i.test(line))
}

function checkName(path, { forbiddenNames }, report) {
  const names = path.split('/').slice(1)
  for (const name of names) {
    const stem = name.replace(/(?:\.generated)?(?:\.d)?\.ts$/, '')
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(stem)) report('name', 1, `${name} is not in kebab-case`)
    for (const word of stem.split('-')) {
      const bad = forbiddenNames.find((forbidden) => word === forbidden || word === `${forbidden}s`)
      if (bad !== undefined) report('name', 1, `${name}: "${bad}" says nothing about what is inside`)
    }
  }
}

function addEdge(edges, from, to) {
  const targets = edges.get(from) ?? new Set()
  targets.add(to)
  edges.set(from, targets)
}

/** One ring for every knot of nodes that reach one another (Tarjan's strongly connected components). */
function ringsOf(edges) {
  const order = new Map()
  const low = new Map()
  const stack = []
  const knots = []
  const visit = (node) => {
    order.set(node, order.size)
    low.set(node, order.get(node))
    stack.push(node)
    for (const next of edges.get(node) ?? []) {
      if (!order.has(next)) visit(next)
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)))
    }
    if (low.get(node) !== order.get(node)) return
    const knot = stack.splice(stack.indexOf(node))
    if (knot.length > 1 || edges.get(node)?.has(node)) knots.push(knot)
  }
  for (const node of [...edges.keys()].sort()) if (!order.has(node)) visit(node)
  return knots.map((knot) => shortestRing(knot[0], new Set(knot), edges))
}

function shortestRing(start, knot, edges) {
  const paths = [[start]]
  const seen = new Set()
  for (const path of paths) {
    for (const next of edges.get(path.at(-1)) ?? []) {
      if (next === start) return [...path, start]
      if (!knot.has(next) || seen.has(next)) continue
      seen.add(next)
      paths.push([...path, next])
    }
  }
  return [start]
}

/** Every TypeScript file under `src/` of the repository. */
export function readSources(root) {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      path: path.slice(join(root, '/').length).replaceAll('\\', '/'),
      text: readFileSync(path, 'utf8'),
    }))
    .sort((one, other) => (one.path < other.path ? -1 : 1))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = readSources(fileURLToPath(new URL('..', import.meta.url)))
  const findings = checkFloors(files)
  for (const { rule, path, line, message, level } of findings)
    console.log(`${path}:${line} ${level} [${rule}] ${message}`)
  for (const message of checkTable()) console.log(`scripts/floors.json error [table] ${message}`)
  const errors = findings.filter((finding) => finding.level === 'error').length + checkTable().length
  console.log(`${files.length} files, ${errors} errors, ${findings.length - errors} warnings`)
  process.exitCode = errors > 0 ? 1 : 0
}

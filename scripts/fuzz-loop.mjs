/** One run of a fuzz target, in a process of its own: scripts/fuzz.mjs starts it, and has compiled the targets. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { readFuzzArguments, TARGETS } from './fuzz-arguments.mjs'
import { Coverage } from './fuzz-coverage.mjs'
import { mutated, randomFrom } from './fuzz-mutations.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const MOST_MS = 50
const MOST_BYTES = 64 * 1024 * 1024
/** Coverage is read once for so many inputs: it costs as much as some of them. */
const BATCH = 64
/** A slow machine may be slow once: what is slow each time is a finding. */
const TRIES = 5

const [folder = '', ...rest] = process.argv.slice(2)
const { values, positionals } = readFuzzArguments(rest)

/** The input under way, for errors that nobody catches. */
let current = { name: '', input: Buffer.alloc(0) }

process.on('uncaughtException', (error) => found(current.name, current.input, error))

function corpusFile(name) {
  return join(root, 'test/fuzz/corpus', `${name}.txt`)
}

/** One input a line, in hex; an empty input is a dash. */
function readCorpus(name) {
  const file = corpusFile(name)
  if (!existsSync(file)) return [Buffer.alloc(0)]
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => Buffer.from(line === '-' ? '' : line, 'hex'))
}

function writeCorpus(name, inputs) {
  writeFileSync(corpusFile(name), inputs.map((input) => `${input.toString('hex') || '-'}\n`).join(''))
}

/** Ends the run: it was asked for what there is not. */
function refuse(why) {
  console.error(why)
  process.exit(2)
}

function wholeNumber(name) {
  const value = Number(values[name])
  if (!Number.isSafeInteger(value) || value < 1) refuse(`--${name} takes a whole number over 0, got ${values[name]}`)
  return value
}

async function load(name) {
  const { fuzz } = await import(pathToFileURL(join(folder, 'test/fuzz', `${name}.js`)).href)
  return { name, fuzz }
}

/** Ends the run: the input is kept, and the command is said that runs it again. */
function found(name, input, error) {
  const kept = join(root, 'fuzz-findings')
  mkdirSync(kept, { recursive: true })
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12)
  const file = join(kept, `${name}-${hash}.bin`)
  writeFileSync(file, input)
  console.error(`FINDING in ${name}: ${error instanceof Error ? error.stack : error}`)
  console.error(`\nnpm run fuzz -- ${name} --replay ${relative(root, file)}`)
  process.exit(1)
}

/** Runs one input. Returns the milliseconds it took. */
async function run({ name, fuzz }, input) {
  current = { name, input }
  const begun = performance.now()
  try {
    // Waiting for nothing costs a turn of microtasks, and lets what the input left behind have it.
    await fuzz(input)
  } catch (error) {
    found(name, input, error)
  }
  return performance.now() - begun
}

/** Runs one input, and judges its time. */
async function judge(target, input) {
  let least = await run(target, input)
  for (let tries = 1; tries < TRIES && least > MOST_MS; tries += 1) least = Math.min(least, await run(target, input))
  if (least > MOST_MS) found(target.name, input, `it took ${least.toFixed(0)} ms`)
}

function bytesInUse() {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Judges the memory of each input alone. */
async function weigh(target, inputs) {
  for (const input of inputs) {
    globalThis.gc()
    const before = bytesInUse()
    await run(target, input)
    const taken = bytesInUse() - before
    if (taken > MOST_BYTES) found(target.name, input, `it took ${(taken / 1024 / 1024).toFixed(0)} MiB`)
  }
}

async function runBatch(target, inputs) {
  const before = bytesInUse()
  for (const input of inputs) await judge(target, input)
  if (bytesInUse() - before > MOST_BYTES) await weigh(target, inputs)
}

async function once(target) {
  const corpus = readCorpus(target.name)
  await runBatch(target, corpus)
  await new Promise((resolve) => setImmediate(resolve))
  console.log(`${target.name}: ${corpus.length} inputs`)
}

function coverage() {
  return new Coverage(pathToFileURL(join(folder, 'src')).href)
}

/** Of a batch that reached new code, those inputs that do it by themselves. Reading coverage costs most: by halves. */
async function choose(target, inputs, wanted, cover) {
  for (const input of inputs) await run(target, input)
  const reached = cover.list().filter((key) => wanted.has(key))
  if (reached.length === 0) return []
  if (inputs.length === 1) {
    for (const key of reached) wanted.delete(key)
    return [...inputs]
  }
  const middle = inputs.length >> 1
  const chosen = await choose(target, inputs.slice(0, middle), wanted, cover)
  if (wanted.size > 0) chosen.push(...(await choose(target, inputs.slice(middle), wanted, cover)))
  return chosen
}

async function search(target) {
  const forMs = wholeNumber('seconds') * 1_000
  const random = randomFrom(wholeNumber('seed'))
  const cover = coverage()
  const corpus = readCorpus(target.name)
  const known = corpus.length
  await runBatch(target, corpus)
  cover.take()
  let blocks = 0
  const begun = performance.now()
  const endsAt = begun + forMs
  let runs = 0
  while (performance.now() < endsAt) {
    const inputs = Array.from({ length: BATCH }, () => mutated(corpus, random))
    await runBatch(target, inputs)
    runs += BATCH
    const fresh = cover.take()
    blocks += fresh.length
    if (fresh.length > 0) corpus.push(...(await choose(target, inputs, new Set(fresh), cover)))
  }
  const seconds = (performance.now() - begun) / 1_000
  if (corpus.length > known) writeCorpus(target.name, corpus)
  console.log(
    `${target.name}: ${runs} inputs in ${seconds.toFixed(0)} s, ${Math.round(runs / seconds)}/s; ` +
      `${cover.reached} blocks of src reached, ${blocks} of them new; ` +
      `${corpus.length} inputs kept, ${corpus.length - known} of them new; no finding`,
  )
}

/** The least inputs that reach what all of them reach: small ones first. */
async function minimise(target) {
  const cover = coverage()
  const corpus = readCorpus(target.name).sort((one, other) => one.length - other.length)
  // Once before: what runs only the first time is nobody's merit.
  await runBatch(target, corpus)
  const reached = new Set()
  const kept = []
  cover.list()
  for (const input of corpus) {
    await run(target, input)
    const before = reached.size
    for (const key of cover.list()) reached.add(key)
    if (reached.size > before) kept.push(input)
  }
  writeCorpus(target.name, kept)
  console.log(`${target.name}: ${kept.length} of ${corpus.length} inputs reach all of ${reached.size} blocks`)
}

async function replay(target, file) {
  const input = readFileSync(file)
  await judge(target, input)
  await weigh(target, [input])
  console.log(`${target.name}: ${input.length} bytes, no finding`)
}

const [wanted = ''] = positionals
if (wanted !== 'all' && !TARGETS.includes(wanted))
  refuse(`there is no target ${JSON.stringify(wanted)}; there are ${TARGETS.join(', ')} and all`)
for (const name of wanted === 'all' ? TARGETS : [wanted]) {
  const target = await load(name)
  if (values.replay !== undefined) await replay(target, values.replay)
  else if (values.once) await once(target)
  else if (values.minimise) await minimise(target)
  else await search(target)
}
process.exit()

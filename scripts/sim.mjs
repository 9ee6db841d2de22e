/**
 * The simulator over this library: production code on virtual time, chance and network, under faults. See
 * docs/testing.md.
 */
import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { readArguments } from './arguments.mjs'
import { PLANTS, plant } from './plants.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const BUILD = join(root, '.sim/build')

const USAGE = `npm run sim -- --seeds 2000            plays seeds 1 to 2000, on all cores
npm run sim -- --seeds 500 --from 9001
npm run sim -- --seed 17 --trace       plays one again, and prints what happened
npm run sim -- --plant all             tests the simulator: every bug of scripts/plants.mjs is to be caught,
                                       within 2000 seeds or as many as --seeds says
npm run sim -- --plant NAME --seed 17 --trace
also: --workers N, how many processes play`

const { values: options } = readArguments(USAGE, {
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
    plant: { type: 'string' },
  },
})

function number(name) {
  const value = Number(options[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  console.error(`--${name} takes a whole number over 0, got ${options[name]}`)
  process.exit(2)
}

function build() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.sim.json'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`)
}

/** A seed takes milliseconds: one that takes this long goes round in circles. */
const HUNG_MS = 60_000

/** Plays seeds in a process of its own, which is ended when it hangs. Calls back for each verdict; resolves at the end. */
function play(folder, args, onVerdict, onLine = () => {}) {
  return new Promise((resolve, reject) => {
    // Each seed leaves its whole world to the collector, and little of it is old: a quarter of the time without this.
    const flags = ['--max-semi-space-size=32']
    const child = spawn(process.execPath, [...flags, join(folder, 'test/sim/main.js'), ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const watch = setTimeout(() => child.kill('SIGKILL'), HUNG_MS)
    child.once('exit', () => clearTimeout(watch))
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      watch.refresh()
      if (line.startsWith('{')) onVerdict(JSON.parse(line))
      else onLine(line)
    })
    child.once('error', reject)
    lines.once('close', () => {
      if (child.exitCode !== null) resolve(child.exitCode)
      else child.once('exit', resolve)
    })
  })
}

const replayOf = (seed, name) => `npm run sim -- ${name === undefined ? '' : `--plant ${name} `}--seed ${seed} --trace`

function report({ seed, broken, hash }, name) {
  console.log(`seed ${seed} broke '${broken.invariant}' at ${broken.atMs.toFixed(3)} ms: ${broken.what}`)
  console.log(`  trace hash ${hash}; replay it with: ${replayOf(seed, name)}`)
}

async function playOne(folder, seed) {
  let verdict
  await play(folder, [seed, 1, ...(options.trace ? ['--trace'] : [])], (one) => (verdict = one), console.log)
  if (verdict === undefined) throw new Error(`seed ${seed} ended the process`)
  console.log(JSON.stringify(verdict))
  if (verdict.broken !== null) report(verdict, options.plant)
  return verdict.broken === null
}

/** Whether a seed breaks nothing in the library as it is. */
async function holds(seed) {
  let verdict
  await play(BUILD, [seed, 1], (one) => (verdict = one))
  return verdict?.broken === null
}

/** Every fault and the states of connections it met, over all seeds. */
function printMarks(marks) {
  const faults = [...new Set(Object.keys(marks).map((mark) => mark.split(' / ')[0]))].sort()
  const states = ['opening', 'idle', 'busy', 'blocked', 'draining', 'closing']
  console.log(`\n${'met'.padEnd(14)}${states.map((state) => state.padStart(10)).join('')}`)
  let missing = 0
  for (const fault of faults) {
    const counts = states.map((state) => marks[`${fault} / ${state}`] ?? 0)
    missing += counts.filter((count) => count === 0).length
    console.log(`${fault.padEnd(14)}${counts.map((count) => String(count).padStart(10)).join('')}`)
  }
  console.log(missing === 0 ? 'every fault met every state' : `${missing} of the pairs were never met`)
}

async function playMany() {
  const [seeds, from, workers] = [number('seeds'), number('from'), number('workers')]
  const begun = performance.now()
  const marks = {}
  const broken = []
  let [played, events, succeeded, failed] = [0, 0, 0, 0]
  const onVerdict = (verdict) => {
    played += 1
    events += verdict.events
    succeeded += verdict.succeeded
    failed += verdict.failed
    for (const [mark, count] of Object.entries(verdict.marks)) marks[mark] = (marks[mark] ?? 0) + count
    if (verdict.broken !== null) broken.push(verdict)
  }
  const shares = Array.from({ length: workers }, (_, worker) => {
    const count = Math.ceil((seeds - worker) / workers)
    return count > 0 ? play(BUILD, [from + worker, count, workers], onVerdict) : null
  })
  await Promise.all(shares)
  const seconds = (performance.now() - begun) / 1000
  console.log(
    `${played} seeds in ${seconds.toFixed(1)} s, ${Math.round(played / seconds)} a second: ${events} events, ` +
      `${succeeded} operations succeeded, ${failed} failed as they may`,
  )
  printMarks(marks)
  if (played < seeds) console.log(`\n${seeds - played} seeds have no verdict: a process ended early`)
  for (const verdict of broken.slice(0, 10)) report(verdict)
  console.log(`\n${broken.length} seeds broke a promise`)
  return broken.length === 0 && played === seeds
}

async function playPlants(names) {
  const seeds = number('seeds')
  const waiting = [...names]
  let survived = 0
  const next = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const folder = plant(name, BUILD, join(root, '.sim/plants'))
      let caught = null
      let played = 0
      await play(folder, [number('from'), seeds, 1, '--until-broken'], (verdict) => {
        played += 1
        caught ??= verdict.broken === null ? null : verdict
      })
      const seed = caught?.seed ?? number('from') + played
      // A bug may also end the process, or keep it from ending a seed. What happens without it is not its doing.
      const found = caught?.broken.invariant ?? (played < seeds ? 'the process ended, or hung' : null)
      if (found !== null && (await holds(seed)))
        console.log(`caught    ${name.padEnd(34)} seed ${String(seed).padStart(4)}  ${found}`)
      else if (found !== null) {
        survived += 1
        console.log(`UNCLEAR   ${name.padEnd(34)} seed ${String(seed).padStart(4)}  fails without the bug as well`)
      } else {
        survived += 1
        console.log(`SURVIVED  ${name}`)
      }
    }
  }
  await Promise.all(Array.from({ length: number('workers') }, next))
  console.log(`\n${names.length - survived} of ${names.length} planted bugs were caught`)
  return survived === 0
}

async function main() {
  build()
  const { plant: name, seed } = options
  if (name === 'all') return playPlants(PLANTS.map((one) => one.name))
  if (name !== undefined && seed === undefined) return playPlants([name])
  const folder = name === undefined ? BUILD : plant(name, BUILD, join(root, '.sim/plants'))
  return seed === undefined ? playMany() : playOne(folder, number('seed'))
}

process.exitCode = (await main()) ? 0 : 1

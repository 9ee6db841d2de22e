import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { commit, machine } from './report/machine.js'
import type { Criterion, Report, Result } from './report/result.js'
import { criteriaTable, resultsTable } from './report/terminal.js'
import { SUBJECT_NAMES } from './subjects/all.js'
import { backpressure } from './suites/backpressure.js'
import { bulk } from './suites/bulk.js'
import type { Effort } from './suites/cell.js'
import { criteria } from './suites/criteria.js'
import { echo } from './suites/echo.js'
import { lanes } from './suites/lanes.js'
import { memory } from './suites/memory.js'
import { oneWay } from './suites/one-way.js'
import { openLoop } from './suites/open-loop.js'
import { overload } from './suites/overload.js'
import { quick } from './suites/quick.js'
import { record } from './suites/record.js'
import { stream } from './suites/stream.js'
import type { Suite } from './suites/suite.js'
import { tls } from './suites/tls.js'

const SUITES: readonly Suite[] = [
  quick,
  criteria,
  echo,
  record,
  oneWay,
  openLoop,
  stream,
  lanes,
  backpressure,
  overload,
  memory,
  bulk,
  tls,
]
const ALL = 'all'
const USAGE_ERROR = 2
const CRITERION_FAILED = 1

interface Flags {
  readonly json?: string
  readonly data?: string
  readonly full?: boolean
  readonly seconds?: number
  readonly only?: readonly string[]
  readonly judge: boolean
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 60)) throw new InvalidArgumentError('expected seconds over 0 and up to 60')
  return value
}

function subjects(text: string): string[] {
  const names = text.split(',')
  const unknown = names.find((name) => !SUBJECT_NAMES.includes(name))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no subject '${unknown}'; there are ${SUBJECT_NAMES.join(', ')}`)
  return names
}

function folder(path: string): string {
  // npm runs scripts in the package's folder; a path is meant from where the user stands.
  const absolute = resolve(process.env['INIT_CWD'] ?? '.', path)
  let names: string[]
  try {
    names = readdirSync(absolute)
  } catch {
    throw new InvalidArgumentError(`${absolute} is no folder that can be read`)
  }
  if (!names.some((name) => name.endsWith('.rlp')))
    throw new InvalidArgumentError(`there are no .rlp files in ${absolute}`)
  return absolute
}

/** Tried before anything is measured. */
function writable(path: string): string {
  const absolute = resolve(process.env['INIT_CWD'] ?? '.', path)
  try {
    closeSync(openSync(absolute, 'a'))
  } catch {
    throw new InvalidArgumentError(`cannot write ${absolute}`)
  }
  return absolute
}

const program = new Command('bench')
  .description(
    `Suites: ${SUITES.map(({ name, what }) => `\n  ${name.padEnd(14)}${what}`).join('')}\n  ${ALL.padEnd(14)}all of them`,
  )
  .argument('[suite]', 'which to run', 'quick')
  .option('--json <file>', 'write the figures to a file', writable)
  .option('--data <folder>', 'real blocks (.rlp) instead of generated traffic', folder)
  .option('--full', 'more windows, longer ones, and every rival')
  .option('--seconds <number>', 'length of a window', seconds)
  .option('--only <subjects>', 'a list of subjects with commas between', subjects)
  .option('--no-judge', 'exit 0 whatever the criteria say: for machines too noisy to judge on')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE_ERROR))
  .parse()

const [wanted = 'quick'] = program.processedArgs as [string]
const flags = program.opts<Flags>()
const chosen = wanted === ALL ? SUITES.filter((suite) => suite !== quick) : SUITES.filter(({ name }) => name === wanted)
if (chosen.length === 0)
  program.error(`there is no suite '${wanted}'; there are ${SUITES.map(({ name }) => name).join(', ')}, ${ALL}`)

const effort: Effort = {
  rounds: flags.full ? 5 : 3,
  windowMs: (flags.seconds ?? (flags.full ? 3 : 1.5)) * 1_000,
  warmUpMs: flags.full ? 3_000 : 1_500,
  only: flags.only ?? [],
  dataFolder: flags.data ?? null,
  full: flags.full ?? false,
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

say(`${machine()}, Node ${process.version}, commit ${commit()}`)
say(
  effort.dataFolder === null
    ? 'traffic: generated, fitted to mainnet sizes'
    : `traffic: real blocks from ${effort.dataFolder}`,
)

const results: Result[] = []
const judged: Criterion[] = []
for (const suite of chosen) {
  say(`\n${suite.name}: ${suite.what}`)
  const found = await suite.run(effort, (rows) => {
    results.push(...rows)
    say(resultsTable(rows))
  })
  judged.push(...found)
  say(criteriaTable(found))
}

if (flags.json !== undefined) {
  const report: Report = { machine: machine(), node: process.version, commit: commit(), results, criteria: judged }
  writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`)
}
// A run of some subjects cannot be judged: its ratios lack a side.
const failed = judged.filter(({ pass }) => !pass)
if (flags.judge && effort.only.length === 0 && failed.length > 0) {
  say(`\n${failed.length} of ${judged.length} criteria failed`)
  process.exitCode = CRITERION_FAILED
}

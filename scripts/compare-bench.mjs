/** Compares two reports of `npm run bench -- SUITE --json FILE`, an old and a new one: see the usage. */
import { readFileSync } from 'node:fs'
import { readArguments } from './arguments.mjs'

const USAGE = `npm run bench:compare -- OLD.json NEW.json [--only alys]
prints how many times as fast each subject is in the new report, in every cell that both have, and exits 1 where one of
--only (alys) is more than a tenth slower. Where a cell has the floor, speeds are taken in parts of it: two runs see two
machines, and the floor of each run is the measure of its own.`

const SLOWER = 0.9

/** Where a row was measured. */
const cellOf = ({ suite, workload, data, concurrency, payloadBytes }) =>
  [suite, workload, data, concurrency, payloadBytes].join(' / ')

/** Speeds by cell and subject, in parts of the floor where there is one. */
function speedsOf({ results }) {
  const floors = new Map(
    results.filter(({ subject }) => subject === 'floor').map((row) => [cellOf(row), row.perSecond]),
  )
  return new Map(
    results
      .filter(({ subject }) => subject !== 'floor')
      .map((row) => {
        const floor = floors.get(cellOf(row))
        const key = `${cellOf(row)} / ${row.subject}`
        return [key, { subject: row.subject, speed: row.perSecond / (floor ?? 1), toFloor: floor !== undefined }]
      }),
  )
}

/** The rows that both reports have. */
function compare(before, after) {
  const [old, now] = [speedsOf(before), speedsOf(after)]
  return [...now].flatMap(([key, { subject, speed, toFloor }]) => {
    const was = old.get(key)
    return was === undefined || was.toFloor !== toFloor ? [] : [{ key, subject, toFloor, ratio: speed / was.speed }]
  })
}

function read(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    if (Array.isArray(report.results)) return report
    throw new Error('it has no results')
  } catch (error) {
    console.error(`${file} is no report of a benchmark: ${error.message}`)
    process.exit(2)
  }
}

function main() {
  const { values, positionals } = readArguments(USAGE, {
    allowPositionals: true,
    options: { only: { type: 'string', default: 'alys' } },
  })
  if (positionals.length !== 2) {
    console.error(USAGE)
    process.exit(2)
  }
  const rows = compare(...positionals.map(read))
  if (rows.length === 0) {
    console.error('the two reports have no row in common')
    process.exit(2)
  }
  const slower = rows.filter(({ subject, ratio }) => subject === values.only && ratio < SLOWER)
  for (const { key, ratio, toFloor } of rows)
    console.log(`x${ratio.toFixed(2)}  ${key}${toFloor ? ', in parts of the floor' : ''}`)
  if (slower.length === 0) return
  console.log(`\n${slower.length} of ${values.only} are more than a tenth slower`)
  process.exitCode = 1
}

main()

// The long forms of what the tests show in short ones, over real sockets and real processes: prints a line of figures
// and exits 1 where a promise does not hold.
import { readArguments } from './arguments.mjs'
import { blackhole } from './faults/blackhole.mjs'
import { calls } from './faults/calls.mjs'
import { cancels } from './faults/cancels.mjs'
import { deadlines } from './faults/deadlines.mjs'
import { restarts } from './faults/restarts.mjs'
import { rotations } from './faults/rotations.mjs'
import { soak } from './faults/soak.mjs'

const LONG = {
  calls: ({ count = 10_000_000, seed }) => calls({ count, seed }),
  restarts: ({ count = 200, seed }) => restarts({ count, seed }),
  kills: ({ count = 200, seed }) => restarts({ count, seed, signal: 'SIGKILL' }),
  blackhole: () => blackhole({}),
  cancels: ({ count = 100_000 }) => cancels({ count }),
  deadlines: ({ count = 50_000, seed }) => deadlines({ count, seed }),
  soak: ({ count = 600, seed }) => soak({ seconds: count, seed }),
  rotations: ({ count = 100 }) => rotations({ count }),
}

const USAGE = `usage: npm run faults -- ${Object.keys(LONG).join('|')} [--count N] [--seed S]`

const { values, positionals } = readArguments(USAGE, {
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string', default: '1' } },
})
const [name] = positionals
const run = Object.hasOwn(LONG, name ?? '') ? LONG[name] : null
if (run === null) {
  console.error(USAGE)
  process.exit(2)
}
const count = values.count === undefined ? undefined : Number(values.count)
if (count !== undefined && !(Number.isSafeInteger(count) && count > 0)) {
  console.error(`--count must be a whole number over 0, got ${values.count}`)
  process.exit(2)
}
const result = await run({ ...(count === undefined ? {} : { count }), seed: Number(values.seed) })
console.log(JSON.stringify({ [name]: result }))
if (!result.pass) process.exitCode = 1

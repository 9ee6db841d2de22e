/**
 * Plays seeds, and prints a line of JSON for each.
 *
 *     node main.js FROM COUNT [STEP] [--trace] [--until-broken]
 */
import { play } from './scenario.js'

const [from, count, step = 1] = process.argv
  .slice(2)
  .map(Number)
  .filter((number) => !Number.isNaN(number))
const tracing = process.argv.includes('--trace')
const untilBroken = process.argv.includes('--until-broken')

// Where the errors were made tells a reader of a trace something, and costs a tenth of the time.
if (!tracing) Error.stackTraceLimit = 0

for (let played = 0; played < (count ?? 0); played += 1) {
  const seed = (from ?? 0) + played * (step ?? 1)
  const verdict = tracing ? await play(seed, (line) => console.log(line)) : await play(seed)
  process.stdout.write(`${JSON.stringify(verdict)}\n`)
  if (verdict.broken !== null && untilBroken) break
}

import { parseArgs } from 'node:util'

/** What a script was started with. `--help` prints its usage, and so does what it cannot take, which ends it with 2. */
export function readArguments(usage, config) {
  try {
    const options = { ...config.options, help: { type: 'boolean', default: false } }
    const read = parseArgs({ ...config, options })
    if (!read.values.help) return read
    console.log(usage)
    process.exit(0)
  } catch (error) {
    console.error(`${error.message}\n${usage}`)
    process.exit(2)
  }
}

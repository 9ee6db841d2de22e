// Clients come and go for minutes and do a bit of everything; then everybody closes, and nothing may be left. Runs in a
// process of its own, whose collector can be called.
import { Child } from './child.mjs'

export async function soak({ seconds, seed }) {
  const child = new Child('soaking.mjs', [String(seconds), String(seed)], [process.execPath, '--expose-gc'])
  const result = await child.next()
  await child.exited
  return result
}

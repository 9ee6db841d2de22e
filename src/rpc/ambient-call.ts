import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerCall } from './server-call.js'

type Handler = (value: unknown, call: ServerCall) => unknown

/** The call that the code under way serves. Node follows it through promises, timers and events, for the whole process. */
const calls = new AsyncLocalStorage<ServerCall>()

/** Until a server asks for it nobody pays: following costs each promise of the process a little. */
let followed = false

/** The same handler, whose calls of its own know the call that they are made for. */
export function following(handler: Handler): Handler {
  followed = true
  return (value, call) => calls.run(call, handler, value, call)
}

/** The call that is being served where this is asked. */
export function ambientCall(): ServerCall | null {
  return followed ? (calls.getStore() ?? null) : null
}

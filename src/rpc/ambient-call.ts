import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerCall } from './server-call.js'

type Handler = (value: unknown, call: ServerCall) => unknown

/** The call that the code under way serves. Node follows it through promises, timers and events, for the whole process. */
const calls = new AsyncLocalStorage<ServerCall>()

/** Until a server asks for it nobody pays: following costs each promise of the process a little. */
let followed = false

/** What was made by `following`. */
const followers = new WeakSet<Handler>()

/** The same handler, whose calls of its own know the call that they are made for. */
export function following(handler: Handler): Handler {
  followed = true
  const follower: Handler = (value, call) => calls.run(call, handler, value, call)
  followers.add(follower)
  return follower
}

/** Runs what works on behalf of a handler: the body of a generator runs where it is asked for its next message. */
export function onBehalfOf(handler: Handler, call: ServerCall, work: () => void): void {
  if (followers.has(handler)) calls.run(call, work)
  else work()
}

/** The call that is being served where this is asked. */
export function ambientCall(): ServerCall | null {
  return followed ? (calls.getStore() ?? null) : null
}

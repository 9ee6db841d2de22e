import { KIND } from '../../src/wire/frame.js'
import { type FrameParts, frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import type { BadFrame } from './bad-frame.js'
import { fault } from './error.js'
import type { Scene } from './scene.js'
import { METHODS, type MethodName } from './target.js'

export const NOTHING: Buffer = Buffer.alloc(0)
const ONE: Buffer = packed(1)

export function open(id: number, method: MethodName, payload: Buffer = NOTHING, flags = MSGPACK): Buffer {
  return frame(KIND.STREAM_OPEN, { flags, aux: METHODS[method][0], id, body: Buffer.concat([u32(0), payload]) })
}

export function data(id: number, payload: Buffer = ONE, flags = MSGPACK): Buffer {
  return frame(KIND.STREAM_DATA, { flags, id, body: payload })
}

export function end(id: number, parts: FrameParts = {}): Buffer {
  return frame(KIND.STREAM_END, { id, ...parts })
}

export function reset(id: number, aux = 1, body: Buffer = fault()): Buffer {
  return frame(KIND.STREAM_RESET, { aux, id, body })
}

export function credit(id: number, bytes: number): Buffer {
  return frame(KIND.CREDIT, { id, body: u32(bytes) })
}

/** The first stream that the hostile peer opens. */
export const first = (scene: Scene): number => scene.theirs()

/** Opens it: the server waits for what comes on it. */
export const feed = (scene: Scene): Buffer => open(first(scene), 'feed')

/** Frames one behind the other, made when the ids are known. */
export function say(...parts: readonly ((scene: Scene) => Buffer)[]): BadFrame['says'] {
  return (scene) => Buffer.concat(parts.map((part) => part(scene)))
}

/** The same, when a stream that the hostile peer opened is over: its handler has settled. */
export function afterOver(...parts: readonly ((scene: Scene) => Buffer)[]): BadFrame['says'] {
  return async (scene) => {
    scene.peer.write(feed(scene), end(first(scene)))
    await scene.peer.nextOf(KIND.STREAM_END)
    return say(...parts)(scene)
  }
}

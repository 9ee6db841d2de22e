import { expect } from 'vitest'
import { REASONS, type Reason, TransportError } from '../../src/base/errors.js'
import { STATUS } from '../../src/base/status.js'
import { KIND } from '../../src/wire/frame.js'
import { type Frame, faultOf } from '../fixtures/raw-peer.js'
import { type Stage, until } from '../fixtures/stage.js'
import type { BadFrame, Outcome, Role } from './bad-frame.js'
import type { Link } from './link.js'
import { Scene } from './scene.js'
import type { Target } from './target.js'

/** Has a hostile peer say the bytes of one case, and checks what comes of it. */
export async function assault(stage: Stage, link: Link, target: Target, role: Role, one: BadFrame): Promise<void> {
  const then = one[role]
  if (then === null) throw new Error(`${one.name}: not for a ${role}`)
  const scene = await Scene.open(stage, link, target, role, one.hello)
  const before = scene.failures()
  scene.peer.write(await one.says(scene))
  await check(scene, then)
  const counted = Object.entries(scene.failures()).filter(([reason, count]) => count !== before[reason as Reason])
  expect(counted.map(([reason, count]) => [reason, count - before[reason as Reason]]).sort()).toEqual(
    countedFor(then).sort(),
  )
  scene.finish()
  scene.peer.socket.end()
  if (role === 'client') await scene.client.close({ graceMs: 0 })
  await until(() => scene.peer.gone)
}

async function check(scene: Scene, then: Outcome): Promise<void> {
  const { peer, outcomes } = scene
  if (then === 'goes on') return await scene.alive()
  if (then === 'leaves') return await scene.aliveElsewhere()
  if (then === 'lost' || then === 'closes') {
    if (then === 'lost') peer.socket.end()
    await until(() => peer.gone)
    expect(peer.unread.filter(({ kind, aux }) => kind === KIND.GO_AWAY && aux !== 0)).toEqual([])
    return
  }
  if ('ends' in then) {
    expectFault(await peer.nextOf(KIND.GO_AWAY), then.ends)
    peer.socket.end()
    await until(() => peer.gone)
    expect(peer.unread).toEqual([])
    return
  }
  if ('cuts' in then) {
    await until(() => peer.gone)
    expect(peer.unread.filter(({ kind }) => kind !== KIND.HELLO)).toEqual([])
    return
  }
  if ('refuses' in then) expectFault(await refusal(scene), then.refuses)
  if ('fails' in then) {
    await until(() => outcomes.length > 0)
    expect(outcomes[0]).toBeInstanceOf(TransportError)
    expect(outcomes[0]).toMatchObject({ reason: then.fails, processed: 'yes' })
  }
  if ('told' in then) {
    await until(() => outcomes.length > 0)
    expect(outcomes[0]).toMatchObject({ code: then.told, origin: 'peer' })
  }
  await scene.alive()
}

/** The next ERROR, or STREAM_END with a fault. */
async function refusal({ peer }: Scene): Promise<Frame> {
  for (;;) {
    const next = await peer.nextOf(KIND.ERROR, KIND.STREAM_END)
    if (next.kind === KIND.ERROR || next.aux !== 0) return next
  }
}

function expectFault(frame: Frame, reason: Reason): void {
  expect(faultOf(frame).reason).toBe(reason)
  expect(frame.aux).toBe(STATUS[REASONS[reason][0]].number)
}

function countedFor(then: Outcome): (readonly [string, number])[] {
  if (typeof then === 'string' || 'told' in then) return []
  if ('drops' in then) return [[then.drops, then.times ?? 1]]
  if ('ends' in then) return [[then.ends, 1], ...Object.entries(then.also ?? {})]
  if ('cuts' in then) return [[then.cuts, 1]]
  return [['refuses' in then ? then.refuses : then.fails, 1]]
}

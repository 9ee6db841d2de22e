import { describe, expect, it } from 'vitest'
import { Admission } from '../../src/connection/admission.js'
import { newEnvironment, type Options } from './bench.js'

type LimitOptions = NonNullable<Options['limits']>

/** Limits out of the way, but for those named. */
function newAdmission(limits: LimitOptions, maxDescriptors = Number.POSITIVE_INFINITY): Admission {
  const wide = { maxConnections: 1_000_000, maxHandshakes: 65_536, maxHandshakesPerAddress: 65_536 }
  return new Admission(newEnvironment({ limits: { ...wide, ...limits } }).environment.limits, maxDescriptors)
}

/** Enters so many from hosts of their own, all of them admitted; with the handshake done, if asked. */
function fill(admission: Admission, count: number, handshakeOver = false): void {
  for (let n = 0; n < count; n += 1) {
    expect(admission.enter(`host-${n}`)).toBeNull()
    if (handshakeOver) admission.handshakeOver(`host-${n}`)
  }
}

describe('connections of one server', () => {
  it('are 1,024 and not one more, until one leaves', () => {
    const admission = newAdmission({ maxConnections: 1_024 })
    fill(admission, 1_024, true)
    expect(admission.enter('one more')?.reason).toBe('too-many-connections')
    expect(admission.connections).toBe(1_024)
    admission.leave(null)
    expect(admission.enter('one more')).toBeNull()
    expect(admission.connections).toBe(1_024)
  })

  it.each([
    [100, 80],
    [101, 80],
    [1, 0],
  ])('with %i file descriptors are %i and not one more', (descriptors, most) => {
    const admission = newAdmission({}, descriptors)
    fill(admission, most, true)
    expect(admission.enter('one more')?.reason).toBe('too-many-connections')
  })

  it('are no more than limits.maxConnections, however many descriptors there are', () => {
    const admission = newAdmission({ maxConnections: 3 }, 1_000)
    fill(admission, 3, true)
    expect(admission.enter('one more')?.reason).toBe('too-many-connections')
  })
})

describe('connections that have not said HELLO', () => {
  it('are 128 and not one more, until a handshake is over', () => {
    const admission = newAdmission({ maxHandshakes: 128 })
    fill(admission, 128)
    expect(admission.enter('one more')?.reason).toBe('too-many-handshakes')
    admission.handshakeOver('host-0')
    expect(admission.enter('one more')).toBeNull()
    expect(admission.enter('two more')?.reason).toBe('too-many-handshakes')
  })

  it('are 16 from one address and not one more; other addresses do not pay for it', () => {
    const admission = newAdmission({ maxHandshakesPerAddress: 16 })
    for (let n = 0; n < 16; n += 1) expect(admission.enter('crowded')).toBeNull()
    expect(admission.enter('crowded')?.reason).toBe('too-many-handshakes-per-address')
    expect(admission.enter('quiet')).toBeNull()
    admission.handshakeOver('crowded')
    expect(admission.enter('crowded')).toBeNull()
    expect(admission.enter('crowded')?.reason).toBe('too-many-handshakes-per-address')
  })

  it('that were refused are not counted', () => {
    const admission = newAdmission({ maxHandshakes: 2, maxHandshakesPerAddress: 1 })
    expect(admission.enter('a')).toBeNull()
    for (let n = 0; n < 10; n += 1) expect(admission.enter('a')?.reason).toBe('too-many-handshakes-per-address')
    expect(admission.connections).toBe(1)
    expect(admission.enter('b')).toBeNull()
  })
})

describe('connections with one peer id', () => {
  it('are 4 and not one more; other peers do not pay for it', () => {
    const admission = newAdmission({ maxConnectionsPerPeer: 4 })
    fill(admission, 6, true)
    for (let n = 0; n < 4; n += 1) expect(admission.identify('peer')).toBeNull()
    expect(admission.identify('peer')?.reason).toBe('too-many-connections-per-peer')
    expect(admission.identify('other')).toBeNull()
    // The one that was refused leaves without a name, and frees no place of the others.
    admission.leave(null)
    expect(admission.identify('peer')?.reason).toBe('too-many-connections-per-peer')
    admission.leave('peer')
    expect(admission.identify('peer')).toBeNull()
    expect(admission.connections).toBe(4)
  })

  it('let others come while they end, but not without a bound', () => {
    const admission = newAdmission({ maxConnectionsPerPeer: 2 })
    fill(admission, 5, true)
    for (let n = 0; n < 2; n += 1) expect(admission.identify('peer')).toBeNull()
    expect(admission.drain('peer')).toBe(true)
    expect(admission.drain('peer')).toBe(true)
    for (let n = 0; n < 2; n += 1) expect(admission.identify('peer')).toBeNull()
    expect(admission.drain('peer')).toBe(false)
    expect(admission.identify('peer')?.reason).toBe('too-many-connections-per-peer')
    admission.leave('peer', true)
    expect(admission.drain('peer')).toBe(true)
    expect(admission.identify('peer')).toBeNull()
  })
})

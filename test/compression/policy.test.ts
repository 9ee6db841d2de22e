import { beforeEach, describe, expect, it } from 'vitest'
import { CompressionPolicy, type PolicyOptions } from '../../src/compression/policy.js'

const MIB = 1024 * 1024
const counters = { compressedBodies: 0, compressionSkipped: 0, bytesBeforeCompression: 0, bytesAfterCompression: 0 }

function policyWith(options: Partial<PolicyOptions> = {}): CompressionPolicy {
  return new CompressionPolicy({ mode: 'adaptive', thresholdBytes: 1_024, ...options }, counters)
}

beforeEach(() => {
  Object.assign(counters, {
    compressedBodies: 0,
    compressionSkipped: 0,
    bytesBeforeCompression: 0,
    bytesAfterCompression: 0,
  })
})

/** The share of so many bodies that are tried, each compressing to `ratio`. */
function triedOf(policy: CompressionPolicy, bodies: number, ratio: number): number {
  let tried = 0
  for (let count = 0; count < bodies; count += 1) {
    if (!policy.shouldTry(10_000)) continue
    tried += 1
    policy.tried(10_000, 10_000 * ratio)
  }
  return tried
}

describe('a body', () => {
  it('of the threshold goes raw, and one byte more is tried', () => {
    expect(policyWith().shouldTry(1_024)).toBe(false)
    expect(policyWith().shouldTry(1_025)).toBe(true)
  })

  it('is tried always where that was chosen', () => {
    const always = policyWith({ mode: 'always' })
    for (let at = 0; at < 100; at += 1) always.handedOver(MIB, at)
    expect(triedOf(always, 1_000, 0.99)).toBe(1_000)
  })

  it('is sent compressed where that saves a tenth, and raw where it saves less', () => {
    expect(policyWith().tried(10_000, 9_000)).toBe(true)
    expect(policyWith().tried(10_000, 9_001)).toBe(false)
    expect(counters).toEqual({
      compressedBodies: 1,
      compressionSkipped: 1,
      bytesBeforeCompression: 10_000,
      bytesAfterCompression: 9_000,
    })
  })
})

describe('the ratio guard', () => {
  it('tries every body as long as they compress', () => {
    expect(triedOf(policyWith(), 1_000, 0.5)).toBe(1_000)
  })

  it('tries few of those that do not, and fewer with every disappointment', () => {
    const policy = policyWith()
    const first = triedOf(policy, 1_000, 1)
    expect(first).toBeLessThan(60)
    expect(triedOf(policy, 10_000, 1)).toBeLessThan(20)
  })

  it('tries all again after one probe that compresses well', () => {
    const policy = policyWith()
    triedOf(policy, 1_000, 1)
    expect(triedOf(policy, 5_000, 0.4)).toBeGreaterThan(3_000)
  })
})

describe('the drain guard', () => {
  it('is off from the first body on', () => {
    expect(policyWith().shouldTry(2_000)).toBe(true)
  })

  it('leaves compression off once 8 MiB were taken at once within 250 ms', () => {
    const policy = policyWith()
    for (let at = 0; at < 7; at += 1) policy.handedOver(MIB, at * 10)
    expect(policy.shouldTry(2_000)).toBe(true)
    policy.handedOver(MIB, 80)
    expect(policy.shouldTry(2_000)).toBe(false)
  })

  it('takes the same bytes over a longer time for no sign of a fast link', () => {
    const policy = policyWith()
    for (let at = 0; at < 100; at += 1) policy.handedOver(MIB, at * 50)
    expect(policy.shouldTry(2_000)).toBe(true)
  })

  it('begins anew after a stall', () => {
    const policy = policyWith()
    policy.handedOver(7 * MIB, 10)
    policy.stalled(20)
    policy.handedOver(7 * MIB, 30)
    expect(policy.shouldTry(2_000)).toBe(true)
  })

  it('compresses again when a full socket drains slowly', () => {
    const policy = policyWith()
    policy.handedOver(8 * MIB, 1)
    policy.stalled(2)
    // 12.5 MB/s: a link of 100 Mbit/s.
    policy.drained(4 * MIB, 335)
    expect(policy.shouldTry(2_000)).toBe(true)
  })

  it('stays off when it drains faster than compressing would save', () => {
    const policy = policyWith()
    policy.handedOver(8 * MIB, 1)
    policy.stalled(2)
    policy.drained(4 * MIB, 4)
    expect(policy.shouldTry(2_000)).toBe(false)
  })
})

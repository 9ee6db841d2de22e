import { describe, expect } from 'vitest'
import { defineService, oneWay, unary } from '../../src/index.js'
import { serviceFacts } from '../../src/rpc/service.js'
import { KIND } from '../../src/wire/frame.js'
import { answerFrame, errorFrame, faultOf, packed } from '../fixtures/raw-peer.js'
import { it } from '../fixtures/stage.js'

const refused = (reason: string) => expect.objectContaining({ name: 'TransportError', reason })

describe('ids', () => {
  it('rise, and skip those whose place is still taken', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({}, { maxOpenCalls: 8 })
    // Places are the low four bits: 16 of them, for 8 calls.
    const slow = client.call('echo', 'slow')
    const { id: slowId } = await peer.nextOf(KIND.CALL)
    const ids: number[] = []
    for (let n = 0; n < 40; n += 1) {
      const call = client.call('echo', n)
      const { id } = await peer.nextOf(KIND.CALL)
      ids.push(id)
      peer.write(answerFrame(id, n))
      expect(await call).toBe(n)
    }
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
    expect(ids.filter((id) => id % 16 === slowId % 16)).toEqual([])
    peer.write(answerFrame(slowId, 'done'))
    expect(await slow).toBe('done')
  })

  it.for([
    ['an answer', (id: number) => answerFrame(id, 1)],
    ['an error', (id: number) => errorFrame(id, 'yes')],
  ] as const)('that are not open: %s to them ends the connection by name', async ([_, frameOf], { stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const call = client.call('echo', 1)
    const { id } = await peer.nextOf(KIND.CALL)
    peer.write(frameOf(id + 1))
    await expect(call).rejects.toMatchObject({ reason: 'answer-unknown', processed: 'maybe' })
    expect(faultOf(await peer.nextOf(KIND.GO_AWAY)).reason).toBe('answer-unknown')
    expect(client.metrics().failures['answer-unknown']).toBe(1)
  })

  it('are not answered twice', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const call = client.call('echo', 1)
    const { id } = await peer.nextOf(KIND.CALL)
    peer.write(answerFrame(id, 'first'), answerFrame(id, 'second'))
    expect(await call).toBe('first')
    expect(faultOf(await peer.nextOf(KIND.GO_AWAY)).reason).toBe('answer-unknown')
  })
})

describe('what the peer does not take', () => {
  const Chain = defineService('chain', { submit: unary<number, number>(), announce: oneWay<number>() })

  it('a contract that differs: only its own calls fail, also in a turn full of others', async ({ stage }) => {
    const services = [{ name: 'chain', fingerprint: '0011223344556677' }]
    const { client, peer } = await stage.clientAndPeer({}, { services })
    const chain = client.use(Chain)
    const before = client.call('echo', 'before')
    await client.send('note', 1)
    const mismatch = chain.submit(1)
    const notSent = chain.announce(1)
    const after = client.call('echo', 'after')
    await expect(mismatch).rejects.toEqual(refused('contract-mismatch'))
    await expect(mismatch).rejects.toMatchObject({
      processed: 'no',
      details: { ours: serviceFacts(Chain).fingerprint },
    })
    await expect(notSent).rejects.toEqual(refused('contract-mismatch'))
    expect(await peer.nextOf(KIND.CALL)).toMatchObject({ id: 1 })
    expect((await peer.nextOf(KIND.ONE_WAY)).body).toEqual(packed(1))
    peer.write(answerFrame(1, 'before'))
    for (const text of ['after']) {
      const { id, body } = await peer.nextOf(KIND.CALL)
      expect(body.subarray(4)).toEqual(packed(text))
      peer.write(answerFrame(id, text))
    }
    expect(await Promise.all([before, after])).toEqual(['before', 'after'])
  })

  it('more method names than it announced: only the calls of the name too many fail', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({}, { maxMethods: 2 })
    const calls = ['one', 'two', 'three', 'one'].map((name) => client.call(name, name))
    await expect(calls[2]).rejects.toMatchObject({ reason: 'too-many-methods', origin: 'local', processed: 'no' })
    for (const number of [1, 2, 1]) {
      const { id, aux } = await peer.nextOf(KIND.CALL)
      expect(aux).toBe(number)
      peer.write(answerFrame(id, aux))
    }
    expect(await Promise.all([calls[0], calls[1], calls[3]])).toEqual([1, 2, 1])
  })
})

import { parseAddress } from '../../src/socket/address.js'
import type { ByteChannel } from '../../src/socket/channel.js'
import { type LinkConditions, PERFECT_LINK } from '../../src/testing/link-conditions.js'
import { Simulation } from '../../src/testing/simulation.js'
import { turn } from '../fixtures/stage.js'
import { describeContract } from '../socket/contract.js'
import { PATIENT, type Pair, type Sockets, socketOptions } from '../socket/pairs.js'

/** The contract acts in real turns: whatever it causes happens before the next. Until both ends are gone. */
async function drive(simulation: Simulation, done: () => boolean): Promise<void> {
  while (!done()) {
    await simulation.run()
    await turn()
  }
}

async function open(sockets: Sockets, conditions: Partial<LinkConditions>): Promise<Pair> {
  const simulation = new Simulation({ seed: 7 })
  const [one, other] = [simulation.boot('one'), simulation.boot('other')]
  for (const [from, to] of [['one', 'other'] as const, ['other', 'one'] as const])
    simulation.network.link(from, to).set(conditions)
  const address = parseAddress('tcp://other:1')
  const accepted: ByteChannel[] = []
  await other.network.listen(address, socketOptions(), {
    onChannel: (channel) => accepted.push(channel),
    onAcceptFailed: () => {},
  })
  const dialled = one.network.dial(address, socketOptions(), PATIENT)
  void drive(simulation, () => accepted.length > 0 && simulation.network.connectionCount === 0)
  const near = sockets.end(await dialled)
  return { near, far: sockets.end(accepted[0] as ByteChannel) }
}

describeContract({
  name: 'the virtual network',
  open: (sockets) => open(sockets, PERFECT_LINK),
  swallows: PERFECT_LINK.bufferBytes,
  bulk: 48 * 1024 * 1024,
  places: true,
})

describeContract({
  name: 'a virtual network that is slow, narrow and cuts what it reads',
  open: (sockets) => open(sockets, { latencyMs: 5, jitterMs: 20, bufferBytes: 2_000, splitChance: 0.7 }),
  swallows: 2_000,
  bulk: 1024 * 1024,
  places: true,
})

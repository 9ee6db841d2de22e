import { describeContract } from './contract.js'

const KiB = 1024
const MiB = 1024 * KiB

describeContract({
  name: 'TCP',
  open: (sockets) => sockets.tcp(),
  swallows: 12 * MiB,
  bulk: 48 * MiB,
  places: true,
})

describeContract({
  name: 'a unix socket',
  open: (sockets) => sockets.unix(),
  swallows: 4 * MiB,
  bulk: 48 * MiB,
  places: true,
})

describeContract({
  name: 'TLS',
  open: (sockets) => sockets.tls(),
  swallows: 12 * MiB,
  bulk: 48 * MiB,
  untold: 128 * KiB,
  places: false,
})

describeContract({
  name: 'memory',
  open: (sockets) => sockets.memory(),
  swallows: 64 * KiB,
  bulk: 48 * MiB,
  places: true,
})

describeContract({
  name: 'memory, a byte at a time',
  open: (sockets) => sockets.memory({ bufferBytes: 100, splitBytes: 1 }),
  swallows: 100,
  bulk: 48 * KiB,
  places: true,
})

// A server that counts how often each call ran. Its arguments: how many ids there are, host and port, and the file for
// the ids of what ran. In its answers are the id of the call and a sum over its body.
import { openSync, writeSync } from 'node:fs'
import { closeOnSignal, defineService, raw, Server, unary } from '../../dist/index.js'
import { checkSum } from './body.mjs'

const [ids, host = '127.0.0.1:0', record = ''] = process.argv.slice(2)
const ran = new Uint8Array(Number(ids))
const Work = defineService('work', { run: unary({ request: raw(), response: raw() }) })
const server = new Server({ limits: { maxOpenCalls: 8_192, maxConnectionsPerPeer: 64 } })
const descriptor = record === '' ? 0 : openSync(record, 'a')

server.implement(Work, {
  run(body) {
    const id = body.readUInt32LE(0)
    ran[id] += 1
    // Synchronously, so that it is there however the process ends.
    if (descriptor > 0) writeSync(descriptor, body.subarray(0, 4))
    const delayMs = body.readUInt8(8)
    const answer = Buffer.alloc(8)
    answer.writeUInt32LE(id, 0)
    answer.writeUInt32LE(checkSum(body), 4)
    if (delayMs === 0) return answer
    return new Promise((resolve) => {
      setTimeout(() => resolve(answer), delayMs)
    })
  },
})

process.on('message', async (question) => {
  if (question.ask === 'ran') process.send({ ran: Buffer.from(ran).toString('base64') })
  if (question.ask === 'stop') {
    await server.close({ graceMs: 1_000 })
    process.exit()
  }
})
closeOnSignal(server)
process.send(await server.listen(`tcp://${host}`))

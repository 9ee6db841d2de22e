// A server whose handlers never end. Its argument: the host at which it listens.
import { defineService, raw, Server, unary } from '../../dist/index.js'

const [host] = process.argv.slice(2)
let running = 0
const server = new Server()
server.implement(defineService('work', { run: unary({ request: raw(), response: raw() }) }), {
  run() {
    running += 1
    return new Promise(() => {})
  },
})
process.on('message', () => process.send({ running }))
process.send(await server.listen(`tcp://${host}:0`))

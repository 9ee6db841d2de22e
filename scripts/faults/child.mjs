// Processes of our own: started, asked over IPC, and ended by the id they were started with.
import { fork } from 'node:child_process'
import { once } from 'node:events'

export class Child {
  constructor(module, args = [], command = []) {
    const [execPath, ...before] = command.length > 0 ? command : [process.execPath]
    const path = new URL(module, import.meta.url).pathname
    this.process = fork(path, args, { execPath, execArgv: [...before, ...FLAGS] })
    this.exited = once(this.process, 'exit')
  }

  /** Its next message. */
  async next() {
    const [message] = await Promise.race([once(this.process, 'message'), this.exited])
    if (message === null || typeof message !== 'object') throw new Error(`the process ended: ${message}`)
    return message
  }

  async ask(question) {
    this.process.send(question)
    return this.next()
  }

  async kill(signal) {
    this.process.kill(signal)
    await this.exited
  }
}

const FLAGS = ['--disallow-code-generation-from-strings', '--unhandled-rejections=strict']

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { existsSync, lstatSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { describe, expect, vi } from 'vitest'
import { parseAddress } from '../../src/socket/address.js'
import { it, pattern } from './sockets.js'

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o777).toString(8)
}

/** A process that listened there and was killed. */
async function killedAt(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

const before = process.umask()

/** A path in a folder of the test's own, of so many bytes. */
function long(path: string, bytes: number): string {
  return join(dirname(path), 'x'.repeat(bytes - dirname(path).length - 1))
}

describe('the file of a unix socket', () => {
  it.for([0o600, 0o660, 0o777, 0])('has the permissions that socket.unixMode says: %s', async (mode, { sockets }) => {
    const path = sockets.path()
    await sockets.listen(parseAddress(`unix:${path}`), { unixMode: mode })
    expect(modeOf(path)).toBe(mode.toString(8))
    expect(process.umask()).toBe(before)
  })

  it('never had others: nobody sees the file before they are set', async ({ sockets }) => {
    const path = sockets.path()
    const seen: string[] = []
    const { umask } = process
    // Called once before the socket is made, and once after.
    process.umask = ((mask?: number) => {
      if (mask !== undefined) seen.push(existsSync(path) ? modeOf(path) : 'not there')
      return mask === undefined ? umask() : umask(mask)
    }) as typeof process.umask
    try {
      await sockets.listen(parseAddress(`unix:${path}`), { unixMode: 0o600 })
    } finally {
      process.umask = umask
    }
    expect(seen).toEqual(['not there', '600'])
  })

  it.for([0o022, 0o117])(
    'that somebody else makes is only listened at with those permissions: umask %s',
    async (theirs, { sockets }) => {
      const path = sockets.path()
      const { umask } = process
      umask(theirs)
      // As in a worker of a cluster: what we set has no bearing on the socket, which the primary makes.
      process.umask = (() => theirs) as typeof process.umask
      try {
        const listening = sockets.listen(parseAddress(`unix:${path}`), { unixMode: 0o660 })
        if (theirs === 0o117) await sockets.dial((await listening).address)
        else {
          await expect(listening).rejects.toMatchObject({
            reason: 'listen-failed',
            message: expect.stringContaining('it has the permissions 755 and not 660'),
            details: { mode: '755' },
          })
          expect(existsSync(path)).toBe(false)
        }
      } finally {
        process.umask = umask
        umask(before)
      }
    },
  )

  it('has those of the umask where nothing is said', async ({ sockets }) => {
    const path = sockets.path()
    await sockets.listen(parseAddress(`unix:${path}`))
    expect(modeOf(path)).toBe((0o777 & ~process.umask()).toString(8))
  })

  it('is replaced where its server was killed', async ({ sockets }) => {
    const path = sockets.path()
    await killedAt(path)
    expect(existsSync(path)).toBe(true)
    const listener = await sockets.listen(parseAddress(`unix:${path}`))
    const end = await sockets.dial(listener.address)
    end.channel.write(pattern(10))
    expect(readdirSync(dirname(path))).toEqual(['socket'])
  })

  it.for([100, 103, 106, 107])('is replaced as well where its path has %i bytes', async (bytes, { sockets }) => {
    const path = long(sockets.path(), bytes)
    await killedAt(path)
    const listener = await sockets.listen(parseAddress(`unix:${path}`))
    await sockets.dial(listener.address)
    expect(readdirSync(dirname(path))).toEqual([basename(path)])
  })

  it('is put back where another server took the path a moment before', async ({ sockets }) => {
    const path = sockets.path()
    await killedAt(path)
    const other = createServer((socket) => socket.destroy())
    const rename = fs.renameSync
    vi.spyOn(fs, 'renameSync').mockImplementationOnce((from, to) => {
      unlinkSync(path)
      other.listen(path)
      rename(from, to)
    })
    try {
      await expect(sockets.listen(parseAddress(`unix:${path}`))).rejects.toMatchObject({ reason: 'address-in-use' })
      await sockets.dial(parseAddress(`unix:${path}`))
      expect(readdirSync(dirname(path))).toEqual(['socket'])
    } finally {
      await new Promise((resolve) => other.close(resolve))
    }
  })

  it('is left alone where somebody listens, who stays within reach', async ({ sockets }) => {
    const address = parseAddress(`unix:${sockets.path()}`)
    await sockets.listen(address)
    await expect(sockets.listen(address)).rejects.toMatchObject({ reason: 'address-in-use' })
    await sockets.dial(address)
  })

  it('is left alone where it is no socket', async ({ sockets }) => {
    const path = sockets.path()
    writeFileSync(path, 'mine')
    await expect(sockets.listen(parseAddress(`unix:${path}`))).rejects.toMatchObject({ reason: 'address-in-use' })
    expect(existsSync(path)).toBe(true)
  })
})

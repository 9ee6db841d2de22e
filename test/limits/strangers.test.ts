import { describe, expect } from 'vitest'
import { preface } from '../../src/wire/preface.js'
import { callFrame, helloFrame, methodFrame } from '../fixtures/raw-peer.js'
import { it, until } from '../fixtures/stage.js'

const STRANGERS: readonly (readonly [string, Buffer, string])[] = [
  ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'not-this-protocol'],
  ['an HTTP/2 client', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'not-this-protocol'],
  ['a TLS client', Buffer.from('16030100f1010000ed0303', 'hex'), 'not-this-protocol'],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'), 'not-this-protocol'],
  ['zeroes', Buffer.alloc(4_096), 'not-this-protocol'],
  ['one wrong byte', Buffer.from('X'), 'not-this-protocol'],
  ['our own magic after a line end changed', Buffer.from('ALYS\n\n\x01\x01'), 'not-this-protocol'],
  ['a version of tomorrow', Buffer.from('ALYS\r\n\x02\x09'), 'version-mismatch'],
  ['a version upside down', Buffer.from('ALYS\r\n\x02\x01'), 'version-mismatch'],
  ['our preface and then noise', Buffer.concat([preface(), Buffer.alloc(4_096, 0xff)]), 'hello-too-large'],
  ['our preface and an empty frame', Buffer.concat([preface(), Buffer.alloc(12)]), 'frame-too-small'],
]

describe('a stranger', () => {
  it.for(STRANGERS)('(%s) is refused by name, and nobody else notices', async ([_, bytes, reason], { stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client(address)
    expect(await client.call('echo', 1)).toBe(1)
    const calls = Promise.all(Array.from({ length: 50 }, (_, n) => client.call('echo', n)))
    const stranger = await stage.dial(address)
    stranger.write(bytes)
    stranger.socket.end()
    await stranger.closed
    await until(() => server.metrics().failures[reason as 'not-this-protocol'] === 1)
    expect(await calls).toEqual(Array.from({ length: 50 }, (_, n) => n))
    expect(await client.call('echo', 2)).toBe(2)
    expect(client.metrics()).toMatchObject({ dialsStarted: 1, callsFailed: 0 })
    expect(server.info().connections).toHaveLength(1)
  })

  it.for(STRANGERS)('(%s) that answers our dial is told from a peer', async ([_, bytes, reason], { stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const failing = expect(client.call('echo', 1)).rejects.toMatchObject({ reason, processed: 'no' })
    const stranger = await raw.accept()
    stranger.write(bytes)
    await failing
    expect(client.metrics().failures[reason as 'not-this-protocol']).toBe(1)
  })

  it('that says everything one byte at a time is no stranger', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const peer = await stage.dial(address)
    const bytes = Buffer.concat([preface(), helloFrame(), methodFrame(1, 'echo'), callFrame(1, 1, 'slowly')])
    peer.socket.setNoDelay(true)
    for (const byte of bytes) {
      const { bytesReceived } = server.metrics()
      peer.write(Buffer.of(byte))
      await until(() => server.metrics().bytesReceived > bytesReceived)
    }
    await until(() => server.metrics().handlersFinished === 1)
  })
})

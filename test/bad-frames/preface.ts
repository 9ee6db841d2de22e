import { PREFACE_BYTES, preface } from '../../src/wire/preface.js'
import { helloFrame } from '../fixtures/raw-peer.js'
import { type BadFrame, first, hex } from './bad-frame.js'

const STRANGER = { cuts: 'not-this-protocol' } as const
const VERSION = { cuts: 'version-mismatch' } as const

/** A preface with this range of versions, and a HELLO behind it. */
function versions(lowest: number, highest: number): Buffer {
  return Buffer.concat([hex('414c59530d0a'), Buffer.of(lowest, highest), helloFrame()])
}

/** The preface with another byte in one place. */
function changed(at: number, byte: number): Buffer {
  const bytes = preface()
  bytes[at] = byte
  return bytes
}

const text = (words: string): Buffer => Buffer.from(words, 'latin1')

export const prefaces: readonly BadFrame[] = [
  first('a browser', text('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), STRANGER),
  first('an HTTP client that posts', text('POST /rpc HTTP/1.1\r\nContent-Length: 0\r\n\r\n'), STRANGER),
  first('an HTTP answer', text('HTTP/1.1 400 Bad Request\r\n\r\n'), STRANGER),
  first('an HTTP/2 client', text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), STRANGER),
  first('SSH', text('SSH-2.0-OpenSSH_9.6\r\n'), STRANGER),
  first('a TLS client', '16030100f1010000ed0303', STRANGER),
  first('a TLS alert', '15030300020228', STRANGER),
  first('BitTorrent', text('\x13BitTorrent protocol'), STRANGER),
  first('Redis', text('*1\r\n$4\r\nPING\r\n'), STRANGER),
  first('libp2p', text('\x13/multistream/1.0.0\n'), STRANGER),
  first('a line of text', text('hello\r\n'), STRANGER),
  first('zeroes', Buffer.alloc(4_096), STRANGER),
  first('ones', Buffer.alloc(4_096, 0xff), STRANGER),
  first('a frame without a preface', helloFrame(), STRANGER),
  first('the magic in small letters', text('alys\r\n\x01\x01'), STRANGER),
  first('the magic in the other byte order', text('SYLA\r\n\x01\x01'), STRANGER),
  first('the magic behind a byte order mark', text('\xef\xbb\xbfALYS\r\n\x01\x01'), STRANGER),
  first('the magic behind a line end', text('\r\nALYS\r\n\x01\x01'), STRANGER),
  first('a line end that lost its CR', text('ALYS\n\n\x01\x01'), STRANGER),
  first('a line end that was doubled', text('ALYS\r\r\n\x01\x01'), STRANGER),
  ...[0, 1, 2, 3, 4, 5].flatMap((at) => [
    first(`another byte in place ${at}`, changed(at, 0x58), STRANGER),
    first(`a zero in place ${at}, and nothing more`, changed(at, 0).subarray(0, at + 1), STRANGER),
  ]),
  first('no version at all', versions(0, 0), VERSION),
  first('the next version alone', versions(2, 2), VERSION),
  first('versions of tomorrow', versions(2, 9), VERSION),
  first('the last version there can be', versions(255, 255), VERSION),
  first('versions upside down', versions(2, 1), VERSION),
  first('versions upside down, from ours', versions(1, 0), VERSION),
  first('versions from one end to the other', versions(255, 0), VERSION),
  first('versions up to ours', versions(0, 1), 'goes on'),
  first('versions from ours to any', versions(1, 255), 'goes on'),
  first('all versions', versions(0, 255), 'goes on'),
  ...Array.from({ length: PREFACE_BYTES + 1 }, (_, length) => {
    return first(`a peer that hangs up after ${length} bytes`, preface().subarray(0, length), 'lost')
  }),
  first('the preface twice', Buffer.concat([preface(), preface()]), { ends: 'hello-too-large' }),
  first('noise behind the preface', Buffer.concat([preface(), Buffer.alloc(4_096, 0xff)]), { ends: 'hello-too-large' }),
  first('zeroes behind the preface', Buffer.concat([preface(), Buffer.alloc(12)]), { ends: 'frame-too-small' }),
]

import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress } from '../../src/socket/address.js'

/** As long as a path may be: `sun_path` without its closing zero. */
const LONGEST_PATH = `/${'p'.repeat(106)}`

describe('an address', () => {
  it.each([
    ['tcp://127.0.0.1:4000', { kind: 'tcp', host: '127.0.0.1', port: 4000 }],
    ['tcp://localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['tcp://node-1.chain_a.example:65535', { kind: 'tcp', host: 'node-1.chain_a.example', port: 65_535 }],
    ['tcp://[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
    ['tcp://[fe80::1%eth0]:80', { kind: 'tcp', host: 'fe80::1%eth0', port: 80 }],
    ['tcp://[fe80::1%br-lan.7]:80', { kind: 'tcp', host: 'fe80::1%br-lan.7', port: 80 }],
    ['tcp://[::ffff:10.0.0.1]:80', { kind: 'tcp', host: '::ffff:10.0.0.1', port: 80 }],
    ['unix:/run/a b/é.sock', { kind: 'unix', path: '/run/a b/é.sock' }],
    [`unix:${LONGEST_PATH}`, { kind: 'unix', path: LONGEST_PATH }],
  ])('%s is read, and written as it was', (text, address) => {
    expect(parseAddress(text)).toEqual(address)
    expect(formatAddress(parseAddress(text))).toBe(text)
  })

  it.each([
    '',
    'localhost:80',
    'tcp:',
    'tcp://',
    'tcp://:80',
    'tcp://host',
    'tcp://host:',
    'tcp://host:-1',
    'tcp://host:1.5',
    'tcp://host:0x50',
    'tcp://host: 80',
    'tcp://host:80/',
    'tcp://host:80\n',
    'tcp://host:65536',
    'tcp://host:99999',
    'tcp://host:100000',
    'tcp://user@host:80',
    'tcp://a b:80',
    'tcp://::1:80',
    'tcp://[]:80',
    'tcp://[::1]',
    'tcp://[::1:80',
    'tcp://[localhost]:80',
    'tcp://[127.0.0.1]:80',
    'tcp://[::1::2]:80',
    'tcp://[::1%]:80',
    'TCP://host:80',
    'http://host:80',
    'unix:',
    'unix:/',
    'unix:relative',
    'unix:/run/a\0b',
  ])('%j is refused by name, and the error says which it was', (text) => {
    expect(() => parseAddress(text)).toThrow(
      expect.objectContaining({ name: 'TransportError', reason: 'address-malformed', details: { address: text } }),
    )
  })

  it('whose path is a byte too long for the system is refused, and not cut; bytes count, not letters', () => {
    const tooLong = expect.objectContaining({ reason: 'address-malformed', message: expect.stringContaining('107') })
    expect(() => parseAddress(`unix:${LONGEST_PATH}p`)).toThrow(tooLong)
    expect(() => parseAddress(`unix:/${'é'.repeat(54)}`)).toThrow(tooLong)
  })
})

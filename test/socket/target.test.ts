import { describe, expect, it } from 'vitest'
import { formatTarget, parseTarget } from '../../src/socket/target.js'

describe('a target', () => {
  it.each([
    ['tcp://node.example:7000', { kind: 'tcp', host: 'node.example', port: 7_000 }],
    ['unix:/run/alys', { kind: 'unix', path: '/run/alys' }],
    ['dns+tcp://nodes.example:7000', { kind: 'name', via: 'tcp', name: 'nodes.example', port: 7_000 }],
    ['dns+tls://nodes.example:65535', { kind: 'name', via: 'tls', name: 'nodes.example', port: 65_535 }],
    ['dns+tcp://_chain._tcp.example.org.', { kind: 'name', via: 'tcp', name: '_chain._tcp.example.org.', port: null }],
    ['dns+tcp://localhost:1', { kind: 'name', via: 'tcp', name: 'localhost', port: 1 }],
  ])('%s is read', (text, expected) => {
    const target = parseTarget(text)
    expect(target).toEqual(expected)
    if (target.kind === 'name') expect(formatTarget(target)).toBe(text)
  })

  it.each([
    'dns://nodes.example:7000',
    'dns+udp://nodes.example:7000',
    'dns+unix:/run/alys',
    'dns+tcp://',
    'dns+tcp://:7000',
    'dns+tcp://nodes.example:',
    'dns+tcp://nodes.example:0',
    'dns+tcp://nodes.example:65536',
    'dns+tcp://nodes..example:1',
    'dns+tcp://.example:1',
    'dns+tcp://10.0.0.1:7000',
    'dns+tcp://[::1]:7000',
    'dns+tcp://nodes.example:7000/path',
    'dns+tcp://user@nodes.example:7000',
    ' dns+tcp://nodes.example:7000',
    `dns+tcp://${'a'.repeat(254)}:1`,
  ])('%s is refused', (text) => {
    expect(() => parseTarget(text)).toThrow(
      expect.objectContaining({ reason: 'address-malformed', details: { address: text } }),
    )
  })

  it('of the longest name there is, and no longer one, is read', () => {
    expect(parseTarget(`dns+tcp://${'a'.repeat(253)}:1`)).toMatchObject({ kind: 'name' })
  })
})

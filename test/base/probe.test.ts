import { afterEach, describe, expect, test, vi } from 'vitest'
import { Probe } from '../../src/base/probe.js'

interface Settled {
  readonly method: string
}

const event: Settled = { method: 'echo' }
const probe = () => new Probe<Settled>('call-settled')

/** What the process was warned of while a test ran. */
function warnings() {
  return vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
}

describe('a probe', () => {
  test('is active only while somebody listens', () => {
    const point = probe()
    expect(point.active).toBe(false)
    const stopOne = point.subscribe(() => undefined)
    const stopOther = point.subscribe(() => undefined)
    expect(point.active).toBe(true)
    stopOne()
    expect(point.active).toBe(true)
    stopOther()
    expect(point.active).toBe(false)
  })

  test('may be published to when nobody listens', () => {
    expect(() => probe().publish(event)).not.toThrow()
  })

  test('tells every listener at once, in the order they came', () => {
    const point = probe()
    const heard: [string, Settled][] = []
    point.subscribe((it) => heard.push(['first', it]))
    point.subscribe((it) => heard.push(['second', it]))
    point.publish(event)
    expect(heard).toEqual([
      ['first', event],
      ['second', event],
    ])
    expect(heard[0]?.[1]).toBe(event)
  })

  test('tells nobody who has left', () => {
    const point = probe()
    const heard: string[] = []
    const stop = point.subscribe(() => heard.push('gone'))
    point.subscribe(() => heard.push('stays'))
    stop()
    stop()
    point.publish(event)
    expect(heard).toEqual(['stays'])
  })

  test('counts the same listener twice when it subscribed twice', () => {
    const point = probe()
    const listener = vi.fn()
    const stop = point.subscribe(listener)
    point.subscribe(listener)
    point.publish(event)
    expect(listener).toHaveBeenCalledTimes(2)
    stop()
    stop()
    expect(point.active).toBe(true)
    point.publish(event)
    expect(listener).toHaveBeenCalledTimes(3)
  })
})

describe('while an event is published', () => {
  test('a listener may leave, and the others still hear it', () => {
    const point = probe()
    const heard: string[] = []
    const stop = point.subscribe(() => {
      heard.push('leaves')
      stop()
    })
    point.subscribe(() => heard.push('stays'))
    point.publish(event)
    point.publish(event)
    expect(heard).toEqual(['leaves', 'stays', 'stays'])
  })

  test('a listener that another one sends away hears nothing more', () => {
    const point = probe()
    const heard: string[] = []
    point.subscribe(() => {
      heard.push('first')
      stop()
    })
    const stop = point.subscribe(() => heard.push('second'))
    point.publish(event)
    expect(heard).toEqual(['first'])
  })

  test('a new listener waits for the next event', () => {
    const point = probe()
    const heard: string[] = []
    const stop = point.subscribe(() => {
      heard.push('old')
      stop()
      point.subscribe(() => heard.push('new'))
    })
    point.publish(event)
    expect(heard).toEqual(['old'])
    point.publish(event)
    expect(heard).toEqual(['old', 'new'])
  })

  test('a listener may publish again', () => {
    const point = probe()
    const heard: string[] = []
    point.subscribe((it) => {
      heard.push(it.method)
      if (it.method === 'outer') point.publish({ method: 'inner' })
    })
    point.publish({ method: 'outer' })
    expect(heard).toEqual(['outer', 'inner'])
  })
})

describe('a listener that fails', () => {
  afterEach(() => vi.restoreAllMocks())

  test('hurts neither the publisher nor the other listeners', () => {
    const warned = warnings()
    const point = probe()
    const heard: string[] = []
    point.subscribe(() => {
      throw new Error('exporter is down')
    })
    point.subscribe(() => heard.push('second'))
    expect(() => point.publish(event)).not.toThrow()
    expect(heard).toEqual(['second'])
    expect(warned).toHaveBeenCalledWith('a listener of call-settled failed: exporter is down', {
      code: 'ALYS_PROBE_LISTENER',
    })
  })

  test('is warned of once and goes on hearing', () => {
    const warned = warnings()
    const point = probe()
    const listener = vi.fn(() => {
      throw new Error('again')
    })
    point.subscribe(listener)
    for (let count = 0; count < 100; count += 1) point.publish(event)
    expect(listener).toHaveBeenCalledTimes(100)
    expect(warned).toHaveBeenCalledTimes(1)
  })

  test('may be an async function', async () => {
    const warned = warnings()
    const point = probe()
    point.subscribe(async () => {
      await Promise.resolve()
      throw new Error('later')
    })
    point.publish(event)
    await vi.waitFor(() => expect(warned).toHaveBeenCalledTimes(1))
  })

  test.each([
    ['text'],
    [undefined],
    [null],
    [
      {
        toString: () => {
          throw new Error('hostile')
        },
      },
    ],
  ])('may throw something that is no error', (thrown) => {
    const warned = warnings()
    const point = probe()
    point.subscribe(() => {
      throw thrown
    })
    expect(() => point.publish(event)).not.toThrow()
    expect(warned).toHaveBeenCalledTimes(1)
  })

  test('cannot forge a line of the log', () => {
    const warned = warnings()
    const point = probe()
    point.subscribe(() => {
      throw new Error('a\nb')
    })
    point.publish(event)
    expect(warned.mock.calls[0]?.[0]).toBe('a listener of call-settled failed: a\\u000ab')
  })
})

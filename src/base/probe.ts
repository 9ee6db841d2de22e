import { printable } from './printable.js'

interface Subscription<Event> {
  readonly listener: (event: Event) => unknown
  live: boolean
  complained: boolean
}

/**
 * A named point where a lower floor tells what happened, to floors it does not know. With nobody listening it costs
 * one test, because the publisher asks before it makes the event:
 *
 *     if (callSettled.active) callSettled.publish({ method, durationMs })
 *
 * Listeners run at once, in the order they came, and borrow the event: it is theirs until they return.
 */
export class Probe<Event> {
  readonly name: string
  /** Whether anybody listens. */
  active = false
  /** Replaced on every change and never edited, so that a publish under way keeps the list it started with. */
  #subscriptions: readonly Subscription<Event>[] = []

  constructor(name: string) {
    this.name = name
  }

  /** Listens until the function that is returned is called; calling that again does nothing. */
  subscribe(listener: (event: Event) => unknown): () => void {
    const subscription: Subscription<Event> = { listener, live: true, complained: false }
    this.#subscriptions = [...this.#subscriptions, subscription]
    this.active = true
    return () => {
      subscription.live = false
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription)
      this.active = this.#subscriptions.length > 0
    }
  }

  /** A listener that fails is told once, as a warning of the process; the publisher and the others never notice. */
  publish(event: Event): void {
    for (const subscription of this.#subscriptions) {
      if (!subscription.live) continue
      try {
        const outcome = subscription.listener(event)
        if (outcome instanceof Promise) outcome.catch((error: unknown) => this.#complain(subscription, error))
      } catch (error) {
        this.#complain(subscription, error)
      }
    }
  }

  #complain(subscription: Subscription<Event>, error: unknown): void {
    if (subscription.complained) return
    subscription.complained = true
    const text = error instanceof Error ? error.message : `a value of type ${typeof error}`
    process.emitWarning(`a listener of ${this.name} failed: ${printable(text)}`, { code: 'ALYS_PROBE_LISTENER' })
  }
}

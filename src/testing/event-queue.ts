/** Something that is to happen at a moment of virtual time. */
export interface QueuedEvent {
  /** Its place in the queue, which keeps it; -1 when it is not in one. */
  place: number
  readonly dueAt: number
  /** Of two events of one moment the one with the lower number comes first. */
  readonly order: number
}

/** Events by the moment they are due at: a binary heap in which each event knows its place, so that it can leave. */
export class EventQueue<E extends QueuedEvent> {
  readonly #heap: E[] = []

  get length(): number {
    return this.#heap.length
  }

  peek(): E | undefined {
    return this.#heap[0]
  }

  push(event: E): void {
    this.#heap.push(event)
    this.#rise(event, this.#heap.length - 1)
  }

  /** Takes an event out, wherever it stands. Returns whether it was there. */
  remove(event: E): boolean {
    const { place } = event
    if (place < 0 || this.#heap[place] !== event) return false
    event.place = -1
    const last = this.#heap.pop()
    if (last === undefined || last === event) return true
    if (place > 0 && before(last, this.#heap[(place - 1) >> 1] as E)) this.#rise(last, place)
    else this.#sink(last, place)
    return true
  }

  #rise(event: E, place: number): void {
    while (place > 0) {
      const parentPlace = (place - 1) >> 1
      const parent = this.#heap[parentPlace] as E
      if (!before(event, parent)) break
      this.#put(parent, place)
      place = parentPlace
    }
    this.#put(event, place)
  }

  #sink(event: E, place: number): void {
    const { length } = this.#heap
    for (let child = 2 * place + 1; child < length; child = 2 * place + 1) {
      if (child + 1 < length && before(this.#heap[child + 1] as E, this.#heap[child] as E)) child += 1
      const least = this.#heap[child] as E
      if (!before(least, event)) break
      this.#put(least, place)
      place = child
    }
    this.#put(event, place)
  }

  #put(event: E, place: number): void {
    this.#heap[place] = event
    event.place = place
  }
}

function before(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order)
}

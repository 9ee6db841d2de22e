// What became of each call, by its id, and whether that can be true.
const OPEN = 0
const SUCCEEDED = 1
const PROCESSED = { no: 2, maybe: 3, yes: 4 }

export class Outcomes {
  constructor(count) {
    this.byId = new Uint8Array(count)
    this.started = 0
    this.settled = 0
    this.succeeded = 0
    this.failed = {}
    /** Answers that were not what was asked for, and calls that settled twice. */
    this.wrong = 0
  }

  start() {
    const id = this.started
    this.started += 1
    return id
  }

  succeed(id, right) {
    this.settle(id, SUCCEEDED)
    this.succeeded += 1
    if (!right) this.wrong += 1
  }

  fail(id, error) {
    if (error?.name !== 'TransportError') throw error
    this.settle(id, PROCESSED[error.processed])
    const kind = `${error.reason ?? error.code} ${error.processed}`
    this.failed[kind] = (this.failed[kind] ?? 0) + 1
  }

  settle(id, outcome) {
    if (this.byId[id] !== OPEN) this.wrong += 1
    this.byId[id] = outcome
    this.settled += 1
  }

  /** Compares with how often each call ran. Returns what cannot be; empty where all is well. */
  judge(ran) {
    const found = { twice: 0, succeededWithoutRunning: 0, ranAfterNo: 0, idleAfterYes: 0 }
    for (let id = 0; id < this.started; id += 1) {
      const times = ran[id]
      const outcome = this.byId[id]
      if (times > 1) found.twice += 1
      if (outcome === SUCCEEDED && times === 0) found.succeededWithoutRunning += 1
      if (outcome === PROCESSED.no && times > 0) found.ranAfterNo += 1
      if (outcome === PROCESSED.yes && times === 0) found.idleAfterYes += 1
    }
    const failed = Object.values(this.failed).reduce((sum, count) => sum + count, 0)
    return {
      ...found,
      wrong: this.wrong,
      unsettled: this.started - this.settled,
      sumIsOff: this.started - this.succeeded - failed,
    }
  }
}

/** Whether nothing was found. */
export function clean(found) {
  return Object.values(found).every((count) => count === 0)
}

import type { Metadata } from './metadata.js'
import { ServerCall } from './server-call.js'

/** What the handler of a stream knows of it, and how it sends where it returns nothing to iterate over. */
export class StreamCall<Response> extends ServerCall {
  /** What the opener is told at the end, beside that all went well. Set it while the handler runs. */
  trailers: Metadata = {}
  /** @internal Sends. */
  writeWith: ((message: Response) => Promise<void> | null) | null = null

  /**
   * Sends a message. Resolves when there is room for another, or the stream has ended: who awaits it goes at the pace of
   * the reader. Rejects where it had ended before.
   */
  async write(message: Response): Promise<void> {
    await this.writeWith?.(message)
  }
}

/** What a peer may put into one of our log lines or error messages. */
const MAX_PRINTABLE_BYTES = 256

/** A peer's string made safe to print: control characters and line ends escaped, cut at 256 bytes. */
export function printable(text: string): string {
  // Cut before escaping, so that a hostile string costs no more than a short one. A UTF-16 unit is at least a byte.
  const head = text.length > MAX_PRINTABLE_BYTES ? text.slice(0, MAX_PRINTABLE_BYTES) : text
  const escaped = head.replace(/[^\x20-\x7e\u00a1-\ud7ff\ue000-\ufffd]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  if (Buffer.byteLength(escaped) <= MAX_PRINTABLE_BYTES && head === text) return escaped
  return `${Buffer.from(escaped).toString('utf8', 0, MAX_PRINTABLE_BYTES - 3).replace(/\ufffd$/, '')}...`
}

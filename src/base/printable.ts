/** What a peer may put into one of our log lines or error messages. */
const MAX_PRINTABLE_BYTES = 256

/**
 * Control characters, line ends (those of Unicode too), what cannot be seen or turns the direction of the text, code
 * points without a public meaning, half surrogate pairs.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** A peer's string made safe to print: what could forge or hide a line is escaped, and it is cut at 256 bytes. */
export function printable(text: string): string {
  // Cut before escaping, so that a hostile string costs no more than a short one. A UTF-16 unit is at least a byte.
  const head = text.length > MAX_PRINTABLE_BYTES ? text.slice(0, MAX_PRINTABLE_BYTES) : text
  const escaped = head.replace(UNPRINTABLE, (unit) => {
    const code = (unit.codePointAt(0) ?? 0).toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
  })
  if (Buffer.byteLength(escaped) <= MAX_PRINTABLE_BYTES && head === text) return escaped
  return `${Buffer.from(escaped)
    .toString('utf8', 0, MAX_PRINTABLE_BYTES - 3)
    .replace(/\ufffd$/, '')}...`
}

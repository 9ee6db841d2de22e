/**
 * Just enough of a TypeScript scanner for the floors check: which modules a file names, and its code without comments
 * and without the insides of strings, so that a word in prose is never taken for a call.
 */

/** After one of these words a slash begins a regular expression and not a division. */
const BEFORE_EXPRESSION = new Set(
  'return typeof case in of void delete throw new else do await yield instanceof'.split(' '),
)

/**
 * The text with comments, regular expressions and the insides of strings turned into spaces: same length, same lines.
 * What stands in the `${}` of a template stays.
 */
export function blank(text) {
  const out = text.split('')
  /** Depth of braces at which each open template goes on. */
  const templates = []
  let depth = 0
  let at = 0

  const erase = (from, to) => {
    for (let index = from; index < to && index < out.length; index += 1) if (out[index] !== '\n') out[index] = ' '
  }
  const endOfQuoted = (from, quote) => {
    let end = from
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
    return end
  }
  /** Erases template text from `from` to the closing backtick or to `${`, and returns where code goes on. */
  const eraseTemplate = (from) => {
    let end = from
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1
    erase(from, end)
    if (text[end] === '`') return end + 1
    templates.push(depth)
    depth += 1
    return end + 2
  }
  const endOfRegExp = (from) => {
    let end = from
    let inClass = false
    while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
      if (text[end] === '[') inClass = true
      else if (text[end] === ']') inClass = false
      end += text[end] === '\\' ? 2 : 1
    }
    return end
  }
  const startsRegExp = () => {
    const before = out
      .slice(Math.max(0, at - 200), at)
      .join('')
      .trimEnd()
    const word = /[\w$]+$/.exec(before)?.[0]
    if (word !== undefined) return BEFORE_EXPRESSION.has(word)
    return !/[)\]}'"`]$/.test(before)
  }

  while (at < text.length) {
    const char = text[at]
    if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at)
      erase(at, end === -1 ? text.length : end)
      at = end === -1 ? text.length : end
    } else if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2)
      erase(at, end === -1 ? text.length : end + 2)
      at = end === -1 ? text.length : end + 2
    } else if (char === "'" || char === '"') {
      const end = endOfQuoted(at + 1, char)
      erase(at + 1, end)
      at = end + 1
    } else if (char === '`') {
      at = eraseTemplate(at + 1)
    } else if (char === '}' && templates.at(-1) === depth - 1) {
      templates.pop()
      depth -= 1
      at = eraseTemplate(at + 1)
    } else if (char === '/' && startsRegExp()) {
      const end = endOfRegExp(at + 1)
      erase(at + 1, end)
      at = end + 1
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      at += 1
    }
  }
  return out.join('')
}

export function lineAt(text, offset) {
  let line = 1
  for (let index = text.indexOf('\n'); index !== -1 && index < offset; index = text.indexOf('\n', index + 1)) line += 1
  return line
}

const QUOTED = /(['"`])( *)\1/.source
const CLAUSE = /((?:(?!\b(?:import|export)\b)[\w$*{},\s])*?)/.source

const FROM = new RegExp(`\\b(import|export)\\b${CLAUSE}\\bfrom\\s*${QUOTED.replaceAll('\\1', '\\3')}`, 'g')
const BARE = new RegExp(`\\bimport\\s*${QUOTED}`, 'g')
const CALLED = new RegExp(
  `\\b(?:import(?:\\.meta\\.resolve)?|require(?:Package|\\.resolve)?)\\s*\\(\\s*(?:${QUOTED}\\s*[,)])?`,
  'g',
)
const MADE_REQUIRE = new RegExp(`\\bcreateRequire\\s*\\([^()]*\\)\\s*\\(\\s*(?:${QUOTED}\\s*[,)])?`, 'g')
const NAMED_REQUIRE = /([\w$]+)\s*=\s*createRequire\s*\(/g

/**
 * Every module that a file names, in whatever way: `{ specifier, line, typeOnly, reexports, names }`, where `specifier`
 * is null when it is computed, `reexports` says whether names are handed on, and `names` are the local names it brings.
 */
export function importsOf(text, code = blank(text)) {
  const found = []
  const add = (match, quoteGroup, rest) => {
    const inside = match[quoteGroup + 1]
    const start = match.index + match[0].lastIndexOf(`${match[quoteGroup]}${inside}${match[quoteGroup]}`) + 1
    const specifier = inside === undefined ? null : text.slice(start, start + inside.length)
    found.push({ specifier, line: lineAt(text, match.index), typeOnly: false, reexports: false, names: [], ...rest })
  }
  for (const match of code.matchAll(FROM)) {
    const clause = match[2].trim()
    const typeOnly = /^type\b(?!\s*,)/.test(clause)
    const inBraces = /\{([^}]*)\}/.exec(clause)?.[1].split(',') ?? []
    const names = inBraces
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({ name: name.split(/\s+/).at(-1), typeOnly: typeOnly || /^type\s+\S/.test(name) }))
    const bare = /^(?:type\s+)?([\w$]+)\s*(?:,|$)/.exec(clause)?.[1]
    if (bare !== undefined) names.push({ name: bare, typeOnly })
    const all = /\*\s*as\s+([\w$]+)/.exec(clause)?.[1]
    if (all !== undefined) names.push({ name: all, typeOnly })
    const reexports = match[1] === 'export'
    add(match, 3, { typeOnly, reexports, all: reexports && clause.includes('*'), names })
  }
  for (const match of code.matchAll(BARE)) add(match, 1, {})
  for (const match of code.matchAll(CALLED)) add(match, 1, {})
  for (const match of code.matchAll(MADE_REQUIRE)) add(match, 1, {})
  for (const [, name] of code.matchAll(NAMED_REQUIRE)) {
    const called = new RegExp(
      `(?<![\\w$.])${name.replaceAll('$', '\\$')}(?:\\.resolve)?\\s*\\(\\s*(?:${QUOTED}\\s*[,)])?`,
      'g',
    )
    if (name !== 'require') for (const match of code.matchAll(called)) add(match, 1, {})
  }
  return found.sort((one, other) => one.line - other.line)
}

/** Names that the file exports without saying `from`: `export { a, b as c }`. */
export function exportedNames(code) {
  return [...code.matchAll(/\bexport\s*(type\s*)?\{([^}]*)\}(?!\s*from\b)/g)].flatMap(([, type, list]) => {
    const names = list.split(',').map((name) => name.trim())
    return names
      .filter((name) => name !== '')
      .map((name) => ({
        name: name.replace(/^type\s+/, '').split(/\s+/)[0],
        typeOnly: type !== undefined || /^type\s/.test(name),
      }))
  })
}

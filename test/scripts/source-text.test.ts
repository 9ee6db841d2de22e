import { describe, expect, test } from 'vitest'
import { blank, exportedNames, importsOf } from '../../scripts/source-text.mjs'

describe('blanked code', () => {
  test.each([
    ['a // setTimeout()\nb', 'a                \nb'],
    ['a /* Date.now()\n*/ b', 'a              \n   b'],
    ["f('Math.random()')", "f('             ')"],
    ['f("it\\"s", x)', 'f("     ", x)'],
    ['`a${b}c${`d${e}`}f`', '` ${b} ${` ${e}`} `'],
    ["`${{ a: '}' }.a}b`", "`${{ a: ' ' }.a} `"],
    ["/['`]/.test(a) // x", '/    /.test(a)     '],
    ['return /[/]"/g', 'return /    /g'],
    ['a / b / "c"', 'a / b / " "'],
    ['(a) / b // c', '(a) / b     '],
  ])('of %s keeps only code, each sign in its place', (text, expected) => {
    expect(blank(text)).toBe(expected)
    expect(blank(text)).toHaveLength(text.length)
  })
})

describe('the modules that a file names', () => {
  const specifiers = (text: string) => importsOf(text).map((one) => one.specifier)

  test.each([
    ["import './a.js'", './a.js'],
    ["import a from './a.js'", './a.js'],
    ["import a, { b } from './a.js'", './a.js'],
    ["import * as a from './a.js'", './a.js'],
    ["import {\n  a,\n  type b,\n} from './a.js'", './a.js'],
    ["import type { a } from './a.js'", './a.js'],
    ["export { a } from './a.js'", './a.js'],
    ["export * from './a.js'", './a.js'],
    ["export type { a } from './a.js'", './a.js'],
    ["const a = await import('./a.js')", './a.js'],
    ["let a: import('./a.js').A", './a.js'],
    ["const a = import.meta.resolve('./a.js')", './a.js'],
    ["const a = require('a')", 'a'],
    ["const a = requirePackage('a') as A", 'a'],
    ['requirePackage(a)', null],
    ["const a = createRequire(import.meta.url)('a')", 'a'],
    ["const load = createRequire(import.meta.url)\nload('a')", 'a'],
    ['import(a)', null],
    ["import('./' + a)", null],
    ['import(`./${a}.js`)', null],
    ['createRequire(import.meta.url)(a)', null],
    ['const load = createRequire(import.meta.url)\nload(a)', null],
  ])('are found in %s', (text, expected) => {
    expect(specifiers(text)).toEqual([expected])
  })

  test.each([
    "// import './a.js'",
    '/* import a from "a" */',
    'const a = "import \'./b.js\'"',
    '`import("a")`',
    'import.meta.url',
  ])('are not found in %s', (text) => {
    expect(specifiers(text)).toEqual([])
  })

  test('say on which line they stand', () => {
    expect(importsOf("import './a.js'\n\nimport './b.js'").map((one) => one.line)).toEqual([1, 3])
  })

  test('do not run into each other', () => {
    const text = "export const a = 1\nimport { b } from './b.js'\nexport { b }\nexport { c } from './c.js'"
    expect(importsOf(text)).toMatchObject([
      { specifier: './b.js', reexports: false, names: [{ name: 'b', typeOnly: false }] },
      { specifier: './c.js', reexports: true, names: [{ name: 'c', typeOnly: false }] },
    ])
    expect(exportedNames(blank(text))).toEqual([{ name: 'b', typeOnly: false }])
  })

  test('tell types from values', () => {
    const [one] = importsOf("import a, { type B, c as d } from './a.js'")
    expect(one).toMatchObject({
      typeOnly: false,
      names: [
        { name: 'B', typeOnly: true },
        { name: 'd', typeOnly: false },
        { name: 'a', typeOnly: false },
      ],
    })
    expect(importsOf("import type { A } from './a.js'")[0]).toMatchObject({
      typeOnly: true,
      names: [{ name: 'A', typeOnly: true }],
    })
  })
})

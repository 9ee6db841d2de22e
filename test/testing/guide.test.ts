import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** Each with what the text says that it prints. */
function programs(language: string): { readonly program: string; readonly promised: string }[] {
  const text = readFileSync(`${project}docs/testing.md`, 'utf8')
  const found = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`[^]*?^It prints\\s+\`([^\`]+)\``, 'gm'))
  return [...found].map(([, program = '', promised = '']) => ({ program, promised }))
}

describe('docs/testing.md', () => {
  let folder = ''

  beforeAll(() => {
    if (!existsSync(`${project}dist/testing.js`)) throw new Error('there is no build: run `npm run build` first')
    // The package finds itself by its name, as its users will.
    folder = mkdtempSync(join(tmpdir(), 'alys-transport-guide-'))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(project, join(folder, 'node_modules/alys-transport'), 'junction')
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function node(...args: readonly string[]): { readonly stdout: string; readonly stderr: string } {
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    return { stdout: stdout.trim(), stderr }
  }

  /** Compiles a program as strictly as a user may. Returns what the compiler says. */
  function compile(program: string): string {
    const compilerOptions = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [join(project, 'node_modules/@types')],
    }
    writeFileSync(join(folder, 'program.ts'), program)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
    return node(join(project, 'node_modules/typescript/bin/tsc'), '-p', '.', '--pretty', 'false').stdout
  }

  it('has a program of clients and servers that prints what it says', () => {
    const [first] = programs('js')
    writeFileSync(join(folder, 'program.js'), first?.program ?? '')
    expect(node('--unhandled-rejections=strict', 'program.js')).toEqual({ stdout: first?.promised, stderr: '' })
  })

  it('has a program of a protocol of its own that the compiler takes and that prints what it says', () => {
    const [first] = programs('ts')
    expect(compile(first?.program ?? '')).toBe('')
    expect(node('--unhandled-rejections=strict', 'program.js')).toEqual({ stdout: first?.promised, stderr: '' })
  }, 60_000)

  it('tells of things whose types the entry point has by name', () => {
    const names = [
      ...[
        'Address',
        'BufferSize',
        'ByteChannel',
        'ChannelFacts',
        'ChannelReceiver',
        'Clock',
        'Guest',
        'GuestCallbacks',
      ],
      ...['Life', 'Link', 'LinkConditions', 'LinkOptions', 'ListenCallbacks', 'Listener', 'Machine', 'MachineNetwork'],
      ...['NameAnswer', 'NameEntry', 'NameQuery', 'NameRecord', 'Network', 'Random', 'RunEnd', 'RunOptions'],
      ...['SimulationOptions', 'SocketOptions', 'TimerHandle', 'TlsFacts', 'VirtualChannel', 'VirtualConnection'],
    ]
    const uses = `export type All = [${names.join(', ')}]`
    expect(compile(`import type { ${names.join(', ')} } from 'alys-transport/testing'\n${uses}\n`)).toBe('')
  }, 60_000)
})

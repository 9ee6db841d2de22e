import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const project = fileURLToPath(new URL('../../', import.meta.url))

const run = promisify(execFile)

/** Settings of the npm that runs the tests would hold for the one that we run. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))

async function npm(folder: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd: folder, env: environment, maxBuffer: 64 * 1024 * 1024, shell: process.platform === 'win32' }
  const { stdout } = await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], options)
  return stdout
}

/** Runs Node in a folder and returns what it prints. Throws when it fails. */
export async function node(folder: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, args, { cwd: folder, env: environment })
  return stdout
}

export interface Installed {
  readonly folder: string
  /** Paths in the tarball. */
  readonly files: readonly string[]
}

/** Packs the project as it would be published, and installs that in a folder with nothing else. */
export async function install(): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'alys-transport-package-'))
  const packed = await npm(project, 'pack', '--json', '--pack-destination', folder)
  const [tarball] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }]
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  await npm(folder, 'install', '--prefer-offline', join(folder, tarball.filename))
  return { folder, files: tarball.files.map(({ path }) => path) }
}

/** The names of all packages below `node_modules`, nested ones included. */
export function packagesIn(folder: string): string[] {
  const modules = join(folder, 'node_modules')
  const names = list(modules).flatMap((name) => {
    return name.startsWith('@') ? list(join(modules, name)).map((inner) => `${name}/${inner}`) : [name]
  })
  return names.flatMap((name) => [name, ...packagesIn(join(modules, name))])
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'))
  } catch {
    // No folder of that name: no packages in it.
    return []
  }
}

/** Writes a file of the user. */
export function write(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

import type { BadFrame } from './bad-frame.js'
import { prefaces } from './preface.js'

/** The cases, by subject. */
export const SUBJECTS: Readonly<Record<string, readonly BadFrame[]>> = {
  'the preface': prefaces,
}

import { attack } from './attacks.js'
import { tcp } from './link.js'

attack('server', tcp)

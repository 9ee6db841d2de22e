import { attack } from './attacks.js'
import { tls } from './link.js'

attack('server', await tls())

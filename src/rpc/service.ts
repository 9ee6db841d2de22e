import { createHash } from 'node:crypto'
import { failure } from '../base/errors.js'
import { group, type InputOf, integer, type OutputOf } from '../base/options.js'
import { CODEC_NUMBER, type Codec } from '../codec/codec.js'
import { msgpack } from '../codec/msgpack.js'
import { type CoalescerOptions, checkCoalescing } from '../mailbox/coalescer.js'

/** How a method is called: who sends how many messages. */
export type MethodKind = 'unary' | 'serverStream' | 'clientStream' | 'duplex' | 'oneWay'

export function isStreamed(kind: MethodKind): boolean {
  return kind === 'serverStream' || kind === 'clientStream' || kind === 'duplex'
}

/** One method of a contract: its shape, and how its values become bytes. */
export interface Method<Request, Response, Kind extends MethodKind = MethodKind> {
  readonly kind: Kind
  /** `service.method`; a method that no service has taken yet has no name. */
  readonly name: string
  readonly request: Codec<Request>
  readonly response: Codec<Response>
  /** The numbers that stand for the two codecs on the wire. */
  readonly requestCodec: number
  readonly responseCodec: number
  /** The contract it belongs to; null for a loose method. */
  readonly service: ServiceFacts | null
  /** Of one-way methods: what is sent within a short time leaves merged; null where each message leaves by itself. */
  readonly coalescing: CoalescerOptions<Request> | null
  /** Whether it may run twice, and how it is made twice where it is slow. */
  readonly repeats: Repeats
  /** Small and unique in this process: finds a method's number on a connection without hashing. */
  readonly index: number
}

export interface MethodCodecs<Request, Response> {
  readonly request?: Codec<Request>
  readonly response?: Codec<Response>
}

/** A method that runs twice does what it does once: only such a one is repeated when it may have run. */
export interface Repeats {
  readonly idempotent: boolean
  /** Another attempt each time that there is no answer for so long; null: none. */
  readonly hedge: OutputOf<typeof hedgeRules> | null
}

export interface UnaryOptions<Request, Response> extends MethodCodecs<Request, Response> {
  /** Running it twice does no harm: a call that failed may be made again although its handler may have run. */
  readonly idempotent?: boolean
  /** Makes a slow call again before it has failed; the first answer counts. Only where it is idempotent. */
  readonly hedge?: InputOf<typeof hedgeRules>
}

const hedgeRules = group({
  /** How long an attempt may be without an answer before there is another. */
  delayMs: integer(100, 1, 3_600_000),
  /** The first included. */
  maxAttempts: integer(2, 2, 5),
})

const ONCE: Repeats = { idempotent: false, hedge: null }

/** One request, one answer. msgpack where no codec is given. */
export function unary<Request, Response>(
  options: UnaryOptions<Request, Response> = {},
): Method<Request, Response, 'unary'> {
  const { request, response } = codecsOf(options, ['request', 'response', 'idempotent', 'hedge'])
  const { idempotent = false, hedge } = options
  if (hedge !== undefined && !idempotent) {
    throw failure('option-range', 'option hedge is for methods that are idempotent', { details: { option: 'hedge' } })
  }
  const repeats = { idempotent, hedge: hedge === undefined ? null : hedgeRules.parse(hedge, 'hedge') }
  return makeMethod('unary', '', request, response, null, null, repeats)
}

/** One request, many answers. */
export function serverStream<Request, Response>(
  codecs: MethodCodecs<Request, Response> = {},
): Method<Request, Response, 'serverStream'> {
  const { request, response } = codecsOf(codecs)
  return makeMethod('serverStream', '', request, response)
}

/** Many requests, one answer. */
export function clientStream<Request, Response>(
  codecs: MethodCodecs<Request, Response> = {},
): Method<Request, Response, 'clientStream'> {
  const { request, response } = codecsOf(codecs)
  return makeMethod('clientStream', '', request, response)
}

/** Messages both ways, each side at its own pace. */
export function duplex<Request, Response>(
  codecs: MethodCodecs<Request, Response> = {},
): Method<Request, Response, 'duplex'> {
  const { request, response } = codecsOf(codecs)
  return makeMethod('duplex', '', request, response)
}

/** A method for messages without an answer, which may be merged on their way out. */
export interface OneWayMethod<Request> extends Method<Request, void, 'oneWay'> {
  /** The same method, whose messages of the same key leave as one: after a delay, or when so many were sent. */
  coalesce(options: CoalescerOptions<Request>): Method<Request, void, 'oneWay'>
}

/** A message without an answer. */
export function oneWay<Request>(codecs: { readonly request?: Codec<Request> } = {}): OneWayMethod<Request> {
  const method = makeMethod<Request, void, 'oneWay'>('oneWay', '', codecsOf(codecs).request, NO_RESPONSE)
  return { ...method, coalesce: (coalescing) => ({ ...method, coalescing: checkCoalescing(coalescing) }) }
}

const NO_RESPONSE: Codec<void> = {
  name: 'raw',
  schema: 'none',
  encode: () => {},
  decode: () => {},
}

/** What a method is made with, checked. Throws `option-unknown` and `option-type`. */
function codecsOf<Request, Response>(
  given: MethodCodecs<Request, Response>,
  known: readonly string[] = ['request', 'response'],
): Required<MethodCodecs<Request, Response>> {
  if (!isObject(given)) throw failure('option-type', 'the options of a method are an object')
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined) throw failure('option-unknown', `a method has no option ${unknown}`)
  const { request = msgpack<Request>(), response = msgpack<Response>() } = given
  for (const codec of [request, response])
    if (!isCodec(codec)) throw failure('option-type', 'the options request and response of a method are codecs')
  return { request, response }
}

function isCodec(value: unknown): boolean {
  return (
    isObject(value) &&
    'encode' in value &&
    'decode' in value &&
    'name' in value &&
    Object.hasOwn(CODEC_NUMBER, String(value.name))
  )
}

let methodCount = 0

function makeMethod<Request, Response, Kind extends MethodKind>(
  kind: Kind,
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
  service: ServiceFacts | null = null,
  coalescing: CoalescerOptions<Request> | null = null,
  repeats: Repeats = ONCE,
): Method<Request, Response, Kind> {
  methodCount += 1
  const [requestCodec, responseCodec] = [CODEC_NUMBER[request.name], CODEC_NUMBER[response.name]]
  return {
    kind,
    name,
    request,
    response,
    requestCodec,
    responseCodec,
    service,
    coalescing,
    repeats,
    index: methodCount,
  }
}

/** Any method: a codec both reads and writes its type, so that no narrower type contains them all. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyMethod = Method<any, any>

/** The methods of a contract by their short names. */
export type Methods = Readonly<Record<string, AnyMethod>>

const SERVICE = Symbol('alys.service')

export interface ServiceFacts {
  readonly name: string
  /** 8 bytes in hex: equal on both sides when names, shapes and codecs are. */
  readonly fingerprint: string
}

/** A contract: its methods, under their names. Make it with `defineService`. */
export type Service<M extends Methods = Methods> = M & { readonly [SERVICE]: ServiceFacts }

const NAME = /^[\w./-]{1,128}$/

/** Method and service names as they may travel. Throws `name-malformed`. */
export function checkName(name: string): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw failure('name-malformed', `the name '${String(name).slice(0, 64)}' does not match ${NAME.source}`)
  }
  return name
}

export function defineService<const M extends Methods>(name: string, methods: M): Service<M> {
  checkName(name)
  if (!isObject(methods)) throw failure('misuse', `the service ${name} needs an object of methods`)
  for (const [short, method] of Object.entries(methods))
    if (!isObject(method) || !isCodec(method.request))
      throw failure('misuse', `${name}.${short} is no method: unary, oneWay and the like make one`)
  const lines = Object.entries(methods).map(([short, { kind, request, response }]) => {
    return `${short} ${kind} ${request.name}:${request.schema} ${response.name}:${response.schema}`
  })
  const fingerprint = createHash('sha256')
    .update([name, ...lines.sort()].join('\n'))
    .digest('hex')
    .slice(0, 16)
  const facts: ServiceFacts = { name, fingerprint }
  const named = Object.entries(methods).map(([short, { kind, request, response, coalescing, repeats }]) => {
    const full = checkName(`${name}.${short}`)
    return [short, makeMethod(kind, full, request, response, facts, coalescing, repeats)] as const
  })
  return Object.freeze({ ...Object.fromEntries(named), [SERVICE]: facts }) as unknown as Service<M>
}

/** Throws for what `defineService` has not made. */
export function serviceFacts(service: Service): ServiceFacts {
  const facts: ServiceFacts | undefined = isObject(service) ? service[SERVICE] : undefined
  if (facts === undefined) throw failure('misuse', 'this is no service: defineService makes one')
  return facts
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** A method without a contract: whatever msgpack carries, both ways. */
export function looseMethod<Kind extends MethodKind>(name: string, kind: Kind): Method<unknown, unknown, Kind> {
  return makeMethod(kind, checkName(name), msgpack<unknown>(), msgpack<unknown>())
}

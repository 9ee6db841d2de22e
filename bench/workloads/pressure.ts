import { defineService, oneWay, raw, serverStream, unary } from 'alys-transport'

export const Pressure = defineService('pressure', {
  echo: unary({ request: raw(), response: raw() }),
  sleep: oneWay({ request: raw() }),
  count: oneWay({ request: raw() }),
  flow: serverStream<number, Uint8Array>({ response: raw() }),
})

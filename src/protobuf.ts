/** Protobuf for contracts. Apart from the main entry point, so that who does not use it needs no protobufjs. */
export { type ProtobufType, protobuf } from './codec/protobuf.js'

/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "library-protobufjs/minimal.js";

// Common aliases
const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError, $TypeError = $util.global.TypeError, $Number = $util.global.Number, $parseInt = $util.global.parseInt, $String = $util.global.String, $Array = $util.global.Array, $BigInt = $util.global.BigInt;

// Exported root namespace
const $root = $protobuf.roots["default"] || ($protobuf.roots["default"] = {});

export const TransactionRecord = $root.TransactionRecord = (() => {

    /**
     * Properties of a TransactionRecord.
     * @typedef {Object} TransactionRecord.$Properties
     * @property {Uint8Array|null} [hash] TransactionRecord hash
     * @property {number|null} [height] TransactionRecord height
     * @property {number|null} [time] TransactionRecord time
     * @property {number|Long|null} [value] TransactionRecord value
     * @property {number|null} [fee] TransactionRecord fee
     * @property {number|null} [inputs] TransactionRecord inputs
     * @property {number|null} [outputs] TransactionRecord outputs
     * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
     */

    /**
     * Properties of a TransactionRecord.
     * @exports ITransactionRecord
     * @interface ITransactionRecord
     * @augments TransactionRecord.$Properties
     * @deprecated Use TransactionRecord.$Properties instead.
     */

    /**
     * Shape of a TransactionRecord.
     * @typedef {TransactionRecord.$Properties} TransactionRecord.$Shape
     */

    /**
     * Constructs a new TransactionRecord.
     * @exports TransactionRecord
     * @classdesc Represents a TransactionRecord.
     * @constructor
     * @param {TransactionRecord.$Properties=} [properties] Properties to set
     * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
     */
    const TransactionRecord = function (properties) {
        if (properties)
            for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                if (properties[keys[i]] != null && keys[i] !== "__proto__")
                    this[keys[i]] = properties[keys[i]];
    };

    /**
     * TransactionRecord hash.
     * @member {Uint8Array} hash
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.hash = $util.newBuffer([]);

    /**
     * TransactionRecord height.
     * @member {number} height
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.height = 0;

    /**
     * TransactionRecord time.
     * @member {number} time
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.time = 0;

    /**
     * TransactionRecord value.
     * @member {number|Long} value
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.value = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

    /**
     * TransactionRecord fee.
     * @member {number} fee
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.fee = 0;

    /**
     * TransactionRecord inputs.
     * @member {number} inputs
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.inputs = 0;

    /**
     * TransactionRecord outputs.
     * @member {number} outputs
     * @memberof TransactionRecord
     * @instance
     */
    TransactionRecord.prototype.outputs = 0;

    /**
     * Creates a new TransactionRecord instance using the specified properties.
     * @function create
     * @memberof TransactionRecord
     * @static
     * @param {TransactionRecord.$Properties=} [properties] Properties to set
     * @returns {TransactionRecord} TransactionRecord instance
     * @type {{
     *   (properties: TransactionRecord.$Shape): TransactionRecord & TransactionRecord.$Shape;
     *   (properties?: TransactionRecord.$Properties): TransactionRecord;
     * }}
     */
    TransactionRecord.create = function(properties) {
        return new TransactionRecord(properties);
    };

    /**
     * Encodes the specified TransactionRecord message. Does not implicitly {@link TransactionRecord.verify|verify} messages.
     * @function encode
     * @memberof TransactionRecord
     * @static
     * @param {TransactionRecord.$Properties} message TransactionRecord message or plain object to encode
     * @param {$protobuf.Writer} [writer] Writer to encode to
     * @returns {$protobuf.Writer} Writer
     */
    TransactionRecord.encode = function (message, writer, _depth) {
        if (!writer)
            writer = $Writer.create();
        if (_depth === $undefined)
            _depth = 0;
        if (_depth > $util.recursionLimit)
            throw $Error("max depth exceeded");
        if (message.hash != null && $Object.hasOwnProperty.call(message, "hash") && message.hash.length)
            writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.hash);
        if (message.height != null && $Object.hasOwnProperty.call(message, "height") && message.height !== 0)
            writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.height);
        if (message.time != null && $Object.hasOwnProperty.call(message, "time") && message.time !== 0)
            writer.uint32(/* id 3, wireType 0 =*/24).uint32(message.time);
        if (message.value != null && $Object.hasOwnProperty.call(message, "value") && (typeof message.value === "object" ? message.value.low || message.value.high : message.value !== 0))
            writer.uint32(/* id 4, wireType 0 =*/32).uint64(message.value);
        if (message.fee != null && $Object.hasOwnProperty.call(message, "fee") && message.fee !== 0)
            writer.uint32(/* id 5, wireType 0 =*/40).uint32(message.fee);
        if (message.inputs != null && $Object.hasOwnProperty.call(message, "inputs") && message.inputs !== 0)
            writer.uint32(/* id 6, wireType 0 =*/48).uint32(message.inputs);
        if (message.outputs != null && $Object.hasOwnProperty.call(message, "outputs") && message.outputs !== 0)
            writer.uint32(/* id 7, wireType 0 =*/56).uint32(message.outputs);
        if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
            for (let i = 0; i < message.$unknowns.length; ++i)
                writer.raw(message.$unknowns[i]);
        return writer;
    };

    /**
     * Encodes the specified TransactionRecord message, length delimited. Does not implicitly {@link TransactionRecord.verify|verify} messages.
     * @function encodeDelimited
     * @memberof TransactionRecord
     * @static
     * @param {TransactionRecord.$Properties} message TransactionRecord message or plain object to encode
     * @param {$protobuf.Writer} [writer] Writer to encode to
     * @returns {$protobuf.Writer} Writer
     */
    TransactionRecord.encodeDelimited = function(message, writer) {
        return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
    };

    /**
     * Decodes a TransactionRecord message from the specified reader or buffer.
     * @function decode
     * @memberof TransactionRecord
     * @static
     * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
     * @param {number} [length] Message length if known beforehand
     * @returns {TransactionRecord & TransactionRecord.$Shape} TransactionRecord
     * @throws {Error} If the payload is not a reader or valid buffer
     * @throws {$protobuf.util.ProtocolError} If required fields are missing
     */
    TransactionRecord.decode = function (reader, length, _end, _depth, _target) {
        if (!(reader instanceof $Reader))
            reader = $Reader.create(reader);
        if (_depth === $undefined)
            _depth = 0;
        if (_depth > $Reader.recursionLimit)
            throw $Error("max depth exceeded");
        let end, message, value;
        if (length === $undefined)
            end = reader.len;
        else {
            end = reader.pos + length;
            if (end > reader.len)
                throw $RangeError("index out of range");
            length = reader.len;
            reader.len = end;
        }
        message = _target || new $root.TransactionRecord();
        while (reader.pos < end) {
            let start = reader.pos;
            let tag = reader.tag();
            if (tag === _end) {
                _end = $undefined;
                break;
            }
            let wireType = tag & 7;
            switch (tag >>>= 3) {
            case 1: {
                    if (wireType !== 2)
                        break;
                    if ((value = reader.bytes()).length)
                        message.hash = value;
                    else
                        delete message.hash;
                    continue;
                }
            case 2: {
                    if (wireType !== 0)
                        break;
                    if (value = reader.uint32())
                        message.height = value;
                    else
                        delete message.height;
                    continue;
                }
            case 3: {
                    if (wireType !== 0)
                        break;
                    if (value = reader.uint32())
                        message.time = value;
                    else
                        delete message.time;
                    continue;
                }
            case 4: {
                    if (wireType !== 0)
                        break;
                    if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                        message.value = value;
                    else
                        delete message.value;
                    continue;
                }
            case 5: {
                    if (wireType !== 0)
                        break;
                    if (value = reader.uint32())
                        message.fee = value;
                    else
                        delete message.fee;
                    continue;
                }
            case 6: {
                    if (wireType !== 0)
                        break;
                    if (value = reader.uint32())
                        message.inputs = value;
                    else
                        delete message.inputs;
                    continue;
                }
            case 7: {
                    if (wireType !== 0)
                        break;
                    if (value = reader.uint32())
                        message.outputs = value;
                    else
                        delete message.outputs;
                    continue;
                }
            }
            reader.skipType(wireType, _depth, tag);
            if (!reader.discardUnknown) {
                $util.makeProp(message, "$unknowns", false);
                (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
            }
        }
        if (length !== $undefined) {
            if (reader.pos !== end)
                throw $RangeError("index out of range");
            reader.len = length;
        }
        if (_end !== $undefined)
            throw $Error("missing end group");
        return message;
    };

    /**
     * Decodes a TransactionRecord message from the specified reader or buffer, length delimited.
     * @function decodeDelimited
     * @memberof TransactionRecord
     * @static
     * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
     * @returns {TransactionRecord & TransactionRecord.$Shape} TransactionRecord
     * @throws {Error} If the payload is not a reader or valid buffer
     * @throws {$protobuf.util.ProtocolError} If required fields are missing
     */
    TransactionRecord.decodeDelimited = function(reader) {
        if (!(reader instanceof $Reader))
            reader = new $Reader(reader);
        return this.decode(reader, reader.size());
    };

    /**
     * Verifies a TransactionRecord message.
     * @function verify
     * @memberof TransactionRecord
     * @static
     * @param {Object.<string,*>} message Plain object to verify
     * @returns {string|null} `null` if valid, otherwise the reason why it is not
     */
    TransactionRecord.verify = function (message, _depth) {
        if (typeof message !== "object" || message === null)
            return "object expected";
        if (_depth === $undefined)
            _depth = 0;
        if (_depth > $util.recursionLimit)
            return "max depth exceeded";
        if (message.hash != null && $Object.hasOwnProperty.call(message, "hash"))
            if (!(message.hash && typeof message.hash.length === "number" || $util.isString(message.hash)))
                return "hash: buffer expected";
        if (message.height != null && $Object.hasOwnProperty.call(message, "height"))
            if (!$util.isInteger(message.height))
                return "height: integer expected";
        if (message.time != null && $Object.hasOwnProperty.call(message, "time"))
            if (!$util.isInteger(message.time))
                return "time: integer expected";
        if (message.value != null && $Object.hasOwnProperty.call(message, "value"))
            if (!$util.isInteger(message.value) && !(message.value && $util.isInteger(message.value.low) && $util.isInteger(message.value.high)))
                return "value: integer|Long expected";
        if (message.fee != null && $Object.hasOwnProperty.call(message, "fee"))
            if (!$util.isInteger(message.fee))
                return "fee: integer expected";
        if (message.inputs != null && $Object.hasOwnProperty.call(message, "inputs"))
            if (!$util.isInteger(message.inputs))
                return "inputs: integer expected";
        if (message.outputs != null && $Object.hasOwnProperty.call(message, "outputs"))
            if (!$util.isInteger(message.outputs))
                return "outputs: integer expected";
        return null;
    };

    /**
     * Creates a TransactionRecord message from a plain object. Also converts values to their respective internal types.
     * @function fromObject
     * @memberof TransactionRecord
     * @static
     * @param {Object.<string,*>} object Plain object
     * @returns {TransactionRecord} TransactionRecord
     */
    TransactionRecord.fromObject = function (object, _depth) {
        if (object instanceof $root.TransactionRecord)
            return object;
        if (!$util.isObject(object))
            throw $TypeError(".TransactionRecord: object expected");
        if (_depth === $undefined)
            _depth = 0;
        if (_depth > $util.recursionLimit)
            throw $Error("max depth exceeded");
        let message = new $root.TransactionRecord();
        if (object.hash != null)
            if (object.hash.length)
                if (typeof object.hash === "string")
                    $util.base64.decode(object.hash, message.hash = $util.newBuffer($util.base64.length(object.hash)), 0);
                else if (object.hash.length >= 0)
                    message.hash = object.hash;
        if (object.height != null)
            if ($Number(object.height) !== 0)
                message.height = object.height >>> 0;
        if (object.time != null)
            if ($Number(object.time) !== 0)
                message.time = object.time >>> 0;
        if (object.value != null)
            if (typeof object.value === "object" ? object.value.low || object.value.high : $Number(object.value) !== 0)
                if ($util.Long)
                    message.value = $util.Long.fromValue(object.value, true);
                else if (typeof object.value === "string")
                    message.value = $parseInt(object.value, 10);
                else if (typeof object.value === "number")
                    message.value = object.value;
                else if (typeof object.value === "object")
                    message.value = new $util.LongBits(object.value.low >>> 0, object.value.high >>> 0).toNumber(true);
        if (object.fee != null)
            if ($Number(object.fee) !== 0)
                message.fee = object.fee >>> 0;
        if (object.inputs != null)
            if ($Number(object.inputs) !== 0)
                message.inputs = object.inputs >>> 0;
        if (object.outputs != null)
            if ($Number(object.outputs) !== 0)
                message.outputs = object.outputs >>> 0;
        return message;
    };

    /**
     * Creates a plain object from a TransactionRecord message. Also converts values to other types if specified.
     * @function toObject
     * @memberof TransactionRecord
     * @static
     * @param {TransactionRecord} message TransactionRecord
     * @param {$protobuf.IConversionOptions} [options] Conversion options
     * @returns {Object.<string,*>} Plain object
     */
    TransactionRecord.toObject = function (message, options, _depth) {
        if (!options)
            options = {};
        if (_depth === $undefined)
            _depth = 0;
        if (_depth > $util.recursionLimit)
            throw $Error("max depth exceeded");
        let object = {};
        if (options.defaults) {
            if (options.bytes === $String)
                object.hash = "";
            else {
                object.hash = [];
                if (options.bytes !== $Array)
                    object.hash = $util.newBuffer(object.hash);
            }
            object.height = 0;
            object.time = 0;
            if ($util.Long) {
                let long = new $util.Long(0, 0, true);
                object.value = options.longs === $String ? long.toString() : options.longs === $Number ? long.toNumber() : typeof $BigInt !== "undefined" && options.longs === $BigInt ? long.toBigInt() : long;
            } else
                object.value = options.longs === $String ? "0" : typeof $BigInt !== "undefined" && options.longs === $BigInt ? $BigInt("0") : 0;
            object.fee = 0;
            object.inputs = 0;
            object.outputs = 0;
        }
        if (message.hash != null && $Object.hasOwnProperty.call(message, "hash"))
            object.hash = options.bytes === $String ? $util.base64.encode(message.hash, 0, message.hash.length) : options.bytes === $Array ? $Array.prototype.slice.call(message.hash) : message.hash;
        if (message.height != null && $Object.hasOwnProperty.call(message, "height"))
            object.height = message.height;
        if (message.time != null && $Object.hasOwnProperty.call(message, "time"))
            object.time = message.time;
        if (message.value != null && $Object.hasOwnProperty.call(message, "value"))
            if (typeof $BigInt !== "undefined" && options.longs === $BigInt)
                object.value = typeof message.value === "number" ? $BigInt(message.value) : $util.Long.fromBits(message.value.low >>> 0, message.value.high >>> 0, true).toBigInt();
            else if (typeof message.value === "number")
                object.value = options.longs === $String ? $String(message.value) : message.value;
            else
                object.value = options.longs === $String ? $util.Long.prototype.toString.call(message.value) : options.longs === $Number ? new $util.LongBits(message.value.low >>> 0, message.value.high >>> 0).toNumber(true) : message.value;
        if (message.fee != null && $Object.hasOwnProperty.call(message, "fee"))
            object.fee = message.fee;
        if (message.inputs != null && $Object.hasOwnProperty.call(message, "inputs"))
            object.inputs = message.inputs;
        if (message.outputs != null && $Object.hasOwnProperty.call(message, "outputs"))
            object.outputs = message.outputs;
        return object;
    };

    /**
     * Converts this TransactionRecord to JSON.
     * @function toJSON
     * @memberof TransactionRecord
     * @instance
     * @returns {Object.<string,*>} JSON object
     */
    TransactionRecord.prototype.toJSON = function() {
        return TransactionRecord.toObject(this, $protobuf.util.toJSONOptions);
    };

    /**
     * Gets the type url for TransactionRecord
     * @function getTypeUrl
     * @memberof TransactionRecord
     * @static
     * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
     * @returns {string} The type url
     */
    TransactionRecord.getTypeUrl = function(prefix) {
        if (prefix === $undefined)
            prefix = "type.googleapis.com";
        return prefix + "/TransactionRecord";
    };

    return TransactionRecord;
})();

export {
  $root as default
};

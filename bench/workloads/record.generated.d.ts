import * as $protobuf from "library-protobufjs";
import Long = require("long");

/**
 * Properties of a TransactionRecord.
 * @deprecated Use TransactionRecord.$Properties instead.
 */
export interface ITransactionRecord extends TransactionRecord.$Properties {
}

/** Represents a TransactionRecord. */
export class TransactionRecord {

    /**
     * Constructs a new TransactionRecord.
     * @param [properties] Properties to set
     */
    constructor(properties?: TransactionRecord.$Properties);

    /** Unknown fields preserved while decoding when enabled */
    $unknowns?: Uint8Array[];

    /** TransactionRecord hash. */
    hash: Uint8Array;

    /** TransactionRecord height. */
    height: number;

    /** TransactionRecord time. */
    time: number;

    /** TransactionRecord value. */
    value: (number|Long);

    /** TransactionRecord fee. */
    fee: number;

    /** TransactionRecord inputs. */
    inputs: number;

    /** TransactionRecord outputs. */
    outputs: number;

    /**
     * Creates a new TransactionRecord instance using the specified properties.
     * @param [properties] Properties to set
     * @returns TransactionRecord instance
     */
    static create(properties: TransactionRecord.$Shape): TransactionRecord & TransactionRecord.$Shape;
    static create(properties?: TransactionRecord.$Properties): TransactionRecord;

    /**
     * Encodes the specified TransactionRecord message. Does not implicitly {@link TransactionRecord.verify|verify} messages.
     * @param message TransactionRecord message or plain object to encode
     * @param [writer] Writer to encode to
     * @returns Writer
     */
    static encode(message: TransactionRecord.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

    /**
     * Encodes the specified TransactionRecord message, length delimited. Does not implicitly {@link TransactionRecord.verify|verify} messages.
     * @param message TransactionRecord message or plain object to encode
     * @param [writer] Writer to encode to
     * @returns Writer
     */
    static encodeDelimited(message: TransactionRecord.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

    /**
     * Decodes a TransactionRecord message from the specified reader or buffer.
     * @param reader Reader or buffer to decode from
     * @param [length] Message length if known beforehand
     * @returns {TransactionRecord & TransactionRecord.$Shape} TransactionRecord
     * @throws {Error} If the payload is not a reader or valid buffer
     * @throws {$protobuf.util.ProtocolError} If required fields are missing
     */
    static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): TransactionRecord & TransactionRecord.$Shape;

    /**
     * Decodes a TransactionRecord message from the specified reader or buffer, length delimited.
     * @param reader Reader or buffer to decode from
     * @returns {TransactionRecord & TransactionRecord.$Shape} TransactionRecord
     * @throws {Error} If the payload is not a reader or valid buffer
     * @throws {$protobuf.util.ProtocolError} If required fields are missing
     */
    static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): TransactionRecord & TransactionRecord.$Shape;

    /**
     * Verifies a TransactionRecord message.
     * @param message Plain object to verify
     * @returns `null` if valid, otherwise the reason why it is not
     */
    static verify(message: { [k: string]: any }): (string|null);

    /**
     * Creates a TransactionRecord message from a plain object. Also converts values to their respective internal types.
     * @param object Plain object
     * @returns TransactionRecord
     */
    static fromObject(object: { [k: string]: any }): TransactionRecord;

    /**
     * Creates a plain object from a TransactionRecord message. Also converts values to other types if specified.
     * @param message TransactionRecord
     * @param [options] Conversion options
     * @returns Plain object
     */
    static toObject(message: TransactionRecord, options?: $protobuf.IConversionOptions): { [k: string]: any };

    /**
     * Converts this TransactionRecord to JSON.
     * @returns JSON object
     */
    toJSON(): { [k: string]: any };

    /**
     * Gets the type url for TransactionRecord
     * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
     * @returns The type url
     */
    static getTypeUrl(prefix?: string): string;
}

export namespace TransactionRecord {

    /** Properties of a TransactionRecord. */
    interface $Properties {

        /** TransactionRecord hash */
        hash?: (Uint8Array|null);

        /** TransactionRecord height */
        height?: (number|null);

        /** TransactionRecord time */
        time?: (number|null);

        /** TransactionRecord value */
        value?: (number|Long|null);

        /** TransactionRecord fee */
        fee?: (number|null);

        /** TransactionRecord inputs */
        inputs?: (number|null);

        /** TransactionRecord outputs */
        outputs?: (number|null);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];
    }

    /** Shape of a TransactionRecord. */
    type $Shape = TransactionRecord.$Properties;
}

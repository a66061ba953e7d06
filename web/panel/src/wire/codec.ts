// Protobuf for the shapes of schema.ts: what this wire uses and no more (varints and length-delimited fields; no
// floats, maps or groups, and lists only to read). Unknown fields are skipped, so that a newer node can say
// more.

import type { Draft, Message, Shape } from "./schema.ts";

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;

const TWO_32 = 2 ** 32;
const TWO_63 = 2 ** 63;
const TWO_64 = 2 ** 64;

const utf8 = new TextEncoder();
// A node's text is UTF-8 by contract; a replacement character is better than a lost message.
const text = new TextDecoder("utf-8", { ignoreBOM: true });
/** What is not sent; numbers are 0. */
const EMPTY: Readonly<Record<string, unknown>> = { string: "", bytes: new Uint8Array(0), bool: false };

/** The bytes of a message. Scalars that have their default value are not written, as proto3 wants it. */
export function encode<S extends Shape>(shape: S, message: Draft<S>): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  write(bytes, shape, message);
  return Uint8Array.from(bytes);
}

function write(out: number[], shape: Shape, message: Readonly<Record<string, unknown>>): void {
  for (const name in shape) {
    const [number, kind] = shape[name]!;
    const value = message[name];
    if (value === undefined || value === 0 || value === false || value === "") continue;
    if (typeof kind === "object") {
      const inner: number[] = [];
      write(inner, kind, value as Record<string, unknown>);
      delimited(out, number, inner);
    } else if (kind === "string") {
      delimited(out, number, utf8.encode(value as string));
    } else if (kind === "bytes") {
      if ((value as Uint8Array).length > 0) delimited(out, number, value as Uint8Array);
    } else {
      varint(out, number << 3);
      varint(out, Number(value));
    }
  }
}

function delimited(out: number[], number: number, bytes: ArrayLike<number>): void {
  varint(out, (number << 3) | DELIMITED);
  varint(out, bytes.length);
  for (let i = 0; i < bytes.length; i++) out.push(bytes[i]!);
}

function varint(out: number[], value: number): void {
  // A negative int64 would take ten bytes; nothing that a client sends is negative.
  while (value > 127) {
    out.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  out.push(value);
}

/**
 * The message in `bytes`. Throws a `RangeError` if the bytes end too early or hold what protobuf does not have.
 * int64 values are numbers: exact up to 2^53, which milliseconds reach in the year 287396.
 */
export function decode<S extends Shape>(shape: S, bytes: Uint8Array): Message<S> {
  return read(shape, { bytes, at: 0 }, bytes.length) as Message<S>;
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function read(shape: Shape, from: Reader, end: number): Record<string, unknown> {
  const message = defaults(shape);
  while (from.at < end) {
    const tag = read_varint(from, end);
    const number = Math.floor(tag / 8);
    const name = Object.keys(shape).find((name) => shape[name]![0] === number);
    const [, kind, many] = name === undefined ? [] : shape[name]!;
    const wire = tag % 8;
    if (name === undefined || wire !== (is_varint(kind) ? VARINT : DELIMITED)) {
      skip(from, wire, end);
    } else if (is_varint(kind)) {
      const value = read_varint(from, end);
      message[name] = kind === "bool" ? value !== 0 : kind === "int64" ? signed(value) : value % TWO_32;
    } else {
      const stop = read_length(from, end);
      const slice = from.bytes.slice(from.at, stop);
      const value = typeof kind === "object" ? read(kind, from, stop) : kind === "string" ? text.decode(slice) : slice;
      if (many) (message[name] as unknown[]).push(value);
      else message[name] = value;
      from.at = stop;
    }
  }
  return message;
}

const is_varint = (kind: unknown): boolean => typeof kind === "string" && kind !== "string" && kind !== "bytes";

const signed = (value: number): number => (value >= TWO_63 ? value - TWO_64 : value);

function defaults(shape: Shape): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const name in shape) {
    const [, kind, many] = shape[name]!;
    message[name] = many ? [] : typeof kind === "object" ? undefined : (EMPTY[kind] ?? 0);
  }
  return message;
}

function read_varint(from: Reader, end: number): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    if (from.at >= end) throw new RangeError("the frame ends inside a number");
    const byte = from.bytes[from.at++]!;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
  throw new RangeError("a number is longer than ten bytes");
}

function read_length(from: Reader, end: number): number {
  const length = read_varint(from, end);
  if (length > end - from.at) throw new RangeError("a field is longer than its frame");
  return from.at + length;
}

function skip(from: Reader, wire: number, end: number): void {
  if (wire === VARINT) read_varint(from, end);
  else if (wire === DELIMITED) from.at = read_length(from, end);
  else if (wire === FIXED_64) from.at += 8;
  else if (wire === FIXED_32) from.at += 4;
  else throw new RangeError(`wire type ${wire} is not part of protobuf's proto3`);
  if (from.at > end) throw new RangeError("the frame ends inside a field");
}

import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { decode, encode } from "../panel/src/wire/codec.ts";
import { from_hex, new_id, to_hex } from "../panel/src/wire/id.ts";
import * as schema from "../panel/src/wire/schema.ts";

const PROTO = new URL("../../crates/protocol/proto/frontdesk.v1.proto", import.meta.url);
const root = protobuf.parse(readFileSync(PROTO, "utf8"), { keepCase: true }).root.lookup("frontdesk.v1") as protobuf.Namespace;

/** The schema's tables; Error is called Refusal there, because Error means something else in JavaScript. */
const shapes = Object.entries(schema).filter(([name]) => root.get(proto_name(name)) instanceof protobuf.Type) as [
  string,
  schema.Shape,
][];

function proto_name(name: string): string {
  return name === "Refusal" ? "Error" : name;
}

function kind_of(field: protobuf.Field): string {
  field.resolve();
  if (field.resolvedType instanceof protobuf.Enum) return "enum";
  return (field.resolvedType?.name ?? field.type) + (field.repeated ? " many" : "");
}

function kind_name(kind: schema.Field[1], many?: string): string {
  const name = typeof kind === "string" ? kind : proto_name(shapes.find(([, shape]) => shape === kind)![0]);
  return name + (many ? ` ${many}` : "");
}

/** Left out of the tables: what a visitor is never sent, and what the panel does not ask for. It is passed over. */
const LEFT_OUT = new Set(
  ["Note", "Hidden", "Event.note", "Event.hidden", "Handover.summary", "Token.expires_at_ms", "Welcome.token_expires_at_ms"].map(
    (name) => `.frontdesk.v1.${name}`,
  ),
);
const is_read = ({ fullName }: protobuf.ReflectionObject): boolean => !LEFT_OUT.has(fullName);

describe("the schema's tables", () => {
  it("have every message of the .proto file", () => {
    const messages = root.nestedArray.filter((nested) => nested instanceof protobuf.Type && is_read(nested)).map(({ name }) => name);
    expect(shapes.map(([name]) => proto_name(name)).sort()).toEqual(messages.sort());
  });

  it.each(shapes)("say of %s what the .proto file says", (name, shape) => {
    const fields = root.lookupType(proto_name(name)).fieldsArray.filter(is_read);
    const theirs = fields.map((field) => [field.name, field.id, kind_of(field)]);
    const ours = Object.entries(shape).map(([field, [id, kind, many]]) => [field, id, kind_name(kind, many)]);
    expect(ours).toEqual(theirs);
  });

  it.each(["AnswerEnd", "HandoverReason", "ClosedBy", "ErrorCode"] as const)("have the values of %s", (name) => {
    const prefix = `${name.replace(/(?<=.)([A-Z])/g, "_$1").toUpperCase()}_`;
    const theirs = Object.entries(root.lookupEnum(name).values).map(([key, id]) => [
      key.replace(prefix, "").toLowerCase(),
      id,
    ]);
    expect(Object.entries(schema[name])).toEqual(theirs);
  });
});

const SCALARS: Record<schema.Scalar, readonly unknown[]> = {
  uint32: [1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1],
  int64: [1, 1_790_000_000_000, 2 ** 53 - 1],
  bool: [true],
  string: ["a", "茶 ☕ \u0000 é", "x".repeat(300)],
  bytes: [new Uint8Array([0, 255, 128]), new Uint8Array(16)],
  enum: [1, 3, 72],
};

/** One message for each value of each field, alone, and one with all of them unless only one may be set. */
function samples(shape: schema.Shape): Record<string, unknown>[] {
  const alone = Object.entries(shape).flatMap(([name, [, kind, many]]) => {
    const values = typeof kind === "string" ? SCALARS[kind] : samples(kind);
    return many ? [{ [name]: values }] : values.map((value) => ({ [name]: value }));
  });
  const one_of = root.lookupType(kind_name(shape)).oneofsArray.length > 0;
  return [{}, ...alone, ...(one_of ? [] : [Object.assign({}, ...alone)])];
}

const plain = (type: protobuf.Type, message: protobuf.Message) =>
  type.toObject(message, { defaults: true, longs: Number, bytes: Array }) as Record<string, unknown>;

/** What a decoded message looks like where messages that are not there are left out, and bytes are numbers. */
const bare = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return [...value];
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, Array.isArray(part) ? part.map(bare) : bare(part)]),
  );
};

/** Without fields of a oneof, whose members protobufjs leaves out, and messages it gives as null. */
const without_null = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(without_null);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, part]) => part !== null && !IGNORED.has(name))
      .map(([name, part]) => [name, without_null(part)]),
  );
};

/** Names of fields that are left out. */
const IGNORED = new Set([...LEFT_OUT].map((name) => name.split(".").at(-1)));

/** A client sends no lists, so the codec writes none. */
const has_list = (shape: schema.Shape): boolean =>
  Object.values(shape).some(([, kind, many]) => many || (typeof kind === "object" && has_list(kind)));

describe("the codec", () => {
  it.each(shapes.filter(([, shape]) => !has_list(shape)))("writes %s so that protobufjs reads it", (name, shape) => {
    const type = root.lookupType(proto_name(name));
    for (const sample of samples(shape)) {
      const bytes = encode(shape, sample as never);
      const theirs = type.encode(type.decode(bytes)).finish();
      expect(bare(decode(shape, theirs))).toEqual(bare(decode(shape, bytes)));
      expect(type.decode(bytes).toJSON()).toEqual(type.fromObject(sample).toJSON());
    }
  });

  it.each(shapes)("reads %s as protobufjs wrote it", (name, shape) => {
    const type = root.lookupType(proto_name(name));
    for (const sample of samples(shape)) {
      const bytes = type.encode(type.fromObject(sample)).finish();
      expect(bare(decode(shape, bytes))).toEqual(without_null(plain(type, type.decode(bytes))));
    }
  });

  it("skips fields that it does not know", () => {
    const known = encode(schema.Ack, { seq: 7 });
    // Fields 100 to 103 in the four wire types there are.
    const unknown = [0xa0, 6, 5, 0xa9, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xb2, 6, 2, 9, 9, 0xbd, 6, 1, 2, 3, 4];
    expect(decode(schema.Ack, Uint8Array.from([...unknown, ...known])).seq).toBe(7);
  });

  it("refuses bytes that end too early, wherever they end", () => {
    const frame = { welcome: { visitor: "v1", token: "t", now_ms: 1_790_000_000_000, opened: { head: 300 } } };
    const bytes = encode(schema.ServerFrame, frame);
    for (let end = 1; end < bytes.length; end++) {
      expect(() => decode(schema.ServerFrame, bytes.slice(0, end)), `cut at ${end}`).toThrow(RangeError);
    }
  });

  it("refuses what is no protobuf, and never anything worse", () => {
    for (let seed = 1; seed < 3_000; seed++) {
      const bytes = Uint8Array.from({ length: seed % 40 }, (_, i) => (seed * 7919 + i * 104729) >> (i % 7));
      try {
        decode(schema.ServerFrame, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});

describe("an id", () => {
  it("has 16 bytes and survives being written as hex", () => {
    const id = new_id();
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(to_hex(from_hex(id))).toBe(id);
    expect(new_id()).not.toBe(id);
  });
});

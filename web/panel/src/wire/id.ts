// Ids that a client makes: 16 random bytes, written as 32 hex digits wherever they are kept.

/** A new id. `crypto.randomUUID` is missing on plain-http pages, `getRandomValues` is not. */
export function new_id(): string {
  return to_hex(crypto.getRandomValues(new Uint8Array(16)));
}

export function to_hex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

export function from_hex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

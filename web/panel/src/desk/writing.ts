// The answer that is being written: deltas put together. It is shown and never kept; the Answer event replaces it.

import type { Delta } from "../wire/schema.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface Writing {
  readonly turn: number;
  readonly run: number;
  /** How much of `text` there is, in UTF-8 bytes. Deltas count in these. */
  readonly bytes: number;
  readonly text: string;
  /** A piece is missing: the rest cannot be shown before the Answer event. */
  readonly broken: boolean;
}

export const nothing: Writing = { turn: 0, run: 0, bytes: 0, text: "", broken: false };

/** The answer after one more delta. Gives the same object back where the delta changes nothing. */
export function write(held: Writing, delta: Delta): Writing {
  const { turn, run, offset, text } = delta;
  if (turn < held.turn) return held;
  if (turn !== held.turn || run !== held.run) {
    // Another turn, or another run of this one: what the earlier one wrote is void.
    const fresh = { turn, run, bytes: 0, text: "", broken: false };
    return offset === 0 ? append(fresh, text) : { ...fresh, broken: true };
  }
  if (offset === held.bytes) return held.broken ? held : append(held, text);
  if (offset > held.bytes) return held.broken ? held : { ...held, broken: true };
  // One run writes the same bytes at the same place, so what is held already is a repeat.
  if (offset + encoder.encode(text).length <= held.bytes) return held;
  return append(cut(held, offset), text);
}

function append(held: Writing, text: string): Writing {
  return {
    ...held,
    broken: false,
    bytes: held.bytes + encoder.encode(text).length,
    text: held.text + text,
  };
}

function cut(held: Writing, offset: number): Writing {
  const kept = encoder.encode(held.text).slice(0, offset);
  return { ...held, bytes: offset, text: decoder.decode(kept) };
}

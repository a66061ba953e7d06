// What a client does after its connection was closed: by the WebSocket close code.

export const CloseCode = {
  draining: 4000,
  slow_reader: 4001,
  silent: 4002,
  hello_timeout: 4003,
  overloaded: 4004,
  unavailable: 4005,
  token: 4100,
  identity_required: 4101,
  identity_invalid: 4102,
  origin_forbidden: 4200,
  site_unknown: 4201,
  protocol_violation: 4202,
  frame_too_large: 4203,
} as const;

export type Return =
  /** Come back after a random wait that grows. */
  | "later"
  /** Come back when the node said (GoAway), else later. */
  | "told"
  /** Drop the token and come back at once. */
  | "anew"
  /** Come back once the page says who the visitor is. */
  | "identified"
  /** Do not come back; say so. */
  | "never";

/** Codes outside 4100–4299 (1001, 1006, 1011, … and what a newer node may add to 40xx) mean: come back later. */
export function after_close(code: number): Return {
  if (code === CloseCode.draining) return "told";
  if (code === CloseCode.token) return "anew";
  if (code > 4100 && code < 4200) return "identified";
  if (code >= 4200 && code < 4300) return "never";
  return "later";
}

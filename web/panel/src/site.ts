// A site's public settings, as the node gives them at /v1/sites/SITE.

import type { Storage } from "./desk/storage.ts";
import { read_json } from "./desk/storage.ts";

export interface Site {
  readonly name: string;
  readonly languages: readonly string[];
  readonly greeting: Readonly<Record<string, string>>;
  readonly suggestions: Readonly<Record<string, readonly string[]>>;
  readonly color: string;
  readonly identity_required: boolean;
  readonly max_text_bytes: number;
}

const KEY = "site";

/** The settings in a node's JSON; what is missing or of another type gets a default. */
export function read_site(value: unknown): Site {
  const given = (value ?? {}) as Record<string, unknown>;
  const object = (part: unknown) => (part && typeof part === "object" ? part : {}) as Record<string, never>;
  return {
    name: typeof given["name"] === "string" ? given["name"] : "",
    languages: Array.isArray(given["languages"]) ? given["languages"].map(String) : [],
    greeting: object(given["greeting"]),
    suggestions: object(given["suggestions"]),
    color: String(object(given["theme"])["color"] ?? ""),
    identity_required: given["identity_required"] === true,
    max_text_bytes: Number(given["max_text_bytes"]) || 0,
  };
}

/** What was read last time, to show at once. */
export const recall_site = (storage: Storage): Site | undefined => {
  const value = read_json(storage, KEY);
  return value === undefined ? undefined : read_site(value);
};

const url = (node: string, site: string) => `${node}/v1/sites/${encodeURIComponent(site)}`;

/** Asks the node. `undefined`: no answer, or none that says anything; try again another time. */
export async function fetch_site(node: string, site: string, storage: Storage): Promise<Site | undefined> {
  try {
    const response = await fetch(url(node, site), { credentials: "omit" });
    if (!response.ok) return undefined;
    const value: unknown = await response.json();
    storage.set(KEY, JSON.stringify(value));
    return read_site(value);
  } catch {
    return undefined;
  }
}

/** Has the node forget the visitor with this token. False: it did not, or not all; ask again. */
export const erase_visitor = (node: string, site: string, token: string): Promise<boolean> =>
  fetch(`${url(node, site)}/visitors/me`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } }).then(
    (response) => response.ok,
    () => false,
  );

// Lets one tab at a time say hello without a token, so that two tabs opened together become one visitor; and tells when
// another tab is gone. Web Locks do both where they are (https and localhost); elsewhere a value in storage does the
// first as well as it can.

import type { Clock } from "./clock.ts";
import { read_json, type Storage } from "./storage.ts";

export interface Turnstile {
  /** Waits for the turn, not for ever; gives what to call when done. */
  enter(): Promise<() => void>;
  /** Calls `gone` once the tab named is no longer there. Where that cannot be seen: at once. */
  watch(tab: string, gone: () => void): void;
  /** It can be seen when a tab is gone. */
  readonly sees_tabs?: boolean;
}

const PATIENCE_MS = 4_000;
const LOOK_MS = 80;

export function lock_turnstile(locks: LockManager, prefix: string, tab: string): Turnstile {
  // Held as long as this tab lives.
  void locks.request(`${prefix}tab:${tab}`, () => new Promise(() => {}));
  const watched = new Set<string>();
  return {
    sees_tabs: true,
    enter: () =>
      new Promise((resolve) => {
        locks
          .request(
            `${prefix}hello`,
            { signal: AbortSignal.timeout(PATIENCE_MS) },
            () => new Promise<void>((release) => resolve(() => release())),
          )
          .catch(() => resolve(() => {}));
      }),
    watch(other, gone) {
      if (watched.has(other)) return;
      watched.add(other);
      void locks.request(`${prefix}tab:${other}`, () => {
        watched.delete(other);
        gone();
      });
    },
  };
}

export function storage_turnstile(storage: Storage, tab: string, clock: Clock): Turnstile {
  const KEY = "hello";
  const wait = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  const holder = () => read_json(storage, KEY) as { tab: string; until: number } | undefined;
  const leave = () => {
    if (holder()?.tab === tab) storage.delete(KEY);
  };
  return {
    async enter() {
      const give_up = clock.now() + PATIENCE_MS;
      while (clock.now() < give_up) {
        const held = holder();
        if (!held || !(held.until > clock.now())) {
          storage.set(KEY, JSON.stringify({ tab, until: clock.now() + PATIENCE_MS }));
        }
        // Time for another tab's write of the same moment to show; the last one stands.
        await wait(LOOK_MS);
        if (holder()?.tab === tab) return leave;
      }
      return () => {};
    },
    watch: (_, gone) => gone(),
  };
}

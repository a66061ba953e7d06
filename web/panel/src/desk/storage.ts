// What is kept in the browser: under keys `frontdesk:SITE:…`, in localStorage where there is one. A page may forbid it
// (then it throws) or it may be full; then the same is kept in memory, and lost with the page.

export interface Storage {
  get(key: string): string | null;
  set(key: string, value: string): void;
  delete(key: string): void;
  keys(): string[];
}

export function memory_storage(): Storage {
  const held = new Map<string, string>();
  return {
    get: (key) => held.get(key) ?? null,
    set: (key, value) => void held.set(key, value),
    delete: (key) => void held.delete(key),
    keys: () => [...held.keys()],
  };
}

/**
 * Storage under a prefix. A value that the browser refuses stays in memory; every read looks there first.
 * @param open gives the browser's storage; it may throw, as `window.localStorage` does where it is forbidden
 */
export function browser_storage(open: () => globalThis.Storage, prefix: string): Storage {
  const memory = memory_storage();
  const attempt = <T>(act: (storage: globalThis.Storage) => T, otherwise: T): T => {
    try {
      return act(open());
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(prefix + key), null),
    set(key, value) {
      const kept = attempt((storage) => {
        storage.setItem(prefix + key, value);
        return true;
      }, false);
      if (kept) memory.delete(key);
      else memory.set(key, value);
    },
    delete(key) {
      memory.delete(key);
      attempt((storage) => storage.removeItem(prefix + key), undefined);
    },
    keys() {
      const stored = attempt((storage) => Object.keys(storage), [])
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length));
      return [...new Set([...stored, ...memory.keys()])];
    },
  };
}

/** The JSON value under `key`; `undefined` where there is none or it is damaged. */
export function read_json(storage: Storage, key: string): unknown {
  const text = storage.get(key);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

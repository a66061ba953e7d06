// What the loader gives to the panel, and takes back.

export type Happening = "ready" | "open" | "close" | "message" | "unread" | "error";

export interface Seat {
  /** The node's origin: where the loader came from. */
  readonly node: string;
  readonly site: string;
  /** BCP 47, as the page says it. Empty: the site decides. */
  readonly language: string;
  /** "light", "dark" or empty: as the visitor's system is set. */
  readonly theme: string;
  /** `#rrggbb`. Empty: the site's own. */
  readonly color: string;
  readonly root: ShadowRoot;
  readonly bubble: HTMLButtonElement;
  /** Shows how many messages are unread, in the bubble's corner. */
  badge(unread: number): void;
  emit(name: Happening, detail?: unknown): void;
}

/** Carries out a command of the page: open, close, toggle, identify, logout. */
export type Panel = (command: string, detail?: unknown) => void;

export interface PanelModule {
  take_seat(seat: Seat): Panel;
}

// The site's one colour, made readable: on the panel's light and dark surfaces, by WCAG's contrast.

export interface Palette {
  /** The colour as a fill on the surface. */
  readonly brand: string;
  /** Text on that fill. */
  readonly on: string;
  /** The colour as text on the surface. */
  readonly link: string;
}

type Rgb = readonly [number, number, number];

const TEXT_CONTRAST = 4.5;
const FILL_CONTRAST = 3;
const STEPS = 20;

/**
 * @param color `#rrggbb`, anything else is taken for the default
 * @param surface `#rrggbb`: of the surfaces that text stands on, the one that is nearest to the text
 */
export function palette(color: string, surface: string): Palette {
  const ground = parse(surface)!;
  const base = parse(color) ?? parse("#1f4a3c")!;
  const brand = away(base, ground, FILL_CONTRAST);
  const on = contrast(brand, WHITE) >= TEXT_CONTRAST ? WHITE : contrast(brand, INK) >= TEXT_CONTRAST ? INK : BLACK;
  return { brand: print(brand), on: print(on), link: print(away(base, ground, TEXT_CONTRAST)) };
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
const INK: Rgb = [20, 24, 22];

/** The colour, mixed with white or black until it stands out from the ground. */
function away(color: Rgb, ground: Rgb, wanted: number): Rgb {
  const pole = luminance(ground) > 0.18 ? BLACK : WHITE;
  for (let i = 0; i <= STEPS; i++) {
    const mixed = color.map((part, at) => Math.round(part + ((pole[at]! - part) * i) / STEPS)) as unknown as Rgb;
    if (contrast(mixed, ground) >= wanted) return mixed;
  }
  return pole;
}

/** WCAG 2.2's contrast ratio. */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function parse(color: string): Rgb | undefined {
  const hex = /^#([0-9a-f]{6})$/i.exec(color)?.[1];
  if (!hex) return undefined;
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

const print = (color: Rgb): string => `#${color.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

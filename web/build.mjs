// Builds dist/panel-HASH.js and dist/loader.js, which knows the panel's name. The same sources give the same bytes.

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { minify } from "terser";
import { build } from "vite";
import { spare_preact } from "./preact.mjs";

// Whatever the shell says: the bytes must not depend on it.
process.env.NODE_ENV = "production";

const root = new URL(".", import.meta.url).pathname;
const out = process.argv[2] ? `${process.argv[2]}/` : `${root}dist/`;

/** The style sheet's compiler declares these for `light-dark()`, which is used nowhere. */
const without_switches = (code) => code.replace(/--lightningcss-(light|dark): ?(initial)?;/g, "");

/** One file of JavaScript from one entry. */
async function bundle(entry, format, { define = {}, plugins = [] }) {
  const result = await build({
    root,
    configFile: false,
    logLevel: "warn",
    mode: "production",
    define,
    plugins,
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      write: false,
      target: "es2022",
      cssTarget: ["chrome111", "firefox113", "safari16.4"],
      sourcemap: false,
      modulePreload: false,
      lib: { entry: root + entry, formats: [format], name: "frontdesk" },
      rolldownOptions: { output: { codeSplitting: false, minify: true } },
    },
  });
  const chunks = [result].flat().flatMap(({ output }) => output);
  if (chunks.length !== 1) throw new Error(`${entry} became ${chunks.map((chunk) => chunk.fileName)}`);
  // A second squeeze, 4 % off what a visitor downloads.
  const options = {
    module: format === "es",
    ecma: 2022,
    compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, pure_getters: true },
    // Preact's own names for what it keeps at elements and components; nothing of the panel's begins like that.
    mangle: { properties: { regex: /^_[a-z]/ } },
  };
  const { code } = await minify(without_switches(chunks[0].code), options);
  return `${code}\n`;
}

const panel = await bundle("panel/src/main.tsx", "es", { plugins: [spare_preact()] });
const hash = createHash("sha256").update(panel).digest("hex").slice(0, 10);
const name = `panel-${hash}.js`;
const loader = await bundle("loader/src/loader.ts", "iife", { define: { __PANEL__: JSON.stringify(name) } });

await mkdir(out, { recursive: true });
for (const file of await readdir(out)) if (/^(panel-|loader)/.test(file)) await rm(out + file);
await writeFile(out + name, panel);
await writeFile(`${out}loader.js`, loader);

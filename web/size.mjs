// Prints what a visitor downloads, and fails if it is more than promised.

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMITS = { loader: 2 * 1024, panel: 30 * 1024 };
const dist = new URL("dist/", import.meta.url);

for (const file of readdirSync(dist)) {
  const limit = LIMITS[file.split(/[-.]/)[0]];
  const bytes = gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
  console.log(`${file}  ${bytes} bytes gzip, limit ${limit}`);
  if (bytes > limit) process.exitCode = 1;
}

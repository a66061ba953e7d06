import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const web = new URL("../", import.meta.url).pathname;
const dist = join(web, "dist");
const read = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]));
const files = read(dist);
const panel = Object.keys(files).find((file) => file.startsWith("panel-")) ?? "";
const gzip = (file: string) => gzipSync(files[file] ?? "", { level: 9 }).length;

describe("what is built", () => {
  it("is a loader and one panel", () => {
    expect(Object.keys(files).sort()).toEqual(["loader.js", expect.stringMatching(/^panel-[0-9a-f]{10}\.js$/)]);
  });

  it("is no larger than promised", () => {
    expect(gzip("loader.js")).toBeLessThanOrEqual(2 * 1024);
    expect(gzip(panel)).toBeLessThanOrEqual(30 * 1024);
  });

  it("lets the loader find the panel", () => {
    expect(files["loader.js"]).toContain(panel);
  });

  it.each(["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "new Function", "sourceMappingURL"])(
    "is free of %s",
    (word) => {
      for (const text of Object.values(files)) expect(text).not.toContain(word);
    },
  );

  it("is what the sources give", { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "frontdesk-web-"));
    try {
      execFileSync(process.execPath, [join(web, "build.mjs"), folder], { cwd: web });
      expect(read(folder)).toEqual(files);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

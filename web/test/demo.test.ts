import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const demo = new URL("../demo/", import.meta.url);
const pages = readdirSync(demo, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html"));
const page = (name: string) => readFileSync(new URL(name, demo), "utf8");
const topics = (language: string) => readdirSync(new URL(`knowledge/${language}/`, demo)).sort();

describe("the demo's pages", () => {
  it.each(pages)("%s lives under the strict policy and loads the chat from the node", (name) => {
    const html = page(name);
    expect(html).not.toMatch(/\sstyle=|<style|\son[a-z]+=|javascript:/i);
    expect(html).toContain('src="{{node}}/widget/loader.js" data-site="shop"');
    const scripts = [...html.matchAll(/<script[^>]*>([^]*?)<\/script>/g)];
    expect(scripts.map(([, inside]) => inside)).toEqual(["", ""]);
  });

  it.each(pages)("%s links only to what is there", (name) => {
    const links = [...page(name).matchAll(/(?:href|src)="(\/[^"]*)"/g)].map(([, link]) => link!);
    for (const link of links) {
      const file = link.endsWith("/") ? `${link}index.html` : link;
      expect(() => page(`.${file}`), link).not.toThrow();
    }
  });
});

describe("the demo's knowledge", () => {
  it("has the same topics in both languages", () => {
    expect(topics("zh")).toEqual(topics("en"));
    expect(topics("en").length).toBeGreaterThanOrEqual(12);
  });

  it.each(["en", "zh"].flatMap((language) => topics(language).map((file) => `${language}/${file}`)))(
    "%s has a title, and sections with an answer each",
    (file) => {
      const [title, ...sections] = page(`knowledge/${file}`).split(/^## /m);
      expect(title).toMatch(/^(---\nurl: .*\n---\n)?# \S.*\n\n$/);
      expect(sections.length).toBeGreaterThan(2);
      for (const section of sections) expect(section).toMatch(/^\S.*\n\S/);
    },
  );

  it("names a page of its own language wherever one has the same to read", () => {
    for (const language of ["en", "zh"]) {
      const named = topics(language).flatMap((file) => /^---\nurl: (.*)\n/.exec(page(`knowledge/${language}/${file}`))?.[1] ?? []);
      expect(named.length).toBeGreaterThan(4);
      for (const url of named) {
        const html = page(`.${url.endsWith("/") ? `${url}index.html` : url}`);
        expect(html, url).toContain(`<html lang="${language}`);
      }
    }
  });
});

// Preact as the panel needs it: built from its sources, without what nobody here asks for. What cannot be asked for
// cannot be abused either: the one way by which Preact sets markup from a string goes too.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const preact = join(dirname(createRequire(import.meta.url).resolve("preact")), "..");
const sources = join(preact, "src");

/** What a property, a condition or a statement of Preact's becomes. Each is there, or the build fails. */
const ABSENT = [
  // Hooks into the rendering, for other packages.
  [/\boptions\.(?!_catchError\b)\w+/g, "undefined"],
  // Markup from a string.
  [/i == 'dangerouslySetInnerHTML'/g, "false"],
  [/if \(newHtml\) \{[^]*?newVNode\._children = \[\];\s*\} else \{\s*if \(oldHtml\) dom\.textContent = '';/g, "{"],
  // Elements that are there before: hydration, suspense, comments in between.
  [/^\t+(?:isHydrating|excessDomChildren),\n/gm, ""],
  [/^\t+oldVNode._flags & MODE_HYDRATE(?: \? \[oldDom\] : NULL)?,\n/gm, ""],
  [/let isHydrating = [^;]*;/g, ""],
  [/oldVNode\s*\? NULL\s*: parentDom\.firstChild\s*\? slice\.call\(parentDom\.childNodes\)\s*: NULL,/g, ""],
  [/excessDomChildren =\s*nodeType == 'textarea'[^;]*;/g, ""],
  [/(?:isHydrating = )?excessDomChildren = NULL;/g, ""],
  [/oldVNode\._flags & (?:MODE_SUSPENDED|REF_DETACHED)/g, "false"],
  [/!isHydrating/g, "true"],
  [/\b(?:isHydrating|excessDomChildren|resumed)(?= ?(?:\)|\?|&&|\|\|)|\n\t+\?)/g, "false"],
  [/e && e\.then/g, "false"],
  [/\(r = r\._excess\)/g, "false"],
  [/(?:next|oldDom)\.nodeType == 8/g, "false"],
  // Portals and contexts.
  [/(?:\w+\.)*(?:props|newProps)\._parentDom/g, "undefined"],
  [/newType\.contextType|c\.getChildContext/g, "undefined"],
  // Kinds of components, of states and of references.
  [/newType\.getDerivedStateFromProps|c\.componentWill(?:Mount|ReceiveProps|Update)/g, "undefined"],
  [/for \(; \(vnode = vnode\._parent\); \)/g, "for (; false; )"],
  [/^.*\b_stateCallbacks\b.*\n/gm, ""],
  [/BaseComponent\.prototype\.forceUpdate = function[^]*?\n\};/g, ""],
  [/typeof (?:update|ref) == 'function'/g, "false"],
  [/childVNode\.constructor === String/g, "false"],
  // Elements and attributes.
  [/nodeType == '(?:math|template|foreignObject|progress)'|namespace == MATH_NAMESPACE/g, "false"],
  [/newProps\.is\b/g, "undefined"],
  [/'default(?:Value|Checked)' in newProps/g, "false"],
  [/name == 'style'|name == 'popover'/g, "false"],
  [/name = name\.replace\(\/xlink[^;]*;/g, ""],
  [/name != '(?:width|height|list|form|download|rowSpan|colSpan|popover)' &&/g, ""],
  [/name != \(name = name\.replace\(CAPTURE_REGEX, '\$1'\)\)/g, "false"],
];

/** A plugin for one build. */
export function spare_preact() {
  const met = new Set();
  return {
    name: "spare-preact",
    enforce: "pre",
    resolveId(id) {
      if (id === "preact") return join(sources, "index.js");
      if (id === "preact/jsx-runtime") return "\0jsx";
    },
    load(id) {
      // Preact's own makes elements in a second way, to be faster by a little.
      if (id !== "\0jsx") return;
      return `import { createElement } from "preact";
        export const jsx = (type, props, key) => createElement(type, key === undefined ? props : { ...props, key });
        export const jsxs = jsx;
        export { Fragment } from "preact";`;
    },
    transform(code, id) {
      if (!id.startsWith(sources)) return;
      return ABSENT.reduce((rest, [part, instead]) => {
        if (rest.search(part) >= 0) met.add(part);
        return rest.replace(part, instead);
      }, code);
    },
    buildEnd(error) {
      if (error) return;
      for (const [part] of ABSENT) if (!met.has(part)) throw new Error(`Preact has no ${part}`);
    },
  };
}

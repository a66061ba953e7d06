// Frontdesk as a person runs it: `local-dev` with node, functions and demo shop, on free ports.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.mjs";

const EXECUTABLE = process.env.FRONTDESK_LOCAL_DEV ?? new URL("../../../target/debug/local-dev", import.meta.url).pathname;
const PORTS = ["demo", "node", "metrics", "functions"];

/**
 * @typedef {object} Options
 * @property {string} [model] base URL of an OpenAI-compatible server; without it the scripted model answers
 * @property {Record<string, string>} [env] more of the configuration: `FRONTDESK_…`
 */

export class Frontdesk {
  /** The demo shop's URL. */
  shop = "";
  /** The node's address, host:port. */
  node = "";
  #functions = "";
  #said = "";
  /** @type {import("node:child_process").ChildProcessWithoutNullStreams} */
  #child;
  #data;
  #ended;

  /** @param {Options} options @param {string} data */
  constructor({ model, env = {} }, data) {
    this.#data = data;
    const args = PORTS.flatMap((port) => [`--${port}-port`, "0"]);
    if (model) args.push("--model-url", model, "--model", "test-model");
    this.#child = spawn(EXECUTABLE, ["--data", data, ...args], { env: { ...environment(), ...env } });
    this.#ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdout.on("data", (text) => (this.#said += text));
    this.#child.stderr.on("data", (text) => (this.#said += text));
    // It ends with the tests, also where they are broken off.
    process.once("exit", () => this.#child.kill("SIGTERM"));
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.once(signal, () => process.exit(1));
  }

  /** @param {Options} [options] */
  static async start(options = {}) {
    const frontdesk = new Frontdesk(options, await mkdtemp(join(tmpdir(), "frontdesk-browser-")));
    await frontdesk.#learn_addresses();
    return frontdesk;
  }

  async #learn_addresses() {
    const found = () => ({
      shop: /Open this +(\S+)/.exec(this.#said)?.[1],
      node: /node +ws:\/\/([^/\s]+)/.exec(this.#said)?.[1],
      functions: /functions +(http:\/\/[^/\s]+)/.exec(this.#said)?.[1],
      data: /\n +data +\S/.test(this.#said),
      dead: this.#child.exitCode !== null,
    });
    const { shop, node, functions, dead } = await until("local-dev's addresses", found, ({ data, dead }) => data || dead);
    if (dead || !shop || !node || !functions) throw new Error(`local-dev did not start:\n${this.#said}`);
    this.shop = shop;
    this.node = node;
    this.#functions = functions;
  }

  /** What runs, as `/dev/status` tells it. @returns {Promise<any>} */
  async status() {
    return (await fetch(`${this.#functions}/dev/status`)).json();
  }

  /** @returns {Promise<any>} */
  async #node_status() {
    return (await this.status()).nodes[0];
  }

  /** `kill -9` of the node; local-dev starts it again. Gives what waits until that has happened. */
  async kill_node() {
    const { pid, restarts } = await this.#node_status();
    process.kill(pid, "SIGKILL");
    return () =>
      until("the node's restart", () => this.#node_status(), (node) => node.restarts > restarts && node.state === "ready");
  }

  /** Stops the node where it stands, as if its machine hung; what it gives lets it go on. */
  async freeze_node() {
    const { pid } = await this.#node_status();
    process.kill(pid, "SIGSTOP");
    // The signal is on its way to every thread; until the last one stands, the node may still answer.
    await until("a node that stands still", () => thread_states(pid), (states) => states.every((state) => state === "T"));
    return () => {
      try {
        process.kill(pid, "SIGCONT");
      } catch (error) {
        // It was killed meanwhile, which a process that stands still cannot prevent.
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
      }
    };
  }

  /** `kill -9` of the function's process that answers now. */
  async kill_answering_function() {
    const busy = async () => (await this.status()).functions.ai.processes.filter(at_work);
    const [{ pid }] = await until("a function at work", busy, (processes) => processes.length === 1);
    process.kill(pid, "SIGKILL");
  }

  async stop() {
    this.#child.kill("SIGTERM");
    await this.#ended;
    await rm(this.#data, { recursive: true, force: true });
  }
}

/** @param {number} pid the state letters of proc(5), one for each thread */
async function thread_states(pid) {
  const threads = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, "utf8")));
  // The name before the state is in brackets, and may hold anything.
  return stats.map((stat) => stat.slice(stat.lastIndexOf(")") + 2)[0]);
}

/** The environment without what would configure Frontdesk otherwise; a node that is told to stop waits for nobody. */
function environment() {
  const own = Object.entries(process.env).filter(([name]) => !/^(FRONTDESK_|OPENAI_)/.test(name));
  return { ...Object.fromEntries(own), FRONTDESK_NODE_DRAIN_SECONDS: "1", FRONTDESK_LOG_LEVEL: "warn" };
}

/** Somebody still waits for what it writes. @param {{ state: string, abandoned: boolean }} process */
const at_work = ({ state, abandoned }) => state === "busy" && !abandoned;

// A stand-in for a connection node, for tests of the panel in a browser: the wire and the demo's pages, and a script
// of what to answer. It keeps its logs in memory and checks nothing.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import protobuf from "protobufjs";
import { WebSocketServer } from "ws";

const web = new URL("../", import.meta.url);
const proto = readFileSync(new URL("../../crates/protocol/proto/frontdesk.v1.proto", import.meta.url), "utf8");
const schema = protobuf.parse(proto, { keepCase: true }).root;
const ClientFrame = schema.lookupType("frontdesk.v1.ClientFrame");
const ServerFrame = schema.lookupType("frontdesk.v1.ServerFrame");

const SITE = {
  site: "shop",
  name: "Hollow Hill Tea",
  languages: ["en", "zh"],
  greeting: {
    en: "Welcome to Hollow Hill. What can we help you with?",
    zh: "欢迎来到空山茶铺，有什么可以帮您？",
  },
  suggestions: {
    en: ["How long does shipping take?", "Which tea is best for a beginner?", "Can I return opened tea?"],
    zh: ["多久能收到货？", "初学者喝什么茶好？", "开封的茶叶可以退吗？"],
  },
  theme: { color: "#1f4a3c" },
  identity_required: false,
  max_text_bytes: 4000,
};

const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", html: "text/html; charset=utf-8" };

/** @param options.answer (text) => { text, end, pace_ms, hold, sources, choices } of the answer to a message; hold: never ends by itself */
export async function start_fake_node({ port = 0, site = SITE, answer = (text) => ({ text: `You said: ${text}` }) } = {}) {
  const node = { site, answer, refuse: undefined, deaf: false, rewrite: (page) => page, hellos: [], requests: [], visitors: new Map(), sockets: new Set() };
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    node.requests.push(path);
    const reply = (status, type, body) => {
      response.writeHead(status, { "content-type": type, "access-control-allow-origin": "*", ...page_policy(type, node.url) });
      response.end(body);
    };
    try {
      if (path.startsWith("/v1/sites/")) return node.site ? reply(200, "application/json", JSON.stringify(node.site)) : reply(404, "text/plain", "");
      const file = path.startsWith("/widget/") ? `dist/${path.slice(8)}` : `demo${path.endsWith("/") ? `${path}index.html` : path}`;
      const type = TYPES[file.split(".").pop()];
      const body = readFileSync(new URL(file, web));
      reply(200, type, file.endsWith(".html") ? node.rewrite(String(body).replaceAll("{{node}}", node.url)) : body);
    } catch {
      reply(404, "text/plain", "not here");
    }
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => "frontdesk.v1.proto" });
  sockets.on("connection", (socket) => serve(node, socket));
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  node.url = `http://127.0.0.1:${server.address().port}`;
  node.close = () => {
    for (const socket of node.sockets) socket.terminate();
    return new Promise((done) => server.close(done));
  };
  /** Appends an event to a visitor's newest conversation, as an agent or the site would. */
  node.append = (body, name = [...node.visitors.keys()].at(-1)) => append(node, node.visitors.get(name), body);
  node.drop = (code) => {
    for (const socket of node.sockets) code ? socket.close(code) : socket.terminate();
  };
  return node;
}

const page_policy = (type, url) =>
  type?.startsWith("text/html")
    ? {
        "content-security-policy": `default-src 'none'; script-src 'self' ${url}; style-src 'self'; img-src 'self' data:; connect-src ${url} ${url.replace("http", "ws")}; trusted-types 'none'; require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      }
    : {};

function serve(node, socket) {
  const session = { visitor: undefined };
  node.sockets.add(socket);
  socket.session = session;
  const send = (frame) => socket.readyState === 1 && socket.send(ServerFrame.encode(ServerFrame.fromObject(frame)).finish());
  socket.put = send;
  socket.on("close", () => node.sockets.delete(socket));
  socket.on("message", (bytes) => {
    const frame = ClientFrame.toObject(ClientFrame.decode(bytes), { defaults: true, longs: Number });
    if (node.deaf) return;
    if (frame.ping) send({ pong: {} });
    if (frame.hello) hello(node, session, send, frame.hello);
    const { visitor } = session;
    if (!visitor) return;
    if (frame.send) message(node, visitor, send, frame.send);
    if (frame.ask_person) {
      ack(node, visitor, send, frame.ask_person.id, { handover: { reason: 1 } });
      append(node, visitor, { assigned: { agent: "" } });
    }
    if (frame.close) ack(node, visitor, send, frame.close.id, { closed: { by: 1 } });
    if (frame.rate) ack(node, visitor, send, frame.rate.id, { rated: { score: frame.rate.score, comment: frame.rate.comment } });
    if (frame.stop) {
      send({ ack: { id: frame.stop.id, seq: 0 } });
      visitor.end?.(2);
    }
    if (frame.begin && visitor.conversation <= frame.begin.after_conversation) {
      visitor.conversation++;
      visitor.log = [];
      for (const other of node.sockets) {
        if (other.session.visitor === visitor) other.put({ opened: { conversation: visitor.conversation, head: 0, reset: true } });
      }
    }
  });
}

function hello(node, session, send, frame) {
  node.hellos.push(frame);
  const name = frame.token.replace("token-", "") || `v${node.visitors.size + 1}`;
  if (!node.visitors.has(name)) node.visitors.set(name, { name, conversation: 1, log: [], ids: new Map(), waiting: [] });
  const visitor = (session.visitor = node.visitors.get(name));
  const fits = frame.conversation === visitor.conversation && frame.after <= visitor.log.length;
  const opened = { conversation: visitor.conversation, head: visitor.log.length, reset: !fits && frame.conversation > 0 };
  send({ welcome: { visitor: name, token: `token-${name}`, now_ms: Date.now(), max_text_bytes: 4000, opened } });
  for (const event of visitor.log.slice(fits ? frame.after : 0)) send({ event });
  if (visitor.writing) send({ delta: { ...visitor.writing, offset: 0 } });
}

function append(node, visitor, body) {
  const event = { seq: visitor.log.length + 1, at_ms: Date.now(), ...body };
  visitor.log.push(event);
  for (const socket of node.sockets) if (socket.session.visitor === visitor) socket.put({ event });
  return event.seq;
}

function ack(node, visitor, send, id, body) {
  const key = Buffer.from(id).toString("hex");
  if (!visitor.ids.has(key)) visitor.ids.set(key, append(node, visitor, body));
  send({ ack: { id, seq: visitor.ids.get(key) } });
}

function message(node, visitor, send, { id, text }) {
  const refusal = node.refuse?.(text);
  if (refusal) return send({ error: { message: "refused by the test", id, ...refusal } });
  const before = visitor.log.length;
  ack(node, visitor, send, id, { visitor_message: { id, text } });
  const quiet = visitor.log.some((event) => event.handover || event.closed);
  if (visitor.log.length > before && !quiet) write(node, visitor, visitor.log.length, node.answer(text));
}

/** Streams an answer in small pieces, as a model would. */
function write(node, visitor, turn, script) {
  if (!script) return;
  // One answer at a time; what was asked meanwhile is answered after.
  if (visitor.end) return visitor.waiting.push(() => write(node, visitor, turn, script));
  const { text, end = 1, pace_ms = 15, hold = false, offer_person = false, sources = [], choices = [] } = script;
  const pieces = [...text].reduce((all, char, i) => (i % 4 ? (all[all.length - 1] += char) : all.push(char), all), []);
  let written = "";
  const timer = setInterval(step, pace_ms);
  visitor.end = (how) => {
    clearInterval(timer);
    visitor.end = visitor.writing = undefined;
    append(node, visitor, { answer: { turn, text: how >= 4 ? text : written, end: how, offer_person, sources, choices } });
    visitor.waiting.shift()?.();
  };
  function step() {
    const piece = end >= 4 ? undefined : pieces.shift();
    if (piece === undefined) return hold ? undefined : visitor.end(end);
    const delta = { turn, run: 1, offset: Buffer.byteLength(written), text: piece };
    written += piece;
    visitor.writing = { turn, run: 1, text: written };
    for (const socket of node.sockets) if (socket.session.visitor === visitor) socket.put({ delta });
  }
}

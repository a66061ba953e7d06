// The log as the node has it, read with a client of a few lines that speaks the JSON subprotocol.

import WebSocket from "ws";

/**
 * The visitor's newest conversation.
 * @param {string} node host:port
 * @param {string} token the visitor's, as the page keeps it
 * @returns {Promise<LogEvent[]>} its events, seq 1 first
 *
 * @typedef {{ seq: number, visitorMessage?: { id: string, text: string }, answer?: Answer, handover?: { reason: string },
 *   assigned?: { agent?: string }, closed?: { by: string }, rated?: { score: number, comment?: string } }} LogEvent
 * @typedef {{ turn: number, text?: string, end: string, offerPerson?: boolean, choices?: string[] }} Answer
 */
export function read_log(node, token, site = "shop") {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${node}/v1/connect`, "frontdesk.v1.json");
    /** @type {LogEvent[]} */
    const events = [];
    let head = Infinity;
    const look = () => {
      if (events.length < head) return;
      socket.close(1000);
      resolve(events);
    };
    socket.on("open", () => socket.send(JSON.stringify({ hello: { site, token, language: "en" } })));
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data));
      if (frame.error) reject(new Error(`the node refused to show the log: ${frame.error.code} ${frame.error.message}`));
      if (frame.welcome) head = frame.welcome.opened.head ?? 0;
      if (frame.event) events.push(frame.event);
      look();
    });
    socket.on("error", reject);
    socket.on("close", (code) => reject(new Error(`the node closed with ${code} before the log was read`)));
  });
}

/** @param {LogEvent[]} events */
export const visitor_texts = (events) => events.flatMap((event) => event.visitorMessage?.text ?? []);

/** @param {LogEvent[]} events */
export const answers = (events) => events.flatMap((event) => event.answer ?? []);

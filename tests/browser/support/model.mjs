// An OpenAI-compatible server in a test's hand: a test writes each answer piece by piece, when it likes.

import { createServer } from "node:http";

/** One answer to one question. */
export class Reply {
  #arrive = (/** @type {import("node:http").ServerResponse} */ _) => {};
  #response = new Promise((resolve) => (this.#arrive = resolve));
  #text = "";

  /** What has been written so far. */
  get text() {
    return this.#text;
  }

  /** The question has come. */
  async asked() {
    await this.#response;
    return this;
  }

  /** @param {string[]} pieces */
  async write(...pieces) {
    const response = await this.#opened();
    for (const piece of pieces) {
      this.#text += piece;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: piece } }] })}\n\n`);
    }
    return this;
  }

  async end() {
    const response = await this.#opened();
    const last = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
    return this;
  }

  /** The server's connection breaks. */
  async break_off() {
    (await this.#opened()).destroy();
  }

  /** The server refuses, before its first word. */
  async refuse(status = 400) {
    const response = await this.#response;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "no", type: "invalid_request_error" } }));
  }

  /** @param {import("node:http").ServerResponse} response */
  take(response) {
    this.#arrive(response);
  }

  async #opened() {
    const response = await this.#response;
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
    return response;
  }
}

export class Model {
  /** Every request, in order. @type {{ authorization: string | undefined, body: any }[]} */
  requests = [];
  /** Answers a question that no Reply waits for. @type {(question: string, reply: Reply) => Promise<unknown>} */
  otherwise = async (question, reply) => (await reply.write(`You said: ${question}`)).end();
  /** @type {Reply[]} */
  #waiting = [];
  #server = createServer((request, response) => void this.#serve(request, response));

  static async start() {
    const model = new Model();
    await new Promise((resolve) => model.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
    return model;
  }

  /** The base for `--model-url`. */
  get url() {
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    return `http://127.0.0.1:${address.port}/v1`;
  }

  /** The answer to the next question that nobody has prepared one for. */
  reply() {
    const reply = new Reply();
    this.#waiting.push(reply);
    return reply;
  }

  /** Forgets answers that were prepared and not asked for. */
  clear() {
    this.#waiting = [];
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    let text = "";
    for await (const piece of request) text += piece;
    // A function that warms a connection up asks for nothing that is there.
    if (request.method !== "POST") return void response.writeHead(404).end();
    const body = JSON.parse(text);
    this.requests.push({ authorization: request.headers.authorization, body });
    const prepared = this.#waiting.shift();
    const reply = prepared ?? new Reply();
    reply.take(response);
    if (!prepared) await this.otherwise(body.messages.at(-1).content, reply);
  }
}

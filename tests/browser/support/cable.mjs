// The cable between the browser and everything else: a SOCKS5 proxy that can be pulled. `context.setOffline` alone
// holds a WebSocket's frames back and hands them out later; a pulled cable ends it.

import { connect, createServer } from "node:net";

const NO_AUTHENTICATION = Buffer.from([5, 0]);
const CONNECTED = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

export class Cable {
  #pulled = false;
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  #server = createServer((socket) => void this.#serve(socket));

  static async lay() {
    const cable = new Cable();
    await new Promise((resolve) => cable.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
    return cable;
  }

  /** For a browser context. */
  get proxy() {
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    return { server: `socks5://127.0.0.1:${address.port}`, bypass: "<-loopback>" };
  }

  pull() {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  plug_in() {
    this.#pulled = false;
  }

  remove() {
    this.pull();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** @param {import("node:net").Socket} near */
  async #serve(near) {
    this.#keep(near);
    if (this.#pulled) return near.destroy();
    near.once("data", () => {
      near.write(NO_AUTHENTICATION);
      near.once("data", (request) => {
        // The browser names 127.0.0.1 and a port: that is all there is in these tests.
        const far = connect(request.readUInt16BE(request.length - 2), "127.0.0.1");
        this.#keep(far);
        far.once("connect", () => near.write(CONNECTED));
        near.pipe(far).pipe(near);
        near.once("close", () => far.destroy());
        far.once("close", () => near.destroy());
      });
    });
  }

  /** @param {import("node:net").Socket} socket */
  #keep(socket) {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }
}

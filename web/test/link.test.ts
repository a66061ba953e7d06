import { describe, expect, it } from "vitest";
import { Bench } from "./bench.ts";

describe("a connection", () => {
  it("comes back within a second after a drop, then ever later", async () => {
    const bench = new Bench();
    await bench.meet();
    bench.clock.pass(10_000);
    bench.clock.chance = 0.999;
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      bench.drop(1006);
      const { state } = bench.desk.link;
      if (state.kind !== "waiting") throw new Error(state.kind);
      waits.push(state.until - bench.clock.now());
      bench.clock.pass(waits.at(-1)!);
      expect(bench.sockets.length).toBe(i + 2);
    }
    expect(waits).toEqual([999, 999, 1_998, 3_996, 7_992, 15_984]);
  });

  it("that was good for a while starts the waits anew", async () => {
    const bench = new Bench();
    await bench.open();
    for (let i = 0; i < 8; i++) {
      bench.drop();
      bench.clock.pass(30_000);
      await bench.open();
    }
    await bench.meet();
    bench.clock.pass(6_000);
    bench.drop();
    bench.clock.pass(1_000);
    expect(bench.desk.link.state.kind).toBe("connecting");
  });

  it("asks whether the node is there after 25 seconds of silence, and drops it after 10 more", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.clock.pass(24_999);
    expect(socket.sent.some((frame) => frame.ping)).toBe(false);
    bench.clock.pass(1);
    expect(socket.sent.at(-1)!.ping).toBeDefined();
    bench.clock.pass(9_999);
    expect(bench.desk.link.state.kind).toBe("open");
    bench.clock.pass(1);
    expect(socket.closed).toBe(true);
    expect(bench.desk.link.state.kind).toBe("waiting");
  });

  it("that is back within a short break was never lost", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    bench.clock.pass(10_000);
    socket.put({ go_away: { retry_after_ms: 1_500 } });
    bench.drop(4000);
    bench.clock.pass(1_500);
    await bench.open();
    bench.clock.pass(999);
    expect(bench.desk.link.lost).toBe(false);
    await bench.meet();
    bench.clock.pass(20_000);
    expect(bench.desk.link.lost).toBe(false);
  });

  it("is lost once a break is no short one any more, over all tries, until it is back", async () => {
    const bench = new Bench();
    await bench.meet();
    bench.clock.chance = 0.999;
    bench.drop();
    bench.clock.pass(1_000);
    bench.drop();
    const { changes } = bench;
    bench.clock.pass(1_499);
    expect(bench.desk.link.lost).toBe(false);
    bench.clock.pass(1);
    expect(bench.desk.link.lost).toBe(true);
    expect(bench.changes).toBeGreaterThan(changes);
    await bench.meet();
    expect(bench.desk.link.lost).toBe(false);
  });

  it("that is slow to come about at first is not lost, one that fails is", async () => {
    const bench = new Bench();
    bench.desk.link.connect();
    bench.clock.pass(10_000);
    expect(bench.desk.link.lost).toBe(false);
    bench.drop();
    bench.clock.pass(2_500);
    expect(bench.desk.link.lost).toBe(true);
    bench.drop(4200);
    expect(bench.desk.link.lost).toBe(false);
  });

  it("lives on as long as the node answers", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    for (let i = 0; i < 100; i++) {
      bench.clock.pass(25_000);
      socket.put({ pong: {} });
    }
    expect(bench.sockets.length).toBe(1);
  });

  it("is asked for at once when the network is back", async () => {
    const bench = new Bench();
    await bench.meet();
    bench.drop();
    bench.desk.link.check();
    expect(bench.sockets.length).toBe(2);
  });

  it("that is not welcomed in time is given up", async () => {
    const bench = new Bench();
    await bench.open();
    bench.clock.pass(15_000);
    expect(bench.sockets[0]!.closed).toBe(true);
    expect(bench.desk.link.state.kind).toBe("waiting");
  });

  it("is not sought again after a refusal for good", async () => {
    for (const code of [4200, 4201, 4202, 4203]) {
      const bench = new Bench();
      await bench.open();
      bench.drop(code);
      bench.clock.pass(3_600_000);
      bench.desk.link.check();
      expect(bench.sockets.length, String(code)).toBe(1);
      expect(bench.desk.link.state).toEqual({ kind: "refused", code });
    }
  });

  it("does not knock in a tight loop where even a new visitor is refused", async () => {
    const bench = new Bench();
    await bench.open();
    for (let i = 0; i < 5; i++) {
      bench.drop(4100);
      await bench.open();
    }
    bench.drop(4100);
    expect(bench.desk.link.state.kind).toBe("waiting");
  });

  it("is renewed from the cursor when a frame cannot be read", async () => {
    const bench = new Bench();
    const socket = await bench.meet();
    socket.onmessage?.({ data: Uint8Array.from([0x1a, 200, 1]).buffer } as MessageEvent);
    expect(socket.closed).toBe(true);
    expect(bench.sockets.length).toBe(2);
  });

  it("ignores what an earlier socket still says", async () => {
    const bench = new Bench();
    const first = await bench.meet();
    const late = first.onmessage;
    bench.drop();
    bench.clock.pass(1_000);
    await bench.open();
    late?.({ data: new ArrayBuffer(0) } as MessageEvent);
    expect(bench.desk.link.state.kind).toBe("connecting");
  });

  it("that cannot even be dialled is tried again", () => {
    const bench = new Bench();
    (bench.desk.link as unknown as { ports: { dial(): never } }).ports.dial = () => {
      throw new Error("mixed content");
    };
    bench.desk.link.connect();
    expect(bench.desk.link.state.kind).toBe("waiting");
  });
});

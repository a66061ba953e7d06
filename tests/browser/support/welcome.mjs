// A page that believes in another limit than the node has, as after a change of the node's configuration.

/** @param {import("playwright-core").Page} page */
export const believe_in_higher_limit = (page) =>
  page.routeWebSocket(/connect/, (socket) => {
    const node = socket.connectToServer();
    node.onMessage((frame) => socket.send(with_higher_limit(/** @type {Buffer} */ (frame))));
  });

/** What the node's configuration has to say for it. */
export const LOWER_LIMIT = { FRONTDESK_LIMITS_MAX_TEXT_BYTES: "200" };

/** The Welcome with max_text_bytes (field 6, a varint) 4000 in place of 200. @param {Buffer} frame */
export function with_higher_limit(frame) {
  const [low, high] = [Buffer.from([0x30, 0xc8, 0x01]), Buffer.from([0x30, 0xa0, 0x1f])];
  return frame.subarray(-3).equals(low) ? Buffer.concat([frame.subarray(0, -3), high]) : frame;
}

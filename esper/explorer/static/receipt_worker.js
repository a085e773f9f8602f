// The check of a receipt, in a worker of its own: the page ends it after ten seconds.
//
// In:  {receipt: ArrayBuffer, tip?: {height, id, whose?}, trusted?: [hex]}
// Out: {verdict: {exit, links: [{name, status, detail}]}} or {failure: "sentence"}
//
// The module has 64 MiB and imports nothing, so it can reach neither page nor network. A trap is a
// failure, never a verdict.

const MODULE = "/static/verifier.wasm";
const MOST_RECEIPT = 1 << 22;
const HASH_BYTES = 64;
const MOST_TRUSTED = 64;
const MOST_WHOSE = 64;

function bytesOf(hex) {
  if (typeof hex !== "string" || !/^[0-9a-f]{128}$/.test(hex)) {
    throw new TypeError("an id has 128 lower-case hexadecimal digits");
  }
  return Uint8Array.from({ length: HASH_BYTES }, (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16));
}

function unsigned(value) {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw new TypeError("a height is an integer below 2^32");
  }
  if (value < 0x80) return [value];
  if (value < 0x100) return [0xcc, value];
  if (value < 0x10000) return [0xcd, value >> 8, value & 0xff];
  return [0xce, value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

const list = (count) => (count < 16 ? [0x90 | count] : [0xdc, count >> 8, count & 0xff]);
const hash = (hex) => [0xc4, HASH_BYTES, ...bytesOf(hex)];

// [1, whose, [[height, block_id]], [model_id], []] as the module reads it.
export function askedRecord({ tip, trusted = [] } = {}) {
  if (trusted.length > MOST_TRUSTED) throw new TypeError("too many trusted models");
  const whose = new TextEncoder().encode(tip?.whose ?? "the tip that you gave");
  if (whose.length > MOST_WHOSE) throw new TypeError("nobody has so long a name");
  const blocks = tip === undefined ? list(0) : [...list(1), ...list(2), ...unsigned(tip.height), ...hash(tip.id)];
  const models = [...list(trusted.length), ...trusted.flatMap(hash)];
  return Uint8Array.from([...list(5), 1, 0xc4, whose.length, ...whose, ...blocks, ...models, ...list(0)]);
}

// The verdict on a receipt; each has an instance of its own. Throws what the module traps with.
export async function verdictOf(module, receipt, asked = askedRecord()) {
  if (receipt.byteLength > MOST_RECEIPT) {
    const detail = `has more than ${MOST_RECEIPT} bytes`;
    return { exit: 1, links: [{ name: "form", status: "fail", detail }] };
  }
  const { exports } = await WebAssembly.instantiate(module, {});
  const put = (bytes) => {
    const at = exports.esper_room(bytes.byteLength);
    new Uint8Array(exports.memory.buffer, at, bytes.byteLength).set(new Uint8Array(bytes));
    return at;
  };
  const [receiptAt, askedAt] = [put(receipt), put(asked)];
  const size = exports.esper_judge(receiptAt, receipt.byteLength, askedAt, asked.byteLength);
  if (size === 0) throw new Error("the verifier cannot read what it was asked");
  const text = new Uint8Array(exports.memory.buffer, exports.esper_verdict(), size);
  return JSON.parse(new TextDecoder("ascii").decode(text));
}

async function compiled() {
  const response = await fetch(MODULE);
  if (!response.ok) throw new Error(`the verifier was not served: ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  let module;
  self.onmessage = async ({ data }) => {
    try {
      module ??= await compiled();
      const verdict = await verdictOf(module, data.receipt, askedRecord(data));
      self.postMessage({ verdict });
    } catch (error) {
      self.postMessage({ failure: `the receipt was not judged: ${error.message}` });
    }
  };
}

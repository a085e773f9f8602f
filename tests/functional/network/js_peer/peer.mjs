// A js-libp2p node that speaks Esperchain's protocol, with nothing of Esperchain's own code.
//
//   node peer.mjs vectors FILE             reads the golden vectors and writes them again
//   node peer.mjs dial GENESIS ADDRESS     GENESIS: 64 bytes in hexadecimal
//   node peer.mjs listen GENESIS
//
// Prints one JSON object a line: {"listening": ...}, then {"done": ...}. Exits with 1 and says why on
// standard error if anything is not as it must be.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

const TALK_BELOW = 32
const TALK_BYTES = 64 << 10
const BULK_BYTES = 3 << 20
const PATIENCE_MS = 20_000
const TYPES = { hello: 0, ping: 1, pong: 2, bye: 3, getHeaders: 13, getBlocks: 14, proof: 33, headers: 35, body: 36 }
const BOTH_PARTS = 3
const ARCHIVE = 1
const TRANSACTIONS = 2
const AT_HEIGHT = 2
const LEAST_PROOF_BYTES = 1000
const say = (value) => console.log(JSON.stringify(value))

// MessagePack as the records use it: unsigned integers, byte strings, arrays, each in its shortest form.

function decode (bytes) {
  let at = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const take = (size) => {
    assert(at + size <= bytes.length, 'the record ends too early')
    at += size
    return at - size
  }
  const string = (size) => {
    const from = take(size)
    return bytes.slice(from, from + size)
  }
  const array = (size) => Array.from({ length: size }, value)
  function value () {
    const head = bytes[take(1)]
    if (head < 0x80) return BigInt(head)
    if (head >= 0x90 && head < 0xa0) return array(head & 15)
    switch (head) {
      case 0xc4: return string(bytes[take(1)])
      case 0xc5: return string(view.getUint16(take(2)))
      case 0xc6: return string(view.getUint32(take(4)))
      case 0xcc: return BigInt(bytes[take(1)])
      case 0xcd: return BigInt(view.getUint16(take(2)))
      case 0xce: return BigInt(view.getUint32(take(4)))
      case 0xcf: return view.getBigUint64(take(8))
      case 0xdc: return array(view.getUint16(take(2)))
      case 0xdd: return array(view.getUint32(take(4)))
    }
    assert.fail(`0x${head.toString(16)} begins nothing that is in a record`)
  }
  const found = value()
  assert.equal(at, bytes.length, 'bytes behind the record')
  return found
}

function wide (head, size, number) {
  const found = Buffer.alloc(1 + size)
  found[0] = head
  for (let place = size, rest = BigInt(number); place > 0; place--, rest >>= 8n) found[place] = Number(rest & 255n)
  return found
}

function encode (value) {
  if (Array.isArray(value)) {
    const size = value.length
    const head = size < 16 ? Buffer.of(0x90 | size) : size < 1 << 16 ? wide(0xdc, 2, size) : wide(0xdd, 4, size)
    return Buffer.concat([head, ...value.map(encode)])
  }
  if (value instanceof Uint8Array) {
    const size = value.length
    const head = size < 1 << 8 ? wide(0xc4, 1, size) : size < 1 << 16 ? wide(0xc5, 2, size) : wide(0xc6, 4, size)
    return Buffer.concat([head, value])
  }
  const number = BigInt(value)
  if (number < 0x80n) return Buffer.of(Number(number))
  const size = [1, 2, 4, 8].find((bytes) => number < 1n << BigInt(8 * bytes))
  return wide(0xcc + Math.log2(size), size, number)
}

function frame (type, fields) {
  const record = encode([1, ...fields])
  return Buffer.concat([wide(0, 4, 1 + record.length).subarray(1), Buffer.of(type), record])
}

// What the vectors name: a field's value as JSON has it.

const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return value < 1n << 53n ? Number(value) : String(value)
}
const unnamed = (value) => {
  if (Array.isArray(value)) return value.map(unnamed)
  return value !== null && typeof value === 'object' ? Object.values(value).map(unnamed) : value
}

function checkVectors (file) {
  const { messages } = JSON.parse(readFileSync(file, 'utf8'))
  for (const { case: name, fields, bytes, type, stream, frame: framed } of messages) {
    const record = Buffer.from(bytes, 'hex')
    const value = decode(record)
    assert.equal(encode(value).toString('hex'), bytes, name)
    assert.deepEqual(plain(value), unnamed(fields), name)
    const [version, ...rest] = value
    assert.equal(version, 1n, name)
    assert.equal(frame(type, rest).toString('hex'), framed, name)
    const found = new Frames(stream).feed(Buffer.from(framed, 'hex'))
    assert.deepEqual(found, [{ type, fields: rest }], name)
  }
  say({ done: messages.length })
}

// Requests for chunks of packages are talk as well, whatever their number.
const TALK_ABOVE = [48, 50]
const isTalk = (type) => type < TALK_BELOW || TALK_ABOVE.includes(type)

// Frames of a stream.

class Frames {
  constructor (stream) {
    this.stream = stream
    this.held = Buffer.alloc(0)
  }

  feed (data) {
    this.held = Buffer.concat([this.held, data])
    const found = []
    while (this.held.length >= 5) {
      const length = this.held.readUInt32BE(0)
      const type = this.held[4]
      assert.equal(isTalk(type) ? 'talk' : 'bulk', this.stream, `type ${type}`)
      assert(length >= 3 && length <= 1 + (isTalk(type) ? TALK_BYTES : BULK_BYTES), `${length} bytes`)
      if (this.held.length < 4 + length) break
      const [version, ...fields] = decode(this.held.subarray(5, 4 + length))
      assert.equal(version, 1n)
      found.push({ type, fields })
      this.held = this.held.subarray(4 + length)
    }
    return found
  }
}

class Side {
  // One stream: what came, by type, and who waits for it.
  constructor (name, stream, onFrame) {
    this.stream = stream
    this.came = []
    this.waiting = []
    this.reading = this.read(new Frames(name), onFrame)
    this.reading.catch(fail)
  }

  async read (frames, onFrame) {
    for await (const part of this.stream) {
      for (const one of frames.feed(Buffer.from(part.subarray()))) {
        onFrame?.(one)
        this.came.push(one)
        this.waiting.forEach((look) => look())
      }
    }
  }

  async send (type, fields) {
    if (!this.stream.send(frame(type, fields))) await this.stream.onDrain()
  }

  next (type) {
    return new Promise((resolve) => {
      const look = () => {
        const place = this.came.findIndex((one) => one.type === type)
        if (place < 0) return
        this.waiting = this.waiting.filter((other) => other !== look)
        resolve(this.came.splice(place, 1)[0].fields)
      }
      this.waiting.push(look)
      look()
    })
  }
}

// Names of blocks: SHA3-512 over a tag of 32 bytes and what it names.

function tagged (tag, ...parts) {
  const hash = createHash('sha3-512').update(Buffer.from(tag.padEnd(32, '\0')))
  parts.forEach((part) => hash.update(part))
  return hash.digest()
}

function readHeader (bytes) {
  const [pre, result, vrf, outputsHash, proofHash] = decode(bytes)
  const [version, genesis, parent, height] = pre
  assert.equal(version, 1n)
  const named = tagged('esper/vrf/proof/v1', encode(vrf))
  const id = tagged('esper/header/v1', encode(pre), result, named, outputsHash, proofHash)
  return { id, proofHash: Buffer.from(proofHash), genesis: Buffer.from(genesis), parent: Buffer.from(parent), height: Number(height) }
}

// The conversation; the same whoever dialled.

async function converse (talkStream, bulkStream, genesis) {
  const nonce = randomBytes(8).readBigUInt64BE()
  const claim = [0, Buffer.alloc(0), Buffer.alloc(64)]
  let pings = 0
  const talk = new Side('talk', talkStream, ({ type, fields }) => {
    if (type === TYPES.bye) fail(new Error(`the node says bye ${fields[0]}`))
    if (type !== TYPES.ping) return
    pings += 1
    talk.send(TYPES.pong, [fields[0], ...claim]).catch(fail)
  })
  const bulk = new Side('bulk', bulkStream)
  await talk.send(TYPES.hello, [
    genesis, nonce, TRANSACTIONS, ...claim, 1, 0, Buffer.alloc(16), Date.now(), Buffer.from('js-libp2p')
  ])

  const [theirGenesis, theirNonce, services, height, weight, tip] = await talk.next(TYPES.hello)
  assert.deepEqual(Buffer.from(theirGenesis), genesis)
  assert.notEqual(theirNonce, nonce)
  assert.equal(services & BigInt(ARCHIVE), BigInt(ARCHIVE))
  assert.equal(Number(height), AT_HEIGHT)
  assert(weight.length > 0 && weight[0] !== 0)

  await talk.send(TYPES.ping, [77, ...claim])
  const [echo, , , theirTip] = await talk.next(TYPES.pong)
  assert.equal(echo, 77n)
  assert.deepEqual(theirTip, tip)

  // From nothing that the node knows: what it serves begins behind its first block.
  await talk.send(TYPES.getHeaders, [1, [Buffer.alloc(64)], 128])
  const [number, fork, sent] = await bulk.next(TYPES.headers)
  assert.equal(number, 1n)
  const headers = sent.map(readHeader)
  assert.equal(headers.length, AT_HEIGHT)
  headers.reduce((parent, header, place) => {
    assert.deepEqual(header.genesis, genesis)
    assert.deepEqual(header.parent, parent)
    assert.equal(header.height, place + 1)
    return header.id
  }, Buffer.from(fork))
  const { id: last, proofHash } = headers.at(-1)
  assert.deepEqual(last, Buffer.from(tip))

  await talk.send(TYPES.getBlocks, [2, [last], BOTH_PARTS])
  const [bodyOf, bodyId, body] = await bulk.next(TYPES.body)
  const [proofOf, proofId, proof] = await bulk.next(TYPES.proof)
  assert.deepEqual([bodyOf, proofOf], [2n, 2n])
  assert.deepEqual([bodyId, proofId].map((id) => Buffer.from(id)), [last, last])
  assert(Array.isArray(decode(body)))
  assert(proof.length >= LEAST_PROOF_BYTES)
  assert.deepEqual(tagged('esper/work/proof/v1', proof), proofHash)
  while (pings === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    tip: last.toString('hex'), pings, headers: headers.length, body: body.length, proof: proof.length
  }
}

function fail (error) {
  console.error(error)
  process.exit(1)
}

async function makeNode () {
  // js-libp2p wants Node 22 for this alone.
  Promise.withResolvers ??= function () {
    const found = {}
    found.promise = new Promise((resolve, reject) => Object.assign(found, { resolve, reject }))
    return found
  }
  const { createLibp2p } = await import('libp2p')
  const { tcp } = await import('@libp2p/tcp')
  const { noise } = await import('@chainsafe/libp2p-noise')
  const { yamux } = await import('@chainsafe/libp2p-yamux')
  const { identify } = await import('@libp2p/identify')
  const { ping } = await import('@libp2p/ping')
  // Identify and its own pings stay on, as on any node of libp2p: ours must bear them.
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
    connectionMonitor: { pingInterval: 500, pingTimeout: { minTimeout: 400 } }
  })
}

async function main () {
  const [mode, argument, address] = process.argv.slice(2)
  if (mode === 'vectors') return checkVectors(argument)
  const node = await makeNode()
  const genesis = Buffer.from(argument, 'hex')
  const names = ['talk', 'bulk'].map((name) => `/esper/${genesis.subarray(0, 8).toString('hex')}/${name}/1`)
  const timer = setTimeout(() => fail(new Error('the conversation did not end')), PATIENCE_MS)
  let done
  if (mode === 'dial') {
    const { multiaddr } = await import('@multiformats/multiaddr')
    const connection = await node.dial(multiaddr(address))
    const streams = []
    for (const name of names) streams.push(await connection.newStream(name))
    done = await converse(...streams, genesis)
    // Some of the other side's pings, and of our library's, pass meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(connection.status, 'open')
  } else {
    const opened = names.map((name) => new Promise((resolve) => node.handle(name, resolve)))
    say({ listening: node.getMultiaddrs()[0].toString() })
    // From here on somebody has to dial us.
    done = await converse(...await Promise.all(opened), genesis)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(node.getConnections().length, 1)
  }
  clearTimeout(timer)
  say({ done })
  process.stdin.resume()
  process.stdin.on('end', () => process.exit(0))
}

main().catch(fail)

// Judges tokens with jose: one JSON string a line in, one word a line out.
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'
import { createLocalJWKSet, jwtVerify } from 'jose'

// Node.js 18 does not have it there yet.
globalThis.crypto ??= webcrypto

const peer = JSON.parse(process.env.PEER)
const keys = createLocalJWKSet({ keys: peer.keys })
const policy = {
  issuer: peer.issuer,
  audience: peer.audience,
  algorithms: peer.algorithms,
  typ: 'at+jwt',
  requiredClaims: ['iss', 'aud', 'exp', 'iat'],
  currentDate: new Date(peer.now * 1000),
}
const words = []
for await (const line of createInterface({ input: process.stdin })) {
  try {
    await jwtVerify(JSON.parse(line), keys, policy)
    words.push('accepted')
  } catch (refusal) {
    words.push(`refused ${refusal.code ?? refusal.name}`)
  }
}
console.log(words.join('\n'))

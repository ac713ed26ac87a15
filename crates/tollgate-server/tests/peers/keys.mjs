// Makes a key pair for private_key_jwt with jose: prints {"private":JWK,"public":{"keys":[JWK]}}.
import { webcrypto } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'

// Node.js 18 does not have it there yet.
globalThis.crypto ??= webcrypto

const alg = process.argv[2]
const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
const named = async (key) => ({ ...(await exportJWK(key)), alg, kid: `peer-${alg}`, use: 'sig' })
console.log(JSON.stringify({ private: await named(privateKey), public: { keys: [await named(publicKey)] } }))

// Makes a key pair for private_key_jwt with jose: prints {"private":JWK,"public":{"keys":[JWK]}}.
import { exportJWK, generateKeyPair } from 'jose'

const alg = process.argv[2]
const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
const named = async (key) => ({ ...(await exportJWK(key)), alg, kid: `peer-${alg}`, use: 'sig' })
console.log(JSON.stringify({ private: await named(privateKey), public: { keys: [await named(publicKey)] } }))

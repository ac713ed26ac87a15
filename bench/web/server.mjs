// Node's own server, which answers `GET /` with hello: node server.mjs PORT

import { createServer } from "node:http";

const hello = Buffer.from("hello");
const head = { "content-type": "text/plain; charset=utf-8", "content-length": hello.length };

const server = createServer((request, response) => {
  if (request.method === "GET" && request.url === "/") {
    response.writeHead(200, head).end(hello);
  } else {
    response.writeHead(404).end();
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1");

// A small server on Node's own http module: / greets, /healthz says it is well.
const http = require("node:http");

const { PORT = "8080", GREETING = "Hello", TOW_RELEASE = "none", TOW_INSTANCE = "none" } = process.env;

const server = http.createServer((request, response) => {
  const answer = (status, text) => {
    response.writeHead(status, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(text),
    });
    response.end(text);
  };
  const path = request.url.split("?")[0];
  if (path === "/") answer(200, `${GREETING}\nrelease ${TOW_RELEASE}, instance ${TOW_INSTANCE}\n`);
  else if (path === "/healthz") answer(200, "ok\n");
  else answer(404, "not here\n");
});

server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${PORT}`));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

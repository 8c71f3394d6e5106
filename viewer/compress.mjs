// Writes x.br and x.gz beside every built file that gets smaller by it, so that the server never compresses a request.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const COMPRESSIBLE = /\.(html|js|css|svg|json|pbf)$/;
const packers = {
  br: (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  gz: (body) => gzipSync(body, { level: 9 }),
};

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (COMPRESSIBLE.test(entry.name)) yield path;
  }
}

for (const path of files(process.argv[2])) {
  const body = readFileSync(path);
  for (const [ending, pack] of Object.entries(packers)) {
    const packed = pack(body);
    if (packed.length < body.length) writeFileSync(`${path}.${ending}`, packed);
  }
}

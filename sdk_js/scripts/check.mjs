// dist is what the sources build, and small enough. Exits 1 with the reasons otherwise.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundle, root, served, servedFiles } from './bundle.mjs';
import { ecommerceTypes, ecommerceTypesPath } from './ecommerce.mjs';

const MAX_SCRIPT_GZIP = 4608;
const MAX_STUB = 200;

const committed = (name, folder = join(root, 'dist')) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
};

const faults = [];
for (const [name, text] of await bundle())
  if (committed(name) !== text) faults.push(`dist/${name} is not what the sources build: npm run build`);
for (const name of servedFiles)
  if (committed(name, served) !== committed(name)) faults.push(`what the collector serves as ${name} is not dist/${name}: npm run build`);
if (readFileSync(ecommerceTypesPath, 'utf8') !== ecommerceTypes())
  faults.push('src/ecommerce.ts is not what schemas/ecommerce says: npm run build');

const script = gzipSync(committed('tropa.js') ?? '', { level: 9 }).length;
const stub = Buffer.byteLength(committed('stub.js') ?? '');
if (script > MAX_SCRIPT_GZIP) faults.push(`tropa.js is ${script} bytes gzip, more than ${MAX_SCRIPT_GZIP}`);
if (stub > MAX_STUB) faults.push(`the stub is ${stub} bytes, more than ${MAX_STUB}`);

console.log(`tropa.js ${script} bytes gzip (limit ${MAX_SCRIPT_GZIP}), stub ${stub} bytes (limit ${MAX_STUB})`);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundle, root, served, servedFiles } from './bundle.mjs';
import { writeEcommerceTypes } from './ecommerce.mjs';

writeEcommerceTypes();
const files = await bundle();
rmSync(join(root, 'dist'), { recursive: true, force: true });
for (const [name, text] of files) {
  const path = join(root, 'dist', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
for (const name of servedFiles) writeFileSync(join(served, name), files.get(name));

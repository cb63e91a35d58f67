// schemas/ecommerce → src/ecommerce.ts: types alone, not a byte in the bundle.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bundle.mjs';

export const ecommerceTypesPath = join(root, 'src/ecommerce.ts');

const schema = () => JSON.parse(readFileSync(join(root, '../schemas/ecommerce/events.schema.json'), 'utf8'));

const typeOf = (node) => {
  if (node.$ref) return node.$ref.split('/').pop();
  if (node.type === 'array') return `readonly ${node.items.$ref ? typeOf(node.items) : `{ ${fieldsOf(node.items).join(' ')} }`}[]`;
  return [node.type].flat().join(' | ');
};

const fieldsOf = ({ properties, required = [] }) =>
  Object.entries(properties).map(([name, node]) => `${name}${required.includes(name) ? '' : '?'}: ${typeOf(node)};`);

const interfaceOf = ([name, node]) =>
  [
    ...(node.description ? [`/** ${node.description} */`] : []),
    `export interface ${name} {`,
    ...fieldsOf(node).map((field) => `  ${field}`),
    '  [property: string]: unknown;',
    '}',
  ].join('\n');

/** The source of src/ecommerce.ts. */
export const ecommerceTypes = () => {
  const { description, properties, $defs } = schema();
  const events = Object.entries(properties).map(([name, node]) => `  '${name}': ${typeOf(node)};`);
  return [
    '// Generated from schemas/ecommerce by `npm run build`.\n',
    ...Object.entries($defs).map((entry) => `${interfaceOf(entry)}\n`),
    `/** ${description} */`,
    'export interface EcommerceEvents {',
    ...events,
    '}\n',
  ].join('\n');
};

export const writeEcommerceTypes = () => writeFileSync(ecommerceTypesPath, ecommerceTypes());
